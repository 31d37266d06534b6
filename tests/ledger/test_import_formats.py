"""Journals as other programs write them: each is understood as it is, and comes in to the cent."""

import io
import shutil
import subprocess
from datetime import date
from decimal import Decimal

import pytest
from django.core.files.base import ContentFile
from openpyxl import Workbook

from apps.ledger.importing.mapping import JournalFormat
from apps.ledger.models import ExchangeRate, JournalEntry
from apps.ledger.services.imports import import_journal, look_through, read_otherwise, upload_journal
from tests.factories import make_books, make_client, make_owner

pytestmark = pytest.mark.django_db

ALL_KNOWN = {
    text: "=" + kind
    for text, kind in {
        "Utilities:Gas": "expense",
        "Job supplies": "expense",
        "Accounts Receivable (A/R)": "asset",
        "Miete": "expense",
        "Bank": "asset",
    }.items()
}


@pytest.fixture
def owner():
    return make_owner()


@pytest.fixture
def books():
    client, _accounts = make_books()
    return client


def looked_through(client, content, by, name="journal.csv", **options):
    if isinstance(content, str):
        content = content.encode()
    one = upload_journal(client, ContentFile(content, name), by=by)
    options = {"accounts": ALL_KNOWN, **options}
    one = read_otherwise(one, JournalFormat.from_json(one.options | options), by=by)
    return look_through(one, by=by)


def entries_of(client):
    """(date, description, [(account, amount, memo, contact)]) of each entry, in order."""
    return [
        (
            entry.date.isoformat(),
            entry.description,
            [
                (line.account.name, str(line.amount.normalize() + 0), line.memo, str(line.contact or ""))
                for line in entry.lines.select_related("account", "contact").order_by("line_number")
            ],
        )
        for entry in JournalEntry.objects.filter(client=client).order_by("date", "pk")
    ]


def comes_in(client, content, by, **options):
    one = looked_through(client, content, by, **options)
    assert one.preview["counts"]["wrong"] == 0, [row["problem"] for row in one.preview["wrong"]]
    import_journal(one, by=by)
    again = looked_through(client, content, by, **options)
    assert again.preview["counts"]["new"] == 0
    return one


QUICKBOOKS = """\
Acorn Bakery,,,,,,,,
Journal,,,,,,,,
"January 1 - March 31, 2026",,,,,,,,

Date,Transaction Type,Num,Name,Memo/Description,Account #,Account,Debit,Credit
01/14/2026,Invoice,1001,Amy's Bird Sanctuary,,,Accounts Receivable (A/R),"1,108.00",
,,,Amy's Bird Sanctuary,Custom Design,,Sales,,"1,108.00"
,,,,,,,"$1,108.00","$1,108.00"

01/31/2026,Expense,,Hicks Hardware,,,Job supplies,228.75,
,,,,,,Checking,,228.75
,,,,,,,$228.75,$228.75

TOTAL,,,,,,,"$1,336.75","$1,336.75"

"Friday, Apr 03, 2026 09:14:22 AM GMT-7 - Accrual Basis",,,,,,,,
"""


def test_a_journal_report_of_quickbooks_online(books, owner):
    one = comes_in(books, QUICKBOOKS, owner)
    assert one.options["columns"] == {
        "date": "Date",
        "document_number": "Num",
        "contact": "Name",
        "memo": "Memo/Description",
        "account": "Account",
        "debit": "Debit",
        "credit": "Credit",
    }
    assert (one.options["header_line"], one.options["grouping"]) == (5, "blank")
    assert entries_of(books) == [
        (
            "2026-01-14",
            "",
            [
                ("Accounts Receivable (A/R)", "1108", "", "Amy's Bird Sanctuary"),
                ("Sales", "-1108", "Custom Design", "Amy's Bird Sanctuary"),
            ],
        ),
        (
            "2026-01-31",
            "",
            [("Job supplies", "228.75", "", "Hicks Hardware"), ("Checking", "-228.75", "", "")],
        ),
    ]
    assert JournalEntry.objects.get(date="2026-01-14").document_number == "1001"
    assert any(note.startswith("4 rows name no account") for note in one.preview["notes"])


