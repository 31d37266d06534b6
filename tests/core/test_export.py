"""Every list as a file: what it shows, for those who may take it along; no spreadsheet runs any of it."""

import csv
import io
from datetime import date
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from openpyxl import load_workbook

from apps.core.exports import columns_of
from apps.ledger.models import Contact, TaxIdAccess
from apps.profiles.groups import AUDITORS
from apps.profiles.roles import Role
from tests.core.test_walk import LABELS, PEOPLE, make_person, make_row
from tests.factories import (
    give_access,
    make_account,
    make_books,
    make_client,
    make_draft,
    make_owner,
    make_posted,
    make_staff,
    make_user,
)

pytestmark = pytest.mark.django_db


def address(label, asked=""):
    app, model = label.split(".")
    return reverse(f"admin:{app}_{model}_export") + asked


def export(http, label, asked="", *, ending="csv", columns=None, **more):
    url = address(label, asked)
    if columns is None:
        columns = [title for title, _label in http.get(url).context["form"].fields["columns"].choices]
    return http.post(url, {"format": ending, "columns": columns, **more})


def rows_in(answer):
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def sheet_in(answer):
    page = load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
    head, *rows = page.iter_rows()
    return [dict(zip([cell.value for cell in head], row, strict=True)) for row in rows]


@pytest.fixture
def acorn():
    return make_client("ACORN", name="Acorn Bakery")


@pytest.fixture
def preparer(client, acorn):
    user = make_staff(acorn, Role.PREPARER)
    client.force_login(user)
    return user


def test_the_file_has_what_the_list_shows_filtered_searched_and_sorted(client, acorn, preparer):
    for code, name in [("6200", "Software"), ("6100", "Rent"), ("4000", "Rental income")]:
        make_account(acorn, code, "income" if code[0] == "4" else "expense", name)
    assert [row["code"] for row in rows_in(export(client, "ledger.account"))] == ["4000", "6100", "6200"]
    assert [row["code"] for row in rows_in(export(client, "ledger.account", "?q=rent&o=1"))] == [
        "6100",
        "4000",
    ]
    narrowed = rows_in(export(client, "ledger.account", "?kind__exact=income"))
    assert [(row["client"], row["code"], row["kind"], row["active"]) for row in narrowed] == [
        ("ACORN", "4000", "income", "yes")
    ]


def test_columns_are_chosen(client, acorn, preparer):
    make_account(acorn, "6100", name="Rent")
    assert rows_in(export(client, "ledger.account", columns=["code", "name"])) == [
        {"code": "6100", "name": "Rent"}
    ]
    assert export(client, "ledger.account", columns=[]).status_code == 200
    assert "This field is required." in export(client, "ledger.account", columns=[]).content.decode()


def test_entries_are_a_row_for_each_line_in_their_order(client):
    books, _accounts = make_books(make_client("ACORN"))
    client.force_login(make_owner())
    make_posted(books, ("6100", "50"), ("1010", "-50"), description="Rent", day="2026-02-01")
    make_draft(books, ("1010", "12.5"), ("4000", "-12.5"), day="2026-01-15")
    rows = rows_in(export(client, "ledger.journalentry"))
    assert [
        (r["date"], r["status"], r["number"], r["line"], r["account"], r["debit"], r["credit"]) for r in rows
    ] == [
        ("2026-02-01", "posted", "1", "1", "6100", "50.00", "0.00"),
        ("2026-02-01", "posted", "1", "2", "1010", "0.00", "50.00"),
        ("2026-01-15", "draft", "", "1", "1010", "12.50", "0.00"),
        ("2026-01-15", "draft", "", "2", "4000", "0.00", "12.50"),
    ]
    assert rows[0]["account name"] == "Rent"


def test_a_spreadsheet_runs_nothing_and_its_numbers_are_numbers(client, acorn):
    books, _accounts = make_books(make_client("BLUEBELL"))
    client.force_login(make_owner())
    evil = ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1"]
    for text in evil:
        Contact.objects.create(client=acorn, name=f"{text} Ltd", is_vendor=True)
    names = {row["name"] for row in rows_in(export(client, "ledger.contact"))}
    assert names == {f"'{text} Ltd" for text in evil}
    cells = [row["name"] for row in sheet_in(export(client, "ledger.contact", ending="xlsx"))]
    assert {cell.data_type for cell in cells} == {"s"}
    make_posted(books, ("1010", "-5"), ("6100", "5"), description="=cmd|' /C calc'!A0")
    row = sheet_in(export(client, "ledger.journalentry", ending="xlsx"))[0]
    assert (row["amount"].value, row["amount"].data_type) == (Decimal(-5), "n")
    assert row["date"].value.date() == date(2026, 1, 15)
    assert row["description"].value == "'=cmd|' /C calc'!A0"
    assert rows_in(export(client, "ledger.journalentry"))[0]["amount"] == "-5.00"


