"""
Media files in backups: each file once, by its content, and for each backup a list of what belongs to it.

The list has a line a file, sorted by path: sha256, size, time of change, path (a line break in it is
written ``\\n``). Because a file that has the size and time it had in the list before is not read again, an
hourly backup costs what is new.
"""

import gzip
import os
import shutil
import stat
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils.translation import gettext as _

from apps.backups.storage import INCOMING, file_sha256, folder, put, sync, write

POOL = "media"
NOT_KEPT = "imports"  # looked at and not yet imported: a week later they are gone anyway


class DamagedList(OSError):
    """The list of a backup's files cannot be read to its end."""


@dataclass(frozen=True)
class Entry:
    """A media file as it was: checksum, bytes, time of change in nanoseconds, path below MEDIA_ROOT."""

    sha256: str
    size: int
    changed: int
    path: str

    def __str__(self) -> str:
        path = self.path.replace("\\", "\\\\").replace("\n", "\\n")
        return f"{self.sha256} {self.size} {self.changed} {path}\n"


def list_of(name: str) -> Path:
    return folder() / "manifests" / f"{name}.media.gz"


def pooled(sha256: str) -> Path:
    return folder() / POOL / sha256[:2] / sha256


def back_up_media(name: str, before: str | None, report: Callable[[str], object]) -> tuple[int, int]:
    """
    Take every media file into the pool and write the list of backup ``name``; return files and bytes.

    ``before`` names the backup whose list tells which files are as they were.
    """
    files = size = 0
    incoming = folder() / INCOMING / f"{name}.media.gz"

    def fill(raw: IO[bytes]) -> None:
        nonlocal files, size
        with gzip.open(raw, "wt", encoding="utf-8", errors="surrogateescape", compresslevel=1) as lines:
            for entry in _entries(before):
                lines.write(str(entry))
                files, size = files + 1, size + entry.size
                if files % 1000 == 0:
                    report(_("Looking through the files: %(count)s.") % {"count": f"{files:,}"})

    write(incoming, fill)
    put(incoming, list_of(name))
    incoming.unlink(missing_ok=True)
    return files, size


def entries_of(name: str) -> Iterator[Entry]:
    """Yield what a backup's list holds; nothing when it has none. Raises DamagedList."""
    if not list_of(name).exists():
        return
    try:
        with gzip.open(
            list_of(name), "rt", encoding="utf-8", errors="surrogateescape", newline="\n"
        ) as lines:
            for line in lines:
                sha256, size, changed, path = line.rstrip("\n").split(" ", 3)
                parts = [part.replace("\\n", "\n") for part in path.split("\\\\")]
                if len(bytes.fromhex(sha256)) != 32:
                    raise ValueError(sha256)
                yield Entry(sha256, int(size), int(changed), "\\".join(parts))
    except (gzip.BadGzipFile, zlib.error, EOFError, ValueError) as error:
        raise DamagedList(str(error)) from error


def problems(name: str, report: Callable[[str], object]) -> Iterator[str]:
    """
    Yield a sentence for each media file of a backup that is missing or not what it was.

    A damaged one is put aside, so that the next backup stores that content anew.
    """
    for number, entry in enumerate(entries_of(name)):
        if number % 100 == 0:
            report(_("Comparing the files: %(count)s.") % {"count": f"{number:,}"})
        try:
            if file_sha256(pooled(entry.sha256)) != entry.sha256:
                pooled(entry.sha256).rename(pooled(f"{entry.sha256}.damaged"))
                yield _("The file %(path)s is damaged in the backup.") % {"path": entry.path}
        except FileNotFoundError:
            yield _("The file %(path)s is missing from the backup.") % {"path": entry.path}


def restore_media(name: str, report: Callable[[str], object]) -> int:
    """
    Bring back the files that are missing or differ, and return how many; files that came since stay.

    Each is there whole or not at all.
    """
    root, brought = Path(settings.MEDIA_ROOT), 0
    for number, entry in enumerate(entries_of(name)):
        if number % 100 == 0:
            report(_("Bringing back the files: %(count)s.") % {"count": f"{number:,}"})
        target = root / entry.path
        with suppress(FileNotFoundError):
            if target.stat().st_size == entry.size and file_sha256(target) == entry.sha256:
                continue
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name[:200]}.{os.getpid()}")
        try:
            write(unfinished, partial(_copy, pooled(entry.sha256)))
            os.utime(unfinished, ns=(entry.changed, entry.changed))
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)
        sync(target.parent)
        brought += 1
    return brought


def prune_pool(kept: list[str]) -> int:
    """
    Delete the pooled files that no kept backup needs, and return how many.

    None while a list is missing or damaged: nobody knows then what that backup needs.
    """
    if not all(list_of(name).exists() for name in kept):
        return 0
    try:
        needed = {bytes.fromhex(entry.sha256) for name in kept for entry in entries_of(name)}
    except DamagedList:
        return 0
    deleted = 0
    for path in (folder() / POOL).glob("??/*"):
        if len(path.name) == 64 and bytes.fromhex(path.name) not in needed:
            path.unlink(missing_ok=True)
            deleted += 1
    return deleted


def _entries(before: str | None) -> Iterator[Entry]:
    """Yield an entry for each media file in the order of paths, having it in the pool."""
    known = _as_far_as_it_goes(entries_of(before)) if before else iter(())
    last = next(known, None)
    for path, status in _walk(Path(settings.MEDIA_ROOT)):
        while last and last.path < path:
            last = next(known, None)
        if (
            last
            and (last.path, last.size, last.changed) == (path, status.st_size, status.st_mtime_ns)
            and pooled(last.sha256).exists()
        ):
            yield last
            continue
        with suppress(FileNotFoundError):  # deleted while we look
            yield _pool(path, status)


def _as_far_as_it_goes(entries: Iterator[Entry]) -> Iterator[Entry]:
    """Yield what a list holds before it is damaged: the rest is looked at as if it were new."""
    with suppress(DamagedList):
        yield from entries


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files below a folder, sorted by their path relative to it."""
    if not root.is_dir():
        return

    def below(prefix: str) -> Iterator[tuple[str, os.stat_result]]:
        listed: list[str] = []
        with suppress(FileNotFoundError), os.scandir(root / prefix) as found:  # deleted while we look
            listed = [one.name + "/" if one.is_dir() else one.name for one in found]
        for name in sorted(listed):
            if name.endswith("/"):
                if prefix or name[:-1] != NOT_KEPT:
                    yield from below(prefix + name)
            elif not name.startswith("."):  # a dot: being written
                with suppress(FileNotFoundError):
                    status = (root / prefix / name).stat()
                    if stat.S_ISREG(status.st_mode):
                        yield prefix + name, status

    yield from below("")


def _pool(path: str, status: os.stat_result) -> Entry:
    """Copy a file into the pool unless its content is there."""
    source = Path(settings.MEDIA_ROOT) / path
    sha256 = file_sha256(source)
    if not pooled(sha256).exists():
        incoming = folder() / INCOMING / sha256
        write(incoming, partial(_copy, source))
        if file_sha256(incoming) != sha256:  # it changed meanwhile: what was copied is what is kept
            sha256 = file_sha256(incoming)
        with suppress(FileExistsError):
            put(incoming, pooled(sha256))
        incoming.unlink(missing_ok=True)
    return Entry(sha256, pooled(sha256).stat().st_size, status.st_mtime_ns, path)


def _copy(source: Path, file: IO[bytes]) -> None:
    with open(source, "rb") as content:
        shutil.copyfileobj(content, file, 2**20)
