"""The runbooks of the archive in docs/operations.md, executed as they stand; the commands are the page's."""

import os
import re
import shutil
import subprocess
import time
from datetime import timedelta

import pytest

from apps.backups.archive import layout
from apps.backups.services.going_back import said
from ledgerflow import embedded
from ledgerflow.postgres_programs import _system_bin_dirs, major, wheel_bin_dirs
from tests.faults.machine import BOOKS, LATER, RUINED, Machine, commands

MINUTE, EARLIER = "2026-11-22 10:31", "2026-11-22 10:30"  # as the page names them
NOISE = "INSERT INTO noise SELECT md5(random()::text) FROM generate_series(1, 50000)"  # some 6 MB of log


class Archived(Machine):
    """A machine whose archive is kept by a service of its own."""

    def __init__(self, folder):
        super().__init__(folder, archive=True)
        self.archive = self.stack.archive

    def fill(self):
        self.stack.manage("migrate", "--verbosity=0")
        self.shell(BOOKS)

    def start_archive(self):
        self.stack.start_archive()

    def stop_archive(self):
        self.stack.kill("archive")
        del self.stack.processes["archive"]
        (self.archive / "receiving").unlink(missing_ok=True)  # as is done when it starts

    def have_base(self):
        self.run("python manage.py archive base")
        time.sleep(1)  # from the next second on it leads back
        self.beat()

    def beat(self):
        self.run("python manage.py archive beat")

    def now(self):
        moment = self.query("SELECT clock_timestamp()")[0][0]
        time.sleep(0.01)
        return moment

    def have_arrived(self):
        """Wait until what was written is on the archive's disk, though nothing was noted of it."""
        written = self.query("SELECT pg_current_wal_flush_lsn()")[0][0]
        arrived = f"SELECT bool_or(restart_lsn >= '{written}') FROM pg_replication_slots"
        self.stack.until(lambda: self.query(arrived) == [(True,)], 20)

    def write_log(self, segments):
        """Write so many segments of the log that have nothing to do with the books."""
        for _segment in range(segments):
            self.query("CREATE TABLE IF NOT EXISTS noise (t text)", user="postgres", dbname="postgres")
            self.query(NOISE, user="postgres", dbname="postgres")
            self.query("SELECT pg_switch_wal()", user="postgres", dbname="postgres")

    def stop(self):
        self.stack.stop()


@pytest.fixture
def machines(tmp_path):
    """Make machines, the first of them with books and a base backup."""
    made = []

    def make(name):
        made.append(Archived(tmp_path / name))
        return made[-1]

    yield make
    for machine in made:
        machine.stop()


@pytest.fixture
def machine(machines, settings):
    machine = machines("one")
    settings.ARCHIVE_FOLDER = str(machine.archive)
    machine.fill()
    machine.start_archive()
    machine.have_base()
    return machine


def at(moment, *, earlier=None):
    """Return what stands on the page for the times that are meant."""
    return {MINUTE: moment.isoformat(), EARLIER: (earlier or moment).isoformat()}


def test_bookings_were_deleted_at_a_minute(machine):
    look, back, undo, again, drop = commands("Bookings were deleted at 10:32")
    earlier = machine.now()
    machine.shell(LATER)
    moment = machine.now()
    machine.query(RUINED, user="postgres")
    machine.beat()
    told = machine.run(look, **at(moment))
    assert "3 entries, now 0 entries" in told
    assert machine.entries == 0
    machine.run(back, **at(moment))
    assert (machine.entries, machine.clients) == (3, ["ACORN", "LATER"])
    machine.run(undo)
    assert machine.entries == 0
    machine.run(again, **at(moment, earlier=earlier))
    assert (machine.entries, machine.clients) == (3, ["ACORN"])
    machine.run("python manage.py check_books")
    for copy in re.findall(r"\S+_old_\d+", machine.run("python manage.py backup_list")):
        machine.run(drop, COPY=copy)
    assert "_old_" not in machine.run("python manage.py backup_list")


