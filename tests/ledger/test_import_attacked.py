"""Forged forms, odd names and hostile files on the pages of imports: a sentence each, never an error page."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.profiles.roles import Role
from tests.factories import make_books, make_client, make_owner, make_staff
from tests.ledger.test_import_pages import GOOD, send, upload

pytestmark = pytest.mark.django_db

FORGED = [
    {"year_start": "13-45"},
    {"header_line": "1000000000"},
    {"header_line": "3"},
    {"encoding": "idna"},
    {"encoding": "utf-16"},
    {"delimiter": ";;"},
    {"delimiter": "|"},
    {"grouping": "nonsense"},
    {"date": "9999-99-99"},
    {"date_format": "%s%s"},
    {"only_column": "nope"},
    {"only_column": "ref", "only_value": "none"},
    {"column_0": "nonsense"},
    {"column_0": "entry_id"},
    {"column_4": "currency"},
    {"column_1": "due_date"},
    {"kind": "reversal"},
    {"posts": "7"},
    {"plan": "x"},
    {"reason": "x" * 600},
    {"grouping": "whole"},
]
NAMES = [
    "<img src=x onerror=alert(1)>.csv",
    "a\x00b.csv",
    "\u202egpj.csv",
    "x" * 400 + ".csv",
    "..\\..\\e.csv",
]


@pytest.fixture
def books(client):
    client.raise_request_exception = False
    client, _accounts = make_books(make_client("ACORN"))
    return client


@pytest.mark.parametrize("forged", FORGED, ids=str)
def test_what_no_form_would_send(client, books, forged):
    client.force_login(make_staff(books, Role.MANAGER))
    answer = upload(client, GOOD)
    for pressed in ("look", "import"):
        sent = send(client, answer, **{pressed: "1"}, **forged)
        assert sent.status_code == 200
        assert client.get(sent.request["PATH_INFO"]).status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_of_files(client, books, name):
    client.force_login(make_staff(books, Role.MANAGER))
    for page in (
        upload(client, GOOD, name=name),
        client.get(reverse("admin:journal_imports", args=["ACORN"])),
    ):
        assert page.status_code == 200
        assert b"<img src=x" not in page.content


def packed(name):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "x")
    return file.getvalue()


ROWS = b"1,2026-01-05,<script>alert(1)</script>,5\n1,2026-01-05," + b"y" * 61 + b",-5\n"
FILES = {
    "five thousand columns": b",".join(b"c%d" % n for n in range(5000)) + b"\n" + b"1," * 4999 + b"1\n",
    "empty rows": b"ref,date,account,amount\n" + b",,,\n" * 50_000,
    "a document": packed("word/document.xml"),
    "a path that leads out": packed("../../x"),
    "scripts and long codes": b"ref,date,account,amount\n" + ROWS,
    "old Macintosh lines": b"ref\tdate\taccount\tamount\r1\t2026-01-05\t1010\t5\r1\t2026-01-05\t4000\t-5\r",
    "half of UTF-16": "ref,date,account,amount\n1,2026-01-05,1010,5".encode("utf-16-le"),
    "one name for all": b"a,a,a,a\n1,2,3,4\n",
}


@pytest.mark.parametrize("what", FILES)
@pytest.mark.parametrize("where", ["journal", "admin:ledger_account_import", "admin:profiles_client_import"])
def test_hostile_files(client, books, what, where):
    client.force_login(make_owner())
    if where == "journal":
        answer = upload(client, FILES[what])
    else:
        answer = client.post(reverse(where), {"file": SimpleUploadedFile("x", FILES[what])})
    assert answer.status_code == 200
    assert b"<script>alert" not in answer.content


CELLS = [
    "\x00",
    "code,name,kind,client\n1,<b>x</b>,asset,ACORN\n",
    "code,name,kind,under,client\n1,a,asset,2,ACORN\n2,b,asset,1,ACORN\n",
    "code,name,kind,share of the result,client\n1,a,equity,99999999999999999999,ACORN\n",
    f"code,name,kind,client\n{'9' * 70},a,asset,ACORN\n",
    "code,name,kind,closes into,client\n1,a,equity,1,ACORN\n",
]


@pytest.mark.parametrize("text", CELLS)
def test_hostile_cells(client, books, text):
    client.force_login(make_owner())
    url = reverse("admin:ledger_account_import")
    answer = client.post(url, {"text": text})
    assert answer.status_code == 200
    assert b"<b>x</b>" not in answer.content
    if "token" in answer.context:
        sent = client.post(url, {"file_token": answer.context["token"], "import": "1"}, follow=True)
        assert sent.status_code == 200


@pytest.mark.parametrize(
    "sent", [{"format": "exe", "columns": ["code"]}, {"format": "csv", "columns": ["x"]}, {}]
)
@pytest.mark.parametrize("asked", ["", "?q=%27", "?client__id__exact=999", "?o=99.-3", "?p=x", "?bogus=1"])
def test_forged_exports(client, books, sent, asked):
    client.force_login(make_owner())
    answer = client.post(reverse("admin:ledger_account_export") + asked, sent)
    assert answer.status_code in (200, 302, 400)  # 400: a look-up that no list offers
