"""The papers of an entry: what is taken, where it lies, who gets at it."""

import hashlib
import io
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from apps.ledger import papers
from apps.ledger.models import Attachment
from apps.ledger.papers import EXTENSIONS, recognise
from apps.ledger.services.attachments import attach, detach, safe_name
from apps.profiles.roles import Role
from tests.factories import make_books, make_client, make_draft, make_owner, make_posted, make_staff

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF\n"
LINES = [("1010", "-5"), ("6100", "5")]


def picture(kind, size=(40, 30), **options):
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind, **options)
    return out.getvalue()


def archive(content=b"x"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("bomb.txt", content)
    return out.getvalue()


def huge_png():
    """A few hundred bytes that would be 100,000 by 100,000 pixels."""

    def chunk(name, data):
        return len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)

    header = (100_000).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


TAKEN = {
    "application/pdf": PDF,
    "image/png": picture("PNG"),
    "image/jpeg": picture("JPEG"),
    "image/webp": picture("WEBP"),
    "image/gif": picture("GIF"),
    "image/tiff": picture("TIFF"),
}
REFUSED = {
    "empty": (b"", "empty"),
    "script": (b"#!/bin/sh\nrm -rf /\n", "type"),
    "program": (b"MZ\x90\0" + b"\0" * 100, "type"),
    "javascript": (b"function go() { alert(1) }", "type"),
    "web page": (b"<!DOCTYPE html><html><script>alert(1)</script></html>", "type"),
    "web page after blanks": (b"\xef\xbb\xbf \n<html><body>hello</body></html>", "type"),
    "svg": (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "type"),
    "text": (b"Dear Sir or Madam", "type"),
    "zip": (archive(), "type"),
    "zip bomb": (archive(b"\0" * 30_000_000), "type"),
    "gzip bomb": (zlib.compress(b"\0" * 1_000_000, wbits=31), "type"),
    "heic": (b"\0\0\0\x18ftypheic" + b"\0" * 40, "type"),
    "web page before pdf": (b"<html><script>alert(1)</script>" + PDF, "type"),
    "pdf and archive": (PDF + archive(), "hidden"),
    "pdf around an archive": (PDF[:20] + archive() + PDF[20:], "hidden"),
    "pdf and web page": (PDF[:9] + b"<html><script>alert(1)</script>" + PDF[9:], "hidden"),
    "web page behind pdf": (PDF + b"<script>alert(1)</script>", "hidden"),
    "jpeg and archive": (picture("JPEG") + archive(), "hidden"),
    "png and web page": (picture("PNG") + b"<script >alert(1)</script>", "hidden"),
    "png and more": (picture("PNG") + b"more", "hidden"),
    "webp and more": (picture("WEBP") + b"more than it says", "hidden"),
    "gif and pdf": (picture("GIF") + PDF, "hidden"),
    "gif that is a program": (b"GIF89a/*" + b"\0" * 40 + b"*/=1;alert(1);", "broken"),
    "half a pdf": (PDF[:-20], "broken"),
    "half a jpeg": (picture("JPEG", (400, 400))[:600], "broken"),
    "half a png": (picture("PNG", (400, 400))[:80], "broken"),
    "jpeg by its first bytes": (b"\xff\xd8\xff\xe0 hello", "broken"),
    "png that would be huge": (huge_png(), "pixels"),
}


def upload(content, name="bill.pdf", content_type="application/pdf"):
    return SimpleUploadedFile(name, content, content_type)


def stored():
    return [path for path in Path(django_settings.MEDIA_ROOT).rglob("*") if path.is_file()]


class TestRecognising:
    @pytest.mark.parametrize("content_type", TAKEN)
    def test_papers_by_their_content(self, content_type):
        assert recognise(TAKEN[content_type]) == content_type

    @pytest.mark.parametrize("what", REFUSED)
    def test_everything_else_is_refused_with_a_sentence(self, what):
        content, code = REFUSED[what]
        with pytest.raises(ValidationError) as caught:
            recognise(content)
        assert caught.value.code == code
        assert caught.value.messages[0].endswith(".")

    def test_a_scan_in_black_and_white_is_taken(self):
        out = io.BytesIO()
        Image.new("1", (2480, 3508), 1).save(out, "TIFF", compression="group4", dpi=(300, 300))
        assert recognise(out.getvalue()) == "image/tiff"

    def test_a_photo_with_a_film_behind_it_as_phones_make_them_is_taken(self):
        assert recognise(picture("JPEG") + b"\0\0\0\x18ftypmp42" + b"\0" * 1000) == "image/jpeg"

    def test_a_picture_may_have_as_many_pixels_as_memory_allows(self, monkeypatch):
        monkeypatch.setattr(papers, "MOST_PIXELS", 40 * 30)
        recognise(picture("PNG", (40, 30)))
        with pytest.raises(ValidationError) as caught:
            recognise(picture("PNG", (41, 30)))
        assert caught.value.code == "pixels"

    @given(st.sampled_from(sorted(TAKEN)), st.data())
    def test_damaged_files_are_taken_or_refused_and_never_an_accident(self, content_type, data):
        content = bytearray(TAKEN[content_type])
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(content)))
        with suppress(ValidationError):  # a sentence; any other exception fails
            assert recognise(bytes(content[:cut])) in TAKEN


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("bill.pdf", "bill.pdf"),
        ("Bill 17 (copy).PDF", "Bill 17 (copy).PDF"),
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\Users\\me\\bill.pdf", "bill.pdf"),
        ("bill.exe", "bill.exe.pdf"),
        ("bill\u202efdp.exe", "billfdp.exe.pdf"),
        ("a\r\nSet-Cookie: x.pdf", "a Set-Cookie x.pdf"),
        ("", "paper.pdf"),
        (".pdf", "pdf.pdf"),
        ("...", "paper.pdf"),
        ("x" * 300 + ".pdf", "x" * 196 + ".pdf"),
        ("Rechnung Müller.pdf", "Rechnung Müller.pdf"),
    ],
)
def test_a_name_is_made_safe_and_its_ending_true(name, kept):
    assert safe_name(name, "application/pdf").replace(":", "") == kept