def test_the_disk_of_the_database_is_dead_and_the_archive_is_not(machine, machines, settings):
    latest, base, check, times, back = commands("The disk of the database is dead, and the archive is not")
    machine.run("python manage.py backup")
    machine.beat()
    machine.shell(LATER)  # after the last heartbeat
    machine.have_arrived()
    machine.stack.kill("database")
    machine.stop_archive()
    last = layout.windows()[-1].until

    other = moved(machine, machines("two"))
    settings.ARCHIVE_FOLDER = str(other.archive)
    other.start_archive()
    assert [era.facts.get("why") for era in layout.eras()] == ["another cluster", None]
    other.run(latest)
    assert (other.entries, other.clients) == (3, ["ACORN", "LATER"])
    other.run(base)
    time.sleep(1)
    other.beat()
    assert "3 entries" in other.run(check)

    third = moved(machine, machines("three"))  # where the worker ran before anybody was back
    settings.ARCHIVE_FOLDER = str(third.archive)
    third.start_archive()
    shutil.copytree(machine.stack.environment["BACKUP_DIR"], third.stack.environment["BACKUP_DIR"])
    third.run("python manage.py restore_backup")  # for the papers
    third.have_base()
    third.shell(LATER)
    third.beat()
    old, new = re.findall(r"From (.*) to (.*) \((.*)\)", third.run(times))
    assert old[2].endswith("; ended: another cluster")
    assert layout.windows()[0].until == last
    third.run(latest)
    assert third.clients == ["ACORN", "LATER"]
    third.run(back, **{MINUTE: old[1]})
    assert (third.entries, third.clients) == (3, ["ACORN"])
    assert (third.stack.data.parent / "media" / "paper.pdf").read_bytes() == b"a paper"


def moved(machine, other):
    """The archive is all that is left of a machine."""
    of_the_moment = shutil.ignore_patterns("alive", "answers", "receiving", "requests", "sockets", "*.new")
    shutil.copytree(machine.archive, other.archive, ignore=of_the_moment)
    return other


