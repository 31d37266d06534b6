"""Streams that pass on what goes through them, counted and hashed."""

import hashlib
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

CHUNK = 2**20


class Hashed:
    """
    A stream that counts and hashes what is read from it or written to it, and tells how many bytes passed.

    pyrage and boto3 wrap or lose what is raised inside of them, a wish to stop among it; it is kept here,
    and ``as_raised`` raises it as it was.
    """

    def __init__(self, stream: Any, tell: Callable[[int], object] = lambda size: None) -> None:
        self._stream, self._tell = stream, tell
        self._digest = hashlib.sha256()
        self.size = 0
        self.error: BaseException | None = None

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        with self._kept():
            chunk: bytes = self._stream.read(size)
            self._pass(chunk)
        return chunk

    def write(self, chunk: bytes) -> int:
        with self._kept():
            self._stream.write(chunk)
            self._pass(chunk)
        return len(chunk)

    def flush(self) -> None:
        with self._kept():
            self._stream.flush()

    @contextmanager
    def as_raised(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            if self.error and error is not self.error:
                raise self.error from None
            raise

    def _pass(self, chunk: bytes) -> None:
        self._digest.update(chunk)
        self.size += len(chunk)
        self._tell(self.size)

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.error = error
            raise


def pour(source: Any, target: Any) -> None:
    """Copy a stream to its end, a piece at a time."""
    while chunk := source.read(CHUNK):
        target.write(chunk)


@contextmanager
def tarred(path: Path) -> Iterator[IO[bytes]]:
    """
    Give a folder's content as the stream of a tar, which is nowhere on the disk. Raises OSError.

    It is written by a thread while it is read here; the end of reading, whatever the reason, ends it.
    """
    reading, writing = os.pipe()
    errors: list[Exception] = []

    def fill() -> None:
        try:
            with open(writing, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|") as tar:
                tar.add(path, arcname=".")
        except BrokenPipeError:  # nobody reads on
            pass
        except Exception as error:  # told below
            errors.append(error)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        with open(reading, "rb") as stream:
            yield _Checked(stream, thread, errors)  # type: ignore[misc]
    finally:
        with suppress(OSError):
            thread.join()


class _Checked:
    """The reading end of a pipe: its end counts only when the other one ended well."""

    def __init__(self, stream: IO[bytes], thread: threading.Thread, errors: list[Exception]) -> None:
        self._stream, self._thread, self._errors = stream, thread, errors

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        if not chunk:
            self._thread.join()
            if self._errors:
                raise self._errors[0]
        return chunk