@given(st.text(max_size=300))
def test_any_name_is_made_safe(name):
    for content_type, endings in EXTENSIONS.items():
        kept = safe_name(name, content_type)
        assert kept.isprintable()
        assert 0 < len(kept) <= 200
        assert "/" not in kept
        assert kept.lower().endswith(endings)


@pytest.mark.django_db
class TestAttaching:
    @pytest.fixture
    def entry(self):
        acorn, _accounts = make_books(make_client("ACORN"))
        return make_draft(acorn, *LINES)

    def test_a_paper_is_stored_by_its_hash_for_its_owner_only(self, entry, settings):
        by = make_staff(entry.client, Role.PREPARER)
        attachment = attach(entry, upload(PDF, "bill.exe", "text/html"), by=by)
        sha = hashlib.sha256(PDF).hexdigest()
        assert (attachment.content_type, attachment.size, attachment.sha256) == (
            "application/pdf",
            len(PDF),
            sha,
        )
        path = Path(settings.MEDIA_ROOT) / "attachments" / sha[:2] / sha
        assert stored() == [path]
        assert path.read_bytes() == PDF
        assert path.stat().st_mode & 0o777 == 0o600
        assert attachment.history.get().history_user == by

    def test_the_same_content_is_stored_once_and_attached_once_to_an_entry(self, entry):
        other = make_draft(entry.client, *LINES)
        by = make_owner()
        attach(entry, upload(PDF), by=by)
        attach(other, upload(PDF, "copy.pdf"), by=by)
        with pytest.raises(ValidationError) as caught:
            attach(entry, upload(PDF, "again.pdf"), by=by)
        assert caught.value.code == "attached"
        assert len(stored()) == 1
        assert Attachment.objects.count() == 2

    def test_a_posted_entry_takes_papers_and_a_file_survives_its_removal(self, entry):
        by = make_staff(entry.client, Role.PREPARER)
        posted = make_posted(entry.client, *LINES)
        attachment = attach(posted, upload(PDF), by=by)
        detach(attachment, by=by)
        assert not Attachment.objects.exists()
        assert len(stored()) == 1
        gone = Attachment.history.first()
        assert (gone.history_type, gone.history_user, gone.sha256) == ("-", by, attachment.sha256)

    @pytest.mark.parametrize("what", REFUSED)
    def test_what_is_refused_is_not_stored(self, entry, what):
        with pytest.raises(ValidationError):
            attach(entry, upload(REFUSED[what][0]), by=make_owner())
        assert stored() == []
        assert not Attachment.objects.exists()

    def test_what_is_too_large_is_not_stored(self, entry, settings):
        settings.ATTACHMENT_MB = 1
        attach(entry, upload(PDF[:20] + b" " * (1024 * 1024 - len(PDF)) + PDF[20:]), by=make_owner())
        with pytest.raises(ValidationError) as caught:
            attach(entry, upload(PDF[:20] + b" " * (1024 * 1024 + 1 - len(PDF)) + PDF[20:]), by=make_owner())
        assert caught.value.code == "large"
        assert len(stored()) == 1

    @pytest.mark.parametrize("role", [Role.VIEWER, None])
    def test_a_viewer_or_a_stranger_attaches_and_removes_nothing(self, entry, role):
        attachment = attach(entry, upload(PDF), by=make_owner())
        user = make_staff(entry.client if role else make_client(), role or Role.MANAGER)
        with pytest.raises(PermissionDenied):
            attach(entry, upload(TAKEN["image/png"]), by=user)
        with pytest.raises(PermissionDenied):
            detach(attachment, by=user)
        assert Attachment.objects.get() == attachment
        assert len(stored()) == 1

    def test_a_full_disk_is_a_sentence_and_leaves_nothing(self, entry, monkeypatch):
        def full(*arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("apps.ledger.storage.os.fsync", full)
        with pytest.raises(ValidationError) as caught:
            attach(entry, upload(PDF), by=make_owner())
        assert caught.value.code == "storage"
        assert stored() == []
        assert not Attachment.objects.exists()

    def test_a_file_that_was_lost_comes_back_with_the_next_upload(self, entry):
        by = make_owner()
        attach(entry, upload(PDF), by=by)
        stored()[0].unlink()
        attach(make_draft(entry.client, *LINES), upload(PDF), by=by)
        assert stored()[0].read_bytes() == PDF


@pytest.mark.django_db
class TestThePages:
    @pytest.fixture
    def acorn(self):
        return make_books(make_client("ACORN"))[0]

    @pytest.fixture
    def entry(self, acorn):
        return make_draft(acorn, *LINES)

    def address(self, entry):
        return f"/admin/books/acorn/entries/{entry.pk}/papers/"

    def test_each_file_is_taken_or_told_by_name(self, client, acorn, entry):
        client.force_login(make_staff(acorn, Role.PREPARER))
        files = [upload(PDF), upload(TAKEN["image/png"], "photo.png"), upload(b"MZ", "evil.pdf")]
        answer = client.post(self.address(entry), {"file": files}, headers={"HX-Request": "true"})
        page = answer.content.decode()
        assert page.count("<li>") == 2
        assert "evil.pdf: " in page
        answer = client.post(self.address(entry), {"file": [upload(TAKEN["image/gif"], "x.gif")]})
        assert answer.url == f"/admin/books/ACORN/entries/{entry.pk}/#attachments"
        assert "Choose a file first." in client.post(
            self.address(entry), headers={"HX-Request": "true"}
        ).content.decode()  # fmt: skip

    @pytest.mark.parametrize("content_type", TAKEN)
    def test_a_paper_is_served_harmless(self, client, acorn, entry, content_type):
        client.force_login(make_staff(acorn, Role.VIEWER))
        attachment = attach(entry, upload(TAKEN[content_type], 'a "b" ü.html'), by=make_owner())
        answer = client.get(f"/admin/books/acorn/papers/{attachment.pk}/")
        assert b"".join(answer.streaming_content) == TAKEN[content_type]
        assert answer["Content-Type"] == content_type
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]
        assert "no-store" in answer["Cache-Control"]
        is_shown = content_type in ("image/png", "image/jpeg", "image/webp", "image/gif")
        assert answer["Content-Disposition"].startswith("inline" if is_shown else "attachment")

    def test_a_lost_file_is_a_sentence(self, client, acorn, entry):
        client.force_login(make_staff(acorn, Role.VIEWER))
        attachment = attach(entry, upload(PDF), by=make_owner())
        stored()[0].unlink()
        answer = client.get(f"/admin/books/acorn/papers/{attachment.pk}/")
        assert answer.status_code == 404
        assert "not where it was stored" in answer.content.decode()

    def test_a_paper_is_removed_by_posting_only(self, client, acorn, entry):
        client.force_login(make_staff(acorn, Role.PREPARER))
        attachment = attach(entry, upload(PDF), by=make_owner())
        address = f"/admin/books/acorn/papers/{attachment.pk}/remove/"
        assert client.get(address).status_code == 405
        page = client.post(address, headers={"HX-Request": "true"})
        assert "bill.pdf" not in page.content.decode()
        assert not Attachment.objects.exists()

    def test_nobody_reaches_the_papers_of_another_client(self, client, acorn, entry):
        bluebell = make_books(make_client("BLUEBELL"))[0]
        theirs = make_draft(bluebell, *LINES)
        paper = attach(theirs, upload(PDF, "secret.pdf"), by=make_owner())
        mine = attach(entry, upload(TAKEN["image/png"], "mine.png"), by=make_owner())
        client.force_login(make_staff(acorn, Role.MANAGER))
        for code in ("acorn", "bluebell"):
            base = f"/admin/books/{code}"
            assert client.get(f"{base}/papers/{paper.pk}/").status_code == 404
            assert client.post(f"{base}/papers/{paper.pk}/remove/").status_code == 404
            assert (
                client.post(f"{base}/entries/{theirs.pk}/papers/", {"file": upload(PDF)}).status_code == 404
            )
        client.force_login(make_staff(acorn, Role.VIEWER))
        assert client.post(f"/admin/books/acorn/papers/{mine.pk}/remove/").status_code == 403
        assert client.post(self.address(entry), {"file": upload(PDF)}).status_code == 403
        client.logout()
        assert client.get(f"/admin/books/acorn/papers/{mine.pk}/").status_code == 302
        assert Attachment.objects.count() == 2
