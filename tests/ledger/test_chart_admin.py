"""Accounts in the admin: of one client each, and fixed where entries rest on them."""

import pytest
from django.urls import reverse

from apps.ledger.models import Account, TaxCode
from apps.profiles.roles import Role
from tests.factories import (
    give_access,
    make_account,
    make_books,
    make_client,
    make_draft,
    make_posted,
    make_staff,
)

pytestmark = pytest.mark.django_db

ADD = "/admin/ledger/account/add/"


@pytest.fixture
def books():
    return make_books(make_client("ACORN"))


@pytest.fixture
def theirs():
    return make_books(make_client("BLUEBELL", name="Secret Bluebell"))


def change(account):
    return reverse("admin:ledger_account_change", args=[account.pk])


def typed(account=None, **changes):
    facts = {"code": "6300", "name": "Travel", "kind": "expense", "section": "", "is_postable": "on"}
    if account:
        facts = {name: getattr(account, name) for name in ("code", "name", "kind", "section")}
        facts |= {"is_postable": "on" if account.is_postable else ""}
    return {
        "is_active": "on",
        "role": "",
        "currency": "",
        "parent": "",
        "closes_into": "",
        **facts,
        **changes,
    }


def said(answer):
    form = answer.context["adminform"].form
    return " ".join(str(sentence) for sentences in form.errors.values() for sentence in sentences)


class TestAdding:
    def test_the_only_client_one_has_is_taken_and_several_are_asked_for(self, client, books, theirs):
        acorn, _accounts = books
        user = make_staff(acorn, Role.PREPARER)
        client.force_login(user)
        assert client.get(ADD).context["adminform"].form.instance.client == acorn
        give_access(user, theirs[0], Role.VIEWER)  # sees it, adds nothing to it
        assert client.get(ADD).context["adminform"].form.instance.client == acorn
        give_access(user, make_client(), Role.PREPARER)
        page = client.get(ADD)
        assert "For which client?" in page.content.decode()
        assert "Secret Bluebell" not in page.content.decode()

    def test_an_account_is_added_and_leads_back_to_its_chart(self, client, books):
        acorn, _accounts = books
        client.force_login(make_staff(acorn, Role.PREPARER))
        answer = client.post(f"{ADD}?client={acorn.pk}", typed())
        added = acorn.accounts.get(code="6300")
        assert answer.url == f"/admin/books/ACORN/chart/#account-{added.pk}"
        assert added.section == "operating_expense"
        answer = client.post(f"{ADD}?client={acorn.pk}", typed(code="6310", _addanother="1"))
        assert answer.url == f"{ADD}?client={acorn.pk}"

    def test_another_client_cannot_be_slipped_in(self, client, books, theirs):
        acorn, _accounts = books
        bluebell, accounts = theirs
        client.force_login(make_staff(acorn, Role.MANAGER))
        client.post(f"{ADD}?client={acorn.pk}", typed(client=bluebell.pk))
        assert acorn.accounts.filter(code="6300").exists()
        client.post(f"{ADD}?client={bluebell.pk}", typed(code="6400"))
        assert not bluebell.accounts.filter(code="6400").exists()
        answer = client.post(f"{ADD}?client={acorn.pk}", typed(code="6500", parent=accounts["6100"].pk))
        assert "Select a valid choice" in said(answer)

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"code": "6100"}, "has an account with this code"),
            ({"code": " "}, "required"),
            ({"name": "\0"}, "Null characters"),
            ({"section": "bank"}, "not one for accounts of this kind"),
            ({"role": "capital"}, "Only an equity account"),
            ({"kind": "equity", "role": "retained_earnings"}, "has an account for retained earnings"),
            ({"share": "60"}, "on a capital account"),
            ({"share": "NaN"}, "Enter a number"),
            ({"currency": "XXX"}, "not one of the available choices"),
            ({"parent": "1010"}, "stands under one of its own kind"),
            ({"closes_into": "3000"}, "Only a draw or a contribution"),
        ],
    )
    def test_bad_input_is_a_sentence_and_stays_typed(self, client, books, changes, sentence):
        acorn, accounts = books
        for name in ("parent", "closes_into"):
            if name in changes:
                changes = {**changes, name: accounts[changes[name]].pk}
        client.force_login(make_staff(acorn, Role.PREPARER))
        answer = client.post(f"{ADD}?client={acorn.pk}", typed(**changes))
        assert answer.status_code == 200
        assert sentence in said(answer)
        assert acorn.accounts.count() == 7

    def test_the_clients_own_currency_is_no_foreign_one(self, client, books):
        acorn, _accounts = books
        client.force_login(make_staff(acorn, Role.PREPARER))
        client.post(f"{ADD}?client={acorn.pk}", typed(currency="USD"))
        client.post(f"{ADD}?client={acorn.pk}", typed(code="1020", kind="asset", currency="EUR"))
        assert acorn.accounts.get(code="6300").currency == ""
        assert acorn.accounts.get(code="1020").currency == "EUR"


