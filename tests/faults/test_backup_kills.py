"""
Backup, test, restore and prune killed at any moment, and their tools, and the database server.

Whatever was killed: each listed backup is whole, the live database is there and whole and takes rows, no
program goes on, and the next run does its work and clears up.
"""

import json
import random
import shutil
import signal
import time

import pytest

from apps.backups.catalogue import State, backups, delete_files, newest_backup
from apps.backups.storage import METADATA, folder
from ledgerflow import embedded

MOMENTS = 10
SIGNALS = [signal.SIGKILL, signal.SIGTERM]
OLD = "default-ledgerflow-2020-01-01-0000{:02}-000000.psql.bin"

# What a command says, and how many seconds after that it is killed.
OF_A_TEST = [
    ("Reading", 0), ("Restoring", 0), ("Restoring", 0.1), ("Restoring", 0.3), ("Restoring", 0.6),
    ("Comparing", 0), ("Comparing", 0.1), ("Checking", 0), ("Checking", 0.5), ("Tested", 0),
]  # fmt: skip
OF_A_RESTORE = [
    ("Reading", 0), ("Restoring", 0.05), ("Restoring", 0.4), ("Comparing", 0.05), ("Checking", 0.2),
    ("Waiting until", 0), ("Waiting until", 0.02), ("Backing up", 0), ("Backing up", 0.1), ("Copying", 0),
]  # fmt: skip


@pytest.fixture
def live(books):
    """Return what the live database holds, when nothing is to change it."""
    if newest_backup() is None:
        books.commands.run("backup")
        books.add_client("AFTER")
    return books.manifest()


def kill_at(books, which, step, later, *arguments):
    command = books.commands.start(*arguments)
    if command.until(step):
        time.sleep(later)
    command.kill(which)


def assert_well(books, live):
    """What must be true after each kill."""
    books.assert_no_orphans()
    books.assert_writable()
    books.assert_backups_whole()
    assert books.is_same(live)
    assert len([name for name in books.databases() if "_try_" in name]) <= 1  # the next run drops it


@pytest.mark.parametrize("which", SIGNALS)
def test_a_backup_can_be_killed_at_any_moment(books, live, which):
    began = time.monotonic()
    books.commands.run("backup")
    typical = time.monotonic() - began
    for moment in range(MOMENTS):
        kill_at(books, which, "", typical * (moment + 0.5) / MOMENTS, "backup")
        assert_well(books, live)
    before = len(backups())
    books.commands.run("backup")
    assert len(backups()) == before + 1
    listed = json.loads(books.commands.run("backup_list", "--json"))
    assert [one["name"] for one in listed] == [one.name for one in backups()]
    assert_well(books, live)
    books.assert_clean()


@pytest.mark.parametrize("which", SIGNALS)
def test_a_test_can_be_killed_at_any_moment(books, live, which):
    for step, later in OF_A_TEST:
        kill_at(books, which, step, later, "backup_test")
        assert_well(books, live)
        assert newest_backup().state in (State.READ_BACK, State.TESTED)
    books.commands.run("backup_test")
    assert newest_backup().state == State.TESTED
    assert_well(books, live)
    books.assert_clean()


@pytest.mark.parametrize("which", SIGNALS)
def test_a_restore_can_be_killed_until_the_databases_change(books, live, which):
    kept, name = books.kept(), backups()[-1].name
    for step, later in OF_A_RESTORE:
        kill_at(books, which, step, later, "restore_backup", name, "--noinput")
        assert_well(books, live)
        assert books.kept() == kept
    books.commands.run("restore_backup", name, "--noinput")
    assert books.is_same(live, books.kept()[-1])
    assert not books.is_same(live)
    books.commands.run("undo_restore", "--noinput")
    assert_well(books, live)
    books.assert_clean()
    books.drop_kept()


@pytest.mark.parametrize("which", SIGNALS)
def test_a_change_of_databases_that_is_killed_went_through_or_did_not(books, live, which):
    """The same step ends a restore and an undo; the undo has nothing before it, so it is killed often."""
    books.commands.run("restore_backup", backups()[-1].name, "--noinput")
    sides = [books.manifest(), live]  # what is live, and what is kept
    outcomes = []
    for moment in range(MOMENTS):
        command = books.commands.start("undo_restore", "--noinput")
        command.until("Changing")
        time.sleep(random.uniform(0, 0.05) + moment * 0.03)
        command.kill(which)
        books.assert_no_orphans()
        books.assert_writable()
        outcomes.append(assert_changed_or_not(books, sides))
        if outcomes[-1]:
            sides.reverse()
    assert set(outcomes) == {True, False}  # else it was killed too early or too late
    if not books.is_same(live):
        books.commands.run("undo_restore", "--noinput")
    assert_well(books, live)
    books.assert_clean()
    books.drop_kept()