XERO = """\
*Narration,*Date,Description,*AccountCode,*TaxRate,*Amount,TrackingName1,TrackingOption1
Rent of January,31/01/2026,Shop,6100,Tax Exempt,800.00,Region,North
Rent of January,31/01/2026,,1010,Tax Exempt,-800.00,,
Sale,15/01/2026,,1010,Tax Exempt,120.00,,
Sale,15/01/2026,Cakes,4000,Tax Exempt,-120.00,,
"""


def test_a_manual_journal_of_xero(books, owner):
    one = looked_through(books, XERO, owner)
    assert one.options["columns"]["description"] == "*Narration"
    assert one.options["columns"]["memo"] == "Description"
    assert (one.options["date_format"], one.options["grouping"]) == ("%d/%m/%Y", "balance")
    columns = {
        k: v for k, v in one.options["columns"].items() if k != "tax_code"
    }  # there is no such code here
    comes_in(books, XERO, owner, columns=columns)
    assert [(day, text, len(lines)) for day, text, lines in entries_of(books)] == [
        ("2026-01-15", "Sale", 2),
        ("2026-01-31", "Rent of January", 2),
    ]


GNUCASH = """\
Date,Transaction ID,Number,Description,Notes,Commodity/Currency,Void Reason,Action,Memo,Full Account Name,\
Account Name,Amount With Sym,Amount Num.,Value With Sym,Value Num.,Reconcile,Reconcile Date,Rate/Price
2026-01-05,8a7f0b6de3f54e0f9a6a,101,Opening,,CURRENCY::USD,,,,Assets:Checking,Checking,"$1,000.00","1,000.00",\
"$1,000.00","1,000.00",n,,1.0000
,,,,,,,,,Equity:Opening Balances,Opening Balances,"-$1,000.00","-1,000.00","-$1,000.00","-1,000.00",n,,1.0000
2026-01-09,77c0b6de3f54e0f9a6bb,102,Groceries,,CURRENCY::USD,,,milk,Expenses:Groceries,Groceries,$20.50,20.50,\
$20.50,20.50,n,,1.0000
,,,,,,,,,Assets:Checking,Checking,-$20.50,-20.50,-$20.50,-20.50,n,,1.0000
"""


def test_an_export_of_gnucash(owner):
    client = make_client()
    one = comes_in(client, GNUCASH, owner, accounts={}, posts=True)
    assert one.options["columns"]["reference"] == "Transaction ID"
    assert one.options["columns"]["account"] == "Full Account Name"
    assert [lines for _day, _text, lines in entries_of(client)] == [
        [("Checking", "1000", "", ""), ("Opening Balances", "-1000", "", "")],
        [("Groceries", "20.5", "milk", ""), ("Checking", "-20.5", "", "")],
    ]


GERMAN = """\
Belegnr.;Datum;Buchungstext;Konto;Betrag;S/H
17;31.01.2026;Miete Januar;Miete;1.234,56;S
17;31.01.2026;Miete Januar;Bank;1.234,56;H
"""


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_a_file_with_decimal_commas_and_a_column_for_the_side(books, owner, encoding):
    columns = {
        "reference": "Belegnr.",
        "date": "Datum",
        "description": "Buchungstext",
        "account": "Konto",
        "amount": "Betrag",
        "side": "S/H",
    }
    text = GERMAN.replace("Januar", "Jänner")
    one = comes_in(
        books, text.encode(encoding), owner, columns=columns, decimal_mark=",", date_format="%d.%m.%Y"
    )
    assert one.options["delimiter"] == ";"
    assert entries_of(books) == [
        ("2026-01-31", "Miete Jänner", [("Miete", "1234.56", "", ""), ("Bank", "-1234.56", "", "")])
    ]


HLEDGER = """\
2026-01-01 * opening balances
    assets:checking      $1,000.00
    equity:opening

2026-01-05 (55) Corner Shop | milk & more
    expenses:food           $12.50  ; milk
    assets:checking
"""


