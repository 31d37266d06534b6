"""Finding an account by a few characters: those of one client, that can be posted to."""

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.ledger.forms.accounts import AccountField
from apps.ledger.queries.account_search import meant_account
from apps.profiles.roles import Role
from tests.factories import make_account, make_books, make_client, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def books():
    client, accounts = make_books(make_client("ACORN"))
    make_account(client, "6000", name="Expenses", is_postable=False)
    make_account(client, "6190", name="Rental deposit", is_active=False)
    make_account(client, "6210", name="Prepaid rent & rates")
    make_account(client, "6220", name="50% \\ odd [names]*")
    return client, accounts


def found(http, user, code="acorn", **query):
    http.force_login(user)
    answer = http.get(reverse("admin:account_search", args=[code]), query)
    return answer, [one["code"] for one in answer.json()["results"]] if answer.status_code == 200 else None


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        ("61", ["6100"]),
        ("rent", ["6100", "6210"]),
        ("re", ["3900", "6100", "6210"]),
        ("pre ra", ["6210"]),
        ("62 ren", ["6210"]),
        ("1010", ["1010"]),
        ("ent", []),
        ("%", ["6220"]),
        ("50%", ["6220"]),
        ("\\", ["6220"]),
        ("[names]*", ["6220"]),
        ("6000", []),
        ("6190", []),
    ],
)
def test_accounts_are_found_by_code_and_words_of_the_name(client, books, typed, codes):
    assert found(client, make_staff(books[0], Role.VIEWER), q=typed)[1] == codes


def test_without_characters_the_first_accounts_come_by_code(client, books):
    assert found(client, make_staff(books[0], Role.VIEWER))[1][:2] == ["1010", "2010"]


def test_another_clients_accounts_are_never_found(client, books):
    other, _ = make_books(make_client("BLUEBELL"))
    make_account(other, "6999", name="Secret rent")
    user = make_staff(books[0], Role.VIEWER)
    assert "6999" not in found(client, user, q="rent")[1]
    assert found(client, user, code="bluebell", q="rent")[0].status_code == 404


def test_a_large_chart_is_searched_in_one_query(client, books):
    for number in range(300):
        make_account(books[0], f"7{number:03}", name=f"Other costs {number}")
    user = make_staff(books[0], Role.VIEWER)
    found(client, user, q="other")
    with CaptureQueriesContext(connection) as queries:
        answer, codes = found(client, user, q="other")
    assert len(codes) == 20
    assert sum("ledger_account" in query["sql"] for query in queries) == 1


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("1010", "1010"),
        ("1010 checking", "1010"),
        ("chec", "1010"),
        ("re", None),
        ("6000", "6000"),
        ("", None),
    ],
)
def test_typed_text_means_an_account_only_where_it_means_one(books, typed, code):
    account = meant_account(books[0], typed)
    assert (account.code if account else None) == code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (("", ""), "required"),
        (("", "zebra"), "unknown"),
        (("99999999999999999999", ""), "unknown"),
        (("-1", "x"), "unknown"),
        (("", "6000"), "heading"),
        (("", "6190"), "inactive"),
    ],
)
def test_the_field_says_what_is_wrong(books, value, code):
    with pytest.raises(ValidationError) as caught:
        AccountField(client=books[0]).clean(value)
    assert caught.value.code == code


def test_the_field_knows_no_other_clients_account(books):
    other, accounts = make_books(make_client("BLUEBELL"))
    field = AccountField(client=books[0])
    assert field.clean((str(books[1]["6100"].pk), "")) == books[1]["6100"]
    with pytest.raises(ValidationError) as caught:
        field.clean((str(accounts["6100"].pk), ""))
    assert caught.value.code == "unknown"
