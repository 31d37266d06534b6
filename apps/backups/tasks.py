from functools import partial

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from apps.backups import services
from apps.core.jobs import Progress, job_task


@partial(job_task, only_one_waits=True)
def back_up(progress: Progress) -> str:
    """Back up the database; what is stored is named in the job's message."""
    progress.step(0, message=_("Copying the database."))
    backup = services.back_up()
    return _("Stored %(name)s (%(size)s).") % {"name": backup.name, "size": filesizeformat(backup.size)}
