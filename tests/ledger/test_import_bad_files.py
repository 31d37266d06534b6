"""What is wrong with a file is a sentence about its row, and nothing of it is stored."""

import io
from datetime import date

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import connection
from openpyxl import Workbook

from apps.ledger.importing import plan as planning
from apps.ledger.models import JournalImport, PeriodState
from apps.ledger.services import close_through, lock_through
from apps.ledger.services.imports import import_journal, look_through, upload_journal
from tests.factories import make_account, make_books, make_client, make_owner
from tests.ledger.test_import_again import everything, shown

pytestmark = pytest.mark.django_db

HEAD = "ref,date,account,amount,memo,currency,rate,kind,tax code,tax base,contact\n"
COLUMNS = HEAD.strip().split(",")


@pytest.fixture
def owner():
    return make_owner()


@pytest.fixture
def books():
    client, _accounts = make_books(make_client("ACORN"))
    make_account(client, "9000", "asset", name="All assets", is_postable=False)
    make_account(client, "9100", "asset", name="Old bank", is_active=False)
    make_account(client, "1090", "asset", name="Euro account", currency="EUR", section="bank")
    return client


def row(**facts):
    values = {"ref": "1", "date": "2026-01-05", "account": "1010", "amount": "10.00"} | facts
    return ",".join(f'"{values.get(name.replace(" ", "_"), "")}"' for name in COLUMNS) + "\n"


def file_with(**facts):
    """An entry of two lines, the first of them with something wrong."""
    return HEAD + row(**facts) + row(account="4000", amount="-10.00")


def problem_of(one):
    assert one.preview["counts"]["wrong"] > 0
    return one.preview["wrong"][0]["problem"]


SENTENCES = [
    ({"date": "31/02/2026"}, "There is no day 31/02/2026 (read as 2026-12-31)."),
    ({"date": "soon"}, "“soon” is no date such as 2026-12-31."),
    ({"date": "1066-10-14"}, "1066-10-14 lies outside the years 1900 to 2199."),
    ({"date": ""}, None),  # the other line has the day
    ({"amount": "1.234,56"}, "“1.234,56” is no amount with a decimal point."),
    ({"amount": "ten"}, "“ten” is no amount."),
    ({"amount": "NaN"}, "“NaN” is no amount."),
    ({"amount": ""}, "The amount is missing."),
    ({"amount": "10.001"}, "10.001 has more decimals than USD."),
    ({"amount": "1" + "0" * 20}, "An amount is a number below 1,000,000,000,000,000."),
    ({"amount": "9.99"}, "Debits and credits differ by 0.01."),
    ({"account": ""}, "The account is missing."),
    ({"account": "9000"}, "9000 All assets is a heading and cannot be posted to."),
    ({"account": "9100"}, "9100 Old bank is inactive."),
    (
        {"account": "Something else"},
        "“Something else” is not in the chart: say which account it is, or of which kind a new one.",
    ),
    ({"account": "1090"}, "This account is kept in EUR, and the line is in another currency."),
    ({"memo": "x" * 501}, f"“{'x' * 30}…” is longer than 500 characters."),
    (
        {"currency": "EUR"},
        "There is no rate for EUR on 2026-01-05 or shortly before: add it under Exchange rates.",
    ),
    ({"currency": "XYZ"}, "“XYZ” is no currency, such as EUR."),
    ({"currency": "EUR", "rate": "-1"}, "A rate is a positive number."),
    ({"currency": "EUR", "rate": "1.1"}, "Debits and credits differ by 1.00."),
    (
        {"kind": "invoice"},
        "“invoice” is no kind of entry: manual, bank, opening, adjusting, closing, reversal, recode, fx.",
    ),
    ({"tax_code": "V20"}, "There is no tax code “V20”: make it first."),
    ({"tax_base": "5"}, "A tax base needs a tax code."),
    ({"date": "2026-01-06"}, "Its lines have different dates: one entry has one."),
    ({"ref": ""}, "The reference is missing: it is not clear which entry this line belongs to."),
    ({"contact": "y" * 201}, f"“{'y' * 30}…” is longer than 200 characters."),
]


@pytest.mark.parametrize(("facts", "sentence"), SENTENCES)
def test_a_wrong_row_is_a_sentence_and_nothing_is_stored(books, owner, facts, sentence):
    before = everything()
    one = shown(books, file_with(**facts), owner)
    if sentence is None:
        assert one.preview["counts"] == {"new": 1, "changed": 0, "same": 0, "wrong": 0}
        return
    assert sentence in problem_of(one)
    with pytest.raises(ValidationError) as caught:
        import_journal(one, by=owner)
    assert caught.value.code == "wrong"
    assert everything() == before


def test_an_entry_of_one_line(books, owner):
    assert problem_of(shown(books, HEAD + row(), owner)) == "An entry has at least two lines."


def test_lines_of_nothing_are_counted_and_said(books, owner):
    one = shown(books, file_with() + row(amount="0.00"), owner)
    assert one.preview["counts"]["new"] == 1
    assert one.preview["notes"] == ["1 rows have an amount of 0.00 and are not read."]


