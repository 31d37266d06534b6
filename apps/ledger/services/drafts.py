"""Drafts: entries that are still being written."""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from apps.core.history import sign
from apps.core.models import User
from apps.ledger.models import (
    Account,
    Contact,
    CostCentre,
    EntryKind,
    JournalEntry,
    JournalLine,
    TaxCode,
)
from apps.ledger.services.transactions import refusals_as_sentences, require
from apps.profiles.models import Client


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line to write: ``amount`` in base currency, ``foreign_amount`` in ``currency``, debit positive."""

    account: Account
    amount: Decimal
    memo: str = ""
    contact: Contact | None = None
    cost_centre: CostCentre | None = None
    due_date: datetime.date | None = None
    tax_code: TaxCode | None = None
    tax_base: Decimal | None = None
    currency: str = ""
    foreign_amount: Decimal | None = None
    rate: Decimal | None = None
    recodes: JournalLine | None = None


def draft_entry(
    *,
    client: Client,
    by: User,
    date: datetime.date,
    lines: Iterable[Line],
    kind: str = EntryKind.MANUAL,
    description: str = "",
    idempotency_key: UUID | None = None,
    reason: str = "",
    **facts: Any,
) -> JournalEntry:
    """
    Write a draft with its lines and their history; it need not balance yet.

    Raises PermissionDenied, and ValidationError with the guard's name as code (another client's
    account, too many decimals, the same ``idempotency_key`` a second time …).
    """
    entry = JournalEntry(
        client=client,
        date=date,
        kind=kind,
        description=description,
        created_by=by,
        idempotency_key=idempotency_key,
        **facts,
    )
    require(by, "ledger.add_journalentry", entry)
    sign(entry, by=by, reason=reason)
    with refusals_as_sentences():
        entry.save()
        bulk_create_with_history(
            [
                JournalLine(client=client, entry=entry, line_number=number, **vars(line))
                for number, line in enumerate(lines, start=1)
            ],
            JournalLine,
            default_user=by,
            default_change_reason=reason,
        )
    return entry


def save_draft(
    entry: JournalEntry,
    *,
    by: User,
    lines: Sequence[tuple[int | None, Line]],
    seen: int | None = None,
    reason: str = "",
    **facts: Any,
) -> JournalEntry:
    """
    Write over a draft: its facts, and its lines, each with the id of the line it replaces or None.

    Lines that are not named are removed; numbers follow the order given. ``seen`` is the version the
    person had before their eyes (``version_of``): where a colleague saved another one since, and it
    differs from this one, the save is refused once. Raises PermissionDenied, and ValidationError:
    ``gone``, ``posted``, ``changed``, or the name of the guard that refused.
    """
    require(by, "ledger.change_journalentry", entry)
    with refusals_as_sentences():
        stored = JournalEntry.objects.select_for_update(no_key=True).filter(pk=entry.pk).first()
        _refuse_unless_draft(stored)
        assert stored is not None  # noqa: S101  (refused above)
        before = {line.pk: line for line in stored.lines.order_by("line_number")}
        if is_written(stored, list(before.values()), lines=[line for _pk, line in lines], **facts):
            return stored  # a form sent twice
        if seen is not None and version_of(stored) != seen:
            raise ValidationError(who_changed_what(stored, seen), code="changed")
        for name, value in facts.items():
            setattr(stored, name, value)
        sign(stored, by=by, reason=reason)
        stored.save()  # also where only lines changed: its history is the version others have seen
        _write_lines(stored, before, lines, by=by, reason=reason)
    return stored


def delete_draft(entry: JournalEntry, *, by: User, reason: str = "") -> None:
    """Delete a draft with its lines; its history stays. Raises as ``save_draft``."""
    require(by, "ledger.delete_journalentry", entry)
    with refusals_as_sentences():
        stored = JournalEntry.objects.select_for_update(no_key=True).filter(pk=entry.pk).first()
        _refuse_unless_draft(stored)
        assert stored is not None  # noqa: S101  (refused above)
        records: list[Any] = [*stored.attachments.all(), *stored.lines.all(), stored]
        for record in records:
            sign(record, by=by, reason=reason)
            record.delete()


def version_of(entry: JournalEntry) -> int | None:
    """Return the number of an entry's newest version: every save of it or of its lines makes a new one."""
    versions = entry.history.order_by("-history_id")  # type: ignore[attr-defined]
    return versions.values_list("history_id", flat=True).first()


