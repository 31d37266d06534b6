"""Testing a backup: restore it beside the live database, and compare what came back with what went in."""

import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime

import psycopg
from dbbackup.db.base import get_connector
from dbbackup.db.exceptions import ConnectorError
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils.translation import gettext as _

from apps.backups import databases, log, manifest, media
from apps.backups.catalogue import Backup, Test, backup_named, keep_test
from apps.backups.connector import (
    LedgerFlowConnector,
    NotItsFault,
    Report,
    WorkerDied,
)
from apps.backups.elsewhere import check_books, last_line, manage_elsewhere, on_database
from apps.backups.services.backing_up import reason_of
from apps.backups.storage import file_sha256, folder

ROOM = 1.5  # times the database's size, for a copy of it and what making it takes
CHUNK = 2**20


def run_test(name: str, *, by: str, report: Report = lambda message: None) -> Test:
    """
    Restore a backup on trial, keep the result beside it, and return it.

    A test that finds something has done its work: it returns, and the backup counts as failed. Raises
    ValidationError when the test itself could not be made (no space, no such backup, a newer version);
    nothing is then known of the backup, and its state stays.
    """
    try:
        with restored_copy(backup_named(name), by=by, report=report) as copy:
            return copy.test
    except ValidationError as error:
        log.record("test", by=by, outcome="failed", name=name, message=reason_of(error))
        raise
    except (ConnectorError, psycopg.Error, OSError) as error:
        log.record("test", by=by, outcome="failed", name=name, message=reason_of(error))
        raise ValidationError(reason_of(error), code="failed") from error
    except BaseException as error:
        log.record("test", by=by, outcome="stopped", name=name, message=str(error))
        raise


class RestoredCopy:
    """A scratch database with what a backup holds, and what came of comparing it."""

    def __init__(self, name: str, test: Test) -> None:
        self.name, self.test = name, test
        self.is_taken = False

    def take(self) -> None:
        """Say that the database has another use now, so that it is not dropped."""
        self.is_taken = True


@contextmanager
def restored_copy(backup: Backup, *, by: str, report: Report) -> Iterator[RestoredCopy]:
    """
    Restore a backup into a scratch database, compare and check it, and drop it in the end.

    The live database is only read, and only for its name and sort order.
    """
    began = time.monotonic()
    with databases.only_one(lambda: report(_("Waiting for another test or restore."))) as server:
        findings = list(_damage(backup, report))
        wanted = None
        if not findings:
            try:
                wanted = backup.manifest()
            except ValidationError as error:
                if error.code != "manifest" or not backup.facts:
                    raise
                findings += error.messages
        scratch = ""
        try:
            if wanted is not None:
                refuse_unfit(backup, wanted)
                scratch = databases.create_scratch(server)
                findings += _restore(backup, scratch, report)
                if not findings:
                    findings += _compare(wanted, scratch, report)
                if not findings:
                    findings += _bring_up_to_date(wanted, scratch, report)
                if not findings:
                    findings += check_books(on_database(scratch), report)
            findings += _files(backup, report)
            test = Test(datetime.now(UTC), by, round(time.monotonic() - began, 1), findings)
            keep_test(backup.name, test)
            outcome = "done" if test.is_clean else "failed"
            log.record("test", by=by, outcome=outcome, name=backup.name, message=" ".join(findings)[:1000])
            copy = RestoredCopy(scratch, test)
            yield copy
            if copy.is_taken:
                scratch = ""
        finally:
            if scratch:
                with suppress(psycopg.Error):  # the next one drops it
                    databases.drop(server, scratch)


