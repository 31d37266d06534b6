"""
Whom copies are encrypted for, and whether they can open them.

This machine knows public keys only. One whose private key nobody has would make every copy worthless, so
nothing is encrypted for a recipient before a probe was decrypted with their key.
"""

import json
import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyrage
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.backups.storage import folder, replace

PROBE_BYTES = 4096
FROM_INPUT = "-"


def recipients() -> list[str]:
    """Return the public keys of the settings; none means that copies are not encrypted."""
    return list(settings.BACKUP_RECIPIENTS)


def unproven() -> list[str]:
    """Return the recipients of whom nobody has shown yet that they can open a copy."""
    proven = _proofs()
    return [one for one in recipients() if one not in proven]


def refuse_unproven() -> None:
    """Raise ValidationError (code ``unproven``) while a copy might be one that nobody can open."""
    if waiting := unproven():
        raise ValidationError(
            _(
                "Nothing is copied before the key of %(recipient)s was proven: manage.py offsite prove FILE,"
                " with the file of its private key."
            )
            % {"recipient": waiting[0]},
            code="unproven",
        )


def new_key(path: Path) -> str:
    """
    Make a private key in a new file that only its owner can read, and return the public one.

    Raises ValidationError (code ``file``) when there is such a file: it may be the only key to a copy.
    """
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    content = f"# made: {datetime.now(UTC):%Y-%m-%d}\n# public key: {public}\n{identity}\n"
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise ValidationError(
            _("%(file)s is there already; a key is never written over.") % {"file": path}, code="file"
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    return public


def identities(file: str) -> list[Any]:
    """
    Return the private keys in a file, or in what is typed or piped in for ``-``.

    Raises ValidationError: code ``file``, or ``key`` when there is none in it.
    """
    try:
        text = sys.stdin.read() if file == FROM_INPUT else Path(file).read_text()
        lines = [line.strip() for line in text.splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and line[0] != "#"]
    except OSError as error:
        raise _unreadable(file, error) from error
    except (pyrage.IdentityError, UnicodeDecodeError) as error:
        raise ValidationError(
            _("%(file)s is no file of a private key (AGE-SECRET-KEY-1…).") % {"file": file}, code="key"
        ) from error
    if not found:
        raise ValidationError(_("There is no private key in %(file)s.") % {"file": file}, code="key")
    return found


def prove(file: str) -> list[str]:
    """
    Encrypt a probe for each recipient and decrypt it with the keys in a file; return whose were proven.

    Raises ValidationError: ``none`` when nothing is to be encrypted, ``key`` when the file opens nothing.
    """
    if not recipients():
        raise ValidationError(_("BACKUP_RECIPIENTS is empty: copies are not encrypted."), code="none")
    keys = identities(file)
    opened = [one for one in recipients() if _opens(keys, one)]
    if not opened:
        raise ValidationError(
            _("No key in %(file)s belongs to a recipient in BACKUP_RECIPIENTS.") % {"file": file}, code="key"
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    proofs = _proofs() | dict.fromkeys(opened, now)
    replace(_path(), json.dumps(proofs, indent=1).encode())
    return opened


def _opens(keys: list[Any], recipient: str) -> bool:
    probe = secrets.token_bytes(PROBE_BYTES)
    sealed = pyrage.encrypt(probe, [pyrage.x25519.Recipient.from_str(recipient)])
    try:
        return bool(pyrage.decrypt(sealed, keys) == probe)
    except pyrage.DecryptError:
        return False


def _proofs() -> dict[str, str]:
    try:
        told = json.loads(_path().read_bytes())
        return dict(told)
    except (OSError, ValueError, TypeError):
        return {}


def _path() -> Path:
    return folder() / "offsite" / "keys.json"


def _unreadable(path: Any, error: OSError) -> ValidationError:
    return ValidationError(
        _("The file %(file)s: %(why)s.") % {"file": path, "why": error.strerror}, code="file"
    )
