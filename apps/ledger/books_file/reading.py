"""
Opening a books file and trusting nothing in it: what it holds, how large it is, that no byte was changed.

Every refusal is a ValidationError with one sentence; nothing is unpacked to disk, and no name in the file
becomes a path.
"""

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.ledger.books_file import FORMAT, VERSION
from apps.ledger.books_file.tables import TABLES, Table
from apps.ledger.books_file.writing import CHUNK, MANIFEST

MOST_MANIFEST = 32 * 1024 * 1024
#: CSV of real books shrinks to a tenth or so; what shrinks to less than a 200th holds nothing but repetition.
MOST_RATIO, SMALL = 200, 8 * 1024 * 1024
PAPER = re.compile(r"attachments/([0-9a-f]{64})")
BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, ValueError, OSError)


class BooksFile:
    """An open books file whose manifest, sizes and checksums were found to be right."""

    def __init__(self, archive: zipfile.ZipFile, manifest: dict[str, Any]) -> None:
        self.archive, self.manifest = archive, manifest

    @property
    def rows(self) -> dict[str, int]:
        """How many rows each file says it has, by its name."""
        return {name: facts["rows"] for name, facts in self.manifest["files"].items()}

    def chunks(self, table: Table) -> Iterator[bytes]:
        return _chunks(self.archive, table.file)

    def papers(self) -> list[str]:
        """Return the hashes of the papers whose files are in it."""
        return [match[1] for name in self.archive.namelist() if (match := PAPER.fullmatch(name))]

    def paper(self, sha256: str) -> bytes:
        """Return a paper; it was seen to be of a size that people may attach."""
        return b"".join(_chunks(self.archive, f"attachments/{sha256}"))


@contextmanager
def open_books(file: IO[bytes]) -> Iterator[BooksFile]:
    """
    Open a books file, having read it through once.

    Raises ValidationError: ``not_a_zip``, ``not_books``, ``newer``, ``foreign_name``, ``missing_file``,
    ``too_large``, ``changed``, ``manifest``.
    """
    try:
        archive = zipfile.ZipFile(file)
    except BROKEN as error:
        raise ValidationError(
            _("This is no zip file, or not all of it: export the books again, or copy the file again."),
            code="not_a_zip",
        ) from error
    with archive:
        _verify_names(archive)
        manifest = _manifest(archive)
        _verify_sizes(archive)
        for table in TABLES:
            _verify_table(archive, table, manifest["files"][table.file])
        books = BooksFile(archive, manifest)
        for sha256 in books.papers():
            if hashlib.sha256(books.paper(sha256)).hexdigest() != sha256:
                raise _changed(f"attachments/{sha256}")
        yield books


def _verify_names(archive: zipfile.ZipFile) -> None:
    names = archive.namelist()
    if MANIFEST not in names:
        raise ValidationError(
            _("This zip holds no books: there is no %(name)s in it.") % {"name": MANIFEST}, code="not_books"
        )
    known = {MANIFEST, *(table.file for table in TABLES)}
    for info in archive.infolist():
        if (info.filename not in known and not PAPER.fullmatch(info.filename)) or info.flag_bits & 1:
            raise ValidationError(
                _("There is something in this file that no export of books puts there: %(name)s.")
                % {"name": ascii(info.filename[:80])},
                code="foreign_name",
            )
    if len(set(names)) != len(names):
        raise ValidationError(_("Something is in this file twice."), code="foreign_name")


def _verify_sizes(archive: zipfile.ZipFile) -> None:
    """Refuse what would grow beyond measure when it is unpacked, going by what the zip says of itself."""
    for info in archive.infolist():
        most = max(info.compress_size * MOST_RATIO, SMALL)
        if PAPER.fullmatch(info.filename):
            most = settings.ATTACHMENT_MB * 1024 * 1024
        if info.file_size > most:
            raise ValidationError(
                _("%(name)s would take %(size)s MB unpacked, more than any export of books: it was not read.")
                % {"name": info.filename, "size": f"{info.file_size // 1024**2:,}"},
                code="too_large",
            )


def _manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    if archive.getinfo(MANIFEST).file_size > MOST_MANIFEST:
        raise ValidationError(_("The manifest of this file is too large."), code="too_large")
    try:
        manifest = json.loads(b"".join(_chunks(archive, MANIFEST)))
    except (ValueError, RecursionError) as error:
        raise _wrong_manifest() from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValidationError(_("This zip holds no books of LedgerFlow."), code="not_books")
    version = manifest.get("version")
    if type(version) is not int or version < 1:
        raise _wrong_manifest()
    if version > VERSION:
        raise ValidationError(
            _(
                "A newer LedgerFlow (%(software)s) wrote this file, in format %(version)s; this one reads "
                "up to format %(own)s. Update it first."
            )
            % {"software": str(manifest.get("software"))[:40], "version": version, "own": VERSION},
            code="newer",
        )
    _verify_shape(archive, manifest)
    return manifest


def _verify_shape(archive: zipfile.ZipFile, manifest: dict[str, Any]) -> None:
    shape: dict[str, type] = {
        "made_at": str,
        "client": dict,
        "tax_ids": bool,
        "files": dict,
        "attachments": dict,
        "trial_balance": dict,
        "last_numbers": dict,
        "last_position": int,
        "last_hash": str,
    }
    if not all(isinstance(manifest.get(name), kind) for name, kind in shape.items()):
        raise _wrong_manifest()
    missing = manifest["attachments"].get("missing")
    if not isinstance(missing, list) or not isinstance(manifest["client"].get("code"), str):
        raise _wrong_manifest()
    names = set(archive.namelist())
    for table in TABLES:
        facts = manifest["files"].get(table.file)
        if table.file not in names or facts is None:
            raise ValidationError(
                _("%(name)s is missing from this file.") % {"name": table.file}, code="missing_file"
            )
        if (
            not isinstance(facts, dict)
            or not isinstance(facts.get("sha256"), str)
            or any(type(facts.get(name)) is not int for name in ("rows", "bytes"))
        ):
            raise _wrong_manifest()


def _verify_table(archive: zipfile.ZipFile, table: Table, facts: dict[str, Any]) -> None:
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(archive, table.file):
        digest.update(chunk)
        size += len(chunk)
    if size != facts["bytes"] or digest.hexdigest() != facts["sha256"]:
        raise _changed(table.file)


def _chunks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Yield the content of a file in the zip, never more of it than the zip says it has."""
    try:
        with archive.open(name) as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (*BROKEN, RuntimeError, zlib.error) as error:
        raise _changed(name) from error


def _changed(name: str) -> ValidationError:
    return ValidationError(
        _("%(name)s is not what was exported: its checksum differs. Export the books again.")
        % {"name": name},
        code="changed",
    )


def _wrong_manifest() -> ValidationError:
    return ValidationError(_("The manifest of this file cannot be read."), code="manifest")
