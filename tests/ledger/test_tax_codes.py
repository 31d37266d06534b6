"""Tax codes and their rates in the admin."""

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from apps.ledger.models import JournalLine, TaxCode, TaxRate
from apps.profiles.roles import Role
from tests.factories import make_books, make_client, make_draft, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def books():
    return make_books(make_client("ACORN"))


@pytest.fixture
def reviewer(client, books):
    user = make_staff(books[0], Role.REVIEWER)
    client.force_login(user)
    return user


def typed(*rates, stored=None, **changes):
    """A posted form with rates such as ("2026-01-01", "20"), or with an id third for one that is stored."""
    data = {"code": "V20", "name": "VAT 20", "direction": "sales", "non_deductible": "0", "is_active": "on"}
    data |= {"rates-TOTAL_FORMS": len(rates), "rates-INITIAL_FORMS": sum(len(rate) > 2 for rate in rates)}
    for number, (day, rate, *pk) in enumerate(rates):
        data |= {f"rates-{number}-valid_from": day, f"rates-{number}-rate": rate}
        if pk:
            data |= {f"rates-{number}-id": pk[0], f"rates-{number}-tax_code": stored.pk}
    return {**data, **changes}


def add(books):
    return f"{reverse('admin:ledger_taxcode_add')}?client={books[0].pk}"


def change(code):
    return reverse("admin:ledger_taxcode_change", args=[code.pk])


def test_a_code_is_saved_with_its_rates_of_the_same_client(client, books, reviewer):
    acorn, accounts = books
    answer = client.post(
        add(books), typed(("2025-01-01", "19"), ("2026-07-01", "20.5"), account=accounts["2010"].pk)
    )
    assert answer.status_code == 302
    code = TaxCode.objects.get()
    assert (code.client, code.account) == (acorn, accounts["2010"])
    assert {rate.client for rate in code.rates.all()} == {acorn}
    assert code.rate_on(date(2026, 6, 30)) == 19
    assert code.rate_on(date(2026, 7, 1)) == Decimal("20.5")
    assert code.history.get().history_user == reviewer


@pytest.mark.parametrize(
    ("rates", "changes", "sentence"),
    [
        ([("2026-01-01", "20"), ("2026-01-01", "21")], {}, "duplicate"),
        ([("2026-01-01", "101")], {}, "between 0 and 100"),
        ([("2026-01-01", "-1")], {}, "between 0 and 100"),
        ([("2026-01-01", "NaN")], {}, "Enter a number"),
        ([("2026-01-01", "1e20")], {}, "no more than"),
        ([("2026-02-30", "20")], {}, "Enter a valid date"),
        ([], {"non_deductible": "101"}, "between 0 and 100"),
        ([], {"name": " "}, "required"),
        ([], {"direction": "sideways"}, "not one of the available choices"),
    ],
)
def test_bad_input_is_a_sentence_and_nothing_is_stored(client, books, reviewer, rates, changes, sentence):
    answer = client.post(add(books), typed(*rates, **changes))
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not TaxCode.objects.exists()
    assert not TaxRate.objects.exists()


def test_a_rate_is_changed_in_place_and_two_codes_alike_are_refused(client, books, reviewer):
    client.post(add(books), typed(("2026-01-01", "20")))
    code = TaxCode.objects.get()
    rate = code.rates.get()
    assert client.post(change(code), typed(("2026-01-01", "21", rate.pk), stored=code)).status_code == 302
    rate.refresh_from_db()
    assert rate.rate == 21
    for alike in ("V20", "v20"):
        answer = client.post(add(books), typed(code=alike))
        assert "has a tax code with this code" in answer.content.decode()
    assert TaxCode.objects.count() == 1


def test_another_clients_account_rate_and_code_are_out_of_reach(client, books, reviewer):
    other, theirs = make_books()
    foreign = TaxCode.objects.create(client=other, code="X", direction="sales")
    rate = TaxRate.objects.create(client=other, tax_code=foreign, valid_from="2026-01-01", rate=5)
    answer = client.post(add(books), typed(account=theirs["2010"].pk))
    assert "Select a valid choice" in answer.content.decode()
    assert client.get(change(foreign)).status_code == 302
    client.post(add(books), typed())
    code = TaxCode.objects.get(client=books[0])
    client.post(change(code), typed(("2026-01-01", "50", rate.pk), stored=code))
    rate.refresh_from_db()
    assert (rate.rate, rate.tax_code) == (5, foreign)


def test_an_unused_code_takes_its_rates_along_and_a_used_one_stays(client, books, reviewer):
    acorn, _accounts = books
    client.post(add(books), typed(("2026-01-01", "20")))
    code = TaxCode.objects.get()
    entry = make_draft(acorn, ("1010", "-5"), ("6100", "5"))
    JournalLine.objects.filter(entry=entry).update(tax_code=code)
    address = reverse("admin:ledger_taxcode_delete", args=[code.pk])
    assert "Make it inactive" in client.post(address, {"post": "yes"}, follow=True).content.decode()
    JournalLine.objects.filter(entry=entry).update(tax_code=None)
    client.post(address, {"post": "yes"})
    assert not TaxCode.objects.exists()
    assert TaxRate.history.filter(history_type="-").count() == 1


def test_a_preparer_reads_them_only(client, books):
    client.force_login(make_staff(books[0], Role.PREPARER))
    assert client.get(add(books)).status_code == 403
    assert client.post(add(books), typed()).status_code == 403
