"""What is done again starts with a clean slate, and what still waits or runs is never cleared away."""

import pytest
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from apps.core import jobs
from apps.core.models import Job, JobState
from apps.core.tasks import _clear_old_jobs
from tests import tasks
from tests.core.test_jobs import fresh, work
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)


def stopped_while_waiting():
    job = jobs.start(tasks.slow, by=make_user(), title="Slow", steps=2)
    jobs.cancel(fresh(job))
    return job


def stopped_while_running():
    job = jobs.start(tasks.slow, by=make_user(), title="Slow", steps=2)
    Job.objects.filter(pk=job.pk).update(cancel_requested=True)
    work()
    return job


def put_in_queue(status, job=None):
    """Queue a run that came to this status years ago, of a job or of the housekeeping; return its number."""
    number = job.run_id if job else tasks.slow.defer(job_id=0)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = %s::procrastinate_job_status WHERE id = %s",
            [status, number],
        )
        cursor.execute("UPDATE procrastinate_events SET at = '2001-01-01' WHERE job_id = %s", [number])
    return number


def runs():
    return set(ProcrastinateJob.objects.values_list("id", flat=True))


@pytest.mark.parametrize("stopped", [stopped_while_waiting, stopped_while_running])
def test_a_stopped_job_that_is_done_again_is_not_stopped_again(stopped):
    job = stopped()
    assert fresh(job).state == JobState.CANCELLED
    jobs.run_again(fresh(job))
    again = fresh(job)
    assert (again.state, again.cancel_requested, again.cancelled) == (JobState.WAITING, False, False)
    work()
    assert (fresh(job).state, fresh(job).message) == (JobState.DONE, "All done.")


def test_a_job_that_is_done_again_forgets_how_it_ended():
    job = jobs.start(tasks.slow, by=make_user(), title="Slow", steps=2)
    work()
    jobs.run_again(fresh(job))
    again = fresh(job)
    assert (again.done, again.total, again.message, again.ended_at) == (0, None, "", None)


@pytest.mark.parametrize("status", ["todo", "doing"])
def test_housekeeping_that_waits_or_runs_is_kept_however_old(status):
    kept, over = put_in_queue(status), put_in_queue("succeeded")
    assert runs() == {kept, over}
    _clear_old_jobs()
    assert runs() == {kept}


@pytest.mark.parametrize("status", ["todo", "doing"])
def test_a_persons_job_that_waits_or_runs_is_kept_however_old(status):
    kept, over = (jobs.start(tasks.slow, by=make_user(), title="Slow") for _ in range(2))
    number = put_in_queue(status, kept)
    put_in_queue("succeeded", over)
    Job.objects.update(asked_at="2001-01-01T00:00Z")
    Job.objects.filter(pk=over.pk).update(ended_at="2001-01-01T00:00Z")
    _clear_old_jobs()
    assert list(Job.objects.values_list("pk", "run_id")) == [(kept.pk, number)]
    assert runs() == {number}
