"""Posting: the one step from a draft to the books."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from apps.core.models import User
from apps.ledger.models import EntryStatus, JournalEntry
from apps.ledger.services.transactions import because, lock_client, refusals_as_sentences, require


def post_entry(entry: JournalEntry, *, by: User, reason: str = "") -> JournalEntry:
    """
    Post a draft: the database asks every rule, numbers the entry, and freezes and chains its facts.

    ``reason`` is kept in the history, and needed in a soft-closed period. Returns the entry as it is
    stored. Raises PermissionDenied, and ValidationError with code ``posted`` or ``gone``, or the name of
    the guard that refused (``ledger_entry_balanced``, ``ledger_entry_period_locked`` …).
    """
    require(by, "ledger.post_journalentry", entry)
    with refusals_as_sentences(), because(reason):
        locked = JournalEntry.objects.select_for_update(no_key=True).filter(pk=entry.pk).first()
        if locked is None:
            raise ValidationError(_("This draft is gone: somebody deleted it."), code="gone")
        if locked.is_posted:
            raise ValidationError(
                _("This is posted already, as entry %(number)s.") % {"number": locked.number}, code="posted"
            )
        return _post(locked, by, reason)


def _post(entry: JournalEntry, by: User, reason: str) -> JournalEntry:
    lock_client(entry.client_id)
    JournalEntry.objects.filter(pk=entry.pk).update(status=EntryStatus.POSTED, posted_by=by)
    entry = JournalEntry.objects.get(pk=entry.pk)
    JournalEntry.history.bulk_history_create(  # type: ignore[attr-defined]
        [entry], update=True, default_user=by, default_change_reason=reason or _("Posted")
    )
    return entry


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
    second run goes on from there.
    """
    result = BulkPosting()
    for done, entry in enumerate(sorted(entries, key=lambda one: (one.date, one.pk)), start=1):
        try:
            with transaction.atomic():
                result.posted.append(post_entry(entry, by=by, reason=reason))
        except ValidationError as error:
            result.refused.append((entry, " ".join(error.messages)))
        after_each(done)
    return result
