"""Books files that are broken, forged or not for this database: a sentence each, and nothing is stored."""

import hashlib
import io
import json
import re
import zipfile

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection

from apps.ledger.models import Account, Attachment, JournalEntry
from apps.ledger.services.attachments import stored_name
from apps.ledger.services.books_file import import_books
from apps.profiles.models import Client
from apps.profiles.roles import Role
from tests.factories import make_client, make_owner, make_staff
from tests.ledger.books_files import contents, exported, forget, make_full_books

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return make_owner()


@pytest.fixture
def books(owner, settings, tmp_path):
    """What an export of books holds, by name; the books themselves are gone, and their papers."""
    client = make_full_books(owner)
    files = contents(exported(client))
    forget(client)
    settings.MEDIA_ROOT = tmp_path / "another"
    return files


def zipped(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    file.seek(0)
    return file


def forged(files, name, change):
    """Change a file, and its checksum with it, as somebody would who wants it to be believed."""
    content = change(files[name])
    assert content != files[name]
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] |= {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "rows": manifest["files"][name]["rows"] + content.count(b"\n") - files[name].count(b"\n"),
    }
    return {**files, name: content, "manifest.json": json.dumps(manifest).encode()}


def with_manifest(books, **facts):
    return {**books, "manifest.json": json.dumps({**json.loads(books["manifest.json"]), **facts}).encode()}


def refused(file, owner, error, sentence, **options):
    """See a file refused with a code and a sentence, and nothing of it stored."""
    with pytest.raises(ValidationError) as raised:
        import_books(file, by=owner, **options)
    assert raised.value.code == error, raised.value.messages
    (said,) = raised.value.messages
    assert re.search(sentence, said), said
    assert not {"Traceback", "SQL", "psycopg"} & set(said.split())
    assert not JournalEntry.objects.exists()
    assert not Account.objects.exists()
    assert not list(storages["attachments"].listdir("")[0] if storages["attachments"].exists("") else [])


def test_what_is_no_zip_or_only_a_part_of_one_is_refused(books, owner):
    whole = zipped(books).getvalue()
    for bytes_ in (b"", b"date,amount\n", whole[: len(whole) // 2], whole[:-10], b"\x89PNG" * 100):
        refused(io.BytesIO(bytes_), owner, "not_a_zip", "no zip file, or not all of it")


def test_another_zip_is_refused(owner):
    refused(zipped({"word/document.xml": b"<w/>"}), owner, "not_books", "This zip holds no books")
    refused(
        zipped({"manifest.json": b'{"format": "something"}'}), owner, "not_books", "no books of LedgerFlow"
    )


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"[" * 100_000, b'"\xff"', b"null"])
def test_a_manifest_that_cannot_be_read_is_refused(books, owner, text):
    with pytest.raises(ValidationError) as raised:
        import_books(zipped({**books, "manifest.json": text}), by=owner)
    assert raised.value.code in ("manifest", "not_books")


@pytest.mark.parametrize(
    "facts",
    [
        {"version": "1"},
        {"version": 0},
        {"version": None},
        {"files": []},
        {"files": {"client.csv": 5}},
        {"client": {"code": 7}},
        {"attachments": {}},
        {"last_position": "many"},
        {"trial_balance": None},
    ],
)
def test_a_manifest_of_another_shape_is_refused(books, owner, facts):
    with pytest.raises(ValidationError) as raised:
        import_books(zipped(with_manifest(books, **facts)), by=owner)
    assert raised.value.code in ("manifest", "missing_file")
    assert not Client.objects.exists()


def test_a_newer_format_is_refused(books, owner):
    file = zipped(with_manifest(books, version=2, software="9.9"))
    refused(file, owner, "newer", r"A newer LedgerFlow \(9.9\) wrote this file, in format 2.*up to format 1")


def test_a_missing_file_is_named(books, owner):
    for name in ("lines.csv", "periods.csv"):
        files = {other: content for other, content in books.items() if other != name}
        refused(zipped(files), owner, "missing_file", f"{name} is missing")


