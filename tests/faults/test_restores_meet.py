"""A restore that meets another, a backup, a test, or somebody who wants it stopped."""

import time

import pytest

from apps.backups import databases
from apps.backups.catalogue import Reason, State, backups, newest_backup
from apps.backups.runs import STOP
from apps.backups.storage import folder, hold

BY_SCHEDULE = """
from apps.backups import services
from apps.backups.catalogue import Reason
services.back_up(reason=Reason.SCHEDULED, by="the worker")
services.prune(by="the worker")
"""
BY_JOB = """
from apps.backups.tasks import back_up
from apps.core.jobs import start
from apps.core.models import User
print(start(back_up, by=User.objects.first(), title="Back up", by_name="Vera").pk)
"""
STATE_OF_JOB = """
SELECT run.status, job.message
  FROM core_job job JOIN procrastinate_jobs run ON run.id = job.run_id WHERE job.id = %s
"""


@pytest.fixture
def live(books):
    """Return what the live database holds; it is that again in the end."""
    if newest_backup() is None:
        books.commands.run("backup")
        books.add_client("AFTER")
    holds = books.manifest()
    yield holds
    if books.kept():
        books.commands.run("undo_restore", "--noinput")
    assert without_jobs(books.manifest()) == without_jobs(holds)
    books.drop_kept()
    books.assert_clean()


def without_jobs(manifest):
    return {name: facts for name, facts in manifest["tables"].items() if name != "core_job"}


def start_restore(books):
    return books.commands.start("restore_backup", backups()[-1].name, "--noinput")


def assert_refused(command, sentence):
    assert (command.wait(), command.told.splitlines()[-1]) == (1, f"CommandError: {sentence}")


@pytest.mark.parametrize("second", ["restore_backup", "undo_restore"])
def test_a_second_restore_is_refused_while_one_runs(books, live, second):
    first = start_restore(books)
    first.until("Restoring")
    assert_refused(books.others.start(second, "--noinput"), "This is being done already.")
    assert first.wait() == 0, first.told
    assert books.is_same(live, books.kept()[-1])


@pytest.mark.parametrize("step", ["Reading", "Restoring", "Comparing", "Checking", "Backing up"])
def test_a_restore_stops_at_its_next_step_and_has_changed_nothing(books, live, step):
    kept, command = books.kept(), start_restore(books)
    assert command.until(step)
    (folder() / STOP).touch()
    assert_refused(command, "It was stopped; nothing was changed.")
    assert books.is_same(live)
    assert books.kept() == kept
    books.assert_clean()
    books.assert_writable()
    books.assert_backups_whole()


def test_a_wish_to_stop_is_not_kept_for_the_next_restore(books, live):
    (folder() / STOP).touch()
    assert start_restore(books).wait() == 0


def test_a_restore_waits_for_a_backup_that_is_made_and_nobody_waits_for_it(books, live):
    with hold("backup"):
        command = start_restore(books)
        assert command.until("Waiting for a backup that is being made.")
        books.assert_writable()
        time.sleep(1)
        assert not command.has_ended
    assert command.wait() == 0, command.told


def test_a_restore_waits_for_a_test_that_runs(books, live):
    with books.session("postgres", autocommit=True) as testing:
        take_lock_of_tests(testing, books.live)
        command = start_restore(books)
        assert command.until("Waiting for another test or restore.")
        time.sleep(1)
        assert not command.has_ended
    assert command.wait() == 0, command.told


def test_a_restore_that_waits_for_a_test_can_be_stopped(books, live):
    with books.session("postgres", autocommit=True) as testing:
        take_lock_of_tests(testing, books.live)
        command = start_restore(books)
        assert command.until("Waiting for another test or restore.")
        (folder() / STOP).touch()
        assert_refused(command, "It was stopped; nothing was changed.")
    assert books.is_same(live)


def take_lock_of_tests(session, name):
    session.execute("SELECT pg_advisory_lock(%s, hashtext(%s))", [databases.LOCK, name])


def test_a_backup_by_schedule_that_meets_the_barrier_is_made_afterwards(books, live):
    restore = start_restore(books)
    assert restore.until("Backing up")
    backup = books.others.start("shell", "--verbosity=0", "-c", BY_SCHEDULE)
    assert (restore.wait(), backup.wait()) == (0, 0), restore.told + backup.told
    assert newest_backup().reason == Reason.SCHEDULED
    made = newest_backup().manifest()["tables"]["profiles_client"]
    assert made == books.manifest()["tables"]["profiles_client"]  # those of the restored one
    books.assert_backups_whole()


def test_a_test_that_meets_a_restore_is_made_afterwards(books, live):
    restore = start_restore(books)
    assert restore.until("Restoring")
    test = books.others.start("backup_test", newest_backup().name)
    assert test.until("Waiting for another test or restore.")
    assert (restore.wait(), test.wait()) == (0, 0), restore.told + test.told
    assert any(one.state == State.TESTED for one in backups())


def test_a_job_that_waits_to_back_up_holds_no_restore_and_the_worker_goes_on(books, live):
    """It reports to a table that the barrier closes, and it goes with the database it was asked for in."""
    books.stack.start_process("worker", "worker")
    try:
        with hold("backup"):
            job = books.commands.run("shell", "--verbosity=0", "-c", BY_JOB).split()[-1]
            until(books, job, "Waiting for another backup.")
            restore = start_restore(books)
            assert restore.until("Waiting for a backup that is being made.")
        assert restore.wait() == 0, restore.told
        again = books.commands.run("shell", "--verbosity=0", "-c", BY_JOB).split()[-1]
        until(books, again, "Stored ")
        assert books.stack.processes["worker"].poll() is None
    finally:
        books.stack.kill("worker")
    books.assert_backups_whole()


def until(books, job, message):
    told = None

    def is_told():
        nonlocal told
        with books.session() as session:
            told = session.execute(STATE_OF_JOB, [job]).fetchone()
        return told is not None and message in told[1]

    books.stack.until(is_told, 60)
