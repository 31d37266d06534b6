"""Copying the archive of point-in-time recovery off site, and bringing it back."""

import re
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.backups import log
from apps.backups.archive import layout
from apps.backups.connector import Report
from apps.backups.offsite import keys, records
from apps.backups.offsite.objects import SEALED, Source, bring, sealed_name, send
from apps.backups.offsite.records import Sent
from apps.backups.offsite.streams import tarred
from apps.backups.services.copying import (
    only_one,
    quiet,
    recorded,
    refuse_unready,
    refuse_without_bucket,
)
from apps.backups.storage import file_sha256, put

PREFIX = "archive/"
SENT = "archive.jsonl"
TAR = ".tar"
CLOSED = re.compile(r"[0-9A-F]{24}\.gz|[0-9A-F]{8}\.history(\.gz)?")
BEING_FETCHED = ".fetching"
#: What an object of the archive may be called: nothing that a bucket holds is written elsewhere.
OURS = re.compile(
    rf"\w+/(era|damaged|wal/({CLOSED.pattern})|base/\w+\.tar)|(\w+/)?heartbeats/\d{{4}}-\d\d-\d\d\.jsonl"
)


@dataclass(frozen=True)
class Piece:
    """A file or a base backup of the archive: its path, how to read it, and its size where that tells."""

    path: str
    source: Source
    size: int = 0


def push_archive(*, by: str, report: Report = quiet) -> int:
    """
    Copy what is new in the archive off site and return how many objects that were.

    Segments go oldest first and heartbeats last, so that a copy that was cut off can be recovered up to
    what it has, and never claims more. A segment that is still being written is left out. Raises
    ValidationError as ``push_backups`` does; nothing is done where there is no archive.
    """
    from apps.backups.offsite.bucket import offsite

    refuse_unready()
    base = layout.archive()
    if not layout.is_on() or not base.is_dir():
        return 0
    with only_one(), recorded("push archive", "", by):
        there, sent, recipients = offsite().sizes(PREFIX), Sent(SENT), keys.recipients()
        count = 0
        for piece in pieces(base):
            if sent.is_there(sealed_name(PREFIX + piece.path, recipients), there, recipients, piece.size):
                continue
            try:
                stored = send(PREFIX + piece.path, piece.source, recipients=recipients, report=report)
            except FileNotFoundError:  # let go meanwhile by who keeps the archive
                continue
            sent.add(stored, recipients, piece.size)
            count += 1
        records.keep_archive_copied()
        return count


def prune_archive(*, by: str) -> int:
    """
    Delete objects of the archive that the rules let go here, and return how many.

    None while no base backup is here: then it is the archive that is missing. An era that is not here at all
    may have been lost with its disk, so it stays for as many days as one that is here would.
    """
    from apps.backups.offsite.bucket import offsite

    refuse_without_bucket()
    base = layout.archive()
    if not layout.is_on() or not _bases(base):
        return 0
    with only_one(), recorded("prune archive", "", by):
        sent = Sent(SENT)
        here = {PREFIX + piece.path for piece in pieces(base)}
        missing = [name for name in sent.names if name.removesuffix(SEALED) not in here]
        since = timezone.now() - timedelta(days=settings.ARCHIVE_KEEP_DAYS)
        stays = _lately_lost(missing, base, since)
        gone = sorted(
            name
            for name in missing
            if _era_of(name) not in stays and not _is_day_since(PurePosixPath(name).name, since)
        )
        if gone:
            offsite().remove(gone)
            sent.forget(gone)
            message = _("%(count)s pieces") % {"count": f"{len(gone):,}"}
            log.record("prune archive", by=by, outcome="done", message=message)
        return len(gone)