class TestChanging:
    def test_everything_but_the_client_changes_while_an_account_is_unused(self, client, books):
        acorn, accounts = books
        client.force_login(make_staff(acorn, Role.PREPARER))
        rent = accounts["6100"]
        answer = client.post(change(rent), typed(rent, code="4900", kind="income", section="", client="99"))
        assert answer.status_code == 302
        rent.refresh_from_db()
        assert (rent.client, rent.code, rent.kind, rent.section) == (acorn, "4900", "income", "revenue")

    def test_what_posted_entries_rest_on_is_shown_and_told_why(self, client, books):
        acorn, accounts = books
        make_posted(acorn, ("1010", "-5"), ("6100", "5"))
        client.force_login(make_staff(acorn, Role.PREPARER))
        rent = accounts["6100"]
        page = client.get(change(rent))
        assert "posted entries use this account" in page.content.decode()
        assert {"kind", "currency", "is_postable"}.isdisjoint(page.context["adminform"].form.fields)
        client.post(change(rent), typed(rent, kind="income", name="Shop rent", currency="EUR"))
        rent.refresh_from_db()
        assert (rent.name, rent.kind, rent.currency) == ("Shop rent", "expense", "")

    def test_the_guard_answers_with_a_sentence_when_an_entry_is_posted_meanwhile(
        self, client, books, monkeypatch
    ):
        acorn, accounts = books
        make_posted(acorn, ("1010", "-5"), ("6100", "5"))
        monkeypatch.setattr("apps.ledger.admin.accounts._is_posted_to", lambda account: False)
        client.force_login(make_staff(acorn, Role.PREPARER))
        rent = accounts["6100"]
        answer = client.post(change(rent), typed(rent, kind="income", section="", name="Typed"))
        assert answer.status_code == 200
        assert "its kind, its currency" in said(answer)
        assert 'value="Typed"' in answer.content.decode()

    def test_offers_the_same_client_only_and_nothing_below_itself(self, client, books, theirs):
        acorn, accounts = books
        below = make_account(acorn, "6110", parent=accounts["6100"])
        client.force_login(make_staff(acorn, Role.PREPARER))
        form = client.get(change(accounts["6100"])).context["adminform"].form
        offered = set(form.fields["parent"].queryset)
        assert offered == set(acorn.accounts.all()) - {accounts["6100"], below}
        assert set(form.fields["closes_into"].queryset) == {accounts["3000"]}
        answer = client.post(change(accounts["6100"]), typed(accounts["6100"], parent=below.pk))
        assert "Select a valid choice" in said(answer)

    def test_the_sole_heading_of_another_client_stays_out_of_reach(self, client, books, theirs):
        acorn, accounts = books
        client.force_login(make_staff(acorn, Role.MANAGER))
        foreign = theirs[1]["6100"]
        assert client.get(change(foreign)).status_code == 302  # as for an account that is not there
        assert client.post(change(foreign), typed(foreign, name="Mine")).status_code == 302
        foreign.refresh_from_db()
        assert foreign.name == "Rent"


class TestDeleting:
    def test_a_used_account_is_kept_with_a_sentence(self, client, books):
        acorn, accounts = books
        make_draft(acorn, ("1010", "-5"), ("6100", "5"))
        client.force_login(make_staff(acorn, Role.REVIEWER))
        address = reverse("admin:ledger_account_delete", args=[accounts["6100"].pk])
        unused = reverse("admin:ledger_account_delete", args=[accounts["6200"].pk])
        assert address not in client.get(change(accounts["6100"])).content.decode()
        assert unused in client.get(change(accounts["6200"])).content.decode()
        for answer in (client.get(address, follow=True), client.post(address, {"post": "yes"}, follow=True)):
            assert "Make it inactive instead." in answer.content.decode()
        assert acorn.accounts.filter(code="6100").exists()

    def test_a_heading_with_accounts_under_it_is_kept(self, client, books):
        acorn, accounts = books
        make_account(acorn, "6110", parent=accounts["6100"])
        client.force_login(make_staff(acorn, Role.REVIEWER))
        address = reverse("admin:ledger_account_delete", args=[accounts["6100"].pk])
        assert "stand under this one" in client.post(address, {"post": "yes"}, follow=True).content.decode()

    def test_an_account_that_a_tax_code_or_a_draw_points_to_is_kept(self, client, books):
        acorn, accounts = books
        make_account(acorn, "3100", "equity", role="draw", closes_into=accounts["3000"])
        TaxCode.objects.create(client=acorn, code="V", direction="sales", account=accounts["2010"])
        client.force_login(make_staff(acorn, Role.REVIEWER))
        for code in ("2010", "3000"):
            address = reverse("admin:ledger_account_delete", args=[accounts[code].pk])
            answer = client.post(address, {"post": "yes"}, follow=True)
            assert "point to this one" in answer.content.decode()

    def test_an_unused_account_goes_and_its_history_stays(self, client, books):
        acorn, accounts = books
        reviewer = make_staff(acorn, Role.REVIEWER)
        client.force_login(reviewer)
        pk = accounts["6200"].pk
        client.post(reverse("admin:ledger_account_delete", args=[pk]), {"post": "yes"})
        assert not Account.objects.filter(pk=pk).exists()
        gone = Account.history.filter(id=pk).first()
        assert (gone.history_type, gone.history_user) == ("-", reviewer)


def test_the_autocomplete_finds_accounts_of_the_client_it_is_asked_for(client, books, theirs):
    user = make_staff(books[0], Role.VIEWER)
    give_access(user, theirs[0], Role.VIEWER)
    stranger = make_books()[0]
    client.force_login(user)
    field = {"app_label": "ledger", "model_name": "taxcode", "field_name": "account", "term": "rent"}

    def found(**also):
        answer = client.get(reverse("admin:autocomplete"), {**field, **also})
        return [row["id"] for row in answer.json()["results"]]

    rents = [str(one[1]["6100"].pk) for one in (books, theirs)]
    assert sorted(found()) == sorted(rents)
    assert found(client=books[0].pk) == rents[:1]
    for odd in (stranger.pk, "x", "", "9" * 40):
        assert found(client=odd) == []
