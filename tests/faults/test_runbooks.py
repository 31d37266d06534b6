"""The runbooks of docs/operations.md, executed as they stand: the commands are taken from the page."""

import re
import shlex
import shutil
import subprocess
import sys

import psycopg
import pytest

from ledgerflow import embedded
from tests.backups.bucket import Bucket, server
from tests.stack import ROOT, Stack

PAGE = (ROOT / "docs" / "operations.md").read_text()

BOOKS = """
from pathlib import Path
from django.conf import settings
from tests.factories import make_books, make_client, make_draft, make_owner, make_user
from apps.ledger.services import post_entry
client, accounts = make_books(make_client("ACORN"))
owner = make_owner()
for number in range(3):
    draft = make_draft(client, ("1010", 100), ("4000", -100), day=f"2026-0{number + 1}-10")
    post_entry(draft, by=owner)
Path(settings.MEDIA_ROOT).mkdir(exist_ok=True)
(Path(settings.MEDIA_ROOT) / "paper.pdf").write_bytes(b"a paper")
"""
LATER = """
from tests.factories import make_client
make_client("LATER")
"""
RUINED = """
SET session_replication_role = replica;
DELETE FROM ledger_journalline; DELETE FROM ledger_journalentry; DELETE FROM ledger_accounttotal;
"""
BROKEN = {
    "9001_first_step": 'migrations.RunSQL("CREATE TABLE core_half (id bigint)")',
    "9002_breaks": 'migrations.RunSQL("SELECT 1 / 0")',
}


def commands(title):
    """Return the shell commands of a runbook, in their order."""
    section = PAGE.partition(f"### {title}\n")[2].partition("\n#")[0]
    found = [line for block in re.findall(r"```sh\n(.*?)```", section, re.S) for line in block.splitlines()]
    assert found, f"no runbook is headed {title}"
    return [line for line in found if line.strip()]


class Machine:
    """A machine with a database, the code, and the folders; commands are run as somebody types them."""

    def __init__(self, folder):
        self.stack = Stack(folder)
        self.stack.start_server()
        self.stack.environment["BACKUP_BEFORE_MIGRATE"] = "on"  # as it is outside tests

    def run(self, line, *, code=ROOT, succeeds=True, **names):
        for word, name in names.items():
            line = line.replace(word, name)
        words = shlex.split(line)
        assert words[:2] == ["python", "manage.py"], line
        if words[2] in ("restore_backup", "undo_restore"):
            words.append("--noinput")
        if words[2] == "drop_kept_copy":
            words.append(f"--typed={words[3]}")
        done = subprocess.run(
            [sys.executable, *words[1:]],
            cwd=code, env=self.stack.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
        return done.stdout + done.stderr

    def shell(self, code):
        self.stack.manage("shell", "--verbosity=0", "-c", code)

    def query(self, query, **options):
        with psycopg.connect(**{**self.stack.database, **options}, autocommit=True) as session:
            cursor = session.execute(query)
            return cursor.fetchall() if cursor.description else []

    @property
    def entries(self):
        return self.query("SELECT count(*) FROM ledger_journalentry")[0][0]

    @property
    def clients(self):
        return [code for (code,) in self.query("SELECT code FROM profiles_client ORDER BY 1")]


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
