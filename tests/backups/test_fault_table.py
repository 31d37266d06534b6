"""
Every way we know in which a backup or a restore goes wrong: the books stay what they were, and why is said.

docs/backup-faults.md is this test's result. The numbers are those of the list of what the library alone
does then; each fault is tried once for all tests.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from itertools import count
from pathlib import Path
from random import Random

import psycopg
import pytest
from dbbackup import settings as dbbackup_settings
from dbbackup.db.base import get_connector
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection

from apps.backups import connector, databases, manifest, services
from apps.backups.catalogue import State, backup_named, backups, newest_backup
from apps.backups.services.restoring import OF_THE_MOMENT
from apps.backups.storage import METADATA
from tests.backups.conftest import copies_left, drop_copies, execute_in
from tests.factories import make_books, make_posted

pytestmark = pytest.mark.xdist_group("backup faults")
PAGE_IS_OF = 15  # the major version of PostgreSQL whose sentences the page has: production's

TABLE = Path("docs/backup-faults.md")
INTRODUCTION = """# What goes wrong with backups, and what is read then

Every fault below is made by a test, which makes this table and fails when it is out of date (`make faults`
writes it anew). Whatever happens, the live database is what it was, no scratch copy and no unfinished file
stays behind, and a sentence says why; where a restore goes through, the live database is what was backed up.
The name of a backup is written NAME; what PostgreSQL's tools say of a damaged file differs and is left out.

| # | fault | what is read | afterwards |
|---|---|---|---|
"""
CALLED = []  # by the evil connector
LOGS = ("ledger_bookcheck",)  # where a test of the copy writes that its books check
UNCHANGED, RESTORED = "as it was", "as it was backed up"


def evil(*args, **kwargs):
    CALLED.append(args)


@dataclass
class Outcome:
    sentence: str
    live: str  # UNCHANGED, RESTORED, or what is different
    state: str
    left: list[str]


class Bench:
    """Books in the live database, one tested backup of them, and a copy of its folder for each fault."""

    def __init__(self, base):
        self.base, self.patch, self.outcomes = base, pytest.MonkeyPatch(), {}
        self.folder = self.pristine = base / "pristine"
        self.numbers = count()
        with self.in_folder(self.pristine):
            make_posted(make_books()[0], ("1010", "50"), ("4000", "-50"))
            self.name = services.back_up(by="Ben").name
            assert services.run_test(self.name, by="Ben").is_clean
            self.wanted = backup_named(self.name).manifest()

    @contextmanager
    def in_folder(self, folder):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(dbbackup_settings.STORAGE_OPTIONS, "location", str(folder))
            patch.setattr(settings, "MEDIA_ROOT", str(self.base / "media"))
            self.folder, self.patch = folder, patch
            yield

    def outcome(self, what):
        if what not in self.outcomes:
            folder = self.base / str(next(self.numbers))
            shutil.copytree(self.pristine, folder)
            with self.in_folder(folder), ExitStack() as self.stack:
                before = live()
                try:
                    told = FAULTS[what][1](self) or "Nothing."
                finally:
                    self.stack.close()
                    drop_copies_of_restores()
                    self.patch.undo()
                    self.patch.setitem(dbbackup_settings.STORAGE_OPTIONS, "location", str(self.folder))
                self.outcomes[what] = Outcome(
                    told.replace(self.name, "NAME"),
                    compared(before, live(), self.wanted),
                    self.state(),
                    left(self),
                )
        return self.outcomes[what]

    def state(self):
        try:
            return f"{str(backup_named(self.name).state.label).lower()}"
        except ValidationError:
            return "not listed"

    @property
    def dump(self):
        return self.folder / self.name

    @property
    def metadata(self):
        return self.folder / f"{self.name}{METADATA}"

    def change_facts(self, **facts):
        told = json.loads(self.metadata.read_bytes())
        told["ledgerflow"].update(facts)
        self.metadata.write_text(json.dumps(told))

    def forge(self, content):
        """Put other content in the dump's place, and its checksum into the metadata."""
        self.dump.write_bytes(content)
        self.change_facts(sha256=hashlib.sha256(content).hexdigest())

    def change_manifest(self, **parts):
        path = connector.manifest_of(self.name)
        told = json.loads(gzip.decompress(path.read_bytes())) | parts
        path.write_bytes(gzip.compress(json.dumps(told).encode()))
        self.change_facts(manifest_sha256=connector.file_sha256(path))

    def session(self, *statements):
        """Somebody at work on the live database."""
        session = self.stack.enter_context(closing(databases.connect(databases.live_name())))
        for statement in statements:
            session.execute(statement)
        return session


