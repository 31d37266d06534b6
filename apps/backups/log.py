"""What was done to backups, by whom, and how it ended: a file that only grows and lies with the backups."""

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from apps.backups.storage import folder

logger = logging.getLogger(__name__)

LOG = "log.jsonl"
MOST_BYTES = 200_000  # read from the end


def record(what: str, *, by: str, outcome: str, name: str = "", message: str = "") -> None:
    """Append a line, on the disk. ``outcome`` is ``begun``, ``done``, ``failed`` or ``stopped``."""
    told = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "what": what, "outcome": outcome, "by": by}
    line = json.dumps({**told, "name": name, "message": message}) + "\n"
    try:
        with open(os.open(folder() / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:  # a full disk may be what is to be told
        logger.error("The log of backups cannot be written (%s): %s", error.strerror, line.strip())


def newest(count: int) -> list[dict[str, Any]]:
    """Return the last lines, newest first; one that is damaged is left out."""
    try:
        with open(folder() / LOG, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - MOST_BYTES))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    told = []
    for line in reversed(lines[-count:]):
        try:
            one = json.loads(line)
            told.append({**one, "at": datetime.fromisoformat(one["at"])})
        except (ValueError, KeyError, TypeError):
            continue
    return told
