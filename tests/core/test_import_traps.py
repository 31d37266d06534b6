"""
What the libraries leave open, closed: each of these fails when its fix is taken away.

The numbers are those of the list of findings that the fixes were made for.
"""

import io

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.db import connection
from django.urls import reverse
from import_export.admin import ImportExportMixin
from openpyxl import load_workbook

from apps.ledger.models import Account, CostCentre
from apps.profiles.models import Client
from apps.profiles.roles import Role
from tests.backups.conftest import drop_copies
from tests.core.test_export import export
from tests.core.test_imports import confirm, look, problems, said
from tests.factories import (
    make_account,
    make_books,
    make_client,
    make_draft,
    make_owner,
    make_posted,
    make_staff,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def acorn():
    return make_client("ACORN")


def test_1_a_viewer_writes_nothing_through_the_page_of_an_old_version(client, acorn):
    account = make_account(acorn, "6100", name="Rent")
    client.force_login(make_staff(acorn, Role.VIEWER))
    record = account.history.get()
    url = reverse("admin:ledger_account_simple_history", args=[account.pk, record.pk])
    answer = client.post(url, {"code": "6100", "name": "Hacked", "kind": "expense"})
    account.refresh_from_db()
    assert (answer.status_code, account.name) == (403, "Rent")


def test_2_a_file_that_does_something_else_by_now_is_no_success(client, acorn):
    client.force_login(make_owner())
    answer = look(client, "ledger.account", "client,code,name,kind\nACORN,6100,Rent,expense\n")
    make_account(acorn, "6100", name="Leases")
    answer = confirm(client, answer)
    assert said(answer)[0].startswith("Nothing was imported")
    assert list(Account.objects.values_list("name", flat=True)) == ["Leases"]


def test_3_good_rows_do_not_come_in_beside_wrong_ones(client, acorn):
    client.force_login(make_owner())
    answer = look(
        client, "ledger.account", "client,code,name,kind\nACORN,6100,Rent,expense\nACORN,1,A,nonsense\n"
    )
    assert answer.context["counts"]["wrong"] == 1
    assert said(confirm(client, answer)) == ["Nothing was imported: some rows are wrong."]
    assert not Account.objects.exists()


def test_4_no_list_is_imported_or_exported_by_whoever_can_reach_it(client, acorn):
    client.force_login(make_staff(acorn, Role.VIEWER))
    for model, one in admin.site._registry.items():
        assert not isinstance(one, ImportExportMixin)  # whose pages are open until somebody closes them
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        assert client.get(reverse(f"{name}_export")).status_code == 403
        if hasattr(one, "resource_class"):
            assert client.get(reverse(f"{name}_import")).status_code == 403


def test_5_rows_of_other_clients_are_not_found_by_import_history_or_export(client, acorn):
    theirs = make_client("SECRET", name="Secret")
    account = make_account(theirs, "6100", name="Secret rent")
    client.force_login(make_staff(acorn, Role.MANAGER))
    answer = look(client, "ledger.account", "client,code,name,kind\nSECRET,6100,Hacked,expense\n")
    assert problems(answer) == [(2, "There is no client SECRET that you may do this for.")]
    assert client.get(reverse("admin:ledger_account_history", args=[account.pk])).status_code in (403, 404)
    assert b"Secret" not in b"".join(export(client, "ledger.account").streaming_content)


def test_6_nothing_is_posted_before_its_lines_are_saved(client):
    """No button of the admin saves a form and posts; that of the entry form posts what it has stored."""
    for one in admin.site._registry.values():
        assert not getattr(one, "actions_submit_line", ())
    books, _accounts = make_books()
    client.force_login(make_owner())
    draft = make_draft(books, ("1010", "5"), ("4000", "-5"))
    entered = {
        "date": "2026-01-15",
        "kind": "manual",
        "lines-TOTAL_FORMS": "3",
        "lines-INITIAL_FORMS": "2",
        "action": "post",
    }
    lines = list(draft.lines.order_by("line_number"))
    figures = [("1010", "7", "", lines[0].pk), ("4000", "", "5", lines[1].pk), ("6100", "", "2", "")]
    for place, (code, debit, credit, pk) in enumerate(figures):
        account = books.accounts.get(code=code).pk
        entered |= {
            f"lines-{place}-{k}": v
            for k, v in {"id": pk, "account": account, "debit": debit, "credit": credit}.items()
        }
    client.post(reverse("admin:entry", args=[books.code, draft.pk]), entered)
    draft.refresh_from_db()
    assert (draft.status, draft.lines.count()) == ("posted", 3)
    assert not draft.imbalance()


def test_9_formulas_are_harmless_and_numbers_stay_numbers(client, acorn):
    client.force_login(make_owner())
    for name in ("=1+1", "+1", "-2", "@x", "\tx"):
        CostCentre.objects.create(client=acorn, name=name)
    answer = export(client, "ledger.costcentre", ending="xlsx")
    cells = [row[1].value for row in load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active]
    assert set(cells[1:]) == {"'=1+1", "'+1", "'-2", "'@x", "'\tx"}
    books, _accounts = make_books()
    make_posted(books, ("1010", "-5"), ("6100", "5"))
    answer = export(client, "ledger.journalentry", ending="xlsx", columns=["amount"])
    page = load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
    assert [cell.data_type for (cell,) in page.iter_rows(min_row=2)] == ["n", "n"]


@pytest.mark.django_db(transaction=True)
def test_11_a_restore_neither_keeps_a_newer_table_nor_fails_on_it(acorn):
    call_command("dbbackup", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE newer (client_id bigint REFERENCES profiles_client)")
        cursor.execute("INSERT INTO newer VALUES (%s)", [acorn.pk])
    try:
        call_command("dbrestore", interactive=False, verbosity=0, stdout=io.StringIO())
        assert "newer" not in connection.introspection.table_names()
        assert Client.objects.get() == acorn
    finally:
        drop_copies()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS newer")  # it is still there when this fails