@pytest.fixture(scope="module")
def bench(django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        assert databases.live_name().startswith("test_")  # made where a test of the run is marked django_db
        try:
            yield Bench(tmp_path_factory.mktemp("faults"))
        finally:
            drop_copies()
            connection.close()
            call_command("flush", verbosity=0, interactive=False)
            connection.close()


def drop_copies_of_restores():
    with databases.connect(databases.MAINTENANCE, autocommit=True) as server:
        for one in databases.copies(server, "old"):
            databases.drop(server, one.name)


def live():
    with closing(databases.connect(databases.live_name())) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return manifest.collect(session.cursor())


def compared(before, after, wanted):
    if not manifest.differences(before, after):
        return UNCHANGED
    of_the_moment = {
        name: facts for name, facts in after["tables"].items() if name in (*OF_THE_MOMENT, *LOGS)
    }
    different = manifest.differences({**wanted, "tables": wanted["tables"] | of_the_moment}, after)
    return " ".join(different) or RESTORED


def left(bench):
    """What should have been cleared away: scratch copies, what is being written, parts of backups."""
    incoming = [path.name for path in bench.folder.glob("incoming/*")]
    scratch = [name for name in copies_left() if "_try_" in name]
    finished = {path.name.removesuffix(METADATA) for path in bench.folder.glob(f"*{METADATA}")} | {bench.name}
    parts = [path.name for path in bench.folder.glob("*.psql.bin") if path.name not in finished]
    return scratch + incoming + parts


def refusal(verb, *args, **options):
    """Return what a person reads of something refused."""
    with pytest.raises((ValidationError, CommandError)) as refused:
        verb(*args, **options)
    error = refused.value
    return " ".join(error.messages) if isinstance(error, ValidationError) else str(error)


def what_a_test_finds(bench):
    """Return what a test of the backup finds, and see that a restore is refused for the same."""
    findings = " ".join(services.run_test(bench.name, by="Ben").findings)
    if findings:
        assert findings.split(";")[0] in refusal(services.restore_backup, bench.name, by="Ben")
    return findings


def restored(bench):
    services.restore_backup(bench.name, by="Ben")
    return "The backup is restored."


def without_the_tools_words(sentence):
    """Return what we say; what the tool says of a damaged file is another word for each byte."""
    ours, says, theirs = sentence.partition("PostgreSQL says: ")
    assert theirs or not says
    return f"{ours}{says}…" if says else sentence


# Damaged files

PLACES = {
    "25 %": lambda size: size // 4,
    "50 %": lambda size: size // 2,
    "75 %": lambda size: size * 3 // 4,
    "99 %": lambda size: size * 99 // 100,
    "100 bytes before its end": lambda size: size - 100,
}


def cut(place, *, forged):
    def fault(bench):
        content = bench.dump.read_bytes()
        content = content[: place(len(content))]
        bench.forge(content) if forged else bench.dump.write_bytes(content)
        return without_the_tools_words(what_a_test_finds(bench))

    return fault


def flipped(content, random, first=0.0, last=1.0):
    """Flip one bit somewhere between two shares of a file."""
    position = int((first + random.random() * (last - first)) * len(content))
    return (
        content[:position] + bytes([content[position] ^ 1 << random.randrange(8)]) + content[position + 1 :]
    )


def flip_twenty_bits(bench):
    content, random = bench.dump.read_bytes(), Random(20)
    told = set()
    for _ in range(20):
        bench.dump.write_bytes(flipped(content, random))
        told |= set(services.run_test(bench.name, by="Ben").findings)
    assert " ".join(told) in refusal(services.restore_backup, bench.name, by="Ben")
    return " ".join(told)


def flip_and_forge(bench, *, times, first, last):
    """Return what tests find of so many damaged dumps; one in which something was found is left there."""
    content, random, told = bench.dump.read_bytes(), Random(7), set()
    for _ in range(times):
        damaged = flipped(content, random, first, last)
        bench.forge(damaged)
        if findings := services.run_test(bench.name, by="Ben").findings:
            told, refused = told | set(findings), damaged
    bench.forge(refused)
    services.run_test(bench.name, by="Ben")
    return told


def flip_bits_of_rows_and_forge(bench):
    """Behind the checksum of the file come those of its blocks; rows begin with the first block of zlib's."""
    content = bench.dump.read_bytes()
    first = content.index(b"\x78\x01") / len(content)
    told = flip_and_forge(bench, times=6, first=first, last=first + 0.02)
    assert told
    return "It cannot be restored; PostgreSQL says: … Or what differs is named."


def flip_bits_of_the_schema_and_forge(bench):
    """What describes the tables carries no checksum: the copy is compared with the manifest."""
    assert flip_and_forge(bench, times=4, first=0.05, last=0.5)
    return "What differs is named; a bit that changes nothing in the copy passes."


def empty(bench):
    bench.dump.write_bytes(b"")
    assert bench.name not in [one.name for one in backups()]
    return refusal(services.restore_backup, bench.name, by="Ben")


def is_sql(*, forged):
    def fault(bench):
        sql = b"--\n-- PostgreSQL database dump\n--\n\nDROP TABLE core_user CASCADE;\n"
        bench.forge(sql) if forged else bench.dump.write_bytes(sql)
        return what_a_test_finds(bench)

    return fault


# Older and newer


def newer_table(*, with_key):
    def fault(bench):
        key = "REFERENCES profiles_client" if with_key else ""
        connection.close()
        with closing(databases.connect(databases.live_name(), autocommit=True)) as session:
            session.execute(f"CREATE TABLE newer (id bigint PRIMARY KEY, client_id bigint {key})")
            session.execute("INSERT INTO newer SELECT 1, min(id) FROM profiles_client")
        return restored(bench)

    return fault


def newer_code(bench):
    bench.change_manifest(migrations=[*bench.wanted["migrations"], "ledger.9999_future"])
    with pytest.raises(ValidationError, match="9999_future") as refused:
        services.run_test(bench.name, by="Ben")
    assert refused.value.code == "newer"
    return refusal(services.restore_backup, bench.name, by="Ben")


def newer_server(bench):
    bench.change_manifest(server="99.1")
    return refusal(services.restore_backup, bench.name, by="Ben").replace(
        f"is {connection.pg_version // 10_000}.", "is older."
    )


def another_role(bench):
    reader = connector.client_tool("pg_restore", connection.pg_version // 10_000)
    command = [reader, *connector.RESTORE_OPTIONS.split(), "--file=-", bench.dump]
    sql = subprocess.run(command, capture_output=True, check=True).stdout
    assert not re.search(rb"^(ALTER .* OWNER TO|GRANT|REVOKE|SET SESSION AUTHORIZATION)", sql, re.MULTILINE)
    execute_in("postgres", "CREATE ROLE somebody LOGIN", "CREATE DATABASE theirs OWNER somebody")
    try:
        as_somebody = get_connector("default")
        as_somebody._settings = {**as_somebody.settings, "USER": "somebody"}
        as_somebody.restore_into("theirs", bench.dump, lambda: None)
        with closing(databases.connect("theirs", user="somebody")) as session:
            assert not manifest.differences(bench.wanted, manifest.collect(session.cursor()))
    finally:
        execute_in("postgres", "DROP DATABASE theirs WITH (FORCE)", "DROP ROLE somebody")
    return "Nothing: it gives back what was backed up."


# Others at work


def kill_pg_restore(bench):
    def kill(message):
        if "Restoring into" in message:
            end = time.monotonic() + 5  # it is started by now, and may not have become what it starts
            while not (found := children("pg_restore")) and time.monotonic() < end:
                time.sleep(0.01)
            for pid in found:
                os.kill(pid, signal.SIGKILL)

    return refusal(services.run_test, bench.name, by="Ben", report=kill)


def children(program):
    """Return our processes of a program, and no others: a browser may be among them."""
    listed = [path.read_text() for path in Path("/proc/self/task").glob("*/children")]
    pids = [int(pid) for pids in listed for pid in pids.split()]
    return [pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == program]


def idle_in_transaction(bench):
    bench.session("SELECT * FROM core_user")
    return restored(bench)


def holding_a_lock(*statements):
    def fault(bench):
        bench.patch.setattr(databases, "POLITE_SECONDS", 1)
        bench.patch.setattr(databases, "POLITE_TRIES", 1)
        bench.session(*statements)
        return restored(bench)

    return fault


def a_stranger(bench):
    with closing(databases.connect(databases.live_name())) as ours:
        where = {"host": ours.info.host, "port": ours.info.port, "dbname": databases.live_name()}
    bench.stack.enter_context(closing(psycopg.connect(**where, user="postgres", application_name="psql")))
    return refusal(services.restore_backup, bench.name, by="Ben")


def locked_table(bench):
    bench.patch.setattr(connector, "DUMP_OPTIONS", connector.DUMP_OPTIONS.replace("=15s", "=1s"))
    bench.session("LOCK TABLE ledger_account IN ACCESS EXCLUSIVE MODE")
    return refusal(services.back_up, by="Ben")


def locked_for_the_manifest(bench):
    """Only the manifest's own look at the table waits; no view is of it, which pg_dump would have to read."""
    bench.patch.setattr(connector, "DUMP_OPTIONS", f"{connector.DUMP_OPTIONS} --exclude-table=ledger_contact")
    bench.patch.setattr(connector, "LOCK_TIMEOUT", "1s")
    bench.session("LOCK TABLE ledger_contact IN ACCESS EXCLUSIVE MODE")
    return refusal(services.back_up, by="Ben")


# Metadata


def metadata_of_another_tool(bench):
    bench.metadata.write_text(
        '{"engine": "django.db.backends.mysql", "connector": "dbbackup.db.mysql.MysqlDumpConnector"}'
    )
    return refusal(services.restore_backup, bench.name, by="Ben")


def no_metadata(bench):
    bench.metadata.unlink()
    return refusal(services.restore_backup, bench.name, by="Ben")


MALFORMED = ["", "{", "null", "[]", '{"ledgerflow": 1}', '{"ledgerflow": {"sha256": null}}', "\x00\xff"]


def malformed_metadata(bench):
    whole, told = json.loads(bench.metadata.read_bytes()), set()
    without = [
        json.dumps(
            {"ledgerflow": {key: value for key, value in whole["ledgerflow"].items() if key != left_out}}
        )
        for left_out in ("sha256", "manifest_sha256", "rows", "media", "database_bytes")
    ]
    for content in MALFORMED + without:
        bench.metadata.write_text(content)
        told |= {refusal(services.restore_backup, bench.name, by="Ben")}
        call_command("backup_list", stdout=StringIO())
        call_command("listbackups", stdout=StringIO())
    (sentence,) = told
    return sentence


def metadata_of_another_backup(bench):
    bench.change_facts(sha256=hashlib.sha256(b"another").hexdigest())
    return what_a_test_finds(bench)


def no_manifest(bench):
    connector.manifest_of(bench.name).unlink()
    return what_a_test_finds(bench)


def half_a_manifest(bench):
    path = connector.manifest_of(bench.name)
    told = json.loads(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(json.dumps({"tables": told["tables"]}).encode()))
    bench.change_facts(manifest_sha256=connector.file_sha256(path))
    return what_a_test_finds(bench)


def evil_connector(bench):
    told = json.loads(bench.metadata.read_bytes())
    bench.metadata.write_text(json.dumps({**told, "connector": f"{__name__}.evil"}))
    findings = services.run_test(bench.name, by="Ben").findings
    call_command("dbrestore", interactive=False, verbosity=0, stdout=StringIO())
    assert CALLED == []
    assert findings == []
    return "Nothing: the name is not looked at."


def hook(returns):
    def fault(bench):
        bench.patch.setattr(connector, "describe", returns)
        sentence = refusal(services.back_up, by="Ben")
        assert [one.name for one in backups()] == [bench.name]
        return sentence

    return fault


def fails(metadata):
    raise RuntimeError("the hook is broken")


# Disks

ENOSPC = OSError(28, "No space left on device")


@contextmanager
def small_disk(folder, size):
    """Mount a disk of so many bytes in a folder's place, with what is in it."""
    aside = folder.with_name(f"{folder.name} aside")
    folder.rename(aside)
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        folder.rmdir()
        aside.rename(folder)
        pytest.skip("only root may mount a disk that is full")
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        yield folder
    finally:
        shutil.copytree(folder, aside, dirs_exist_ok=True)
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()
        aside.rename(folder)


def used(folder):
    """Return the bytes that a folder takes on a disk of pages."""
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in folder.rglob("*") if path.is_file())


def full_storage(share):
    """Room for a share of what the next backup takes."""

    def fault(bench):
        room = used(bench.folder) + 4096 + int(share * bench.dump.stat().st_size) // 4096 * 4096
        with small_disk(bench.folder, room):
            sentence = refusal(services.back_up, by="Ben")
            assert [one.name for one in backups()] == [bench.name]
            assert left(bench) == []
            call_command("listbackups", stdout=(listed := StringIO()))
            assert listed.getvalue().count("default-") == 1
        return sentence

    return fault


def restore_on_a_full_disk(bench):
    with small_disk(bench.folder, used(bench.folder)):
        (bench.folder / "filler").write_bytes(b"")
        fill(bench.folder / "filler")
        sentence = refusal(services.restore_backup, bench.name, by="Ben")
        (bench.folder / "filler").unlink()
    return re.sub(r"[\d,]+ MB", "… MB", sentence)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


def full_temporary_disk(bench):
    full = bench.base / "temporary"
    full.mkdir()
    with small_disk(full, 4096):
        fill(full / "filler")
        bench.patch.setattr(tempfile, "tempdir", str(full))
        assert services.back_up(by="Ben").size
        assert services.run_test(bench.name, by="Ben").is_clean
        bench.patch.setattr(connector, "DUMP_OPTIONS", "--no-such-option")
        sentence = refusal(services.back_up, by="Ben")
        (full / "filler").unlink()
    full.rmdir()
    return f"Nothing: none of it is needed. Where pg_dump fails for another reason: {sentence}"


def no_space_for_the_storage(bench):
    """What a disk says that is no disk of ours: the same without the right to mount one."""

    def full(*args):
        raise ENOSPC

    bench.patch.setattr("apps.backups.storage.os.fsync", full)
    return refusal(services.back_up, by="Ben")


KILLED = """
import os, signal
from pathlib import Path
from apps.backups import connector, services, storage
from dbbackup import settings
settings.STORAGE_OPTIONS["location"] = os.environ["FOLDER"]
storage.put = storage.put
def put(incoming, final, put=storage.put):
    if final.name.endswith(os.environ["BEFORE"]):
        os.kill(os.getpid(), signal.SIGKILL)
    put(incoming, final)
storage.put = connector.put = put
services.back_up(by="Ben")
"""


def killed_before(suffix):
    def fault(bench):
        environment = {
            **os.environ,
            "LEDGERFLOW_DATABASE_NAME": databases.live_name(),
            "FOLDER": str(bench.folder),
            "BEFORE": suffix,
        }
        died = subprocess.run(
            [sys.executable, "manage.py", "shell", "--verbosity=0", "-c", KILLED],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert len([path for path in bench.folder.rglob("*.psql.bin*") if bench.name not in path.name]) >= 1
        assert [one.name for one in backups()] == [bench.name]
        call_command("listbackups", stdout=(listed := StringIO()))
        assert listed.getvalue().count("default-") == 1
        assert newest_backup().name == bench.name  # which is what a restore takes
        services.back_up(by="Ben")
        assert len(backups()) == 2
        for path in bench.folder.glob("*.psql.bin"):  # a day later
            os.utime(path, (1, 1))
        services.back_up(by="Ben")
        return "Nothing: it is not listed, and the next backup clears it away."

    return fault


# Tools and commands


def without_tools(bench):
    bench.patch.setattr(settings, "PG_BIN", "")
    bench.patch.setattr(connector, "SYSTEM_FOLDERS", [])
    bench.patch.setenv("PATH", str(bench.base))


def of_this_version(sentence):
    return sentence.replace(str(connection.pg_version // 10_000), "15")


def no_pg_dump(bench):
    without_tools(bench)
    return of_this_version(refusal(services.back_up, by="Ben"))


def no_pg_restore(bench):
    without_tools(bench)
    return of_this_version(refusal(services.run_test, bench.name, by="Ben"))


def other_version(bench):
    without_tools(bench)
    other = bench.folder / "bin"
    other.mkdir()
    for tool in ("pg_dump", "pg_restore"):
        (other / tool).write_text(f"#!/bin/sh\necho '{tool} (PostgreSQL) 99.1'\n")
        (other / tool).chmod(0o755)
    bench.patch.setattr(settings, "PG_BIN", str(other))
    refusal(services.run_test, bench.name, by="Ben")
    return of_this_version(refusal(services.back_up, by="Ben"))


def dbrestore(bench):
    call_command("dbrestore", interactive=False, stdout=(told := StringIO()))
    assert f"{bench.name} is restored. The database of before is kept as " in told.getvalue()
    return "What restore_backup says, for it goes its way."


def dbrestore_with(**options):
    def fault(bench):
        return refusal(call_command, "dbrestore", interactive=False, **options)

    return fault


def compressed_by_another_tool(bench):
    later = bench.folder / "default-ledgerflow-2099-01-01-120000-000000.psql.bin.gz"
    shutil.copy(bench.dump, later)
    later.with_name(later.name + METADATA).write_text('{"engine": "django.db.backends.postgresql"}')
    bench.patch.setattr("apps.backups.catalogue.CLOCKS_DIFFER", timedelta(days=36500))
    sentence = refusal(call_command, "dbrestore", interactive=False, stdout=StringIO())
    for path in bench.folder.glob("*2099*"):
        path.unlink()
    return sentence.replace(later.name, "NAME.gz")


def twice_at_one_moment(bench):
    bench.patch.setattr(
        connector.LedgerFlowConnector,
        "generate_filename",
        lambda self, server_name=None: setattr(self, "filename", bench.name) or bench.name,
    )
    sentence = refusal(services.back_up, by="Ben")
    assert what_a_test_finds(bench) == ""
    return sentence


def in_the_real_folder(bench):
    bench.patch.setattr(settings, "BASE_DIR", bench.folder.parent)
    real = bench.folder.parent / "backups"
    bench.patch.setitem(dbbackup_settings.STORAGE_OPTIONS, "location", str(real))
    sentence = refusal(services.back_up, by="Ben")
    assert [path.name for path in real.iterdir() if path.suffix == ".bin"] == []
    return sentence


FAULTS = {
    **{f"the dump ends at {at}": ("1", cut(place, forged=False)) for at, place in PLACES.items()},
    **{
        f"the dump ends at {at}, and its checksum is forged": ("1", cut(place, forged=True))
        for at, place in PLACES.items()
    },
    "20 bits of the dump flipped, one at a time": ("2", flip_twenty_bits),
    "6 bits of the rows flipped, one at a time, and the checksum is forged": (
        "2",
        flip_bits_of_rows_and_forge,
    ),
    "4 bits of the schema flipped, one at a time, and the checksum is forged": (
        "2",
        flip_bits_of_the_schema_and_forge,
    ),
    "the dump is empty": ("3", empty),
    "a table made after the backup, with a foreign key into old tables": ("4", newer_table(with_key=True)),
    "a table made after the backup, without": ("4b", newer_table(with_key=False)),
    "the backup was made by a newer LedgerFlow": ("5", newer_code),
    "the backup was made by a newer PostgreSQL": ("5", newer_server),
    "pg_restore is killed": ("6", kill_pg_restore),
    "somebody's transaction stays open": ("7", idle_in_transaction),
    "somebody has written and does not commit": (
        "7",
        holding_a_lock("UPDATE profiles_client SET name = 'Not committed'"),
    ),
    "somebody keeps a table locked": (
        "7",
        holding_a_lock("LOCK TABLE ledger_account IN ACCESS EXCLUSIVE MODE"),
    ),
    "an administrator of the server is connected": ("7", a_stranger),
    "the metadata is of another engine": ("8", metadata_of_another_tool),
    "the metadata is missing": ("8b", no_metadata),
    "the metadata is malformed": ("8b", malformed_metadata),
    "the metadata is of another backup": ("8b", metadata_of_another_backup),
    "the manifest is missing": ("8b", no_manifest),
    "the manifest is half there, and its checksum is forged": ("8b", half_a_manifest),
    "SQL text in the dump's place": ("8c", is_sql(forged=False)),
    "SQL text in the dump's place, and its checksum is forged": ("8c", is_sql(forged=True)),
    "the disk for temporary files is full": ("9", full_temporary_disk),
    "the disk of backups is full in the middle of the dump": ("9b", full_storage(0.5)),
    "the disk of backups is full after the dump": ("9b", full_storage(1)),
    "the disk of backups refuses to write": ("9b", no_space_for_the_storage),
    "the disk of backups is full, and somebody restores": ("9b", restore_on_a_full_disk),
    "killed before the dump has its name": ("9c", killed_before(".psql.bin")),
    "killed before the metadata has its name": ("9c", killed_before(METADATA)),
    "pg_dump is missing": ("10", no_pg_dump),
    "pg_restore is missing": ("10", no_pg_restore),
    "the client tools are of another version": ("10b", other_version),
    "dbrestore --noinput": ("11", dbrestore),
    "dbrestore --uncompress": ("11", dbrestore_with(uncompress=True)),
    "dbrestore --decrypt": ("11", dbrestore_with(decrypt=True)),
    "dbrestore --passphrase": ("11", dbrestore_with(passphrase="x")),
    "dbrestore -I PATH": ("11", dbrestore_with(input_path="/a/file")),
    "dbrestore --no-drop": ("11", dbrestore_with(no_drop=True)),
    "dbrestore --schema": ("11", dbrestore_with(schema=["public"])),
    "dbrestore --servername": ("11", dbrestore_with(servername="other")),
    "dbrestore --pg-options": ("11", dbrestore_with(pg_options="--clean")),
    "dbrestore --database other": ("11", dbrestore_with(database="other")),
    "dbrestore, and the newest is compressed by another tool": ("11", compressed_by_another_tool),
    "two backups have one name": ("12", twice_at_one_moment),
    "the hook for metadata fails": ("13", hook(fails)),
    "the hook for metadata returns nothing": ("13", hook(lambda metadata: None)),
    "the hook for metadata returns an empty answer": ("13", hook(lambda metadata: {})),
    "restored by another role": ("14", another_role),
    "a table is locked while it is backed up": ("15", locked_table),
    "a table is locked while it is counted": ("15", locked_for_the_manifest),
    "the metadata names a connector to call": ("16", evil_connector),
    "a test backs up into the folder of real backups": ("17", in_the_real_folder),
}
GO_THROUGH = {
    "a table made after the backup, with a foreign key into old tables",
    "a table made after the backup, without",
    "somebody's transaction stays open",
    "somebody has written and does not commit",
    "somebody keeps a table locked",
    "dbrestore --noinput",
    "the metadata names a connector to call",
}
CLEAN = re.compile(r"[A-Z-][^\n]*[.?!…:)]|-[^\n]+\.")


@pytest.mark.parametrize("what", FAULTS)
def test_the_books_are_what_they_were_and_a_sentence_says_why(bench, what):
    outcome = bench.outcome(what)
    assert outcome.live == (RESTORED if what in GO_THROUGH else UNCHANGED)
    assert outcome.left == []
    assert CLEAN.fullmatch(outcome.sentence), outcome.sentence
    assert "Traceback" not in outcome.sentence
    assert "Error" not in outcome.sentence
    assert str(bench.base) not in outcome.sentence


@pytest.mark.django_db
def test_it_is_a_database_of_tests_that_all_this_is_done_to():
    assert databases.live_name().startswith("test_")


def test_what_is_damaged_counts_as_failed_and_what_could_not_be_tried_does_not(bench):
    assert bench.outcome("the dump ends at 50 %").state == State.FAILED.label.lower()
    for what in ("pg_restore is killed", "pg_restore is missing", "the client tools are of another version"):
        assert bench.outcome(what).state == State.TESTED.label.lower(), what


def test_the_table_in_the_documentation_is_what_was_seen(bench):
    rows = []
    for what, (number, _fault) in FAULTS.items():
        outcome = bench.outcome(what)
        rows.append(
            f"| {number} | {what} | {outcome.sentence} | live {outcome.live}; backup {outcome.state} |\n"
        )
    table = "".join([INTRODUCTION, *rows])
    if os.environ.get("WRITE_FAULTS"):
        TABLE.write_text(table)
    if connection.pg_version // 10_000 == PAGE_IS_OF:
        assert TABLE.read_text() == table, "out of date: make faults"
    else:  # which lays a dump out in another order, and is named in other sentences
        assert all(f"| {what} |" in TABLE.read_text() for what in FAULTS)
