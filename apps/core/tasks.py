"""What the worker does for itself."""

import logging
from datetime import timedelta

from asgiref.sync import sync_to_async
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from procrastinate.contrib.django import app
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Job as QueuedJob
from procrastinate.jobs import Status

from apps.core.imports import KEPT_FOR, UPLOADS
from apps.core.models import Job

logger = logging.getLogger(__name__)

MOST_CRASHES = 3
KEEP_JOBS = timedelta(days=90)
KEEP_HOUSEKEEPING = timedelta(days=2)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="pick_up_lost_jobs")
async def pick_up_lost_jobs(timestamp: int) -> None:
    """Queue again what a killed worker left unfinished, unless it seems to be what kills workers."""
    for job in await app.job_manager.get_stalled_jobs():
        asked_for = Job.objects.filter(run_id=job.id)
        await asked_for.aupdate(crashes=F("crashes") + 1)
        if await asked_for.filter(crashes__gte=MOST_CRASHES).aexists():
            await _give_up(job, _("Its worker died of it too often."))
            continue
        try:
            await app.job_manager.retry_job(job)
        except UniqueViolation:  # of some work only one may wait, and another was asked for meanwhile
            await _give_up(job, _("Interrupted, and the same is waiting to be done already."))
        else:
            logger.warning("Job %s was left by its worker and is queued again.", job.id)


async def _give_up(job: QueuedJob, message: str) -> None:
    logger.error("Job %s was left by its worker and is given up: %s", job.id, message)
    await app.job_manager.finish_job(job, Status.FAILED, delete_job=False)
    await Job.objects.filter(run_id=job.id).aupdate(ended_at=timezone.now(), message=message)


@app.periodic(cron="17 3 * * *")
@app.task(queueing_lock="clear_old_jobs")
async def clear_old_jobs(timestamp: int) -> None:
    """Forget jobs nobody will ask about any more."""
    await sync_to_async(_clear_old_jobs)()


def _clear_old_uploads() -> None:
    """Delete files that were looked at and never imported."""
    storage = storages["imports"]
    if not storage.exists(UPLOADS):
        return
    oldest = timezone.now() - timedelta(seconds=KEPT_FOR)
    for name in storage.listdir(UPLOADS)[1]:
        if storage.get_modified_time(f"{UPLOADS}/{name}") < oldest:
            storage.delete(f"{UPLOADS}/{name}")


def _clear_old_jobs() -> None:
    call_command("clearsessions")
    _clear_old_uploads()
    Job.objects.filter(ended_at__lt=timezone.now() - KEEP_JOBS).delete()
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM procrastinate_jobs queued WHERE status NOT IN ('todo', 'doing')"
            " AND NOT EXISTS (SELECT FROM core_job WHERE core_job.run_id = queued.id)"
            " AND (SELECT max(at) FROM procrastinate_events WHERE job_id = queued.id) < %s",
            [timezone.now() - KEEP_HOUSEKEEPING],
        )
