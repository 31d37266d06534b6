"""Jobs: asked for, followed, stopped, done again, and picked up when their worker is killed."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.db import connection, connections, transaction
from django.urls import reverse
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from apps.backups.tasks import back_up
from apps.core import jobs
from apps.core.models import Job, JobState
from apps.core.tasks import MOST_CRASHES, _clear_old_jobs, pick_up_lost_jobs
from apps.profiles.roles import Role
from tests import tasks
from tests.factories import make_client, make_job, make_staff, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def in_worker(act):
    """Run something with the worker's connection, in a thread: browser tests have a loop in this one."""

    async def run():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        async with app.open_async():
            await act()
        for one_thread in (True, False):  # left open, they would keep the test database from being dropped
            await sync_to_async(connections.close_all, thread_sensitive=one_thread)()

    with app.replace_connector(app.connector.get_worker_connector()), ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


def work():
    """Let a worker do what waits, then stop."""
    in_worker(lambda: app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False))


def leave_unfinished(job, crashes=0):
    """Make a job look like one whose worker was killed: taken, and nobody there to finish it."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [job.run_id])
    Job.objects.filter(pk=job.pk).update(crashes=crashes)


def pick_up():
    in_worker(lambda: pick_up_lost_jobs.func(0))


def fresh(job):
    return Job.objects.select_related("run").get(pk=job.pk)


def test_a_job_is_done_and_says_so():
    job = jobs.start(tasks.slow, by=make_user(), title="Slow", steps=2)
    assert fresh(job).state == JobState.WAITING
    work()
    job = fresh(job)
    assert (job.state, job.message, job.percent) == (JobState.DONE, "All done.", 100)
    assert job.ended_at is not None


def test_a_job_and_its_place_in_the_queue_come_into_being_together():
    with transaction.atomic():
        jobs.start(tasks.slow, by=make_user(), title="Slow")
        transaction.set_rollback(True)
    assert not Job.objects.exists()
    assert not ProcrastinateJob.objects.exists()


@pytest.mark.parametrize(
    ("politely", "message"),
    [
        (True, "The file has no rows."),
        (False, "This failed for a reason that is in the log."),
    ],
)
def test_a_failure_is_a_sentence_and_no_inside_detail(politely, message):
    job = jobs.start(tasks.failing, by=make_user(), title="Fails", politely=politely)
    work()
    assert (fresh(job).state, fresh(job).message) == (JobState.FAILED, message)


def test_a_waiting_job_is_stopped_at_once():
    job = jobs.start(tasks.slow, by=make_user(), title="Slow")
    jobs.cancel(fresh(job))
    work()
    assert fresh(job).state == JobState.CANCELLED
    assert fresh(job).done == 0


def test_a_running_job_is_stopped_at_its_next_step():
    job = jobs.start(tasks.slow, by=make_user(), title="Slow", steps=50)
    Job.objects.filter(pk=job.pk).update(cancel_requested=True)
    work()
    assert fresh(job).state == JobState.CANCELLED
    assert fresh(job).message == "Stopped as asked."


def test_what_is_over_cannot_be_stopped():
    job = jobs.start(tasks.slow, by=make_user(), title="Slow", steps=1)
    work()
    with pytest.raises(ValidationError) as caught:
        jobs.cancel(fresh(job))
    assert caught.value.code == "over"


def test_a_failed_job_is_done_again_under_the_same_name():
    job = jobs.start(tasks.failing, by=make_user(), title="Fails", politely=True)
    work()
    jobs.run_again(fresh(job))
    assert fresh(job).state == JobState.WAITING
    assert fresh(job).message == ""
    work()
    assert fresh(job).state == JobState.FAILED
    assert Job.objects.count() == 1


@pytest.mark.parametrize("code", ["not over", "lost"])
def test_not_every_job_can_be_done_again(code):
    job = (
        jobs.start(tasks.slow, by=make_user(), title="Slow") if code == "not over" else make_job(make_user())
    )
    with pytest.raises(ValidationError) as caught:
        jobs.run_again(fresh(job))
    assert caught.value.code == code


def test_a_job_whose_worker_was_killed_is_queued_again_and_finishes():
    job = jobs.start(tasks.slow, by=make_user(), title="Slow", steps=2)
    leave_unfinished(job)
    assert fresh(job).state == JobState.RUNNING
    pick_up()
    work()
    assert fresh(job).state == JobState.DONE


def test_a_job_that_kills_its_worker_each_time_is_given_up():
    job = jobs.start(tasks.slow, by=make_user(), title="Deadly")
    leave_unfinished(job, crashes=MOST_CRASHES - 1)
    pick_up()
    assert (fresh(job).state, fresh(job).message) == (
        JobState.FAILED,
        "Its worker died of it too often.",
    )


@pytest.mark.parametrize("state", JobState.values)
def test_lists_and_pages_agree_on_a_jobs_state(state):
    user = make_user()
    job = make_job(user) if state == JobState.LOST else jobs.start(tasks.slow, by=user, title="Slow")
    status = {
        "waiting": "todo",
        "running": "doing",
        "cancelling": "doing",
        "done": "succeeded",
        "failed": "failed",
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET status = %s::procrastinate_job_status",
            [status.get(state, "cancelled")],
        )
    Job.objects.filter(pk=job.pk).update(cancel_requested=state == "cancelling")
    assert fresh(job).state == state
    assert [other for other in JobState.values if Job.objects.in_state(other).exists()] == [state]


def test_people_see_and_stop_only_their_own_jobs(client):
    acorn = make_client()
    mine, theirs = make_staff(acorn, Role.MANAGER), make_staff(acorn, Role.MANAGER)
    job = jobs.start(tasks.slow, by=theirs, title="Private", client_id=acorn.pk)
    client.force_login(mine)
    assert "Private" not in client.get(reverse("admin:core_job_changelist")).content.decode()
    stop = reverse("admin:core_job_cancel", args=[job.pk])
    assert client.post(stop).status_code == 403
    assert fresh(job).state == JobState.WAITING
    client.force_login(theirs)
    assert client.post(stop, {"_form_submitted": "True"}).headers.get("HX-Redirect")
    assert fresh(job).state == JobState.CANCELLED


def test_who_watches_over_everyones_jobs_sees_but_does_not_stop_them(client):
    job = jobs.start(tasks.slow, by=make_user(), title="Private")
    auditor = make_user()
    auditor.user_permissions.add(Permission.objects.get(codename="view_every_job"))
    client.force_login(auditor)
    assert "Private" in client.get(reverse("admin:core_job_changelist")).content.decode()
    assert client.post(reverse("admin:core_job_cancel", args=[job.pk])).status_code == 403


def test_a_job_for_a_client_is_hidden_once_access_is_taken_away(client):
    acorn = make_client()
    user = make_staff(acorn, Role.PREPARER)
    job = jobs.start(tasks.slow, by=user, title="Private", client_id=acorn.pk)
    client.force_login(user)
    assert client.get(reverse("admin:core_job_change", args=[job.pk])).status_code == 200
    user.staff_access.get().delete()
    assert client.get(reverse("admin:core_job_change", args=[job.pk])).status_code == 302


def test_old_housekeeping_is_cleared_and_peoples_jobs_are_kept():
    job = jobs.start(tasks.slow, by=make_user(), title="Slow", steps=1)
    tasks.slow.defer(job_id=job.pk, steps=0)
    work()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_events SET at = now() - interval '3 days'")
    _clear_old_jobs()
    assert list(ProcrastinateJob.objects.values_list("id", flat=True)) == [job.run_id]
    Job.objects.update(ended_at="2020-01-01T00:00Z")
    _clear_old_jobs()
    assert not Job.objects.exists()
    assert not ProcrastinateJob.objects.exists()


def test_a_right_that_was_taken_away_stops_the_job_at_its_start_and_when_done_again():
    acorn = make_client()
    user = make_staff(acorn, Role.MANAGER)
    job = jobs.start(
        tasks.slow, by=user, title="Slow", permission="profiles.change_client", client_id=acorn.pk, steps=1
    )
    user.staff_access.get().delete()
    work()
    assert (fresh(job).state, fresh(job).message) == (JobState.FAILED, "The right to do this was taken away.")
    with pytest.raises(ValidationError) as caught:
        jobs.run_again(fresh(job))
    assert caught.value.code == "right"


def test_stopping_often_does_not_count_as_dying():
    """Three deploys during one long import must not lose it."""
    job = jobs.start(tasks.slow, by=make_user(), title="Slow", steps=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET attempts = 9 WHERE id = %s", [job.run_id])
    leave_unfinished(job)
    pick_up()
    work()
    assert fresh(job).state == JobState.DONE


def test_lost_work_of_which_only_one_may_wait_gives_way_to_the_one_that_waits():
    """Else its second turn would be refused at each start of a worker, and no worker would ever start."""
    lost = jobs.start(back_up, by=make_user(), title="Back up")
    leave_unfinished(lost)
    waiting = jobs.start(back_up, by=make_user(), title="Back up")
    pick_up()
    assert fresh(lost).state == JobState.FAILED
    assert fresh(lost).message == "Interrupted, and the same is waiting to be done already."
    assert fresh(waiting).state == JobState.WAITING
    with pytest.raises(ValidationError) as caught:
        jobs.run_again(fresh(lost))
    assert caught.value.code == "waiting"
    assert fresh(lost).state == JobState.FAILED


def test_lost_housekeeping_does_not_stop_the_next():
    pick_up_lost_jobs.defer(timestamp=0)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'doing'")
    pick_up_lost_jobs.defer(timestamp=60)
    pick_up()
    assert sorted(ProcrastinateJob.objects.values_list("status", flat=True)) == ["failed", "todo"]
