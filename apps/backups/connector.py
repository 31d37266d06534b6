"""django-dbbackup's PostgreSQL connector: one snapshot for dump and manifest, read back while written."""

import errno
import gzip
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, cast

import psycopg
from dbbackup.db.exceptions import CommandConnectorError
from dbbackup.db.postgresql import PgDumpBinaryConnector, parse_postgres_settings
from django.conf import settings
from django.core.files import File
from django.db import connection
from django.utils.translation import gettext as _
from psycopg import sql

from apps.backups import databases, manifest, media
from apps.backups.storage import INCOMING, IncomingFile, file_sha256, folder, put, write

SYSTEM_FOLDERS = ["/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin"]
LOCK_TIMEOUT = "15s"  # so long a backup waits for a table that somebody keeps locked
DUMP_OPTIONS = f"--no-owner --no-privileges --lock-wait-timeout={LOCK_TIMEOUT} --compress=1"
RESTORE_OPTIONS = "--no-owner --no-privileges --exit-on-error"
RESTORES_AT_ONCE = 2
FASTER = "-c maintenance_work_mem=256MB -c synchronous_commit=off"  # for a copy that is thrown away or tested
CHUNK = 2**20
TICK = 0.05  # seconds

Report = Callable[[str], object]


@dataclass
class Making:
    """The backup that is being made: why and by whom, and what is known of it so far."""

    reason: str
    by: str
    report: Report
    before: str | None = None  # the backup whose list of media files is the newest
    as_of: str = ""  # the moment, in ISO format, of one that is made out of the archive
    facts: dict[str, Any] = field(default_factory=dict)


_making: ContextVar[Making | None] = ContextVar("making", default=None)


@contextmanager
def making(one: Making) -> Iterator[Making]:
    token = _making.set(one)
    try:
        yield one
    finally:
        _making.reset(token)


def being_made() -> Making | None:
    return _making.get()


def describe(metadata: dict[str, Any]) -> dict[str, Any]:
    """DBBACKUP_BACKUP_METADATA_SETTER. dbbackup swallows what it raises, so it does nothing that can fail."""
    one = being_made()
    return {"ledgerflow": one.facts} if one and one.facts else {}


