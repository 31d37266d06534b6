"""Files of journal entries that are too large to be looked through or imported while a person waits."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.core.jobs import Progress, job_task
from apps.core.models import User
from apps.ledger.models import JournalImport
from apps.ledger.services import imports


@job_task
def look_through_file(progress: Progress, *, user_id: int, import_id: int) -> str:
    """Look through an uploaded file; what would be done is on its page."""
    one = JournalImport.objects.select_related("client").get(pk=import_id)
    one = imports.look_through(one, by=User.objects.get(pk=user_id), after_some=progress.step)
    return (
        _("%(new)s new, %(changed)s changed, %(same)s here already, %(wrong)s wrong") % one.preview["counts"]
    )


@job_task
def import_file(progress: Progress, *, user_id: int, import_id: int) -> str:
    """Import a file that was looked through: whole or not at all."""
    one = JournalImport.objects.select_related("client").get(pk=import_id)
    one = imports.import_journal(
        one,
        by=User.objects.get(pk=user_id),
        after_some=lambda done, total: progress.step(done, of=total or None),
    )
    return ngettext("%(count)s entry imported", "%(count)s entries imported", one.entries) % {
        "count": one.entries
    }