def fetch_archive(into: Path, *, identities: list[Any] | None = None, by: str, report: Report = quiet) -> int:
    """
    Bring the archive back into a folder and return how many pieces came.

    Each is there whole or not at all; what is there already is compared and stays, so that a fetch that
    was cut off goes on. Raises ValidationError: ``here`` for another file of that name, ``key``,
    ``damaged``, ``missing``, ``unknown`` when there is no archive in the bucket.
    """
    from apps.backups.offsite.bucket import offsite

    refuse_without_bucket()
    with only_one(), recorded("fetch archive", str(into), by):
        names = sorted(offsite().sizes(PREFIX))
        if not names:
            raise ValidationError(_("There is no archive in the bucket."), code="unknown")
        count = sum(_bring(name, into, identities or [], report) for name in names)
        log.record("fetch archive", by=by, outcome="done", name=str(into))
        return count


def pieces(base: Path) -> Iterator[Piece]:
    """Yield what there is to copy, in the order to copy it."""
    for era in sorted(path.parent for path in base.glob("*/era")):
        closed = [path for path in (era / "wal").glob("*") if CLOSED.fullmatch(path.name)]
        for path in (era / "era", era / "damaged", *sorted(closed)):
            yield from _there(base, path)
    for path in _bases(base):
        yield Piece(path.relative_to(base).as_posix() + TAR, partial(tarred, path))
    for path in sorted([*base.glob("heartbeats/*.jsonl"), *base.glob("*/heartbeats/*.jsonl")]):
        yield from _there(base, path)


def _lately_lost(names: list[str], base: Path, since: datetime) -> set[str]:
    """Return the eras that are not here and have a base backup from after a moment."""
    return {
        _era_of(name)
        for name in names
        if "/base/" in name
        and PurePosixPath(name).name >= since.strftime(layout.STAMP)
        and not (base / _era_of(name) / "era").exists()
    }


def _is_day_since(name: str, since: datetime) -> bool:
    return ".jsonl" in name and name >= since.date().isoformat()


def _era_of(name: str) -> str:
    return name.removeprefix(PREFIX).partition("/")[0]


def _bases(base: Path) -> list[Path]:
    return sorted(path for path in base.glob("*/base/*") if path.is_dir())


def _there(base: Path, path: Path) -> Iterator[Piece]:
    try:
        yield _file(base, path)
    except FileNotFoundError:  # let go meanwhile
        return


def _file(base: Path, path: Path) -> Piece:
    return Piece(path.relative_to(base).as_posix(), partial(open, path, "rb"), path.stat().st_size)


def _bring(name: str, into: Path, identities: list[Any], report: Report) -> bool:
    """Bring one object back under its path; return whether anything came."""
    from apps.backups.offsite.bucket import offsite

    path = PurePosixPath(name.removeprefix(PREFIX).removesuffix(SEALED))
    if not OURS.fullmatch(path.as_posix()):
        raise ValidationError(_("%(name)s is none of ours.") % {"name": name}, code="damaged")
    final = into / path
    is_base = path.suffix == TAR and "base" in path.parts
    if is_base and final.with_suffix("").exists():
        return False
    if final.exists():
        with offsite().reading(name) as (_body, facts):
            if facts.get("plain-sha256") == file_sha256(final):
                return False
        raise ValidationError(
            _("Another file lies there as %(file)s; nothing was written over.") % {"file": final}, code="here"
        )
    incoming = into / BEING_FETCHED / final.name
    try:
        bring(name, incoming, keys=identities, report=report)
        if is_base:
            _unpack(incoming, final.with_suffix(""), into / BEING_FETCHED / "base")
        else:
            put(incoming, final)
    finally:
        incoming.unlink(missing_ok=True)
        if incoming.parent.exists() and not any(incoming.parent.iterdir()):
            incoming.parent.rmdir()
    return True


def _unpack(tar: Path, final: Path, unfinished: Path) -> None:
    """Unpack a base backup and give it its name when it is whole."""
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with tarfile.open(tar) as content:
            content.extractall(unfinished, filter="data")
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.chmod(0o700)
        unfinished.rename(final)
    except tarfile.TarError as error:
        raise ValidationError(
            _("%(name)s is damaged in the bucket.") % {"name": tar.name}, code="damaged"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
