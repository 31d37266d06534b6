"""Making backups."""

import re
from pathlib import Path
from typing import Any

import psycopg
from dbbackup.db.exceptions import ConnectorError
from dbbackup.storage import StorageError
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import DatabaseError, OperationalError
from django.utils.translation import gettext as _

from apps.backups import log
from apps.backups.catalogue import Backup, Reason, backup_named, backups, delete_files
from apps.backups.connector import Making, Report, being_made, making
from apps.backups.storage import METADATA, clear_unfinished, file_sha256, folder, hold

LOCK = "backup"


def back_up(
    *, reason: Reason = Reason.MANUAL, by: str, report: Report = lambda message: None, as_of: str = ""
) -> Backup:
    """
    Back up database and media files now and return what was stored; ``as_of`` is for what is not of now.

    ``report`` is told how far it is, and what it raises stops it. Raises ValidationError (code ``failed``)
    with a sentence when it failed; then nothing is stored.
    """
    with hold(LOCK, wait=lambda: report(_("Waiting for another backup."))):
        return make_backup(reason=reason, by=by, report=report, as_of=as_of)


def make_backup(*, reason: Reason, by: str, report: Report, as_of: str = "") -> Backup:
    """Do what ``back_up`` says, for who holds the lock of backups already."""
    try:
        clear_unfinished()
        before = backups()
        one = Making(reason, by, report, before[0].name if before else None, as_of)
        _refuse_tests()
        with making(one):
            call_command("dbbackup", database="default", verbosity=0)
        backup = next((one for one in backups() if one not in before), None)
        if backup is None:
            raise StorageError(_("Nothing was stored."))
    except (ConnectorError, StorageError, CommandError, DatabaseError, psycopg.Error, OSError) as error:
        why = reason_of(error)
        log.record("backup", by=by, outcome="failed", message=why)
        raise ValidationError(why, code="failed") from error
    except BaseException as error:
        log.record("backup", by=by, outcome="stopped", message=str(error))
        raise
    log.record("backup", by=by, outcome="done", name=backup.name, message=backup.reason_label)
    return backup


def _refuse_tests() -> None:
    """Keep a test that forgot to name a folder of its own from filling the one of real backups."""
    if settings.ENVIRONMENT == "test" and folder() == settings.BASE_DIR / "backups":
        raise StorageError(_("Nothing was stored: this folder is not for the backups of tests."))


def verify_stored(*, filename: str, **kwargs: Any) -> None:
    """
    Receive ``post_backup``: read the file again as it is stored, and refuse what is not what was written.

    dbbackup swallows what its metadata hook raises, and would call a backup without a manifest a success.
    """
    path = Path(folder() / filename)
    one = being_made()
    try:
        stored = backup_named(filename)
        if one is None or stored.facts != one.facts or file_sha256(path) != one.facts["sha256"]:
            raise CommandError(_("What was stored is not what was written."))
        stored.manifest()
    except BaseException:
        for left in (Path(f"{path}{METADATA}"), path):
            left.unlink(missing_ok=True)
        delete_files(filename)
        raise


def reason_of(error: Exception) -> str:
    """Return why a tool or the disk failed, without the command it was called with."""
    if isinstance(error, OperationalError | psycopg.OperationalError) and "connection" in str(error):
        return _("The database does not answer.")
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return _("Somebody keeps a table locked; try again when they are done.")
    if isinstance(error, OSError) and error.strerror:
        return _("The backup folder: %(why)s.") % {"why": error.strerror}
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    lines = [line for line in str(error).splitlines() if line.strip() and "hint:" not in line]
    telling = [line for line in lines if "error:" in line] or lines[:1] or [type(error).__name__]
    return re.sub(r"^\S*pg_dump: (error: )?", "", telling[0]).strip()
