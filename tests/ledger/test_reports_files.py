"""Reports as files: read again, they have the figures of the page, as numbers and dates, and no formulas."""

import csv
import io
from datetime import date, datetime
from decimal import Decimal

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from apps.core.tables import writing as files
from apps.ledger.models import Contact
from apps.ledger.services import Line, draft_entry, post_entry
from apps.profiles.roles import Role
from tests.factories import make_account, make_books, make_owner, make_posted, make_staff

pytestmark = pytest.mark.django_db

DANGEROUS = ["=1+1", "+1", "-2+3", "@SUM(A1)", "\tx", "\rx", "\nx", '=HYPERLINK("http://evil.example")']


@pytest.fixture
def books():
    books, _accounts = make_books()
    make_posted(books, ("1010", "1234.50"), ("4000", "-1234.50"), day="2026-01-15", description="Sale")
    make_posted(books, ("6100", "80.25"), ("1010", "-80.25"), day="2026-02-03", description="Rent")
    return books


def fetch(http, books, name, wanted, **query):
    http.force_login(make_owner())
    days = {"start": "2026-01-01", "end": "2026-12-31", "day": "2026-12-31", "account": "1010"}
    answer = http.get(reverse(f"admin:{name}", args=[books.code]), {**days, **query, "format": wanted})
    assert answer.status_code == 200
    return answer, b"".join(answer)


def read_csv(http, books, name, **query):
    _answer, body = fetch(http, books, name, "csv", **query)
    return list(csv.DictReader(io.StringIO(body.decode("utf-8"), newline="")))


def read_excel(http, books, name, **query):
    """Return the facts above the table, and its rows with their header."""
    _answer, body = fetch(http, books, name, "xlsx", **query)
    page = load_workbook(io.BytesIO(body)).active
    rows = [[cell.value for cell in row] for row in page.iter_rows()]
    head = next(number for number, row in enumerate(rows) if row[0] is None and not any(row))
    return {row[0]: row[1] for row in rows[1:head]}, rows[head + 1 :]


def test_a_csv_file_is_a_header_and_rows_in_utf_8_without_a_mark(client, books):
    answer, body = fetch(client, books, "trial_balance", "csv")
    assert body.startswith(b"Account,Name,Debit,Credit\r\n")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="{books.code}-trial-balance-as-at-31-dec-2026.csv"' in answer["Content-Disposition"]
    assert answer.streaming
    rows = read_csv(client, books, "trial_balance")
    assert [(row["Account"], row["Debit"], row["Credit"]) for row in rows] == [
        ("1010", "1154.25", ""), ("4000", "", "1234.50"), ("6100", "80.25", ""), ("", "1234.50", "1234.50"),
    ]  # fmt: skip


def test_an_excel_file_has_numbers_dates_and_says_what_it_is(client, books):
    facts, rows = read_excel(client, books, "account_register")
    assert facts["Client"] == str(books)
    assert facts["Dates"] == "1 Jan 2026 – 31 Dec 2026"
    assert facts["Basis"] == "Accrual"
    assert "UTC" in facts["Made"]
    header, opening, first, second = rows
    assert header[0] == "Date"
    assert (opening[3], opening[-1]) == ("Opening balance", 0)
    assert isinstance(first[0], datetime | date)
    assert first[1:4] == [1, "Manual", "Sale"]
    assert first[-3:] == [1234.5, None, 1234.5]
    assert second[-3:] == [None, 80.25, 1154.25]
    assert all(isinstance(value, int | float) for value in (first[-1], second[-1], second[-2]))


@pytest.mark.parametrize(
    ("name", "query", "count"),
    [
        ("trial_balance", {"mode": "range"}, 4),
        ("profit_and_loss", {"split": "quarter", "compare": "year"}, 7),
        ("balance_sheet", {"compare": "year"}, 9),
        ("general_ledger", {}, 7),
        ("account_register", {}, 3),
        ("journal_listing", {}, 4),
    ],
)
def test_both_kinds_of_file_say_the_same(client, books, name, query, count):
    plain = read_csv(client, books, name, **query)
    _facts, (header, *rows) = read_excel(client, books, name, **query)
    assert len(plain) == len(rows) == count
    assert list(plain[0]) == header
    for one, other in zip(plain, rows, strict=True):
        assert [comparable(text) for text in one.values()] == [comparable(value) for value in other]