def test_tax_ids_are_masked_unless_asked_for_and_that_is_written_down(client, acorn, preparer):
    Contact.objects.create(client=acorn, name="Landlord", tax_id="12-3456789")
    Contact.objects.create(client=acorn, name="Nobody")
    assert [row["tax id"] for row in rows_in(export(client, "ledger.contact"))] == ["•••••••789", ""]
    assert not TaxIdAccess.objects.exists()
    full = rows_in(export(client, "ledger.contact", with_tax_ids="on"))
    assert [row["tax id"] for row in full] == ["12-3456789", ""]
    access = TaxIdAccess.objects.get()
    assert (access.contact_name, access.what, access.by) == ("Landlord", "revealed", preparer)
    other = make_client("BLUEBELL")
    Contact.objects.create(client=other, name="Secret", tax_id="98-7654321")
    give_access(preparer, other, Role.VIEWER)
    names = [row["name"] for row in rows_in(export(client, "ledger.contact", with_tax_ids="on"))]
    assert "Secret" not in names


def test_a_viewer_reads_and_takes_nothing_along(client, acorn):
    user = make_staff(acorn, Role.VIEWER)
    make_account(acorn, "6100")
    client.force_login(user)
    assert client.get(address("ledger.account")).status_code == 403
    page = client.get(reverse("admin:ledger_account_changelist")).content.decode()
    assert "export/" not in page
    other = make_client("BLUEBELL")
    give_access(user, other, Role.PREPARER)
    make_account(other, "6200")
    client.force_login(user)
    assert [row["client"] for row in rows_in(export(client, "ledger.account"))] == ["BLUEBELL"]


#: Who may export which list; nobody else gets the page or the file.
EXPORTS = {
    "profiles.client": {"preparer", "reviewer", "manager", "auditor", "owner"},
    "profiles.staffaccess": {"preparer", "reviewer", "manager", "auditor", "owner"},
    "ledger.taxidaccess": {"reviewer", "manager", "auditor", "owner"},
    "core.job": {"preparer", "reviewer", "manager", "auditor", "owner"},
    **dict.fromkeys(
        ["core.user", "auth.group", "core.signin", "core.wrongpassword", "ledger.bookcheck"],
        {"auditor", "owner"},
    ),
}


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("name", PEOPLE)
def test_every_list_is_exported_by_those_who_may_and_by_no_one_else(client, acorn, name, label):
    user = make_person(name, acorn)
    make_row(label, acorn, user)
    theirs = make_client("BLUEBELL", name="Secret Bluebell")
    make_row(label, theirs, make_user())
    client.force_login(user)
    may = name in EXPORTS.get(label, {"preparer", "reviewer", "manager", "auditor", "owner"})
    assert client.get(address(label)).status_code == (200 if may else 403)
    if not may:
        assert client.post(address(label), {"format": "csv", "columns": ["id"]}).status_code == 403
        return
    rows = rows_in(export(client, label))
    assert rows
    if name not in ("auditor", "owner"):
        assert "BLUEBELL" not in str(rows)
        assert "Secret" not in str(rows)
    assert len(sheet_in(export(client, label, ending="xlsx"))) == len(rows)


@pytest.mark.parametrize("label", LABELS)
def test_a_visitor_is_sent_to_sign_in(client, label):
    answer = client.get(address(label))
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("admin:login"))


@pytest.mark.parametrize("label", LABELS)
def test_a_file_costs_the_same_queries_however_long(client, acorn, label):
    user = make_owner()
    client.force_login(user)
    make_row(label, acorn, user)
    columns = [
        title for title, _label in client.get(address(label)).context["form"].fields["columns"].choices
    ]

    def count():
        with CaptureQueriesContext(connection) as queries:
            rows_in(export(client, label, columns=columns))
        return len(queries)

    few = count()
    for _ in range(12):
        make_row(label, make_client(), user)
    assert count() <= few + 1  # a session's renewal


def test_no_secret_is_a_column():
    for model in admin.site._registry:
        titles = {column.path for column in columns_of(model)}
        assert not titles & {"password", "hash", "last_name_hash"}


def test_auditors_take_everything_along(client, acorn):
    user = make_user()
    user.groups.add(Group.objects.get(name=AUDITORS))
    client.force_login(user)
    make_account(acorn, "6100")
    assert [row["client"] for row in rows_in(export(client, "ledger.account"))] == ["ACORN"]
