"""Verbs about backups, the same for the screen, the job, the command and the migration."""

import re

from dbbackup.db.exceptions import ConnectorError
from dbbackup.storage import StorageError
from django.core.management import CommandError, call_command
from django.db import DatabaseError
from django.utils.translation import gettext as _

from apps.backups.storage import StoredBackup, newest_backup


def back_up() -> StoredBackup:
    """
    Back up the database now and return what was stored.

    Raises CommandError with a sentence when that failed, or when what was stored is empty: an empty
    file that is taken for a backup is worse than none.
    """
    before = newest_backup()
    try:
        call_command("dbbackup", database="default", verbosity=0)
    except (ConnectorError, StorageError, DatabaseError, OSError) as error:
        raise CommandError(_reason(error)) from error
    backup = newest_backup()
    if backup is None or backup == before:
        raise CommandError(_("Nothing was stored, or what was stored is empty."))
    return backup


def _reason(error: Exception) -> str:
    """Return the tool's last line that says what is wrong, without the command it was called with."""
    lines = [line for line in str(error).splitlines() if line.strip() and "hint:" not in line]
    telling = [line for line in lines if "error:" in line] or lines[-1:] or [type(error).__name__]
    return re.sub(r"^\S*pg_dump: (error: )?", "", telling[0]).strip()
