"""One object at a time: encrypted, sent and read back; or brought back, decrypted and compared."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import pyrage
from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from apps.backups.connector import Report
from apps.backups.offsite.streams import Hashed, pour
from apps.backups.storage import INCOMING, folder, write

SEALED = ".age"
UNFINISHED = ".offsite."

Source = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Stored:
    """An object as it lies in the bucket: its name, bytes and checksum, and those of what is in it."""

    name: str
    bytes: int
    sha256: str
    plain_bytes: int
    plain_sha256: str


def sealed_name(name: str, recipients: list[str]) -> str:
    return name + SEALED if recipients else name


def send(
    name: str, source: Source, *, recipients: list[str], report: Report, sha256: str | None = None
) -> Stored:
    """
    Send what a source gives, encrypted when there are recipients, and read it back.

    It goes through a file of incoming ones, so that what is sent cannot change meanwhile. Raises
    ValidationError: ``source`` when it is not what ``sha256`` says, ``damaged`` when what was read back is
    not what was sent, and what the bucket says; OSError of this disk.
    """
    from apps.backups.offsite.bucket import offsite

    with _prepared(name, source, recipients, report) as (path, stored):
        if sha256 and stored.plain_sha256 != sha256:
            raise ValidationError(
                _("%(name)s was not copied: it is damaged here.") % {"name": name}, code="source"
            )
        facts = {"sha256": stored.sha256, "plain-sha256": stored.plain_sha256}
        offsite().put(stored.name, path, facts, _telling(report, _("Sending %(name)s"), name))
    with offsite().reading(stored.name) as (body, _facts):
        back = Hashed(body, _telling(report, _("Reading back %(name)s"), name))
        while back.read(2**20):
            pass
    if (back.size, back.sha256) != (stored.bytes, stored.sha256):
        raise ValidationError(
            _("%(name)s did not arrive whole; the next copy sends it again.") % {"name": name}, code="damaged"
        )
    return stored


def bring(name: str, into: Path, *, keys: list[Any], report: Report, sha256: str | None = None) -> None:
    """
    Bring an object back into a new file, decrypted, and compared with what was sent.

    ``sha256`` is what it has to be, decrypted, where that is known from elsewhere than from the object.
    Raises ValidationError: ``key``, ``damaged``, and what the bucket says; OSError of this disk. Nothing is
    left when it fails.
    """
    from apps.backups.offsite.bucket import offsite

    with offsite().reading(name) as (body, facts):
        stored = Hashed(body, _telling(report, _("Bringing back %(name)s"), name))
        known = {"plain-sha256": sha256} if sha256 else {}
        write(into, partial(_open_into, name, stored, keys, facts | known))


def path_for(name: str) -> Path:
    """Return where a file is written before it has its final name; the dot keeps it from being cleared."""
    kind = name.rpartition("/")[2][-60:]
    return folder() / INCOMING / f"{UNFINISHED}{os.getpid()}.{threading.get_ident()}.{kind}"


@contextmanager
def _prepared(
    name: str, source: Source, recipients: list[str], report: Report
) -> Iterator[tuple[Path, Stored]]:
    path = path_for(name)
    keys = [pyrage.x25519.Recipient.from_str(one) for one in recipients]
    telling = _telling(report, _("Encrypting %(name)s") if keys else _("Reading %(name)s"), name)
    with source() as stream:
        plain = Hashed(stream, telling)
        sealed = plain

        def fill(file: IO[bytes]) -> None:
            nonlocal sealed
            sealed = Hashed(file)
            with sealed.as_raised(), plain.as_raised():
                if keys:
                    pyrage.encrypt_io(plain, sealed, keys)
                else:
                    pour(plain, sealed)

        write(path, fill)
    try:
        yield (
            path,
            Stored(sealed_name(name, recipients), sealed.size, sealed.sha256, plain.size, plain.sha256),
        )
    finally:
        path.unlink(missing_ok=True)


def _open_into(name: str, stored: Hashed, keys: list[Any], facts: dict[str, str], file: IO[bytes]) -> None:
    plain = Hashed(file)
    with plain.as_raised(), stored.as_raised():
        if name.endswith(SEALED):
            _unseal(name, stored, plain, keys)
        else:
            pour(stored, plain)
        while stored.read(2**20):  # what follows the end of what was encrypted counts as damage
            pass
    found = {"sha256": stored.sha256, "plain-sha256": plain.sha256}
    if any(facts.get(one, found[one]) != found[one] for one in found):
        raise _damaged(name)


def _unseal(name: str, stored: Hashed, plain: Hashed, keys: list[Any]) -> None:
    if not keys:
        raise ValidationError(
            _("%(name)s is encrypted: name the file of its private key with --identity.") % {"name": name},
            code="key",
        )
    try:
        pyrage.decrypt_io(stored, plain, keys)
    except pyrage.DecryptError as error:
        if "No matching keys" in str(error):
            raise ValidationError(
                _("The key does not open %(name)s: it was encrypted for another.") % {"name": name},
                code="key",
            ) from error
        raise _damaged(name) from error
    except OSError as error:
        raise _damaged(name) from error


def _damaged(name: str) -> ValidationError:
    return ValidationError(_("%(name)s is damaged in the bucket.") % {"name": name}, code="damaged")


def _telling(report: Report, words: str, name: str) -> Callable[[int], object]:
    said = words % {"name": name}
    return lambda size: report(f"{said}: {filesizeformat(size)}.")
