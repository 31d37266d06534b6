"""
Going back, and what serves it, killed at any moment.

Whatever was killed: the live database is what it was or the moment asked for, takes rows, and the next run
does its work and leaves nothing behind.
"""

import signal
import time

import pytest

from apps.backups.archive import layout
from tests.archive.books import DELETED

OF_GOING_BACK = [
    ("Checking every", 0), ("Unpacking", 0), ("Unpacking", 0.2), ("Replaying", 0), ("Replaying", 0.3),
    ("Copying the database as", 0), ("Copying the database as", 0.8), ("Restoring", 0.1), ("Comparing", 0),
    ("Checking the books", 0.2), ("Waiting until", 0), ("Backing up", 0.05), ("Changing", 0),
]  # fmt: skip


@pytest.fixture
def moment(archived):
    """A moment with all its rows; since then they were deleted."""
    if archived.execute("SELECT count(*) FROM ledger_journalline")[0].fetchone() != (4000,):
        archived.commands.run("undo_restore", "--noinput")
    archived.beat()
    found = archived.beat()
    wanted = archived.restored()
    archived.execute(DELETED)
    archived.beat()
    yield found.at, wanted
    back = archived.restore_to(found.at)
    assert back.wait(120) == 0, back.told
    assert archived.restored() == wanted
    archived.assert_nothing_up()
    archived.assert_clean()
    archived.assert_no_orphans()


@pytest.mark.parametrize("which", [signal.SIGKILL, signal.SIGTERM])
def test_going_back_is_killed(archived, moment, which):
    at, wanted = moment
    ruined = archived.restored()
    for step, later in OF_GOING_BACK if which == signal.SIGKILL else OF_GOING_BACK[::2]:
        command = archived.restore_to(at)
        if command.until(step):
            time.sleep(later)
        command.kill(which)
        archived.assert_writable()
        assert archived.restored() in (ruined, wanted), f"killed at {step}"
        if archived.restored() == wanted:
            archived.commands.run("undo_restore", "--noinput")
        archived.stack.until(lambda: not archived.programs("cp"), 10)


@pytest.mark.parametrize("step", ["Checking every", "Unpacking", "Replaying", "Copying the database as"])
def test_the_service_is_killed_meanwhile(archived, moment, step):
    at, _wanted = moment
    ruined = archived.restored()
    command = archived.restore_to(at)
    assert command.until(step)
    archived.stop_archive()
    archived.stack.start_archive()
    code = command.wait(60)
    if code:
        assert "Traceback" not in command.told
        assert "The archive's service was ended in the middle; try again." in command.told or (
            "could not be copied" in command.told
        )
        assert archived.restored() == ruined


def test_what_was_brought_up_is_killed(archived, moment):
    at, _wanted = moment
    ruined = archived.restored()
    command = archived.restore_to(at)
    assert command.until("Replaying")
    archived.stack.until(archived.side_processes, 10)
    archived.kill("postgres")
    assert command.wait(60) == 1
    assert "Traceback" not in command.told
    assert archived.restored() == ruined


@pytest.mark.parametrize("program", ["pg_basebackup", "pg_verifybackup"])
def test_a_base_backup_is_killed(archived, program):
    before = [base.name for base in archived.era.bases]
    command = archived.commands.start("archive", "base")
    archived.kill(program)
    assert command.wait(60) == 1
    assert "The base backup was not made" in command.told
    assert [base.name for base in archived.era.bases] == before
    assert not (archived.era.path / "incoming").exists()
    archived.commands.run("archive", "base")


def test_who_asks_for_a_base_backup_is_killed(archived):
    """The service stops what nobody waits for when the next one asks, or finishes it: none is half there."""
    command = archived.commands.start("archive", "base")
    command.until("Copying")
    command.kill(signal.SIGKILL)
    archived.commands.run("archive", "base")
    for base in archived.era.bases:
        assert base.begins


def test_the_receiver_is_killed_and_goes_on(archived):
    before = layout.last_heartbeat() or archived.beat()
    for _time in range(3):
        archived.kill("pg_receivewal")
        found = archived.beat()
        assert found.era == before.era or before.era != archived.era.name
    assert not archived.era.gaps()


def test_the_database_is_killed_and_the_log_goes_on(archived):
    era = archived.beat().era
    archived.stack.kill("database")
    archived.stack.start_server()
    time.sleep(1.5)
    archived.stack.until((archived.archive / "receiving").exists, 30)
    assert archived.beat().era == era
    assert not archived.era.gaps()
