"""Writing a client's books into a zip, as a stream: memory does not grow with the books."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any

from django.core.files.storage import storages
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from apps.ledger.books_file import FORMAT, VERSION
from apps.ledger.books_file.snapshot import one_moment
from apps.ledger.books_file.tables import TABLES, Table
from apps.ledger.models import Attachment, FiscalYear, JournalEntry
from apps.ledger.queries.changes import snapshot
from apps.ledger.services.attachments import stored_name
from apps.profiles.models import Client
from ledgerflow import __version__

CHUNK = 1024 * 1024
MANIFEST = "manifest.json"


def write_books(client: Client, file: IO[bytes], *, with_tax_ids: bool = True) -> dict[str, Any]:
    """
    Write the books of a client into a file as a zip, and return its manifest.

    ``attachments.missing`` of the manifest names papers whose files are gone from the storage: they
    cannot travel, and whoever exports has to be told. Raises OSError when the file cannot be written.
    """
    made_at = timezone.now()
    with one_moment(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        stamp = made_at.timetuple()[:6]
        files = {table.file: _write_table(archive, table, client, with_tax_ids, stamp) for table in TABLES}
        attachments = _write_attachments(archive, client, stamp)
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "software": __version__,
            "made_at": made_at.isoformat(timespec="seconds"),
            "client": {"code": client.code, "name": client.name, "base_currency": client.base_currency},
            "tax_ids": with_tax_ids,
            "files": files,
            "attachments": attachments,
            **figures(client),
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
        archive.writestr(zipfile.ZipInfo(MANIFEST, stamp), text, zipfile.ZIP_DEFLATED)
    return manifest


def figures(client: Client) -> dict[str, Any]:
    """Return what is the same wherever these books are: trial balance, last numbers, end of the chain."""
    years = FiscalYear.objects.filter(client=client).order_by("start")
    last_day = years.last()
    numbers = years.annotate(last=Max("entries__number")).values_list("name", "last")
    last = JournalEntry.objects.posted().filter(client=client).order_by("-position").first()
    return {
        "trial_balance": {
            "as_at": last_day.end.isoformat() if last_day else "",
            "rows": snapshot(client, last_day.end) if last_day else [],
        },
        "last_numbers": {name: number or 0 for name, number in numbers},
        "last_position": last.position if last else 0,
        "last_hash": bytes(last.hash).hex() if last and last.hash else "",
    }


def _write_table(
    archive: zipfile.ZipFile, table: Table, client: Client, with_tax_ids: bool, stamp: Any
) -> dict[str, Any]:
    rows = table.rows().format(client=int(client.pk), tax_ids=str(with_tax_ids).lower())
    size, digest = 0, hashlib.sha256()
    with (
        archive.open(_deflated(table.file, stamp), "w", force_zip64=True) as file,
        connection.cursor() as cursor,
    ):
        with cursor.copy(f"COPY ({rows}) TO STDOUT (FORMAT csv, HEADER)") as copied:
            for chunk in _gathered(copied):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
        count = cursor.rowcount
    return {"rows": count, "bytes": size, "sha256": digest.hexdigest()}


def _gathered(copied: Any) -> Iterator[bytes]:
    """Yield chunks worth compressing: the server hands over a row at a time."""
    gathered = bytearray()
    for row in copied:
        gathered += row
        if len(gathered) >= CHUNK:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _write_attachments(archive: zipfile.ZipFile, client: Client, stamp: Any) -> dict[str, Any]:
    """Write each stored paper once, under the hash of its content."""
    count, missing = 0, []
    papers = Attachment.objects.filter(client=client).order_by("sha256").distinct("sha256")
    for paper in papers.iterator(chunk_size=500):
        try:
            stored = storages["attachments"].open(stored_name(paper))
        except FileNotFoundError:
            missing.append(paper.sha256)
            continue
        info = zipfile.ZipInfo(f"attachments/{paper.sha256}", stamp)  # stored: papers are compressed already
        with stored, archive.open(info, "w", force_zip64=True) as file:
            for chunk in stored.chunks(CHUNK):
                file.write(chunk)
        count += 1
    return {"files": count, "missing": missing}


def _deflated(name: str, stamp: Any) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, stamp)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def name_of_file(client: Client, ending: str, day: datetime) -> str:
    """Return what a file of these books is called: ACORN-2026-07-01.zip."""
    return f"{client.code}-{day:%Y-%m-%d}.{ending}"