def is_written(
    entry: JournalEntry, stored: Sequence[JournalLine], *, lines: Sequence[Line], **facts: Any
) -> bool:
    """Whether an entry says exactly this already."""
    return (
        all(getattr(entry, name) == value for name, value in facts.items())
        and len(stored) == len(lines)
        and not any(_changes(one, line) for one, line in zip(stored, lines, strict=True))
    )


def _refuse_unless_draft(entry: JournalEntry | None) -> None:
    if entry is None:
        raise ValidationError(_("This draft is gone: somebody deleted it."), code="gone")
    if entry.is_posted:
        raise ValidationError(
            _("This is posted already, as entry %(number)s.") % {"number": entry.number}, code="posted"
        )


def _write_lines(
    entry: JournalEntry,
    before: dict[int, JournalLine],
    lines: Sequence[tuple[int | None, Line]],
    *,
    by: User,
    reason: str,
) -> None:
    """Remove, change and add lines, with history only for those that differ."""
    kept = {pk for pk, _line in lines if pk in before}
    for gone in before.values():
        if gone.pk not in kept:
            sign(gone, by=by, reason=reason)
            gone.delete()
    changed, added = [], []
    for number, (pk, line) in enumerate(lines, start=1):
        stored = before.get(pk) if pk is not None else None
        if stored is None:
            added.append(
                JournalLine(client_id=entry.client_id, entry=entry, line_number=number, **vars(line))
            )
        elif (changes := _changes(stored, line)) or stored.line_number != number:
            for name, value in {**changes, "line_number": number}.items():
                setattr(stored, name, value)
            changed.append(stored)
    said = {"default_user": by, "default_change_reason": reason}
    bulk_update_with_history(changed, JournalLine, [*CHANGEABLE, "line_number"], **said)
    bulk_create_with_history(added, JournalLine, **said)


#: What of a line a form may change; ``recodes`` stays with the line it was made for.
CHANGEABLE = [name for name in Line.__dataclass_fields__ if name != "recodes"]


def _changes(stored: JournalLine, line: Line) -> dict[str, Any]:
    """Return what a line would change, by name of the field."""
    changes = {
        name: getattr(line, name)
        for name in CHANGEABLE
        if getattr(stored, JournalLine._meta.get_field(name).attname)  # type: ignore[union-attr]
        != (value.pk if hasattr(value := getattr(line, name), "pk") else value)
    }
    if set(changes) == {"rate"} and line.rate is None:
        return {}  # the database worked it out of the two amounts, and would again
    return changes


def who_changed_what(entry: JournalEntry, seen: int) -> str:
    """Return a sentence: who saved the entry after version ``seen``, and what that changed."""
    records = entry.history.order_by("-history_id")  # type: ignore[attr-defined]
    newest, before = records.first(), records.filter(history_id=seen).first()
    names = newest.diff_against(before).changed_fields if before else []
    what = [str(entry._meta.get_field(name).verbose_name) for name in names]  # type: ignore[union-attr]
    since = before.history_date if before else entry.created_at
    if JournalLine.history.filter(entry_id=entry.pk, history_date__gt=since).exists():  # type: ignore[attr-defined]
        what.append(_("lines"))
    return _(
        "%(who)s has changed this since you opened it (%(what)s). What you typed is still here; "
        "save again to keep yours."
    ) % {"who": newest.history_user or _("Somebody"), "what": get_text_list(what, _("and")) or _("nothing")}
