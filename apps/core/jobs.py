"""
Jobs: work a person asked for that takes longer than a request.

A task is written as a plain function that gets a Progress first::

    @job_task
    def count_sheep(progress: Progress, *, night: str) -> str:
        for number, sheep in enumerate(flock):
            progress.step(number, of=len(flock))
        return "All are there."

    start(count_sheep, by=request.user, title=_("Count sheep"), night="2026-11-22")

The worker may be killed at any moment and the job then starts again from its beginning, so a task
does its work in one transaction, or in steps that can be repeated.
"""

import time
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate import tasks as queue_tasks
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued, JobAborted
from procrastinate.job_context import JobContext
from procrastinate.jobs import Job as QueuedJob

from apps.core.models import Job, User

Task = queue_tasks.Task[Any, Any, Any]
SECONDS_BETWEEN_REPORTS = 0.5
CONNECTION_LOST = (OperationalError, InterfaceError)
MOST_RECONNECTS = 6  # waiting twice as long each time: about a minute in all


class JobCancelled(Exception):
    """Somebody asked this job to stop; what it did so far is rolled back."""


class AgainWhenInterrupted(BaseRetryStrategy):
    """
    A job goes back into the queue when its worker was told to go or its database went away.

    Neither is the job's fault. A database that is away again and again may be, so that ends.
    """

    def get_retry_decision(self, *, exception: BaseException, job: QueuedJob) -> RetryDecision | None:
        if isinstance(exception, JobAborted):
            return RetryDecision(retry_in={"seconds": 0})
        if isinstance(exception, CONNECTION_LOST) and job.attempts < MOST_RECONNECTS:
            return RetryDecision(retry_in={"seconds": 2**job.attempts})
        return None


class Progress:
    """
    How far a job is, told to the person who waits for it.

    Reports go through a connection of their own: the job's transaction is not committed yet.
    """

    def __init__(self, job_id: int, context: JobContext) -> None:
        self._job_id, self._context = job_id, context
        self._reported = 0.0

    def __enter__(self) -> "Progress":
        self._connection = connection.copy()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def step(self, done: int, *, of: int | None = None, message: str = "") -> None:
        """
        Report ``done`` units out of ``of``; cheap enough to call for every row.

        Raises JobCancelled when somebody asked the job to stop, JobAborted when the worker is stopping.
        """
        now = time.monotonic()
        if now - self._reported < SECONDS_BETWEEN_REPORTS and done != of:
            return
        self._reported = now
        if self._context.should_abort():
            raise JobAborted
        with self._connection.cursor() as cursor:
            cursor.execute(
                "UPDATE core_job SET done = %s, total = %s, message = %s WHERE id = %s"
                " RETURNING cancel_requested",
                [done, of, message[:500], self._job_id],
            )
            if cursor.fetchone() == (True,):
                raise JobCancelled


def job_task(function: Callable[..., str], *, only_one_waits: bool = False) -> Task:
    """
    Make a task out of ``function(progress, **arguments)``, which returns what a person reads at its end.

    A ValidationError or CommandError it raises is shown to that person; of anything else they learn
    only that it failed, and the log has the rest.
    """

    @wraps(function)
    def run(context: JobContext, *, job_id: int, **arguments: Any) -> None:
        Job.objects.filter(pk=job_id).update(done=0, total=None, message="", ended_at=None)
        with Progress(job_id, context) as progress:
            try:
                _refuse_without_right(Job.objects.select_related("asked_by").get(pk=job_id))
                message = function(progress, **arguments)
            except JobCancelled:
                _end(job_id, _("Stopped as asked."), cancelled=True)
            except JobAborted:
                raise
            except CONNECTION_LOST:
                if context.job.attempts >= MOST_RECONNECTS:
                    _end(job_id, _("The database went away too often."))
                raise
            except Exception as error:
                _end(job_id, _what_went_wrong(error))
                raise
            else:
                _end(job_id, message, done=Coalesce("total", "done"))

    name = f"{function.__module__}.{function.__name__}"
    lock = name if only_one_waits else None
    return app.task(name=name, pass_context=True, retry=AgainWhenInterrupted(), queueing_lock=lock)(run)


@transaction.atomic
def start(
    task: Task, *, by: User, title: str, permission: str = "", client_id: int | None = None, **arguments: Any
) -> Job:
    """
    Queue a task for the worker and return the job to follow; both exist or neither.

    ``permission`` is asked again when the job starts and when it is done again, for the client it is
    about. Raises ValidationError (code ``waiting``) when only one may wait and one does.
    """
    job = Job.objects.create(title=title, asked_by=by, client_id=client_id, permission=permission)
    job.run_id = _queue(task, job_id=job.pk, **arguments)
    job.save(update_fields=["run"])
    return job


def cancel(job: Job) -> None:
    """
    Ask a job to stop: at once while it waits, at its next step while it runs.

    Raises ValidationError (code ``over``) when it has ended.
    """
    if job.is_over:
        raise ValidationError(_("This job is over."), code="over")
    Job.objects.filter(pk=job.pk).update(cancel_requested=True)
    if job.run and app.job_manager.cancel_job_by_id(job.run.id):  # False once it runs: Progress sees the wish
        Job.objects.filter(pk=job.pk).update(ended_at=timezone.now())


@transaction.atomic
def run_again(job: Job) -> None:
    """
    Queue the same work once more, under the same job.

    Raises ValidationError: code ``not over`` while it still runs, ``lost`` when the queue no longer
    knows what the work was, ``right`` when who asked for it may no longer do this, ``waiting`` as for
    ``start``.
    """
    job = Job.objects.select_for_update(of=["self"]).select_related("run", "asked_by").get(pk=job.pk)
    _refuse_without_right(job)
    if not job.is_over:
        raise ValidationError(_("This job has not ended yet."), code="not over")
    if job.run is None or job.run.task_name not in app.tasks:
        raise ValidationError(_("What this job had to do is no longer known. Start it anew."), code="lost")
    job.run_id = _queue(app.tasks[job.run.task_name], **job.run.args)
    job.done, job.total, job.message, job.ended_at = 0, None, "", None
    job.cancel_requested, job.cancelled, job.crashes = False, False, 0
    job.save()


def _queue(task: Task, **arguments: Any) -> int:
    try:
        return task.defer(**arguments)
    except AlreadyEnqueued:
        raise ValidationError(_("This is waiting to be done already."), code="waiting") from None


def _refuse_without_right(job: Job) -> None:
    if job.permission and not job.asked_by.has_perm(job.permission, job):
        raise ValidationError(_("The right to do this was taken away."), code="right")


def _end(job_id: int, message: str, **facts: Any) -> None:
    Job.objects.filter(pk=job_id).update(ended_at=timezone.now(), message=message[:500], **facts)


def _what_went_wrong(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    if isinstance(error, CommandError):
        return str(error)
    return _("This failed for a reason that is in the log.")