def test_a_changed_byte_is_noticed(books, owner):
    changed = books["lines.csv"].replace(b"8000.0000", b"8001.0000", 1)
    assert changed != books["lines.csv"]
    refused(zipped({**books, "lines.csv": changed}), owner, "changed", "lines.csv is not what was exported")
    (paper,) = [name for name in books if name.startswith("attachments/")]
    refused(zipped({**books, paper: books[paper] + b" "}), owner, "changed", "is not what was exported")
    broken = bytearray(zipped(books).getvalue())
    broken[broken.index(b"accounts.csv") + 60] ^= 0xFF
    refused(io.BytesIO(bytes(broken)), owner, "changed", "accounts.csv is not what was exported")


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/x", "C:\\x", "attachments/../../x", "attachments/" + "A" * 64, "evil.py"],
)
def test_a_name_that_no_export_has_is_refused(books, owner, name):
    refused(zipped({**books, name: b"x"}), owner, "foreign_name", "no export of books puts there")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_refused(books, owner):
    file = zipped(books)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("lines.csv", b"")
    refused(file, owner, "foreign_name", "twice")


def test_a_zip_bomb_is_not_unpacked(books, owner):
    bomb = {**books, "lines.csv": b"0" * 50_000_000}
    refused(zipped(bomb), owner, "too_large", "lines.csv would take 47 MB unpacked.*it was not read")
    refused(zipped({**books, "manifest.json": b" " * 33 * 1024**2}), owner, "too_large", "manifest")
    paper = "attachments/" + "0" * 64
    refused(zipped({**books, paper: bytes(21 * 1024**2)}), owner, "too_large", "more than any export")


def test_a_zip_that_lies_about_a_size_is_cut_off(books, owner):
    """What the zip says of itself is all that is ever unpacked."""
    small = zipped({**books, "lines.csv": b"0" * 50_000_000}).getvalue()
    lying = small.replace((50_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    assert lying != small
    refused(io.BytesIO(lying), owner, "changed", "lines.csv is not what was exported")


def test_a_code_that_is_taken_is_named(books, owner):
    there = make_client("FULL")
    refused(zipped(books), owner, "code_taken", "There is a client FULL here already")
    assert Client.objects.get() == there
    assert import_books(zipped(books), by=owner, code="other").client.code == "OTHER"


@pytest.mark.parametrize("code", ["two words", "-x", "é"])
def test_a_code_that_is_none_is_refused(books, owner, code):
    refused(
        zipped(books), owner, "profiles_client_code_form", "capital letters, digits and hyphens", code=code
    )


def test_books_exist_once(owner):
    client = make_full_books(owner)
    file = exported(client)
    with pytest.raises(ValidationError, match="in this database already, as those of client FULL"):
        import_books(file, by=owner, code="COPY")
    assert Client.objects.get() == client


def replaced(before, after, count=1):
    return lambda content: content.replace(before, after, count)


@pytest.mark.parametrize(
    ("name", "change", "code", "sentence"),
    [
        ("client.csv", replaced(b",USD,", b",XQQ,"), "currency", "There is no currency XQQ"),
        (
            "lines.csv",
            replaced(b",8000.0000,", b",8001.0000,"),
            "unbalanced",
            "Entry 1 of 2025 does not balance",
        ),
        (
            "lines.csv",
            replaced(b",1010,", b",9999,"),
            "reference",
            "lines.csv, record 1: “9999” is not in accounts",
        ),
        (
            "entries.csv",
            replaced(b",2025-02-03,", b",2025-02-31,"),
            "unreadable",
            r"entries.csv, line 5: .*\(date\)",
        ),
        ("lines.csv", replaced(b",8000.0000,", b",8.000,00,"), "unreadable", "lines.csv, line 2"),
        ("lines.csv", replaced(b",8000.0000,", b",NaN,"), "unbalanced", "Entry 1 of 2025"),
        ("lines.csv", replaced(b"\xe4", b"\xff"), "unreadable", "lines.csv, line"),
        ("accounts.csv", replaced(b"uuid,code", b"uuid,kode"), "unreadable", "accounts.csv, line 1"),
        ("accounts.csv", replaced(b",expense,", b",luxury,"), "unreadable|ledger_account_kind", ""),
        (
            "entries.csv",
            replaced(b",posted,2025,2,2,", b",posted,2025,22,2,"),
            "numbers",
            "Entry 22 of 2025 is out",
        ),
        (
            "entries.csv",
            replaced(b",posted,2025,2,2,", b",posted,2025,2,,"),
            "not_posted",
            "neither a draft nor whole",
        ),
        (
            "entries.csv",
            replaced(b",2025-02-05,", b",2025-02-06,"),
            "ledger_entry_hash_fits",
            "Entry 3 of 2025: ",
        ),
        ("lines.csv", replaced(b",333.3300,", b",333.3301,"), "unbalanced", "does not balance"),
        (
            "periods.csv",
            replaced(b"2025-02-28", b"2025-02-27"),
            "ledger_period_covers_year",
            "cover each of its days",
        ),
        ("closed_periods.csv", replaced(b"8000.00", b"8000.01"), "faulty", "is not what was stored then"),
        ("attachments.csv", replaced(b"application/pdf", b"image/png"), "type", "not the kind of paper"),
    ],
)
def test_a_forged_file_is_refused(books, owner, name, change, code, sentence):
    with pytest.raises(ValidationError) as raised:
        import_books(zipped(forged(books, name, change)), by=owner)
    assert raised.value.code in code.split("|"), (raised.value.code, raised.value.messages)
    assert re.search(sentence, " ".join(raised.value.messages)), raised.value.messages
    assert not Client.objects.exists()


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"last_hash": "0" * 64}, "The end of the chain is not"),
        ({"last_numbers": {"2025": 3, "2026": 2}}, "The last number of a year is not"),
        ({"trial_balance": {"as_at": "2026-12-31", "rows": []}}, "The trial balance is not"),
        ({"last_position": 5}, "The number of entries is not"),
    ],
)
def test_figures_that_differ_from_the_manifest_are_refused(books, owner, facts, sentence):
    refused(zipped(with_manifest(books, **facts)), owner, "different", sentence)