def refuse_unfit(backup: Backup, wanted: manifest.Manifest) -> None:
    """Raise ValidationError for a backup that this LedgerFlow or this machine cannot restore."""
    known = {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations or {}}
    if unknown := sorted(set(wanted["migrations"]) - known):
        raise ValidationError(
            _("%(name)s was made by a newer LedgerFlow: it has %(migration)s. Start that version.")
            % {"name": backup.name, "migration": unknown[0]},
            code="newer",
        )
    made_by, here = int(wanted["server"].partition(".")[0]), connection.pg_version // 10_000  # type: ignore[attr-defined]
    if made_by > here:
        raise ValidationError(
            _("%(name)s was made by PostgreSQL %(made_by)s, and this server is %(here)s.")
            % {"name": backup.name, "made_by": made_by, "here": here},
            code="newer",
        )
    needed = int(backup.facts["database_bytes"] * ROOM)
    free = shutil.disk_usage(folder()).free  # a server elsewhere says it itself
    if free < needed and _is_on_this_machine():
        raise ValidationError(
            _("A copy needs %(needed)s MB and %(free)s MB are free; make room and try again.")
            % {"needed": f"{needed // 10**6:,}", "free": f"{free // 10**6:,}"},
            code="space",
        )


def _is_on_this_machine() -> bool:
    return str(connection.settings_dict["HOST"]).startswith("/")


def _damage(backup: Backup, report: Report) -> Iterator[str]:
    """Yield a sentence when the stored file is not the one that was written."""
    if not backup.facts:
        return
    digest = hashlib.sha256()
    with open(folder() / backup.name, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            report(_("Reading the file."))
    if digest.hexdigest() != backup.facts["sha256"]:
        yield _("The file is not what was stored: it was damaged or changed since.")


def _files(backup: Backup, report: Report) -> Iterator[str]:
    """Yield a sentence for each media file that the backup would not give back."""
    if not backup.facts:
        return
    try:
        is_whole = file_sha256(media.list_of(backup.name)) == backup.facts["media"]["sha256"]
    except FileNotFoundError:
        is_whole = False
    if is_whole:
        yield from media.problems(backup.name, report)
    else:
        yield _("The list of its media files is missing or damaged.")


def _restore(backup: Backup, scratch: str, report: Report) -> Iterator[str]:
    connector: LedgerFlowConnector = get_connector("default", connector_path=_CONNECTOR)
    full = backup.facts["database_bytes"] or 1
    with databases.connect(databases.MAINTENANCE, autocommit=True) as server:
        looked = 0.0

        def wait() -> None:
            nonlocal looked
            if time.monotonic() - looked < 0.5:
                return
            looked = time.monotonic()
            size = server.execute("SELECT pg_database_size(%s)", [scratch]).fetchone()[0]  # type: ignore[index]
            share = f"{min(99, size * 100 // full)}"
            report(_("Restoring into a scratch database: %(share)s %%.") % {"share": share})

        try:
            try:
                connector.restore_into(scratch, folder() / backup.name, wait)
            except WorkerDied:  # alone, it says of itself whether it was killed or crashed over the file
                databases.drop(server, scratch)
                databases.create_scratch(server, scratch)
                connector.restore_into(scratch, folder() / backup.name, wait, at_once=1)
        except NotItsFault:
            raise
        except ConnectorError as error:
            yield _("It cannot be restored; PostgreSQL says: %(why)s") % {"why": error}


_CONNECTOR = f"{LedgerFlowConnector.__module__}.{LedgerFlowConnector.__qualname__}"


def _compare(wanted: manifest.Manifest, scratch: str, report: Report) -> list[str]:
    report(_("Comparing every table with what was backed up."))
    with closing(databases.connect(scratch)) as session:
        session.execute("ANALYZE")
        session.commit()
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        cursor = session.cursor()
        found = manifest.collect(cursor)
        return manifest.differences(wanted, found) + manifest.sequences_behind(cursor)


def _bring_up_to_date(wanted: manifest.Manifest, scratch: str, report: Report) -> list[str]:
    """Apply the migrations that came since, as an upgrade would, so that the books can be checked."""
    loader = MigrationLoader(None)
    waiting = {f"{app}.{name}" for app, name in loader.graph.nodes} - set(wanted["migrations"])
    if not waiting:
        return []
    report(_("Applying the migrations that came since: %(count)s.") % {"count": len(waiting)})
    code, _told, errors = manage_elsewhere(
        ["migrate", "--noinput", "--verbosity=0"], on_database(scratch), report
    )
    if code:
        return [_("It cannot be brought up to date: %(why)s") % {"why": last_line(errors)}]
    return []
