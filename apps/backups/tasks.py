"""What the worker does for backups: what people ask for, and the schedules."""

import logging
from collections.abc import Callable
from functools import partial

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from procrastinate.contrib.django import app

from apps.backups import services
from apps.backups.catalogue import Reason, State, backups
from apps.backups.connector import Report
from apps.backups.people import WORKER
from apps.core.jobs import Progress, job_task

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


def _scheduled(name: str, cron: str) -> Callable[[Callable[[], None]], None]:
    """Run a function by the clock, or not at all where the setting is ``off``."""

    def register(function: Callable[[], None]) -> None:
        async def run(timestamp: int) -> None:
            try:
                await sync_to_async(function)()
            except ValidationError as error:  # it is in the log of backups, and the start page turns red
                logger.error("%s: %s", name, " ".join(error.messages))

        task = app.task(name=f"apps.backups.tasks.{name}", queueing_lock=name)(run)
        if cron != "off":
            app.periodic(cron=cron)(task)

    return register


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