@pytest.fixture
def small_archive(machines, settings):
    """A machine whose archive lies on a disk of its own, with old base backups on it."""
    machine = machines("one")
    settings.ARCHIVE_FOLDER = str(machine.archive)
    machine.archive.mkdir(mode=0o700)
    command = ["mount", "-t", "tmpfs", "-o", "size=400m,mode=700", "tmpfs", str(machine.archive)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a disk that is full")
    machine.fill()
    machine.start_archive()
    machine.have_base()
    newest = layout.eras()[-1].bases[-1]
    for days in (10, 9, 8, 7):
        older = (newest.finished_at - timedelta(days=days)).strftime(layout.STAMP)
        shutil.copytree(newest.path, newest.path.with_name(older))
    yield machine
    machine.stop_archive()
    machine.stack.until(
        lambda: not subprocess.run(["umount", machine.archive], capture_output=True).returncode, 10
    )


def test_the_disk_of_the_archive_is_full(small_archive):
    machine = small_archive
    full, prune, beat, verify, check = commands("The archive's disk is full")
    machine.run("python manage.py backup")
    machine.run("python manage.py backup_test")
    machine.beat()
    machine.run("python manage.py archive drill")
    machine.run(check)
    with open(machine.archive / "something", "wb") as file:
        free = shutil.disk_usage(machine.archive).free
        file.write(os.urandom(2**20) * (free // 2**20 - 3))
    assert "The archive's disk is nearly full: " in machine.run(full, succeeds=False)

    machine.write_log(3)
    moment = machine.now()
    machine.shell(LATER)
    told = []

    def is_told():
        told.append(machine.run(full, succeeds=False))
        return "The archive receives nothing: " in told[-1]

    machine.stack.until(is_told, 60)
    assert "No space left on device" in told[-1] or "cannot be written to" in told[-1]
    assert "Traceback" not in machine.run(beat, succeeds=False)
    assert "Traceback" not in machine.run("python manage.py archive base", succeeds=False)

    machine.stack.environment["ARCHIVE_KEEP_DAYS"] = "2"
    assert "3 base backups went." in machine.run(prune)
    assert "has arrived" in machine.run(beat)
    assert "none is missing" in machine.run(verify)
    machine.run(check)
    assert [era.facts.get("why") for era in layout.eras()] == [None]
    machine.run("python manage.py restore_to 'MOMENT'", MOMENT=moment.isoformat())
    assert machine.clients == ["ACORN"]


def test_the_archive_was_down_for_a_day(machine):
    beat, verify, _base, _times = commands("The archive was down for a day")
    machine.stop_archive()
    machine.write_log(3)
    moment = machine.now()
    machine.query(RUINED, user="postgres")
    machine.write_log(3)
    machine.start_archive()
    machine.run(beat)
    assert "none is missing" in machine.run(verify)
    assert len(layout.windows()) == 1
    machine.run("python manage.py restore_to 'MOMENT'", MOMENT=moment.isoformat())
    assert machine.entries == 3


def test_the_archive_was_down_for_longer_than_the_log_is_kept(machine):
    _beat, verify, base, times = commands("The archive was down for a day")
    before = layout.windows()[-1].until
    machine.query("ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'", user="postgres")
    machine.query("SELECT pg_reload_conf()", user="postgres")
    machine.stop_archive()
    machine.write_log(5)
    machine.query("CHECKPOINT", user="postgres")
    assert machine.query("SELECT wal_status FROM pg_replication_slots") == [("lost",)]
    between = machine.now()
    machine.stack.start_process("archive", "archive", "serve")
    machine.stack.until(lambda: len(layout.eras()) == 2 and (machine.archive / "receiving").exists(), 30)
    machine.run(base)
    time.sleep(1)
    machine.beat()
    old, new = re.findall(r"From (.*) to (.*) \((.*)\)", machine.run(times))
    assert "; ended: " in old[2]
    assert "; ended: " not in new[2]
    assert "none is missing" in machine.run(verify)
    told = machine.run("python manage.py restore_to 'MOMENT'", succeeds=False, MOMENT=between.isoformat())
    assert f"The archive has a gap from {said(before)} to " in told
    machine.run("python manage.py restore_to 'MOMENT'", MOMENT=old[1])
    machine.run("python manage.py restore_to latest")
    assert machine.entries == 3


@pytest.fixture
def programs():
    """The programs of PostgreSQL 15 and of 16."""
    found = {major(folder): folder for folder in (*wheel_bin_dirs(), *_system_bin_dirs())}
    if missing := {15, 16} - found.keys():
        told = f"there is no PostgreSQL {' and no PostgreSQL '.join(map(str, sorted(missing)))} here"
        if os.environ.get("CI"):
            pytest.fail(f"{told}, and CI can install it.")
        pytest.skip(told)
    return found


def test_postgresql_is_upgraded(programs, machines, settings, monkeypatch):
    """The wheel has 16, the system 15: each machine is told which programs are its own."""
    last, backup, tested, restore, base, check, back, listing, again = commands(
        "PostgreSQL is upgraded from 15 to 16"
    )
    monkeypatch.setenv("LEDGERFLOW_PG_BIN", str(programs[15]))
    old = machines("one")
    settings.ARCHIVE_FOLDER = str(old.archive)
    old.fill()
    old.query("DROP EXTENSION IF EXISTS pg_trgm CASCADE", user="postgres")  # the wheel has no extensions
    old.start_archive()
    old.have_base()
    before = old.now()
    old.shell(LATER)
    for line in (last, backup, tested):
        old.run(line)
    old.stop_archive()
    embedded.stop(old.stack.data)

    monkeypatch.setenv("LEDGERFLOW_PG_BIN", str(programs[16]))
    new = machines("two")
    for name in ("ARCHIVE_FOLDER", "BACKUP_DIR", "MEDIA_ROOT"):
        new.stack.environment[name] = old.stack.environment[name]
    new.archive = new.stack.archive = old.archive
    assert new.query("SHOW server_version_num")[0][0].startswith("16")
    new.run(restore)
    assert (new.entries, new.clients) == (3, ["ACORN", "LATER"])
    new.start_archive()
    new.run(base)
    time.sleep(1)
    new.beat()
    assert [era.facts["major"] for era in layout.eras()] == ["15", "16"]
    assert "3 entries" in new.run(check)
    moment = new.now()
    new.query(RUINED, user="postgres")
    new.beat()
    new.run("python manage.py restore_to 'MOMENT'", MOMENT=moment.isoformat())
    assert new.entries == 3
    new.run("python manage.py archive drill")

    told = new.run(back, succeeds=False, **at(before))
    assert "That moment was under PostgreSQL 15, and the archive's service is PostgreSQL 16" in told
    assert (new.entries, new.clients) == (3, ["ACORN", "LATER"])

    monkeypatch.setenv("LEDGERFLOW_PG_BIN", str(programs[15]))
    elsewhere = moved(old, machines("three"))
    elsewhere.stack.environment["BACKUP_DIR"] = new.stack.environment["BACKUP_DIR"]
    elsewhere.start_archive()
    elsewhere.run(back, **at(before))
    assert elsewhere.clients == ["ACORN"]
    made = [line for line in new.run(listing).splitlines() if "Out of the archive" in line]
    name = max(re.search(r"\S+\.psql\.bin", line)[0] for line in made)
    new.run(again, NAME=name)
    assert (new.entries, new.clients) == (3, ["ACORN"])