class LedgerFlowConnector(PgDumpBinaryConnector):
    """
    Dumps in PostgreSQL's custom format, compressed: each block carries a checksum, so that a damaged file
    is refused and never restored in part.
    """

    def generate_filename(self, server_name: str | None = None) -> str:
        self.filename: str = super().generate_filename(server_name)
        return self.filename

    def _create_dump(self) -> File:
        """
        Return the dump, read back, and store its manifest and media files beside where it will be.

        The dump, its manifest and nothing else decide what a backup holds, so both look through one
        snapshot. Reading back inflates every block while the next is written, on another processor.
        """
        one = being_made()
        if one is None:
            raise CommandConnectorError(_("Use the command backup, or dbbackup, to make a backup."))
        if manifest_of(self.filename).exists():  # of another one, which keeps what is its own
            raise CommandConnectorError(_("There is a backup of this moment already; try again."))
        began = datetime.now(UTC)
        incoming = folder() / INCOMING / self.filename
        try:
            with databases.connect(self.settings["NAME"]) as session, _collecting(session) as collected:
                write(
                    incoming, lambda file: self._dump_and_read_back(file, incoming, collected.snapshot, one)
                )
            found = collected.result()
            _store_manifest(self.filename, found)
            files, size = media.back_up_media(self.filename, one.before, one.report)
            one.facts.update(
                taken_at=began.isoformat(),
                as_of=one.as_of,
                reason=one.reason,
                by=one.by,
                bytes=incoming.stat().st_size,
                sha256=file_sha256(incoming),
                manifest_sha256=file_sha256(manifest_of(self.filename)),
                media={"files": files, "bytes": size, "sha256": file_sha256(media.list_of(self.filename))},
                rows={table: facts[0] for table, facts in found["tables"].items()},
                newest={table: facts[2] for table, facts in found["tables"].items() if facts[2]},
                server=found["server"],
                database_bytes=found["database_bytes"],
            )
            return IncomingFile(incoming)
        except BaseException:
            for path in (incoming, manifest_of(self.filename), media.list_of(self.filename)):
                path.unlink(missing_ok=True)
            raise

    def _restore_dump(self, dump: Any) -> Any:
        raise CommandConnectorError(_("A backup is never restored over a database; use restore_backup."))

    def restore_into(
        self, database: str, path: Path, wait: Callable[[], object], at_once: int = RESTORES_AT_ONCE
    ) -> None:
        """
        Restore a dump into an empty database; ``wait`` is called meanwhile and may raise to stop it.

        Raises CommandConnectorError with the tool's reason. pg_restore ends with this process.
        """
        with TemporaryFile() as errors:
            command = [*shlex.split(RESTORE_OPTIONS), f"--jobs={at_once}", *self._target(database)]
            process = self._start("pg_restore", [*command, str(path)], options=FASTER, stderr=errors)
            with _ended(process):
                while process.poll() is None:
                    wait()
                    time.sleep(TICK)
            refuse_failure("pg_restore", process, errors)

    def _dump_and_read_back(self, file: IO[bytes], path: Path, snapshot: str, one: Making) -> None:
        options = [*shlex.split(DUMP_OPTIONS), "--format=custom", f"--snapshot={snapshot}"]
        with TemporaryFile() as dump_errors, TemporaryFile() as read_errors:
            command = [*options, *self._target(self.settings["NAME"])]
            dump = self._start("pg_dump", command, stdout=file, stderr=dump_errors)
            with _ended(dump):
                read = self._start(
                    "pg_restore",
                    ["--file=/dev/null"],
                    stdin=subprocess.PIPE,
                    stderr=read_errors,
                    stdout=subprocess.DEVNULL,
                )
                with _ended(read):
                    _follow(path, dump, read, one.report)
                if dump.poll() is None:  # which would be killed, and say no more than that
                    _refuse_unread(read, read_errors, path)
                    dump.wait()
            refuse_failure("pg_dump", dump, dump_errors)
            _refuse_unread(read, read_errors, path)

    def _target(self, database: str) -> list[str]:
        """Return the argument that names a database; the password goes through the environment."""
        target, self._environment = parse_postgres_settings(self)
        arguments = shlex.split(target)
        where = arguments[0].rpartition("/")[0]
        return [f"{where}/{database}", *arguments[1:]]

    def _start(
        self, tool: str, arguments: list[str], options: str = "", **streams: Any
    ) -> subprocess.Popen[bytes]:
        path = client_tool(tool, int(connection.pg_version) // 10_000)  # type: ignore[attr-defined]
        environment = {**child_environment(), **getattr(self, "_environment", {}), "PGOPTIONS": options}
        return subprocess.Popen([*ends_with_us(), str(path), *arguments], env=environment, **streams)  # noqa: S603


def _refuse_unread(read: subprocess.Popen[bytes], errors: IO[bytes], path: Path) -> None:
    try:
        refuse_failure("pg_restore", read, errors)
    except CommandConnectorError as error:
        if shutil.disk_usage(path.parent).free < CHUNK:  # which the tool that wrote may not have told
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise


def _follow(path: Path, dump: subprocess.Popen[bytes], read: subprocess.Popen[bytes], report: Report) -> None:
    """Hand a file that is being written to the process that reads it back, to its end."""
    told, pipe = 0.0, cast(IO[bytes], read.stdin)
    with open(path, "rb") as written, suppress(BrokenPipeError):  # its exit code says more
        while True:
            ended = dump.poll() is not None
            if chunk := written.read(CHUNK):
                pipe.write(chunk)
            elif ended:
                break
            else:
                time.sleep(TICK)
            if time.monotonic() - told > 0.5:
                told = time.monotonic()
                megabytes = f"{written.tell() / 10**6:,.0f}"
                report(_("Copying the database: %(megabytes)s MB so far.") % {"megabytes": megabytes})
    with suppress(BrokenPipeError):
        pipe.close()
    read.wait()


class _Collected:
    """The manifest, collected beside the dump by a thread of its own in the transaction of the snapshot."""

    def __init__(self, session: databases.Session) -> None:
        self.snapshot: str = session.execute("SELECT pg_export_snapshot()").fetchone()[0]  # type: ignore[index]
        self._session = session
        self._found: manifest.Manifest = {}
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._collect)

    def _collect(self) -> None:
        try:
            self._found = manifest.collect(self._session.cursor())
        except Exception as error:  # told in result()
            self._error = error

    def result(self) -> manifest.Manifest:
        self._thread.join()
        if self._error:
            raise self._error
        return self._found


