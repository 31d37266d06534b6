"""Posting more drafts than a request can wait for."""

from django.utils.translation import gettext as _

from apps.core.access import visible
from apps.core.jobs import Progress, job_task
from apps.core.models import User
from apps.ledger.models import EntryStatus, JournalEntry
from apps.ledger.services import post_entries


@job_task
def post_drafts(progress: Progress, *, user_id: int, entry_ids: list[int], reason: str) -> str:
    """
    Post many drafts, each for itself; cut short, a second run goes on with those that are drafts still.

    Rights are asked anew: what the person may no longer post is left alone.
    """
    user = User.objects.get(pk=user_id)
    drafts = JournalEntry.objects.filter(pk__in=entry_ids, status=EntryStatus.DRAFT).select_related("client")
    entries = list(visible(drafts, user, "ledger.post_journalentry"))
    result = post_entries(
        entries, by=user, reason=reason, after_each=lambda done: progress.step(done, of=len(entries))
    )
    left = len(entry_ids) - len(entries)
    return str(result) + (_(" %(left)s were posted already or are gone.") % {"left": left} if left else "")
