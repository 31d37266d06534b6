"""Whatever is put into an address or a form, a page comes back, never a traceback."""

import pytest
from django.urls import reverse

from tests.core.test_walk import LABELS, make_row
from tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db

QUERIES = [
    "q=%00", "q=" + "x" * 5000, "p=999999", "p=-1", "p=x", "o=99", "o=x.y", "all=", "e=1", "state=x",
    "_popup=1", "_to_field=password", "client__id__exact=abc", "client__id__exact=99999999999999999999999",
    "is_active__exact=maybe", "asked_at_from=31.02.", "asked_at_from_0=31.02.", "attempt_time_to_1=x",
    "nonsense__icontains=1", "user__password__startswith=p", "status__exact=%ff", "status__exact=%00",
    "%00=1", "code__regex=(", "username__regex=[", "date_joined__year=999999999", "ip_address=abc",
]  # fmt: skip
IDS = ["abc", "0", "-1", "99999999999999999999999999", "1_2F", "%00", "1%27--"]


@pytest.fixture
def owner(client):
    owner = make_user("owner", is_superuser=True)
    client.force_login(owner)
    client.raise_request_exception = False
    return owner


@pytest.mark.parametrize("label", LABELS)
def test_odd_questions_to_a_list(client, owner, label):
    make_row(label, make_client(), owner)
    address = reverse("admin:{}_{}_changelist".format(*label.split(".")))
    answers = {query: client.get(f"{address}?{query}").status_code for query in QUERIES}
    assert {query: code for query, code in answers.items() if code >= 500} == {}


@pytest.mark.parametrize("label", LABELS)
def test_odd_ids_in_an_address(client, owner, label):
    base = reverse("admin:{}_{}_changelist".format(*label.split(".")))
    pages = [
        f"{base}{odd}/{page}" for odd in IDS for page in ("", "change/", "history/", "delete/", "history/x/")
    ]
    pages += [f"{base}{odd}/{verb}/" for odd in IDS for verb in ("cancel", "again", "password")]
    answers = {page: client.get(page).status_code for page in pages}
    assert {page: code for page, code in answers.items() if code >= 500} == {}


@pytest.mark.parametrize("term", ["%00", "%", "_", "\\", "x" * 5000, "%ff", "' OR 1=1"])
def test_odd_words_in_the_palette(client, owner, term):
    assert client.get(reverse("admin:search"), {"s": term}).status_code < 500
    assert client.get(reverse("admin:search") + "?s=" + term.replace("\\", "%5C")).status_code < 500


@pytest.mark.parametrize("name", ["\0", "x" * 10_000, "vera\0", " vera ", "VERA", "", "☃", "' OR 1=1 --"])
def test_odd_names_at_the_door(client, name):
    client.raise_request_exception = False
    answer = client.post(reverse("admin:login"), {"username": name, "password": "\0" + name})
    assert answer.status_code < 500


def test_odd_values_for_a_new_record(client, owner):
    page = reverse("admin:profiles_staffaccess_add")
    for query in (
        "client=abc",
        "client=%00",
        "client=99999999999999999999999",
        "user=x",
        "role=x",
        "nonsense=1",
    ):
        assert client.get(f"{page}?{query}").status_code < 500, query


@pytest.mark.parametrize("page", ["99", "abc", "0", "-1"])
def test_odd_pages_of_the_palette(client, owner, page):
    make_client("BLUEBELL")
    assert client.get(reverse("admin:search"), {"s": "blue", "page": page}).status_code < 500


def test_an_unknown_charset(client):
    client.raise_request_exception = False
    kind = "application/x-www-form-urlencoded; charset=klingon"
    assert client.generic("POST", reverse("admin:login"), b"username=x", content_type=kind).status_code < 500


def test_odd_autocompletes(client, owner):
    address = reverse("admin:autocomplete")
    model = "?app_label=profiles&model_name=staffaccess&field_name=client"
    password = "?app_label=core&model_name=user&field_name=password"
    for query in ("", "?app_label=x", password, f"{model}&term=%00", f"{model}&page=x", f"{model}&page=99"):
        assert client.get(address + query).status_code < 500