def test_a_row_more_or_less_than_the_manifest_says_is_refused(books, owner):
    manifest = json.loads(books["manifest.json"])
    manifest["files"]["lines.csv"]["rows"] += 1
    refused(zipped(with_manifest(books, files=manifest["files"])), owner, "rows", "lines.csv has")


def test_a_paper_that_is_none_is_refused_and_one_that_is_missing_named(books, owner):
    (paper,) = [name for name in books if name.startswith("attachments/")]
    without = {name: content for name, content in books.items() if name != paper}
    refused(zipped(without), owner, "missing_file", "The file of the paper bill.pdf is missing")
    page = b"<html><script>alert(1)</script></html>"
    sha256 = hashlib.sha256(page).hexdigest()
    files = forged(without, "attachments.csv", replaced(paper[-64:].encode(), sha256.encode()))
    refused(zipped({**files, f"attachments/{sha256}": page}), owner, "type", "This is a web page")


def test_nothing_is_imported_while_a_guard_is_missing(books, owner):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE ledger_journalline DISABLE TRIGGER ledger_guard_line")
    refused(zipped(books), owner, "guards", "The guard ledger_guard_line .* is switched off")


def test_a_disk_that_takes_no_more_papers_is_told(books, owner, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "a-file"
    settings.MEDIA_ROOT.write_text("")
    with pytest.raises(ValidationError, match=r"bill.pdf could not be stored \(.*\). Nothing was imported."):
        import_books(zipped(books), by=owner)
    assert not Client.objects.exists()


def test_whoever_may_not_add_clients_may_not_import(books):
    manager = make_staff(make_client("ELSE"), Role.MANAGER)
    with pytest.raises(PermissionDenied):
        import_books(zipped(books), by=manager)


def test_the_commands_say_it_in_a_sentence(books, owner, tmp_path):
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"no zip")
    for arguments, sentence in [
        (["import_books", bad], "This is no zip file"),
        (["import_books", tmp_path / "none.zip"], "cannot be read: No such file"),
        (["import_books", bad, "--by=nobody"], "nobody with the username nobody"),
        (["export_books", "NONE"], "There is no client NONE"),
    ]:
        with pytest.raises(CommandError, match=sentence):
            call_command(*map(str, arguments))
    make_client("HERE")
    with pytest.raises(CommandError, match="could not be written: No such file"):
        call_command("export_books", "HERE", output=tmp_path / "no" / "folder.zip")
    assert list(tmp_path.glob(".*")) == []


def test_the_file_stored_for_a_paper_is_the_one_in_the_zip(books, owner):
    import_books(zipped(books), by=owner)
    assert storages["attachments"].exists(stored_name(Attachment.objects.get()))
