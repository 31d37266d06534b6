"""
Where backups lie: a folder, in which a file is there whole or not at all.

    NAME                        the dump
    NAME.metadata               what it is (dbbackup's), written last: without it a dump is unfinished
    manifests/NAME.json.gz      what it must give back
    manifests/NAME.media.gz     the media files that belong to it
    results/NAME.json           what came of its last test
    media/ab/abcd…              each media file once, by its content
    offsite/                    what was copied off site
    incoming/                   what is being written
    log.jsonl                   what was done
    restore.json                the restore that runs, or ran last
"""

import errno
import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbbackup.storage import get_storage
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import FileSystemStorage
from django.utils.translation import gettext as _

METADATA = ".metadata"
INCOMING = "incoming"
DUMP = ".psql.bin"
UNFINISHED_SECONDS = 24 * 3600
TICK = 0.2  # seconds
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV, errno.ENOSYS}


class IncomingFile(File):
    """A file that is being written into the storage's folder of incoming ones, with its path."""

    def __init__(self, path: Path) -> None:
        super().__init__(open(path, "rb"), name=path.name)  # noqa: SIM115  (closed with it)
        self.path = path

    def __del__(self) -> None:
        self.close()


class BackupStorage(FileSystemStorage):
    """
    Stores under the final name only what is whole and on the disk, and lists only what is finished.

    A dump is finished when its metadata is there. Neither is ever written over.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name  # a name that is taken is refused: another one would part a dump and its metadata

    def _save(self, name: str, content: File) -> str:
        written = content.file if isinstance(content.file, IncomingFile) else content
        if isinstance(written, IncomingFile):
            incoming = written.path
        else:
            incoming = Path(self.path(f"{INCOMING}/{name}"))
            write(incoming, lambda file: shutil.copyfileobj(content, file, 2**20))
        try:
            if not incoming.stat().st_size:
                raise OSError(errno.EIO, _("Nothing was written"))
            put(incoming, Path(self.path(name)))
        finally:
            incoming.unlink(missing_ok=True)
        return name

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        folders, files = super().listdir(path)
        if not path:
            names = set(files)
            dumps = (name for name in names if not name.endswith(METADATA))
            files = [one for name in dumps if name + METADATA in names for one in (name, name + METADATA)]
        return folders, files


def folder() -> Path:
    """Return the folder of the backups, made where there is none. Raises OSError."""
    path = Path(get_storage().storage.location)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def write(path: Path, fill: Callable[[Any], object]) -> None:
    """Write a new file of incoming ones to the disk, private to its owner; nothing is left when it fails."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def put(incoming: Path, final: Path) -> None:
    """Give a whole file its final name. Raises FileExistsError instead of writing over another."""
    final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.link(incoming, final)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if final.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from error
        os.rename(incoming, final)
    sync(final.parent)


def replace(path: Path, content: bytes) -> None:
    """Write a small file anew in one step: it has the old content or the new, never a part."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_in(path.parent, path.name, content, incoming=folder() / INCOMING)


def replace_in(where: Path, name: str, content: bytes, *, incoming: Path | None = None) -> None:
    """Do the same for a file elsewhere, where ``incoming`` has to be on the same disk."""
    unfinished = (incoming or where) / f".{name}.{os.getpid()}.{threading.get_ident()}"
    write(unfinished, lambda file: file.write(content))
    os.replace(unfinished, where / name)
    sync(where)


def file_sha256(path: Path) -> str:
    """Return the checksum of a file as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def hold(name: str, *, wait: Callable[[], object] | None = None) -> Iterator[None]:
    """
    Hold a lock of this folder, which ends with its process whatever becomes of it.

    While another holds it ``wait`` is called again and again; without it that is refused with a
    ValidationError (code ``busy``).
    """
    handle = os.open(folder() / f".{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if wait is None:
                    raise ValidationError(_("This is being done already."), code="busy") from None
                wait()
                time.sleep(TICK)
        yield
    finally:
        os.close(handle)


def is_held(name: str) -> bool:
    """Return whether a living process holds a lock of this folder."""
    path = folder() / f".{name}.lock"
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def clear_unfinished() -> None:
    """
    Delete what a backup that was killed has left; call it only while holding the lock of backups.

    What lies under its final name waits a day: it may be a backup that somebody is copying here.
    """
    base = folder()
    for path in (base / INCOMING).glob("*"):
        if not path.name.startswith(".") or _is_old(path):  # small files are written without the lock
            path.unlink(missing_ok=True)
    finished = {path.name.removesuffix(METADATA) for path in base.glob(f"*{METADATA}")}
    for path in (
        *base.glob(f"*{DUMP}"),
        *base.glob(f"manifests/*{DUMP}.*"),
        *base.glob(f"results/*{DUMP}.*"),
    ):
        if path.name.partition(DUMP)[0] + DUMP not in finished and _is_old(path):
            path.unlink(missing_ok=True)


def _is_old(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > UNFINISHED_SECONDS
    except FileNotFoundError:
        return False