@contextmanager
def _collecting(session: databases.Session) -> Iterator[_Collected]:
    session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    session.read_only = True
    session.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(LOCK_TIMEOUT)))
    collected = _Collected(session)
    collected._thread.start()
    try:
        yield collected
        collected.result()
    except BaseException:
        with suppress(psycopg.Error):
            session.cancel_safe(timeout=5)
        collected._thread.join()
        raise


def manifest_of(name: str) -> Path:
    return folder() / "manifests" / f"{name}.json.gz"


def _store_manifest(name: str, found: manifest.Manifest) -> None:
    incoming = folder() / INCOMING / f"{name}.json.gz"
    write(incoming, lambda file: file.write(gzip.compress(json.dumps(found).encode(), mtime=0)))
    put(incoming, manifest_of(name))
    incoming.unlink()


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave no process behind, however this ends."""
    try:
        yield
    finally:
        if process.stdin:
            with suppress(BrokenPipeError):
                process.stdin.close()
        if process.poll() is None:
            process.kill()
        process.wait()


SERVER_WENT_AWAY = (
    "FATAL:",
    "connection to server",
    "closed the connection",
    "terminating connection",
    "out of memory",
)
FROM_OUTSIDE = {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


class NotItsFault(CommandConnectorError):
    """A tool did not end well for a reason that tells nothing about the file it was given."""


class WorkerDied(NotItsFault):
    """One of pg_restore's processes was killed, or crashed over a damaged file; nobody says which."""


def refuse_failure(tool: str, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
    """
    Raise CommandConnectorError with the reason when a tool did not end well.

    It is NotItsFault when the tool was killed, or the disk or the server failed it.
    """
    if not process.wait():
        return
    errors.seek(0)
    told = errors.read().decode(errors="replace").splitlines()
    lines = [line for line in told if line.strip() and "hint:" not in line]
    telling = [line for line in lines if "error:" in line or "ERROR:" in line] or lines[:1]
    reason = re.sub(r"^\S*pg_(dump|restore): (error: )?", "", telling[0]).strip() if telling else ""
    if -process.returncode in FROM_OUTSIDE:
        raise NotItsFault(
            _("PostgreSQL's %(tool)s was ended by signal %(signal)s before it was done.")
            % {"tool": tool, "signal": -process.returncode}
        )
    if process.returncode < 0:  # a damaged file can make it crash
        reason = reason or _("%(tool)s broke down (signal %(signal)s)") % {
            "tool": tool,
            "signal": -process.returncode,
        }
    if "due to statement timeout" in reason:  # which is how pg_dump waits no longer for a lock
        raise NotItsFault(_("Somebody keeps a table locked; try again when they are done."))
    if "No space left" in reason or not reason:
        raise NotItsFault(_("The disk is full: %(why)s.") % {"why": reason or _("no room for a reason")})
    if "worker process died" in reason:
        raise WorkerDied(_("One of PostgreSQL's processes was ended before it was done."))
    if any(sign in reason for sign in SERVER_WENT_AWAY):
        raise NotItsFault(_("The database does not answer: %(why)s.") % {"why": reason})
    raise CommandConnectorError(reason)


def ends_with_us() -> list[str]:
    """Return what to put before a command so that it ends with this process, even by kill -9 (Linux only)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig=KILL", "--"] if setpriv else []


def child_environment() -> dict[str, str]:
    """Return this process's environment, in English, without what belongs to this process alone."""
    left_out = {"LEDGERFLOW_LIFELINE", "RUN_MAIN"}
    return {name: value for name, value in os.environ.items() if name not in left_out} | {"LC_ALL": "C"}


def client_tool(name: str, major: int) -> Path:
    """
    Return the path of a PostgreSQL client tool of the server's major version.

    An older pg_dump refuses a newer server, and what a newer one writes an older pg_restore cannot
    read, so nothing but the same major will do. Raises CommandConnectorError naming what to install.
    """
    folders = [settings.PG_BIN, *(folder.format(major=major) for folder in SYSTEM_FOLDERS)]
    candidates = [Path(folder) / name for folder in folders if folder]
    if on_path := shutil.which(name):
        candidates.append(Path(on_path))
    for candidate in candidates:
        if candidate.is_file() and _major_of(candidate) == major:
            return candidate
    raise NotItsFault(
        _(
            "The database is PostgreSQL %(major)s, and %(tool)s %(major)s was not found. "
            "Install postgresql-client-%(major)s or name its folder in LEDGERFLOW_PG_BIN."
        )
        % {"major": major, "tool": name}
    )


def _major_of(tool: Path) -> int | None:
    answer = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(found[1]) if found else None
