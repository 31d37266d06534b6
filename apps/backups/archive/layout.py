"""
What lies in the archive, and to which times it can be proven to lead back.

    ERA/era                 the cluster: system, major, segment (MB); once it is over: ended, why
    ERA/wal/                the write-ahead log, a segment a file: NAME.gz, and the newest NAME.gz.partial
                            (….before is what there was of it before the receiver was started again)
    ERA/base/STAMP/         base backups, as pg_basebackup lays them out; STAMP is when one was finished
    ERA/damaged             names of segments that could not be read when they were last looked at
    heartbeats/DAY.jsonl    moments that have arrived in the archive, and what was there then
    drill.json              what came of the last drill
    requests/ answers/      how the application and archiver.sh speak
    side/ side.json         what was brought up beside the live cluster, and what for

An era is the log of one cluster without a gap. It ends when the archive missed something, when the cluster
was set up anew, and when its files were put back to an earlier time; archiver.sh begins the next one.
"""

import gzip
import json
import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from django.conf import settings

SEGMENT = re.compile(r"([0-9A-F]{24})(\.gz)?(\.partial(\.before)?)?")
STAMP = "%Y%m%dT%H%M%SZ"
STAMPED = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True)
class Heartbeat:
    """
    A moment that the archive holds: when its row was written and surely committed, the position in the log
    after that, and the newest key of each table that is counted, as they were then.
    """

    at: datetime
    until: datetime
    era: str
    position: int
    newest: dict[str, int] = field(compare=False)


