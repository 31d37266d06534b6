"""What the worker does for backups: what people ask for, and the schedules."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import psycopg
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from apps.backups import services
from apps.backups.archive import layout
from apps.backups.archive.client import receiving
from apps.backups.archive.heartbeat import beat
from apps.backups.catalogue import Reason, State, backups
from apps.backups.connector import Report
from apps.backups.people import WORKER
from apps.backups.services.copying import LOCK as OFF_SITE
from apps.backups.services.going_back import said
from apps.backups.storage import is_held
from apps.core.jobs import Progress, Task, job_task
from apps.core.registry import every_minute

logger = logging.getLogger(__name__)


def _telling(progress: Progress) -> Report:
    """Return how a job tells its steps; where there is nothing new to say it only asks whether to stop."""
    last = ""

    def report(message: str) -> None:
        nonlocal last
        last = message or last
        progress.step(0, message=last)

    return report


@partial(job_task, only_one_waits=True)
def back_up(progress: Progress, *, by_name: str) -> str:
    """Back up the database; what is stored is named in the job's message."""
    backup = services.back_up(by=by_name, report=_telling(progress))
    return _("Stored %(name)s (%(size)s).") % {"name": backup.name, "size": filesizeformat(backup.size)}


@job_task
def run_test(progress: Progress, *, name: str, by_name: str) -> str:
    """Test a backup. One that fails its test is told as an error: somebody has to look."""
    test = services.run_test(name, by=by_name, report=_telling(progress))
    if not test.is_clean:
        raise ValidationError(_("It failed its test. ") + " ".join(test.findings)[:400], code="test")
    return _("It gives back what was backed up: every row, the schema, and books that check.")


@partial(job_task, only_one_waits=True)
def copy_off_site(progress: Progress, *, by_name: str) -> str:
    """Copy what was tested, and the archive, off site."""
    done = services.copy_off_site(by=by_name, report=_telling(progress))
    count, pieces = len(done.backups), f"{done.pieces:,}"
    told = ngettext("%(count)s backup was copied off site.", "%(count)s backups were copied off site.", count)
    if not done.pieces:
        return told % {"count": count}
    more = ngettext(
        "%(count)s piece of the archive too.", "%(count)s pieces of the archive too.", done.pieces
    )
    return f"{told % {'count': count}} {more % {'count': pieces}}"


def _scheduled(name: str, cron: str) -> Callable[[Callable[[], None]], Task]:
    """Run a function by the clock, or not at all where the setting is ``off``."""

    def register(function: Callable[[], None]) -> Task:
        async def run(timestamp: int) -> None:
            try:
                await sync_to_async(function)()
            except ValidationError as error:  # it is in the log of backups, and the start page turns red
                logger.error("%s: %s", name, " ".join(error.messages))

        task = app.task(name=f"apps.backups.tasks.{name}", queueing_lock=name)(run)
        if cron != "off":
            app.periodic(cron=cron)(task)
        return task

    return register


@partial(job_task, only_one_waits=True)
def make_base(progress: Progress, *, by_name: str) -> str:
    """Make a base backup of the archive."""
    name = services.make_base(by=by_name, report=_telling(progress))
    return _("The base backup %(name)s is verified.") % {"name": name}


@partial(job_task, only_one_waits=True)
def run_drill(progress: Progress, *, by_name: str) -> str:
    """Try the archive out; a moment that does not come back is told as an error."""
    found = services.drill(by=by_name, report=_telling(progress))
    return _("%(moment)s came back as it was noted, in %(seconds)s seconds.") % {
        "moment": said(found.moment),
        "seconds": found.seconds,
    }


@_scheduled("back_up_by_schedule", settings.BACKUP_SCHEDULE)
def _back_up() -> None:
    services.back_up(reason=Reason.SCHEDULED, by=WORKER)
    services.prune(by=WORKER)


@_scheduled("test_by_schedule", settings.BACKUP_TEST_SCHEDULE)
def _test() -> None:
    """Test the newest backup, and then those before it that nobody tested yet: only tested ones are kept."""
    waiting = [one for one in backups() if one.state == State.READ_BACK]
    for one in waiting[: settings.BACKUP_TESTS_A_NIGHT]:
        services.run_test(one.name, by=WORKER)
    services.prune(by=WORKER)


_BASES, _DRILLS = (
    (settings.ARCHIVE_BASE_SCHEDULE, settings.ARCHIVE_DRILL_SCHEDULE) if layout.is_on() else ("off", "off")
)


@_scheduled("base_by_schedule", _BASES)
def make_base_by_schedule() -> None:
    services.make_base(by=WORKER)


@_scheduled("drill_by_schedule", _DRILLS)
def _drill() -> None:
    services.drill(by=WORKER)


@every_minute.register
def look_after_archive() -> None:
    """
    Have the minute's heartbeat arrive in the archive; where the log began anew, ask for a base backup.

    Who asks waits in the queue once, however often it is asked for.
    """
    if not layout.is_on():
        return
    try:
        beat()
        services.drop_forgotten()
        if (name := receiving()) and not any(era.bases for era in layout.eras() if era.name == name):
            with suppress(AlreadyEnqueued):
                make_base_by_schedule.defer(timestamp=0)
    except ValidationError as error:
        logger.warning("%s", " ".join(error.messages))
    except (psycopg.Error, OSError) as error:
        logger.warning("No heartbeat: %s", str(error).strip())


@_scheduled("copy_off_site_by_schedule", settings.OFFSITE_SCHEDULE if settings.OFFSITE_BUCKET else "off")
def _copy_off_site() -> None:
    """Copy what is new, unless an earlier copy still runs."""
    if not is_held(OFF_SITE):
        services.copy_off_site(by=WORKER)
