"""Books with everything in them, and a way to make a database forget a client."""

import io
import zipfile
from datetime import date
from decimal import Decimal

from django.core.files.base import ContentFile
from django.db import connection

from apps.ledger.books_file.writing import write_books
from apps.ledger.models import Account, Contact, CostCentre, ExchangeRate, TaxCode, TaxRate
from apps.ledger.services import (
    Line,
    close_fiscal_year,
    close_through,
    draft_entry,
    lock_through,
    post_entry,
    recode,
    reopen_period,
    reverse_entry,
)
from apps.ledger.services.attachments import attach
from apps.ledger.services.charts import set_account_active
from tests.factories import make_account, make_books, make_client, make_year

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\nxref\n0 0\ntrailer<</Root 1 0 R>>\nstartxref\n45\n%%EOF\n"
HOSTILE = "=cmd|'/c calc'!A1 \"quoted\" back\\slash; semi, comma [2001-01-01] date:1999-01-01 | pipe\n"
HOSTILE += "2020-01-01 open Assets:Evil\n  Ключ 会計 “ü” {brace} %s \u202e #tag ^link"
#: Rows of a client in the order in which nothing that is left names one that is gone.
TABLES = [
    *("ledger_accounttotal", "ledger_attachment", "ledger_journalline", "ledger_journalentry"),
    *("ledger_closedperiod", "ledger_period", "ledger_fiscalyear", "ledger_taxrate", "ledger_taxcode"),
    *(
        "ledger_costcentre",
        "ledger_contact",
        "ledger_account",
        "ledger_taxidaccess",
        "ledger_exchangerate",
        "profiles_staffaccess",
    ),
]


def make_full_books(owner, code="FULL"):
    """Books of two years with everything a client's books can have."""
    client, accounts = make_books(make_client(code, notes="=1+1"), "2025-01-01", "2025-12-31")
    make_year(client, "2026-01-01", "2026-12-31", by=owner)
    accounts["1020"] = make_account(client, "1020", "asset", "Euro account", section="bank", currency="EUR")
    accounts["1000"] = make_account(client, "1000", "asset", "Cash and bank", is_postable=False)
    Account.objects.filter(pk=accounts["1010"].pk).update(parent=accounts["1000"])
    accounts["3100"] = make_account(client, "3100", "equity", role="draw", closes_into=accounts["3000"])
    accounts["6.1"] = make_account(client, "6.1", "expense", "Café, bar & “more”")
    accounts["6-1"] = make_account(client, "6-1", "expense", "Café  bar more")
    accounts["6900"] = make_account(client, "6900", "expense", "Old things")
    accounts["2200"] = make_account(client, "2200", "liability", "VAT", section="tax_payable")
    contact = Contact.objects.create(
        client=client, name="+Harbour, Estates", tax_id="DE123456789", is_vendor=True
    )
    centre = CostCentre.objects.create(client=client, name="Shop")
    tax = TaxCode.objects.create(
        client=client, code="V20", name="20 %", direction="purchases", account=accounts["2200"]
    )
    ExchangeRate.objects.create(
        client=client, currency="EUR", date=date(2025, 2, 5), rate=Decimal("1.1111"), source="@bank"
    )
    TaxRate.objects.create(client=client, tax_code=tax, valid_from=date(2020, 1, 1), rate=Decimal(20))

    def draft(day, *lines, **facts):
        made = [
            Line(account=accounts[line[0]], amount=Decimal(line[1]), **(line[2] if len(line) > 2 else {}))
            for line in lines
        ]
        return draft_entry(client=client, by=owner, date=date.fromisoformat(day), lines=made, **facts)

    def post(day, *lines, reason="", **facts):
        return post_entry(draft(day, *lines, **facts), by=owner, reason=reason)

    post("2025-01-01", ("1010", "8000"), ("3000", "-8000"), kind="opening", description="Opening balances")
    bought = post(
        "2025-02-03",
        (
            "6100",
            "100",
            {"tax_code": tax, "tax_base": Decimal(100), "contact": contact, "cost_centre": centre},
        ),
        ("2200", "20", {"tax_code": tax, "tax_base": Decimal(100)}),
        ("2010", "-120", {"contact": contact, "due_date": date(2025, 3, 5), "memo": HOSTILE}),
        description=HOSTILE,
        document_number="R-2025/7",
        document_date=date(2025, 2, 1),
    )
    euro = {"currency": "EUR", "foreign_amount": Decimal(300)}
    post("2025-02-05", ("1020", "333.33", euro), ("1010", "-333.33"))
    post("2025-02-28", ("1020", "1.17", {**euro, "foreign_amount": Decimal(0)}), ("6200", "-1.17"), kind="fx")
    wrong = post("2025-03-01", ("6900", "55"), ("1010", "-55"), description="To the wrong account")
    recode([wrong.lines.get(account=accounts["6900"])], account=accounts["6.1"], by=owner)
    twice = post("2025-03-02", ("6-1", "12"), ("1010", "-12"))
    reverse_entry(twice, by=owner, date=date(2025, 3, 9))
    post("2025-04-01", ("1010", "900"), ("4000", "-900"))
    attach(bought, ContentFile(PDF, "bill.pdf"), by=owner)
    close_through(client, date(2025, 6, 30), by=owner)
    post("2025-05-05", ("6200", "7"), ("1010", "-7"), reason="Late bill")
    post("2025-12-31", ("6200", "30"), ("2010", "-30"), kind="adjusting")
    close_fiscal_year(client.fiscal_years.get(name="2025"), by=owner)
    lock_through(client, date(2025, 12, 31), by=owner, adjusting=True)
    post("2026-01-10", ("6.1", "5.50"), ("1010", "-5.50"))
    close_through(client, date(2026, 2, 28), by=owner)
    reopen_period(client.periods.get(start=date(2026, 2, 1)), by=owner, reason="Forgot something")
    post("2026-01-11", ("3100", "20"), ("1010", "-20"), reason="Late")
    draft("2026-02-02", ("6200", "42"), ("1010", "-42"), description="Printer paper")
    draft("2026-02-03", ("6200", "19"))
    set_account_active(accounts["6900"], False, by=owner)
    return client


def exported(client, **options):
    """Return a client's books as an open file."""
    file = io.BytesIO()
    write_books(client, file, **options)
    file.seek(0)
    return file


def contents(file):
    """Return what is in a zip, by name."""
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def forget(client):
    """Delete a client with all its books, which only the owner of the database can, its guards off."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in [*TABLES, "profiles_client"]:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for table in TABLES:
            cursor.execute(f"DELETE FROM {table} WHERE client_id = %s", [client.pk])
        cursor.execute("DELETE FROM profiles_client WHERE id = %s", [client.pk])
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in [*TABLES, "profiles_client"]:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        cursor.execute(
            "SET CONSTRAINTS ledger_year_covered, ledger_period_covers DEFERRED"
        )  # as they are made
