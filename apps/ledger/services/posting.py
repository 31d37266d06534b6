"""Posting: the one step from a draft to the books."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import formats
from django.utils.translation import gettext as _

from apps.core.models import User
from apps.ledger.models import EntryStatus, JournalEntry, Period
from apps.ledger.services.transactions import because, lock_entries, refusals_as_sentences, require
from apps.profiles.codes import decimal_places

POST = """
    UPDATE ledger_journalentry SET status = %s, posted_by_id = %s WHERE id = %s AND status = %s RETURNING *
"""


def post_entry(entry: JournalEntry, *, by: User, reason: str = "") -> JournalEntry:
    """
    Post a draft: the database asks every rule, numbers the entry, and freezes and chains its facts.

    ``reason`` is kept in the history, and needed in a soft-closed period. Returns the entry as it is
    stored. Raises PermissionDenied, and ValidationError with code ``posted`` or ``gone``, or the name of
    the guard that refused (``ledger_entry_balanced``, ``ledger_entry_period_locked`` …).
    """
    require(by, "ledger.post_journalentry", entry)
    with _refusals_told(entry), refusals_as_sentences(), because(reason):
        # One statement: it locks the entry, its guard locks the client, asks every rule and sets the rest.
        posted = list(
            JournalEntry.objects.raw(POST, [EntryStatus.POSTED, by.pk, entry.pk, EntryStatus.DRAFT])
        )
        if not posted:
            raise _not_a_draft(entry)
        JournalEntry.history.bulk_history_create(  # type: ignore[attr-defined]
            posted, update=True, default_user=by, default_change_reason=reason
        )
    return posted[0]


def _not_a_draft(entry: JournalEntry) -> ValidationError:
    number = JournalEntry.objects.filter(pk=entry.pk).values_list("number", flat=True).first()
    if number is None:
        return ValidationError(_("This draft is gone: somebody deleted it."), code="gone")
    return ValidationError(
        _("This is posted already, as entry %(number)s.") % {"number": number}, code="posted"
    )


@contextmanager
def _refusals_told(entry: JournalEntry) -> Iterator[None]:
    """Say of a refusal what it is about: by how much, which account, which period."""
    try:
        yield
    except ValidationError as error:
        if about := _about(entry, getattr(error, "code", "")):
            raise ValidationError(about, code=error.code) from error
        raise


def _about(entry: JournalEntry, code: str) -> str:
    match code:
        case "ledger_entry_balanced":
            difference = entry.imbalance()
            words = (
                _("Debits exceed credits by %(amount)s.")
                if difference > 0
                else _("Credits exceed debits by %(amount)s.")
            )
            decimals = decimal_places(entry.client.base_currency)
            return words % {"amount": formats.number_format(abs(difference), decimals)}
        case "ledger_entry_postable_accounts" | "ledger_entry_active_accounts":
            is_heading = code == "ledger_entry_postable_accounts"
            wrong = {"account__is_postable": False} if is_heading else {"account__is_active": False}
            account = entry.lines.filter(**wrong).select_related("account")[0].account
            return (
                _("%(account)s is a heading and cannot be posted to. Choose an account under it.")
                if is_heading
                else _("%(account)s is inactive. Choose another account, or make it active again.")
            ) % {"account": account}
        case "ledger_entry_has_period":
            return _("There is no period for %(day)s. Open its fiscal year first.") % {
                "day": formats.date_format(entry.date)
            }
        case "ledger_entry_period_locked" | "ledger_entry_period_soft_closed":
            period = Period.objects.filter(
                client=entry.client_id, is_adjusting=False, start__lte=entry.date, end__gte=entry.date
            ).get()
            return (
                _("%(period)s is locked. Choose a later date, or ask a manager to reopen it.")
                if code == "ledger_entry_period_locked"
                else _("%(period)s is soft-closed. A reviewer posts into it with a reason.")
            ) % {"period": period}
    return ""


@dataclass
class BulkPosting:
    """What became of many drafts: the entries posted, and the others with why not."""

    posted: list[JournalEntry] = field(default_factory=list)
    refused: list[tuple[JournalEntry, str]] = field(default_factory=list)

    def __str__(self) -> str:
        said = _("%(posted)s posted, %(refused)s refused") % {
            "posted": len(self.posted),
            "refused": len(self.refused),
        }
        reasons: dict[str, int] = {}
        for _entry, why in self.refused:
            reasons[why] = reasons.get(why, 0) + 1
        return ": ".join(
            [said, *(["; ".join(f"{count} × {why}" for why, count in reasons.items())] if reasons else [])]
        )


def post_entries(
    entries: Iterable[JournalEntry],
    *,
    by: User,
    reason: str = "",
    after_each: Callable[[int], Any] = lambda done: None,
) -> BulkPosting:
    """
    Post many drafts, oldest first; each is posted or refused for itself, and the result says why.

    Each is a transaction of its own, so what was posted before an interruption stays posted and a
    second run goes on from there. Inside another transaction all drafts are locked first, in order:
    two that post many at once then wait for each other once, and never in a circle.
    """
    result = BulkPosting()
    entries = sorted(entries, key=lambda one: (one.date, one.pk))
    if transaction.get_connection().in_atomic_block:
        lock_entries(entry.pk for entry in entries)
    for done, entry in enumerate(entries, start=1):
        try:
            with transaction.atomic():
                result.posted.append(post_entry(entry, by=by, reason=reason))
        except ValidationError as error:
            result.refused.append((entry, " ".join(error.messages)))
        after_each(done)
    return result
