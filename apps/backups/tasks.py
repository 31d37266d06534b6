from django.core.management import call_command
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from apps.backups.storage import newest_backup
from apps.core.jobs import Progress, job_task


@job_task
def back_up(progress: Progress) -> str:
    """Back up the database now; the file appears whole or not at all in the storage."""
    progress.step(0, message=_("Dumping the database."))
    call_command("dbbackup", verbosity=0)
    backup = newest_backup()
    return _("Stored %(name)s (%(size)s).") % {
        "name": backup.name if backup else "?",
        "size": filesizeformat(backup.size if backup else 0),
    }
