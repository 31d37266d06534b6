"""Corrections: what is posted stays, and another entry sets it right."""

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable

from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import formats
from django.utils.translation import gettext as _

from apps.core.models import User
from apps.ledger.models import (
    Account,
    EntryKind,
    EntryStatus,
    JournalEntry,
    JournalLine,
    Period,
    PeriodState,
)
from apps.ledger.services.drafts import Line, draft_entry
from apps.ledger.services.posting import post_entry
from apps.ledger.services.transactions import lock_client, refusals_as_sentences, require
from apps.profiles.models import Client

MOST_WORDS = JournalEntry._meta.get_field("description").max_length


def first_open_day(client: Client, day: datetime.date) -> datetime.date:
    """
    Return the first day from ``day`` on that can be posted to.

    Raises ValidationError (code ``no_open_period``) when every period from there on is closed or missing.
    """
    open_periods = Period.objects.filter(
        client=client, state=PeriodState.OPEN, is_adjusting=False, end__gte=day
    )
    period = open_periods.order_by("start").first()
    if period is None:
        raise ValidationError(
            _("There is no open period on or after %(day)s. Open the next fiscal year first.")
            % {"day": formats.date_format(day)},
            code="no_open_period",
        )
    return max(period.start, day)


def reversal_date(entry: JournalEntry) -> datetime.date:
    """Return the day a reversal is offered for: the entry's own while open, else the first open one."""
    assert entry.period  # noqa: S101  (a posted entry has one)
    return entry.date if entry.period.is_open else first_open_day(entry.client, entry.date)


def reverse_entry(
    entry: JournalEntry, *, by: User, date: datetime.date | None = None, reason: str = ""
) -> JournalEntry:
    """
    Post the mirror of a posted entry, and return it.

    Dated ``date``, else the entry's own day while its period is open, else the first open day after.
    The reversal of a closing or adjusting entry keeps that kind, so that reports which leave those out
    leave out both. Raises PermissionDenied, and ValidationError: ``not_posted``, ``reversed``,
    ``no_open_period``, or the name of the guard that refused.
    """
    require(by, "ledger.post_journalentry", entry)
    with refusals_as_sentences():
        entry = JournalEntry.objects.select_for_update(no_key=True).get(pk=entry.pk)
        if not entry.is_posted:
            raise ValidationError(_("Only a posted entry is reversed: change the draft."), code="not_posted")
        if reversal := JournalEntry.objects.filter(reverses=entry).first():
            raise ValidationError(
                _("This is reversed already, by entry %(number)s of %(date)s.")
                % {"number": reversal.number, "date": formats.date_format(reversal.date)},
                code="reversed",
            )
        keeps_kind = entry.kind in (EntryKind.CLOSING, EntryKind.ADJUSTING)
        reversal = draft_entry(
            client=entry.client,
            by=by,
            date=date or reversal_date(entry),
            kind=entry.kind if keeps_kind else EntryKind.REVERSAL,
            description=(
                _("Reversal of entry %(number)s: %(description)s")
                % {"number": entry.number, "description": entry.description}
            )[:MOST_WORDS],
            document_number=entry.document_number,
            document_date=entry.document_date,
            reverses=entry,
            reason=reason,
            lines=[_moved(line, line.account, -1) for line in _lines(entry.lines.order_by("line_number"))],
        )
        return post_entry(reversal, by=by, reason=reason)


def recode(
    lines: Collection[JournalLine], *, account: Account, by: User, reason: str = ""
) -> list[JournalEntry]:
    """
    Move posted lines to another account, and return the entries that did it: one for each day.

    The lines themselves, and whatever they are matched to, stay. A recoding is dated like its line while
    that period is open, else on the first open day after; one of adjustments is an adjustment itself.
    All lines are moved or none. Raises PermissionDenied, and ValidationError: ``other_client``,
    ``recoded``, ``same_account``, ``no_open_period``, or the name of the guard that refused.
    """
    require(by, "ledger.recode_journalline", account)
    with refusals_as_sentences():
        # Entries first, in order, and the client after them: the order that everything locks in.
        found = _lines(
            JournalLine.objects.filter(pk__in=[line.pk for line in lines], client=account.client_id)
        )
        if len(found) != len({line.pk for line in lines}):
            raise ValidationError(_("These lines are not all of one client."), code="other_client")
        entries = {line.entry_id for line in found}
        list(JournalEntry.objects.select_for_update(no_key=True).filter(pk__in=entries).order_by("pk"))
        lock_client(account.client_id)
        _refuse_odd(found, account)
        together: dict[tuple[datetime.date, str], list[JournalLine]] = defaultdict(list)
        for line in found:
            kind = EntryKind.ADJUSTING if line.kind == EntryKind.ADJUSTING else EntryKind.RECODE
            together[reversal_date(line.entry), kind].append(line)
        return [
            _recode_on(day, moved, kind=kind, account=account, by=by, reason=reason)
            for (day, kind), moved in sorted(together.items())
        ]


def unrecoded(lines: Iterable[JournalLine]) -> set[int]:
    """Return the ids of those lines that no recoding in force has taken back."""
    ids = [line.pk for line in lines]
    return set(ids) - set(_recodings(ids).values_list("recodes_id", flat=True))


def _recode_on(
    day: datetime.date, lines: list[JournalLine], *, kind: str, account: Account, by: User, reason: str
) -> JournalEntry:
    pairs = [
        one
        for line in lines
        for one in (_moved(line, line.account, -1, recodes=line), _moved(line, account, 1))
    ]
    numbers = sorted({line.entry.number or 0 for line in lines})
    entry = draft_entry(
        client=account.client,
        by=by,
        date=day,
        kind=kind,
        description=(
            _("Recoded to %(account)s: entry %(numbers)s")
            % {
                "account": account,
                "numbers": ", ".join(map(str, numbers[:10])) + ("…" if numbers[10:] else ""),
            }
        )[:MOST_WORDS],
        reason=reason,
        lines=pairs,
    )
    return post_entry(entry, by=by, reason=reason)


def _refuse_odd(lines: list[JournalLine], account: Account) -> None:
    for line in lines:
        if line.account_id == account.pk:
            raise ValidationError(
                _("Entry %(number)s is on %(account)s already.")
                % {"number": line.entry.number, "account": account},
                code="same_account",
            )
    if len(unrecoded(lines)) < len(lines):
        raise ValidationError(
            _("One of these lines is recoded already: recode the line that took its place."), code="recoded"
        )


def _recodings(line_ids: Iterable[int]) -> QuerySet[JournalLine]:
    undone = JournalEntry.objects.filter(reverses=OuterRef("entry"), status=EntryStatus.POSTED)
    return JournalLine.objects.filter(recodes__in=list(line_ids), is_posted=True).exclude(Exists(undone))


def _lines(queryset: QuerySet[JournalLine]) -> list[JournalLine]:
    related = ("account", "contact", "cost_centre", "tax_code", "entry__client", "entry__period")
    return list(queryset.select_related(*related))


def _moved(line: JournalLine, account: Account, sign: int, recodes: JournalLine | None = None) -> Line:
    return Line(
        account=account,
        amount=sign * line.amount,
        memo=line.memo,
        contact=line.contact,
        cost_centre=line.cost_centre,
        due_date=line.due_date,
        tax_code=line.tax_code,
        tax_base=sign * line.tax_base if line.tax_base is not None else None,
        currency=line.currency,
        foreign_amount=sign * line.foreign_amount if line.foreign_amount is not None else None,
        rate=line.rate,
        recodes=recodes,
    )