def comparable(value):
    if isinstance(value, datetime):
        return value.date().isoformat()
    try:
        return Decimal(str(value))
    except ArithmeticError:
        return value or ""


@pytest.mark.parametrize("text", DANGEROUS)
def test_no_text_becomes_a_formula(client, books, text):
    account = make_account(books, "9000", name=f"x{text}" if text.isspace() else text)
    vendor = Contact.objects.create(client=books, name=text)
    owner = make_owner()
    draft = draft_entry(
        client=books,
        by=owner,
        date=date(2026, 3, 1),
        description=text,
        document_number=text,
        lines=[
            Line(account=account, amount=Decimal("-5"), memo=text, contact=vendor),
            Line(account=books.accounts.get(code="1010"), amount=Decimal("5"), memo=text),
        ],
    )
    post_entry(draft, by=owner)
    for name in ("journal_listing", "general_ledger", "account_register", "trial_balance"):
        for row in read_csv(client, books, name):
            for value in row.values():
                assert not value.startswith(files.BEGINS_A_FORMULA) or is_number(value), (name, value)
        answer, body = fetch(client, books, name, "xlsx")
        cells = [cell for row in load_workbook(io.BytesIO(body)).active.iter_rows() for cell in row]
        assert not [cell for cell in cells if cell.data_type == "f"]
        texts = [cell.value for cell in cells if isinstance(cell.value, str)]
        assert not [value for value in texts if value.startswith(files.BEGINS_A_FORMULA)]
        assert any(text.strip() in value for value in texts)


def is_number(value):
    try:
        return Decimal(value) is not None
    except ArithmeticError:
        return False


def test_negative_numbers_stay_numbers(client, books):
    rows = read_csv(client, books, "trial_balance", mode="range")
    assert {row["Account"]: row["Closing (debit +)"] for row in rows}["4000"] == "-1234.50"
    _facts, rows = read_excel(client, books, "trial_balance", mode="range")
    assert [row[-1] for row in rows if row[0] == "4000"] == [-1234.5]


def test_a_currency_without_decimals_has_none_in_files(client):
    books, _accounts = make_books()
    books.base_currency = "JPY"
    books.save()
    make_posted(books, ("1010", "500"), ("4000", "-500"))
    assert read_csv(client, books, "trial_balance")[0]["Debit"] == "500"


def test_characters_that_excel_refuses_are_left_out(client, books):
    make_posted(books, ("1010", "1"), ("4000", "-1"), description="a\x01b\x0bc")
    make_posted(books, ("1010", "1"), ("4000", "-1"), description="\x01=1+1")  # nor do they hide a formula
    _facts, rows = read_excel(client, books, "journal_listing")
    assert {"abc", "'=1+1"} <= {row[3] for row in rows}


def test_what_is_too_long_for_excel_is_a_sentence(client, books, monkeypatch):
    monkeypatch.setattr(files, "MOST_EXCEL_ROWS", 2)
    client.force_login(make_owner())
    url = reverse("admin:journal_listing", args=[books.code])
    answer = client.get(url, {"format": "xlsx"}, follow=True)
    assert "take the CSV file" in answer.content.decode()
    assert answer.redirect_chain


def test_files_are_for_those_who_see_the_report(client, books):
    other, _accounts = make_books()
    url = reverse("admin:trial_balance", args=[books.code])
    assert client.get(url, {"format": "csv"}).status_code == 302  # nobody signed in
    client.force_login(make_staff(other, Role.MANAGER))
    assert client.get(url, {"format": "csv"}).status_code == 404
    client.force_login(make_staff(books, Role.VIEWER))
    answer = client.get(url, {"format": "csv"})
    assert b"1154.25" in b"".join(answer)
