"""What the backup storage holds. Read from the files themselves, never from a table."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dbbackup.storage import get_storage
from dbbackup.utils import filename_to_date

CLOCKS_DIFFER = timedelta(minutes=5)  # a name from further ahead is none of ours


@dataclass(frozen=True)
class StoredBackup:
    """A backup file: its name, when it was taken, and its size in bytes."""

    name: str
    taken_at: datetime
    size: int


def newest_backup() -> StoredBackup | None:
    """Return the newest backup that is not empty, or None. Raises OSError when the storage cannot be read."""
    storage = get_storage()
    try:
        names = storage.list_backups(content_type="db")
    except FileNotFoundError:  # the first backup makes the folder
        return None
    backups = [
        StoredBackup(name, taken_at, storage.storage.size(name))
        for name in names
        if (taken_at := _taken_at(name)) and taken_at <= datetime.now(UTC) + CLOCKS_DIFFER
    ]
    return max(
        (backup for backup in backups if backup.size), key=lambda backup: backup.taken_at, default=None
    )


def _taken_at(name: str) -> datetime | None:
    try:
        return filename_to_date(name).replace(tzinfo=UTC)
    except ValueError:  # looks like one of ours, but there is no such day
        return None
