"""The runbooks of docs/operations.md, executed as they stand: the commands are taken from the page."""

import re
import shutil

import pytest

from ledgerflow import embedded
from tests.backups.bucket import Bucket, server
from tests.faults.machine import BOOKS, LATER, RUINED, Machine, commands
from tests.stack import ROOT

BROKEN = {
    "9001_first_step": 'migrations.RunSQL("CREATE TABLE core_half (id bigint)")',
    "9002_breaks": 'migrations.RunSQL("SELECT 1 / 0")',
}


@pytest.fixture
def machine(tmp_path):
    machine = Machine(tmp_path / "one")
    machine.stack.manage("migrate", "--verbosity=0")
    machine.shell(BOOKS)
    yield machine
    embedded.stop(machine.stack.data)


def test_bookings_were_deleted(machine):
    listing, restore, undo, drop = commands("Bookings were deleted or ruined")
    machine.run("python manage.py backup")
    machine.query(RUINED, user="postgres")
    machine.run("python manage.py backup")  # the schedule goes on, and now the newest one is of ruined books
    name = re.findall(r"\S+\.psql\.bin", machine.run(listing))[-1]
    assert machine.entries == 0
    machine.run(restore, NAME=name)
    assert machine.entries == 3
    machine.run(undo)
    assert machine.entries == 0
    machine.run(restore, NAME=name)
    assert machine.entries == 3
    machine.run("python manage.py check_books")
    for copy in re.findall(r"\S+_old_\d+", machine.run(listing)):
        machine.run(drop, COPY=copy)
    assert "_old_" not in machine.run(listing)


def test_the_disk_of_the_database_is_dead(machine):
    machine.run("python manage.py backup")
    embedded.drop(machine.stack.data)
    shutil.rmtree(machine.stack.environment["MEDIA_ROOT"])
    machine.stack.start_server()  # an empty cluster with the role and an empty database
    assert machine.query("SELECT to_regclass('core_user')") == [(None,)]
    restore, check = commands("The disk of the database is dead")
    machine.run(restore)
    assert machine.entries == 3
    assert (machine.stack.data.parent / "media" / "paper.pdf").read_bytes() == b"a paper"
    assert "3 entries" in machine.run(check)


def test_a_migration_broke_in_the_middle(machine, tmp_path):
    newer = tmp_path / "newer"
    for part in ("apps", "ledgerflow", "manage.py"):
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        newer.mkdir(exist_ok=True)
        copy(ROOT / part, newer / part)
    before = sorted(path.stem for path in (ROOT / "apps/core/migrations").glob("0*.py"))[-1]
    for name, operation in BROKEN.items():
        (newer / f"apps/core/migrations/{name}.py").write_text(
            "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n"
            f'    dependencies = [("core", "{before}")]\n    operations = [{operation}]\n'
        )
        before = name
    assert "division by zero" in machine.run("python manage.py migrate", code=newer, succeeds=False)
    machine.shell("pass")
    refused = machine.run("python manage.py migrate", succeeds=False)
    assert "newer than this LedgerFlow" in refused
    listing, restore = commands("A migration broke in the middle")
    name = next(line.split()[0] for line in machine.run(listing).splitlines() if "Before an upgrade" in line)
    machine.run(restore, NAME=name)
    assert machine.query("SELECT to_regclass('core_half')") == [(None,)]
    machine.run("python manage.py migrate")
    assert machine.entries == 3


def with_a_bucket(machine, bucket, **others):
    machine.stack.environment |= {
        "OFFSITE_BUCKET": bucket.name,
        "OFFSITE_ENDPOINT": bucket.endpoint,
        "OFFSITE_REGION": "us-east-1",
        "OFFSITE_ACCESS_KEY": "test",
        "OFFSITE_SECRET_KEY": "test",
        **others,
    }


@pytest.fixture
def bucket():
    with server() as address:
        yield Bucket(address, "copies")


def test_everything_here_is_gone_and_the_key_was_lost_before(machine, bucket, tmp_path):
    with_a_bucket(machine, bucket)
    machine.run("python manage.py backup")
    machine.run("python manage.py backup_test")
    new_key, prove, push = commands("The key of the copies is lost")
    file = str(tmp_path / "key")
    public = machine.run(new_key, **{"new.key": file}).splitlines()[0]
    with_a_bucket(machine, bucket, BACKUP_RECIPIENTS=public)
    assert "was proven" in machine.run(push, succeeds=False)
    assert "is proven" in machine.run(prove, **{"new.key": file})
    assert "is copied off site" in machine.run(push)
    other = Machine(tmp_path / "two")
    try:
        with_a_bucket(other, bucket, BACKUP_RECIPIENTS=public)
        listing, fetch, restore, check, archive = commands("Everything here is gone: restore from the bucket")
        assert ".psql.bin" in other.run(listing)
        other.run(fetch, **{"ledgerflow.key": file})
        other.run(restore)
        assert other.clients == ["ACORN"]
        assert (other.stack.data.parent / "media" / "paper.pdf").read_bytes() == b"a paper"
        assert "was proven" in other.run(check, succeeds=False)  # of this machine nothing is known yet
        other.run("python manage.py offsite prove FILE", FILE=file)
        other.run(check)
        names = {"FOLDER": str(tmp_path / "archive"), "ledgerflow.key": file}
        assert "There is no archive in the bucket" in other.run(archive, succeeds=False, **names)
    finally:
        embedded.stop(other.stack.data)


def test_moving_to_a_new_machine(machine, tmp_path):
    backup, tested, restore, check = commands("Moving to a new machine")
    machine.run(backup)
    assert "gives back what went in" in machine.run(tested)
    machine.shell(LATER)
    other = Machine(tmp_path / "two")
    try:
        shutil.copytree(machine.stack.environment["BACKUP_DIR"], other.stack.environment["BACKUP_DIR"])
        other.run(restore)
        assert other.clients == ["ACORN"]
        assert machine.clients == ["ACORN", "LATER"]  # the old one is not touched
        assert (other.stack.data.parent / "media" / "paper.pdf").read_bytes() == b"a paper"
        other.run(check)
        other.run("python manage.py migrate")
    finally:
        embedded.stop(other.stack.data)
