"""What backups there are, read from the files and never from a table: a restore would rewind it."""

import gzip
import json
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dbbackup.storage import get_storage
from dbbackup.utils import filename_to_date
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.backups import media
from apps.backups.connector import manifest_of
from apps.backups.manifest import PARTS, Manifest
from apps.backups.storage import METADATA, file_sha256, folder, replace

CLOCKS_DIFFER = timedelta(minutes=5)  # a name from further ahead is none of ours


class State(models.TextChoices):
    """How far a backup can be trusted. Unfinished ones are not listed at all."""

    STORED = "stored", gettext_lazy("Not checked")  # no manifest of ours: an older one, or another tool's
    READ_BACK = "read back", gettext_lazy("Read back")
    TESTED = "tested", gettext_lazy("Tested")
    FAILED = "failed", gettext_lazy("Failed its test")


class Reason(models.TextChoices):
    MANUAL = "manual", gettext_lazy("By hand")
    SCHEDULED = "scheduled", gettext_lazy("By schedule")
    BEFORE_MIGRATION = "before migration", gettext_lazy("Before an upgrade")
    BEFORE_RESTORE = "before restore", gettext_lazy("Before a restore")
    POINT_IN_TIME = "point in time", gettext_lazy("Out of the archive")


@dataclass(frozen=True)
class Test:
    """What came of restoring a backup on trial: without findings it gives back what it was made of."""

    at: datetime
    by: str
    seconds: float
    findings: list[str]

    @property
    def is_clean(self) -> bool:
        return not self.findings


@dataclass(frozen=True)
class Backup:
    """
    A finished backup: its dump's name and size in bytes, when it was taken, and what is known of it.

    One that came out of the archive was taken at the moment it shows, however much later it was made.
    """

    name: str
    taken_at: datetime
    size: int
    facts: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def test(self) -> Test | None:
        try:
            told = json.loads(result_of(self.name).read_bytes())
            return Test(datetime.fromisoformat(told["at"]), told["by"], told["seconds"], told["findings"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def state(self) -> State:
        if not self.facts:
            return State.STORED
        if self.test:
            return State.TESTED if self.test.is_clean else State.FAILED
        return State.READ_BACK

    @property
    def reason(self) -> str:
        return str(self.facts.get("reason", ""))

    @property
    def reason_label(self) -> str:
        return str(Reason(self.reason).label) if self.reason in Reason.values else self.reason

    @property
    def made_at(self) -> datetime:
        return made_at(self.name) or self.taken_at

    @property
    def by(self) -> str:
        return str(self.facts.get("by", ""))

    def rows(self, table: str) -> int:
        return int(self.facts.get("rows", {}).get(table, 0))

    def manifest(self) -> Manifest:
        """
        Return what the backup must give back.

        Raises ValidationError (code ``manifest``) when there is none or it is not the one that was stored.
        """
        if not self.facts:
            raise ValidationError(
                _("%(name)s has no manifest: another tool or an older version made it.")
                % {"name": self.name},
                code="manifest",
            )
        try:
            if file_sha256(manifest_of(self.name)) != self.facts["manifest_sha256"]:
                raise ValueError("another checksum")
            told = json.loads(gzip.decompress(manifest_of(self.name).read_bytes()))
            return {part: told[part] for part in PARTS}
        except (OSError, ValueError, KeyError, TypeError, EOFError, zlib.error) as error:
            raise ValidationError(
                _("The manifest of %(name)s is missing or damaged.") % {"name": self.name}, code="manifest"
            ) from error


def backups() -> list[Backup]:
    """Return the finished backups, newest first. Raises OSError when the storage cannot be read."""
    folder()  # made with the first look, as with the first backup
    storage = get_storage()
    listed = [
        Backup(name, _as_of(facts := _facts(name)) or moment, storage.storage.size(name), facts)
        for name in storage.list_backups(content_type="db")
        if (moment := made_at(name)) and moment <= datetime.now(UTC) + CLOCKS_DIFFER
    ]
    return sorted((one for one in listed if one.size), key=lambda one: (one.taken_at, one.name), reverse=True)


def newest_backup() -> Backup | None:
    return next(iter(backups()), None)


def backup_named(name: str) -> Backup:
    """Return one of the list. Raises ValidationError (code ``unknown``)."""
    for one in backups():
        if one.name == name:
            return one
    raise ValidationError(_("There is no backup named %(name)s.") % {"name": name}, code="unknown")


def keep_test(name: str, test: Test) -> None:
    """Store what came of a test beside the backup."""
    told = {"at": test.at.isoformat(), "by": test.by, "seconds": test.seconds, "findings": test.findings}
    replace(result_of(name), json.dumps(told, indent=1).encode())


def delete_files(name: str) -> None:
    """Delete a backup: its metadata first, so that it is not listed while the rest goes."""
    base = folder()
    for path in (
        base / f"{name}{METADATA}",
        base / name,
        manifest_of(name),
        media.list_of(name),
        result_of(name),
    ):
        path.unlink(missing_ok=True)


def facts_in(metadata: bytes) -> dict[str, Any]:
    """Return what our manifest hook wrote into dbbackup's metadata, or nothing that can be trusted."""
    try:
        told = json.loads(metadata)["ledgerflow"]
        wanted = {
            "taken_at": str,
            "reason": str,
            "by": str,
            "sha256": str,
            "manifest_sha256": str,
            "rows": dict,
            "media": dict,
            "database_bytes": int,
        }
        return told if all(isinstance(told[key], kind) for key, kind in wanted.items()) else {}
    except (ValueError, KeyError, TypeError):
        return {}


def _as_of(facts: dict[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(facts["as_of"])
    except (ValueError, KeyError, TypeError):
        return None


def made_at(name: str) -> datetime | None:
    """Return the time in a backup's name, or None when it is no name of a backup."""
    try:
        moment = filename_to_date(name)
    except ValueError:  # looks like one of ours, but there is no such day
        return None
    return moment.replace(tzinfo=UTC) if moment else None


def result_of(name: str) -> Path:
    return folder() / "results" / f"{name}.json"


def _facts(name: str) -> dict[str, Any]:
    try:
        return facts_in((folder() / f"{name}{METADATA}").read_bytes())
    except OSError:
        return {}
