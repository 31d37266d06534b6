"""The chart of accounts of one client as a tree."""

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.ledger.queries.chart import chart_of_accounts
from apps.ledger.services import open_fiscal_year
from apps.profiles.roles import Role
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

DAY = datetime.date(2026, 6, 30)


@pytest.fixture
def books():
    return make_books(make_client("ACORN"))


def rows(client, day=DAY):
    chart = chart_of_accounts(client, day)
    return {row.account.code: row for group in chart.groups for row in group.rows}


def test_a_heading_shows_what_is_under_it_and_each_kind_its_usual_side(books):
    client, accounts = books
    heading = make_account(client, "1000", "asset", is_postable=False)
    bank = accounts["1010"]
    bank.parent = heading
    bank.save()
    make_posted(client, ("1010", "80.00"), ("4000", "-100.00"), ("6100", "20.00"))
    make_draft(client, ("1010", "7.00"), ("4000", "-7.00"))
    found = rows(client)
    assert [(code, found[code].depth, found[code].balance) for code in ("1000", "1010", "4000", "6100")] == [
        ("1000", 0, Decimal("80.0000")),
        ("1010", 1, Decimal("80.0000")),
        ("4000", 0, Decimal("100.0000")),
        ("6100", 0, Decimal("20.0000")),
    ]
    assert list(found) == ["1000", "1010", "2010", "3000", "3900", "4000", "6100", "6200"]


def test_a_deep_tree_is_no_trouble():
    client = make_client()
    above = None
    for number in range(300):
        above = make_account(client, f"{number:04}", "asset", parent=above)
    assert rows(client)["0299"].depth == 299


def test_a_result_without_an_account_is_told():
    client, _accounts = make_books(start="2025-01-01", end="2025-12-31")
    client.accounts.filter(code="3900").delete()
    client.accounts.filter(code="3000").update(role="")
    owner = make_owner()
    open_fiscal_year(client, start=datetime.date(2026, 1, 1), end=datetime.date(2026, 12, 31), by=owner)
    make_posted(client, ("1010", "40.00"), ("4000", "-40.00"), day="2025-03-01")
    assert chart_of_accounts(client, DAY).homeless == Decimal("40.0000")


def test_costs_the_same_for_any_chart(books):
    client, _accounts = books
    with CaptureQueriesContext(connection) as few:
        chart_of_accounts(client, DAY)
    for number in range(40):
        make_account(client, f"9{number:03}")
    with CaptureQueriesContext(connection) as many:
        chart_of_accounts(client, DAY)
    assert len(many) == len(few) <= 6


class TestThePage:
    address = "/admin/books/acorn/chart/"

    def test_shows_accounts_and_what_a_role_may_do_with_them(self, client, books):
        acorn, _accounts = books
        client.force_login(make_staff(acorn, Role.VIEWER))
        page = client.get(self.address).content.decode()
        assert "Checking" in page
        assert "Make inactive" not in page
        assert "Add account" not in page
        client.force_login(make_staff(acorn, Role.PREPARER))
        page = client.get(self.address).content.decode()
        assert "Make inactive" in page
        assert f"/admin/ledger/account/add/?client={acorn.pk}" in page

    def test_an_empty_chart_offers_the_ways_to_begin(self, client):
        acorn = make_client("ACORN")
        client.force_login(make_staff(acorn, Role.PREPARER))
        page = client.get(self.address).content.decode()
        assert reverse("admin:chart_start", args=["ACORN"]) in page
        assert reverse("admin:chart_import", args=["ACORN"]) in page

    def test_an_account_becomes_inactive_and_active_again(self, client, books):
        acorn, accounts = books
        user = make_staff(acorn, Role.PREPARER)
        client.force_login(user)
        rent = accounts["6100"]
        for verb, is_active in [("deactivate", False), ("activate", True)]:
            assert client.post(self.address, {verb: rent.pk}).status_code == 302
            rent.refresh_from_db()
            assert rent.is_active is is_active
            assert rent.history.first().history_user == user

    def test_nobody_changes_an_account_that_is_not_theirs_to_change(self, client, books):
        acorn, accounts = books
        other, theirs = make_books()
        client.force_login(make_staff(acorn, Role.VIEWER))
        assert client.post(self.address, {"deactivate": accounts["6100"].pk}).status_code == 403
        client.force_login(make_staff(acorn, Role.MANAGER))
        assert client.post(self.address, {"deactivate": theirs["6100"].pk}).status_code == 404
        for odd in ("", "x", "²", "9" * 30, "-1"):
            assert client.post(self.address, {"deactivate": odd}).status_code == 404
        client.force_login(make_staff(other, Role.MANAGER))
        assert client.get(self.address).status_code == 404
        assert not any(account.history.count() > 1 for account in [accounts["6100"], theirs["6100"]])

    def test_the_clients_own_template_is_offered_and_taken(self, client):
        acorn = make_client("ACORN", legal_form="sole_trader", numbering="european")
        client.force_login(make_staff(acorn, Role.PREPARER))
        address = reverse("admin:chart_start", args=["ACORN"])
        assert "Owner&#x27;s draws" in client.get(address).content.decode()
        odd = client.get(address, {"form": "kingdom", "numbering": "roman"})
        assert odd.context["template"].legal_form == "sole_trader"
        client.post(address)
        assert acorn.accounts.get(role="draw", code="2020").closes_into.code == "2010"
        client.post(f"{address}?form=company&numbering=us")
        assert acorn.accounts.filter(code="1010").exists()

    def test_a_template_for_a_chart_in_use_is_a_sentence(self, client, books):
        acorn, _accounts = books
        make_draft(acorn, ("1010", "5"), ("4000", "-5"))
        client.force_login(make_staff(acorn, Role.PREPARER))
        address = reverse("admin:chart_start", args=["ACORN"])
        assert "entries on this chart already" in client.get(address).content.decode()
        assert "entries on this chart already" in client.post(address, follow=True).content.decode()
        assert acorn.accounts.count() == 7