def assert_changed_or_not(books, sides):
    """Both databases are there and whole, under their names or each other's; return whether they changed."""
    told = json.loads((folder() / "restore.json").read_bytes())
    (kept,) = books.kept()
    has_changed = told.get("kept") == kept
    now, before = reversed(sides) if has_changed else sides
    assert books.is_same(now)
    assert books.is_same(before, kept)
    return has_changed


def test_a_whole_restore_killed_while_it_changes_the_databases(books, live):
    name = backups()[-1].name
    command = books.commands.start("restore_backup", name, "--noinput")
    command.until("Changing")
    time.sleep(random.uniform(0, 0.2))
    command.kill(signal.SIGKILL)
    books.assert_no_orphans()
    books.assert_writable()
    if kept := books.kept():
        assert books.is_same(live, kept[-1])
        assert books.restored() == books.restored(backups()[-1].manifest())
        books.commands.run("undo_restore", "--noinput")
    assert_well(books, live)
    books.commands.run("backup_test")
    books.assert_clean()
    books.drop_kept()


@pytest.mark.parametrize("which", SIGNALS)
def test_a_prune_can_be_killed_at_any_moment(books, live, which):
    books.commands.run("backup")
    made = newest_backup().name  # by hand: those before a restore are pinned
    copy_often(made)
    began = time.monotonic()
    books.commands.run("backup_prune")
    typical = time.monotonic() - began
    for moment in range(MOMENTS):
        copy_often(made)
        kill_at(books, which, "", typical * (moment + 0.5) / MOMENTS, "backup_prune")
        assert_well(books, live)
    books.commands.run("backup_prune")
    assert newest_backup().name == made
    old = [one.name for one in backups() if one.taken_at.year == 2020]
    assert len(old) <= 1  # the newest of its year may stay
    assert_well(books, live)
    for name in old:
        delete_files(name)
    books.assert_clean()


def copy_often(name):
    """Have old backups that go by the rules, each whole."""
    for number in range(40):
        for below in ("{}", "manifests/{}.json.gz", "manifests/{}.media.gz", "{}" + METADATA):
            shutil.copy(folder() / below.format(name), folder() / below.format(OLD.format(number)))


@pytest.mark.parametrize("tool", ["pg_dump", "pg_restore"])
def test_a_backup_whose_tool_is_killed_says_so_and_stores_nothing(books, live, tool):
    for _attempt in range(10):  # a tool that had ended just before was not killed
        before = backups()
        command = books.commands.start("backup")
        command.kill_child(tool)
        if command.wait():
            break
    assert_refused(command)
    assert backups() == before
    assert_well(books, live)
    books.assert_clean()


@pytest.mark.parametrize("tool", ["pg_restore", "python"])
def test_a_restore_whose_tool_is_killed_says_so_and_changes_nothing(books, live, tool):
    """The second is what checks the books. The backup is no worse for it: nothing is known of it."""
    name = backups()[-1].name
    state, kept = State.TESTED, books.kept()
    books.commands.run("backup_test", name)
    command = books.commands.start("restore_backup", name, "--noinput")
    command.until("Checking" if tool == "python" else "Restoring")
    command.kill_child(tool)
    assert_refused(command)
    assert (backups()[-1].state, books.kept()) == (state, kept)
    assert_well(books, live)
    books.assert_clean()


def assert_refused(command):
    """It ended with a sentence."""
    assert command.wait() == 1, command.told
    assert "Traceback" not in command.told
    assert command.told.splitlines()[-1].startswith("CommandError: ")


def test_a_server_killed_in_the_middle_of_a_restore_has_the_live_database(books, live):
    name = backups()[-1].name
    command = books.commands.start("restore_backup", name, "--noinput")
    command.until("Restoring")
    time.sleep(0.2)
    books.stack.kill("database")
    assert_refused(command)
    embedded.start(books.stack.data)
    assert backups()[-1].state != State.FAILED
    assert_well(books, live)
    books.commands.run("restore_backup", name, "--noinput")
    assert books.is_same(live, books.kept()[-1])
    books.commands.run("undo_restore", "--noinput")
    assert_well(books, live)
    books.assert_clean()
    books.drop_kept()
