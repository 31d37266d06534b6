"""Where attachments lie."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.core.files import File
from django.core.files.storage import FileSystemStorage


class WriteOnceStorage(FileSystemStorage):
    """
    Files under MEDIA_ROOT that are named after their content, so each is written once and never changed.

    A file is there whole or not at all, whatever happens while it is written, and only its owner reads it.
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name  # the same name is the same content

    def _save(self, name: str, content: File) -> str:
        path = Path(self.path(name))
        if path.exists() and path.stat().st_size == content.size:
            return name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".")  # which nobody else may read
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in content.chunks():
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(unfinished)
            raise
        _sync(path.parent)
        return name

    def delete(self, name: Any) -> None:
        raise NotImplementedError("Attachments stay: another entry may rest on the same file.")


class JournalStorage(WriteOnceStorage):
    """Files that entries were imported from; one that was not imported in the end is deleted."""

    def delete(self, name: Any) -> None:
        FileSystemStorage.delete(self, name)


def _sync(folder: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