def test_what_hledger_prints(owner, tmp_path):
    if not shutil.which("hledger"):
        pytest.skip("hledger is not installed; tests/tools.sh does it where it can")
    journal = tmp_path / "a.journal"
    journal.write_text(HLEDGER)
    run = ["hledger", "-f", str(journal), "print", "-x", "-O", "csv"]
    text = subprocess.run(run, capture_output=True, check=True, text=True).stdout
    client = make_client()
    one = comes_in(client, text, owner, accounts={}, posts=True)
    assert one.options["columns"]["reference"] == "txnidx"
    assert [(day, text) for day, text, _lines in entries_of(client)] == [
        ("2026-01-01", "opening balances"),
        ("2026-01-05", "Corner Shop | milk & more"),
    ]
    kinds = dict(client.accounts.values_list("code", "kind"))
    assert kinds == {
        "assets:checking": "asset",
        "equity:opening": "equity",
        "expenses:food": "expense",
    }


def test_an_excel_file_with_real_numbers_and_days(books, owner):
    book = Workbook()
    page = book.active
    page.append(["Journal of Acorn"])
    page.append([])
    page.append(["Journal No.", "Journal Date", "Narration", "Account Code", "Net Amount"])
    page.append([1, date(2026, 1, 31), "Rent", 6100, 0.1 + 0.2])
    page.append([1, date(2026, 1, 31), "Rent", 1010, -0.3])
    file = io.BytesIO()
    book.save(file)
    comes_in(books, file.getvalue(), owner)
    assert entries_of(books) == [
        ("2026-01-31", "Rent", [("Rent", "0.3", "", ""), ("Checking", "-0.3", "", "")])
    ]


def test_lines_may_stand_apart(books, owner):
    """A general ledger lists an entry's lines under their accounts."""
    text = (
        "Account,Date,Ref,Amount\n1010,2026-01-05,A,5\n1010,2026-01-06,B,7\n"
        "4000,2026-01-05,A,-5\n4000,2026-01-06,B,-7\n"
    )
    comes_in(books, text, owner)
    assert [[amount for _a, amount, _m, _c in lines] for _d, _t, lines in entries_of(books)] == [
        ["5", "-5"],
        ["7", "-7"],
    ]


def test_references_that_begin_anew_are_told_apart_by_the_day(books, owner):
    text = "ref,date,account,amount\n" + "".join(
        f"1,2026-0{month}-05,1010,5\n1,2026-0{month}-05,4000,-5\n" for month in (1, 2)
    )
    one = looked_through(books, text, owner)
    assert one.preview["wrong"][0]["problem"] == "Its lines have different dates: one entry has one."
    comes_in(books, text, owner, grouping="reference_and_date")
    assert len(entries_of(books)) == 2


def test_a_line_in_another_currency_takes_its_rate_along(books, owner):
    text = "ref,date,account,amount,currency,rate\n1,2026-01-05,6100,10,EUR,1.25\n1,2026-01-05,1010,-12.5,,\n"
    comes_in(books, text, owner)
    line = JournalEntry.objects.get().lines.get(currency="EUR")
    assert (line.amount, line.foreign_amount, line.rate) == (Decimal("12.5"), Decimal(10), Decimal("1.25"))


def test_amounts_of_both_currencies_are_kept(books, owner):
    text = (
        "ref,date,account,debit,credit,currency,foreign amount\n"
        "1,2026-01-05,1010,12.50,,,\n1,2026-01-05,6100,,12.50,EUR,10\n"
    )
    comes_in(books, text, owner)
    line = JournalEntry.objects.get().lines.get(currency="EUR")
    assert (line.amount, line.foreign_amount, line.rate) == (Decimal("-12.5"), Decimal(-10), Decimal("1.25"))


def test_a_rate_on_record_is_taken_where_the_file_has_none(books, owner):
    text = "ref,date,account,amount,currency\n1,2026-01-15,6100,10,EUR\n1,2026-01-15,1010,-12,\n"
    one = looked_through(books, text, owner)
    assert "There is no rate for EUR on 2026-01-15 or shortly before" in one.preview["wrong"][0]["problem"]
    for day, rate in [("2025-11-01", "9"), ("2026-01-10", "1.2"), ("2026-01-16", "8")]:
        ExchangeRate.objects.create(client=books, currency="EUR", date=day, rate=rate)
    ExchangeRate.objects.create(client=make_client(), currency="EUR", date="2026-01-15", rate=7)
    comes_in(books, text, owner)
    line = JournalEntry.objects.get().lines.get(currency="EUR")
    assert (line.amount, line.rate) == (Decimal(12), Decimal("1.2"))