def test_every_wrong_row_is_named_by_its_line_and_the_rest_waits(books, owner):
    text = file_with() + row(ref="2", amount="x") + row(ref="2", account="4000", amount="-10") + "\n"
    one = shown(books, text, owner)
    assert one.preview["counts"] == {"new": 1, "changed": 0, "same": 0, "wrong": 1}
    assert [(bad["line"], bad["problem"]) for bad in one.preview["wrong"]] == [(4, "“x” is no amount.")]


def test_closed_months_are_said_before_anything_is_posted(books, owner):
    close_through(books, date(2026, 2, 28), by=owner)
    lock_through(books, date(2026, 1, 31), by=owner)
    assert problem_of(shown(books, file_with(), owner, posts=True)) == "The period of 2026-01-05 is locked."
    text = file_with().replace("2026-01-05", "2026-02-05")
    assert problem_of(shown(books, text, owner, posts=True)).startswith(
        "The period of 2026-02-05 is soft-closed"
    )
    assert books.periods.filter(state=PeriodState.LOCKED).exists()


@pytest.mark.parametrize(
    ("currency", "fits", "too_fine"), [("JPY", "10", "10.5"), ("TND", "10.125", "10.1255")]
)
def test_decimals_are_those_of_the_currency_of_the_books(owner, currency, fits, too_fine):
    client, _accounts = make_books(make_client(base_currency=currency))

    def of(amount):
        return HEAD + row(amount=amount) + row(account="4000", amount=f"-{amount}")

    assert shown(client, of(fits), owner).preview["counts"]["new"] == 1
    assert problem_of(shown(client, of(too_fine), owner)) == f"{too_fine} has more decimals than {currency}."


def test_a_column_of_texts_taken_for_accounts_is_said(books, owner, monkeypatch):
    monkeypatch.setattr(planning, "MOST_ACCOUNTS", 3)
    text = HEAD + "".join(row(ref=n, account=f"Text {n}") for n in range(5))
    with pytest.raises(ValidationError) as caught:
        shown(books, text, owner)
    assert caught.value.code == "accounts"


def test_what_looks_like_a_formula_stays_a_text(books, owner):
    one = shown(books, file_with(memo="=1+1") + row(ref=2, memo="'=2+2") + row(ref=2, amount=-10), owner)
    import_journal(one, by=owner)
    memos = {line.memo for entry in books.entries.all() for line in entry.lines.all()}
    assert memos == {"", "=1+1", "=2+2"}


def test_odd_characters_are_blanks(books, owner):
    one = shown(books, file_with(memo="two\nlines\u200b\u2028and more\ttabs"), owner)
    import_journal(one, by=owner)
    assert {line.memo for line in books.entries.get().lines.all()} == {"", "two lines and more tabs"}


def excel(*rows, merge="", hidden=""):
    book = Workbook()
    for values in rows:
        book.active.append(values)
    if merge:
        book.active.merge_cells(merge)
    if hidden:
        book.create_sheet(hidden).append(["secret"])
        book[hidden].sheet_state = "hidden"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


ROWS = [["ref", "date", "account", "amount"], [1, "2026-01-05", "1010", 10], [1, "2026-01-05", "4000", -10]]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"\n\n  \n", "empty"),
        (b"nothing but words\n", "columns"),
        (b"\x00\x01\x02\x03", "text"),
        (b'ref,date,account,amount\n1,2026-01-05,"1010,10\n', "text"),
        (b"%PDF-1.7 ...", "page"),
        (b"<html><body><table>", "page"),
        (b"PK\x03\x04...", "damaged"),
        (excel(*ROWS[:2], [1, "2026-01-05", "4000", "=-D2"]), "formula"),
        (excel(*ROWS, merge="A2:A3"), "merged"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence(books, owner, content, code):
    before = everything()
    with pytest.raises(ValidationError) as caught:
        look_through(upload_journal(books, ContentFile(content, "a.csv"), by=owner), by=owner)
    assert caught.value.code == code
    assert everything() == before


def test_what_a_hidden_sheet_holds_is_not_read_and_that_is_said(books, owner, client):
    client.force_login(owner)
    one = upload_journal(books, ContentFile(excel(*ROWS, hidden="Old"), "a.xlsx"), by=owner)
    one = look_through(one, by=owner)
    assert one.preview["counts"]["new"] == 1
    page = client.get(f"/admin/books/ACORN/import/{one.pk}/").content.decode()
    assert "Hidden sheets are not read: Old." in page


def test_a_file_without_rows(books, owner):
    one = upload_journal(books, ContentFile(b"ref,date,account,amount\n", "a.csv"), by=owner)
    with pytest.raises(ValidationError) as caught:
        look_through(one, by=owner)
    assert caught.value.code == "empty"


def test_a_stored_file_that_is_gone_is_a_sentence(books, owner):
    from django.core.files.storage import storages

    from apps.ledger.services.imports import stored_name

    one = shown(books, file_with(), owner)
    storages["journals"].delete(stored_name(one))
    with pytest.raises(ValidationError) as caught:
        import_journal(one, by=owner)
    assert caught.value.code == "gone"
    assert JournalImport.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # the transaction is usable
