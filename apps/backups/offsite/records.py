"""What was copied, told by files beside the backups: the list needs no network."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.backups.offsite.objects import Stored
from apps.backups.storage import folder, replace

FOLDER = "offsite"


@dataclass(frozen=True)
class Copy:
    """A copy of a backup off site: of when, when it was made, for whom, and its objects by name."""

    name: str
    taken_at: datetime
    pushed_at: datetime
    recipients: list[str]
    objects: dict[str, int]

    @property
    def size(self) -> int:
        return sum(self.objects.values())

    def is_whole(self, there: dict[str, int], recipients: list[str]) -> bool:
        """Return whether the bucket still has it, for those who are to open it now."""
        return set(self.recipients) == set(recipients) and self.objects.items() <= there.items()


def is_configured() -> bool:
    return bool(settings.OFFSITE_BUCKET)


def copies() -> list[Copy]:
    """Return the copies that were made from here or fetched to here, newest first."""
    found = [_read(path) for path in (folder() / FOLDER).glob("*.bin.json")]
    return sorted((one for one in found if one), key=lambda one: (one.taken_at, one.name), reverse=True)


def copy_of(name: str) -> Copy | None:
    return _read(_path(name))


def keep_copy(copy: Copy) -> None:
    told = asdict(copy) | {"taken_at": copy.taken_at.isoformat(), "pushed_at": copy.pushed_at.isoformat()}
    replace(_path(copy.name), json.dumps(told, indent=1).encode())


def forget_copy(name: str) -> None:
    _path(name).unlink(missing_ok=True)


class Sent:
    """
    Objects that were sent and read back, a line each in a file that grows; the last line about one counts.

    A line that was cut off or lost costs sending that object again.
    """

    def __init__(self, name: str) -> None:
        self._path = folder() / FOLDER / name
        self._lines: dict[str, dict[str, Any]] = {}
        for line in self._path.read_bytes().splitlines() if self._path.exists() else []:
            try:
                told = json.loads(line)
                self._lines[told["name"]] = told
            except (ValueError, KeyError, TypeError):
                continue

    @property
    def names(self) -> set[str]:
        return set(self._lines)

    def is_there(self, name: str, there: dict[str, int], recipients: list[str], size: int) -> bool:
        """Return whether the bucket has an object as it was sent, from a source of that size."""
        told = self._lines.get(name)
        return (
            told is not None
            and there.get(name) == told.get("bytes")
            and set(told.get("recipients", [])) == set(recipients)
            and told.get("source_bytes") == size
        )

    def add(self, stored: Stored, recipients: list[str], size: int) -> None:
        told = asdict(stored) | {"recipients": recipients, "source_bytes": size}
        self._lines[stored.name] = told
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
            file.write(json.dumps(told).encode() + b"\n")

    def forget(self, names: Iterable[str]) -> None:
        for name in names:
            self._lines.pop(name, None)
        replace(self._path, "".join(json.dumps(told) + "\n" for told in self._lines.values()).encode())


def archive_copied_at() -> datetime | None:
    """Return when the archive was last copied whole, or None."""
    try:
        return datetime.fromisoformat((folder() / FOLDER / "archive.at").read_text())
    except (OSError, ValueError):
        return None


def keep_archive_copied() -> None:
    replace(folder() / FOLDER / "archive.at", datetime.now(UTC).isoformat(timespec="seconds").encode())


def _path(name: str) -> Path:
    return folder() / FOLDER / f"{name}.json"


def _read(path: Path) -> Copy | None:
    try:
        told = json.loads(path.read_bytes())
        taken_at, pushed_at = (datetime.fromisoformat(told[one]) for one in ("taken_at", "pushed_at"))
        return Copy(path.name.removesuffix(".json"), taken_at, pushed_at, told["recipients"], told["objects"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