@dataclass(frozen=True)
class Base:
    """A base backup: when it was finished (from then on it leads back), and where in the log it begins."""

    era: "Era"
    name: str

    @property
    def path(self) -> Path:
        return self.era.path / "base" / self.name

    @property
    def finished_at(self) -> datetime:
        """The name tells the second it was finished in; the next is surely after it."""
        return datetime.strptime(self.name, STAMP).replace(tzinfo=UTC) + timedelta(seconds=1)

    @cached_property
    def begins(self) -> int:
        """The position its log begins at. Raises OSError or ValueError when its manifest is damaged."""
        ranges = json.loads((self.path / "backup_manifest").read_bytes())["WAL-Ranges"]
        return min(position(one["Start-LSN"]) for one in ranges)

    @property
    def size(self) -> int:
        """How many bytes it takes, 0 when its manifest is damaged."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            files = json.loads((self.path / "backup_manifest").read_bytes())["Files"]
            return sum(one["Size"] for one in files)
        return 0


@dataclass(frozen=True)
class Era:
    """The log of one cluster without a gap."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @cached_property
    def facts(self) -> dict[str, str]:
        try:
            lines = (self.path / "era").read_text().splitlines()
        except OSError:
            return {}
        return dict(line.split("=", 1) for line in lines if "=" in line)

    @property
    def segment_bytes(self) -> int:
        return int(self.facts.get("segment") or 16) * 2**20

    @property
    def bases(self) -> list[Base]:
        """Base backups that were verified, oldest first."""
        with suppress(FileNotFoundError):
            found = sorted((self.path / "base").iterdir())
            return [Base(self, path.name) for path in found if STAMPED.fullmatch(path.name)]
        return []

    @cached_property
    def segments(self) -> dict[int, list[str]]:
        """File names by the number of the segment, also the one that is being written."""
        found: dict[int, list[str]] = {}
        with suppress(FileNotFoundError):
            for path in (self.path / "wal").iterdir():
                if match := SEGMENT.fullmatch(path.name):
                    found.setdefault(self._number(match[1]), []).append(path.name)
        return found

    @cached_property
    def damaged(self) -> set[int]:
        try:
            names = (self.path / "damaged").read_text().split()
        except FileNotFoundError:
            return set()
        return {self._number(name) for name in names} & self.segments.keys()

    def reaches(self, start: int) -> int:
        """Return the position up to which the log that begins at ``start`` has no gap."""
        number = start // self.segment_bytes
        while number in self.segments and number not in self.damaged:
            number += 1
        return max(start, number * self.segment_bytes)

    def gaps(self) -> list[str]:
        """Return the names of segments that are missing or damaged since the oldest base backup."""
        starts = [one for one in (_begins(base) for base in self.bases) if one is not None]
        if not starts or not self.segments:
            return []
        wanted = range(min(starts) // self.segment_bytes, max(self.segments) + 1)
        return [self._name(one) for one in wanted if one not in self.segments or one in self.damaged]

    def _number(self, name: str) -> int:
        return int(name[8:16], 16) * (2**32 // self.segment_bytes) + int(name[16:24], 16)

    def _name(self, number: int) -> str:
        log, segment = divmod(number, 2**32 // self.segment_bytes)
        return f"{log:08X}{segment:08X}"


@dataclass(frozen=True)
class Reach:
    """A base backup, and the last heartbeat that the log after it leads to without a gap."""

    base: Base
    last: Heartbeat

    @property
    def since(self) -> datetime:
        return self.base.finished_at

    @property
    def until(self) -> datetime:
        return self.last.at


@dataclass(frozen=True)
class Window:
    """Times that can be gone back to, both ends included."""

    since: datetime
    until: datetime


def is_on() -> bool:
    return bool(settings.ARCHIVE_FOLDER)


def archive() -> Path:
    return Path(settings.ARCHIVE_FOLDER)


def eras() -> list[Era]:
    """Return the eras, oldest first."""
    return [Era(path.parent) for path in sorted(archive().glob("*/era"))]


def heartbeats() -> list[Heartbeat]:
    """Return all heartbeats, oldest first; a line that was cut off is left out."""
    return [one for path in _days_of_heartbeats() for one in _heartbeats(path)]


def last_heartbeat() -> Heartbeat | None:
    for path in _days_of_heartbeats(newest_first=True):
        if found := list(_heartbeats(path)):
            return found[-1]
    return None


def reaches() -> list[Reach]:
    """
    Return what each base backup leads to, the oldest first; those that lead nowhere are left out.

    Heartbeats are read from the newest day back, and no further than they are needed: there are half a
    million in a year, and probes ask for this.
    """
    found, waiting = [], [base for era in eras() for base in era.bases if _begins(base) is not None]
    for path in _days_of_heartbeats(newest_first=True):
        waiting = [base for base in waiting if base.finished_at.date().isoformat() <= path.stem]
        if not waiting:
            break
        beats = list(_heartbeats(path))
        lasts = [(base, _last(base, beats)) for base in waiting]
        found += [Reach(base, last) for base, last in lasts if last and last.at >= base.finished_at]
        waiting = [base for base, last in lasts if last is None]
    return sorted(found, key=lambda one: (one.base.era.name, one.base.name))


def windows(found: Sequence[Reach] | None = None) -> list[Window]:
    """Return the times that can be gone back to, oldest first, where they meet as one."""
    merged: list[Window] = []
    for one in sorted(reaches() if found is None else found, key=lambda reach: (reach.since, reach.until)):
        if merged and one.since <= merged[-1].until:
            merged[-1] = Window(merged[-1].since, max(merged[-1].until, one.until))
        else:
            merged.append(Window(one.since, one.until))
    return merged


def base_for(moment: datetime) -> Base | None:
    """Return the newest base backup that leads to a moment, or None where none can be proven to."""
    fitting = [one.base for one in reaches() if one.since <= moment <= one.until]
    return max(fitting, key=lambda base: base.finished_at, default=None)


def last_reach() -> Reach | None:
    """
    Return what leads to the last moment that can be had; None where there is none.

    That is the old cluster's as long as a new one has no base backup, and a heartbeat after that.
    """
    return max(reaches(), key=lambda one: (one.until, one.since), default=None)


def position(written: str) -> int:
    """Return a position of the log as a number, from PostgreSQL's ``16/B374D848``."""
    high, low = written.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def written(number: int) -> str:
    """Return a position of the log as PostgreSQL writes it."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def look_for_damage() -> list[str]:
    """Read every finished segment, note the damaged ones in their era, and return their names."""
    damaged = []
    for era in eras():
        found = [name[:24] for names in era.segments.values() for name in names if not _is_whole(era, name)]
        (era.path / "damaged").write_text("\n".join(found))
        damaged += found
    return damaged


def prune_archive(now: datetime) -> list[str]:
    """
    Delete the base backups that the days to keep no longer need, the log before them, and old heartbeats;
    return the names of the base backups that went.

    Kept are the base backups of ARCHIVE_KEEP_DAYS days and the newest one before them, and never fewer than
    two of the newest era: one that goes bad must not be the last.
    """
    since = now - timedelta(days=settings.ARCHIVE_KEEP_DAYS)
    gone = []
    every = eras()
    for era in every:
        bases = era.bases
        older = [one for one in bases if one.finished_at < since]
        ended = era.facts.get("ended", "")
        is_over = bool(ended) and era != every[-1]
        is_too_old = is_over and ended < since.strftime(STAMP)
        going = bases if is_too_old else older[:-1]
        if era == every[-1]:
            going = going[: max(0, len(bases) - 2)]
        for base in going:
            shutil.rmtree(base.path)
            gone.append(base.name)
        _prune_log(era, is_over=is_over)
    for path in (archive() / "heartbeats").glob("*.jsonl"):
        oldest = min((base.finished_at for era in eras() for base in era.bases), default=since)
        if path.stem < min(oldest, since).date().isoformat():
            path.unlink()
    return gone


def _prune_log(era: Era, *, is_over: bool) -> None:
    kept = Era(era.path)
    if not kept.bases:
        if is_over:
            shutil.rmtree(era.path)
        return
    starts = [_begins(base) for base in kept.bases]
    if None in starts:  # whose log nobody can tell
        return
    oldest = min(one for one in starts if one is not None) // kept.segment_bytes
    for number, names in kept.segments.items():
        for name in names if number < oldest else ():
            (era.path / "wal" / name).unlink(missing_ok=True)


def _last(base: Base, beats: Sequence[Heartbeat]) -> Heartbeat | None:
    """Return the last of some heartbeats that a base backup leads to without a gap."""
    reached = base.era.reaches(base.begins)
    mine = (one for one in reversed(beats) if one.era == base.era.name and one.position <= reached)
    return next(mine, None)


def _begins(base: Base) -> int | None:
    try:
        return base.begins
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _days_of_heartbeats(*, newest_first: bool = False) -> list[Path]:
    return sorted((archive() / "heartbeats").glob("*.jsonl"), reverse=newest_first)


def _heartbeats(path: Path) -> Iterator[Heartbeat]:
    for line in path.read_text(errors="replace").splitlines():
        with suppress(ValueError, KeyError, TypeError):
            told = json.loads(line)
            yield Heartbeat(
                datetime.fromisoformat(told["at"]),
                datetime.fromisoformat(told["until"]),
                told["era"],
                position(told["position"]),
                told["newest"],
            )


def _is_whole(era: Era, name: str) -> bool:
    if ".partial" in name:
        return True
    path, size = era.path / "wal" / name, 0
    if not name.endswith(".gz"):
        return path.stat().st_size == era.segment_bytes
    try:
        with gzip.open(path) as file:
            while chunk := file.read(2**20):
                size += len(chunk)
    except FileNotFoundError:  # pruned meanwhile
        return True
    except (OSError, EOFError, zlib.error):
        return False
    return size == era.segment_bytes
