"""Every registered admin: its pages open for whom they should, and show nobody another client's rows."""

from datetime import date, timedelta
from itertools import count

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.ledger.models import BookCheck, Contact, CostCentre, ExchangeRate, TaxCode, TaxIdAccess, TaxRate
from apps.profiles.groups import AUDITORS, BACKUPS
from apps.profiles.roles import Role
from tests.factories import (
    give_access,
    make_account,
    make_client,
    make_draft,
    make_job,
    make_owner,
    make_sign_in,
    make_staff,
    make_user,
    make_wrong_password,
    make_year,
)

pytestmark = pytest.mark.django_db

EVERYTHING = {"list", "add", "change", "delete", "history"}
READING = {"list", "view", "history"}
NOTHING: set[str] = set()

# Which pages open for whom. An admin that is not here fails the walk.
OPENS = {
    "profiles.client": {
        "viewer": READING,
        "preparer": READING,
        "reviewer": READING,
        "manager": {"list", "change", "history"},
        "auditor": READING,
        "backups": NOTHING,
        "owner": {"list", "add", "change", "history"},
    },
    "profiles.staffaccess": {
        "viewer": READING,
        "preparer": READING,
        "reviewer": READING,
        "manager": EVERYTHING,
        "auditor": READING,
        "backups": NOTHING,
        "owner": EVERYTHING,
    },
    "ledger.account": {
        "viewer": READING,
        "preparer": {"list", "add", "change", "history"},
        "reviewer": EVERYTHING,
        "manager": EVERYTHING,
        "auditor": READING,
        "owner": EVERYTHING,
    },
    "ledger.contact": {
        "viewer": READING,
        "preparer": EVERYTHING,
        "reviewer": EVERYTHING,
        "manager": EVERYTHING,
        "auditor": READING,
        "owner": EVERYTHING,
    },
    "ledger.costcentre": {
        "viewer": READING,
        "preparer": EVERYTHING,
        "reviewer": EVERYTHING,
        "manager": EVERYTHING,
        "auditor": READING,
        "owner": EVERYTHING,
    },
    "ledger.fiscalyear": dict.fromkeys(
        ["viewer", "preparer", "reviewer", "manager", "auditor", "owner"], READING
    ),
    "ledger.exchangerate": {
        "viewer": READING,
        "preparer": {"list", "add", "change", "history"},
        "reviewer": EVERYTHING,
        "manager": EVERYTHING,
        "auditor": READING,
        "owner": EVERYTHING,
    },
    "ledger.taxcode": {
        "viewer": READING,
        "preparer": READING,
        "reviewer": EVERYTHING,
        "manager": EVERYTHING,
        "auditor": READING,
        "owner": EVERYTHING,
    },
    # A draft is deleted on its page, what is posted is reversed there.
    "ledger.journalentry": {
        "viewer": READING,
        "preparer": {"list", "add", "change", "history"},
        "reviewer": {"list", "add", "change", "history"},
        "manager": {"list", "add", "change", "history"},
        "auditor": READING,
        "owner": {"list", "add", "change", "history"},
    },
    "ledger.taxidaccess": dict.fromkeys(["reviewer", "manager", "auditor", "owner"], {"list", "view"}),
    "ledger.bookcheck": {"auditor": READING, "owner": READING},
    "core.user": {"auditor": READING, "owner": {"list", "add", "change", "history"}},
    "auth.group": {"auditor": READING, "owner": EVERYTHING},
    "core.signin": {"auditor": READING, "owner": READING},
    "core.wrongpassword": {"auditor": READING, "owner": READING | {"delete"}},
    # Everyone has jobs; the one they are shown here is their own.
    "core.job": dict.fromkeys(
        ["viewer", "preparer", "reviewer", "manager", "auditor", "backups", "owner"], READING
    ),
}
PEOPLE = ["viewer", "preparer", "reviewer", "manager", "auditor", "backups", "owner"]
LABELS = sorted(model._meta.label_lower for model in admin.site._registry)
OF_THE_PRACTICE = ["ledger.bookcheck"]
CLIENT_LABELS = [
    *(one for one in LABELS if one.split(".")[0] in ("profiles", "ledger") and one not in OF_THE_PRACTICE),
    "core.job",
]
numbers = count(1000)


@pytest.fixture
def acorn():
    return make_client("ACORN")


@pytest.fixture
def bluebell():
    return make_client("BLUEBELL", name="Secret Bluebell")


def make_person(name, client):
    """A person of each kind the practice has."""
    if name in Role.values:
        return make_staff(client, name, name)
    user = make_user(name, is_superuser=name == "owner")
    if name in ("auditor", "backups"):
        user.groups.add(Group.objects.get(name=AUDITORS if name == "auditor" else BACKUPS))
    return user


def make_row(label, client, user):
    match label:
        case "profiles.client":
            return client
        case "profiles.staffaccess":
            return give_access(make_user(), client)
        case "ledger.account":
            return make_account(client, str(next(numbers)), name=f"Rent of {client.name}")
        case "ledger.contact":
            name = f"Landlord {next(numbers)} of {client.name}"
            return Contact.objects.create(client=client, name=name, tax_id="12-3456789")
        case "ledger.costcentre":
            return CostCentre.objects.create(client=client, name=f"Branch {next(numbers)} of {client.name}")
        case "ledger.fiscalyear":
            last = client.fiscal_years.order_by("end").last()
            year = last.end.year + 1 if last else 2026
            return make_year(client, f"{year}-01-01", f"{year}-12-31")
        case "ledger.exchangerate":
            day = date(2026, 1, 1) + timedelta(days=next(numbers))
            return ExchangeRate.objects.create(client=client, currency="EUR", date=day, rate="1.1")
        case "ledger.taxcode":
            code = TaxCode.objects.create(client=client, code=str(next(numbers)), direction="sales")
            TaxRate.objects.create(client=client, tax_code=code, valid_from="2026-01-01", rate=20)
            return code
        case "ledger.journalentry":
            codes = [make_account(client, str(next(numbers))).code for _ in range(2)]
            lines = [(codes[0], "5"), (codes[1], "-5")]
            return make_draft(client, *lines, by=make_owner(), description=f"Rent of {client.name}")
        case "ledger.taxidaccess":
            facts = {"contact_id": 1, "contact_name": f"Landlord of {client.name}", "what": "revealed"}
            return TaxIdAccess.objects.create(client=client, by=user, **facts)
        case "ledger.bookcheck":
            return BookCheck.objects.create(duration=timedelta(seconds=2), clients=1, lines=10)
        case "core.user":
            return make_user()
        case "auth.group":
            return Group.objects.create(name=f"Group {Group.objects.count()}")
        case "core.signin":
            return make_sign_in()
        case "core.wrongpassword":
            return make_wrong_password()
        case "core.job":
            return make_job(user, client, title=f"Import for {client.name}")
    raise AssertionError(f"{label} is new: say here how to make a row of it, and in OPENS who may see it.")


def address(label, page, row=None):
    app, model = label.split(".")
    page = {"list": "changelist", "view": "change"}.get(page, page)
    return reverse(f"admin:{app}_{model}_{page}", args=[row.pk] if row else [])


def pages_that_open(http, label, row):
    """Ask for every page as a browser would, and return those that were given."""
    opened = set()
    for page in ("list", "add", "change", "delete", "history"):
        answer = http.get(address(label, page, None if page in ("list", "add") else row), follow=True)
        assert answer.status_code in (200, 403), (page, answer.status_code)
        if answer.status_code == 200:
            is_read_only = page == "change" and not answer.context["has_change_permission"]
            opened.add("view" if is_read_only else page)
    return opened


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("name", PEOPLE)
def test_pages_open_for_those_who_may_and_for_no_one_else(client, acorn, name, label):
    user = make_person(name, acorn)
    row = make_row(label, acorn, user)
    if name == "backups" and label == "core.job":
        row.client_id = None  # a job for a client they do not have would rightly stay hidden
        row.save()
    client.force_login(user)
    assert pages_that_open(client, label, row) == OPENS[label].get(name, NOTHING)


@pytest.mark.parametrize("label", LABELS)
def test_a_visitor_is_sent_to_sign_in(client, acorn, label):
    row = make_row(label, acorn, make_user())
    for page in ("list", "change", "history", "delete"):
        answer = client.get(address(label, page, None if page == "list" else row))
        assert answer.status_code == 302
        assert answer.url.startswith(reverse("admin:login"))


@pytest.mark.parametrize("label", CLIENT_LABELS)
@pytest.mark.parametrize("role", Role.values)
def test_rows_of_another_client_are_visible_nowhere(client, acorn, bluebell, role, label):
    user = make_staff(acorn, role)
    theirs = make_row(label, bluebell, make_user())
    client.force_login(user)
    for page in ("list", "change", "delete", "history"):
        answer = client.get(address(label, page, None if page == "list" else theirs), follow=True)
        if page != "list":
            assert answer.status_code in (403, 404) or answer.redirect_chain, page
        assert "Secret Bluebell" not in answer.content.decode(), page


@pytest.mark.parametrize("role", Role.values)
def test_another_client_is_not_found_by_search_autocomplete_filter_or_history(client, acorn, bluebell, role):
    user = make_staff(acorn, role)
    access = give_access(make_user(), bluebell)
    client.force_login(user)
    autocomplete = {"app_label": "profiles", "model_name": "staffaccess", "field_name": "client"}
    record = bluebell.history.get()
    pages = [
        client.get(address("profiles.client", "list"), {"q": "bluebell"}),
        client.get(address("profiles.staffaccess", "list"), {"client__id__exact": bluebell.pk}),
        client.get(address("profiles.staffaccess", "list"), {"q": "bluebell"}),
        client.get(reverse("admin:autocomplete"), {**autocomplete, "term": "blue"}),
        client.get(reverse("admin:search"), {"s": "blue"}),
        client.get(reverse("admin:profiles_client_simple_history", args=[bluebell.pk, record.pk])),
        client.get(
            reverse("admin:profiles_staffaccess_simple_history", args=[access.pk, access.history.get().pk])
        ),
        client.get(reverse("admin:profiles_staffaccess_add")),
        client.get(reverse("admin:index")),
    ]
    for page in pages:
        assert "Secret Bluebell" not in page.content.decode(), page.request["PATH_INFO"]


def test_what_is_hidden_from_one_is_shown_to_the_other(client, acorn, bluebell):
    client.force_login(make_staff(bluebell, Role.VIEWER))
    assert "Secret Bluebell" in client.get(address("profiles.client", "list")).content.decode()
    assert "Secret Bluebell" in client.get(reverse("admin:search"), {"s": "blue"}).content.decode()
    answer = client.get(address("profiles.staffaccess", "list"), {"client__id__exact": bluebell.pk})
    assert "Secret Bluebell" in answer.content.decode()


def queries_of(http, url):
    http.get(url, follow=True)
    with CaptureQueriesContext(connection) as queries:
        assert http.get(url, follow=True).status_code == 200
    return len(queries)


@pytest.mark.parametrize("label", LABELS)
def test_lists_and_forms_cost_the_same_at_fifty_rows_as_at_three(client, acorn, label):
    user = make_user("owner", is_superuser=True)
    client.force_login(user)

    def add_rows(count):
        for _ in range(count):
            one = make_client()
            give_access(make_user(), one)
            row = make_row(label, one, user)
            give_access(make_user(), acorn)
        return row

    row = add_rows(3)
    few = {
        page: queries_of(client, address(label, page, None if page == "list" else row))
        for page in ("list", "change")
    }
    add_rows(47)
    if label == "profiles.client":
        for _ in range(47):  # a client's form has a row for each person who may see it
            give_access(make_user(is_active=False), row)
    many = {
        page: queries_of(client, address(label, page, None if page == "list" else row))
        for page in ("list", "change")
    }
    assert few == many
    assert many["list"] <= 8
    assert many["change"] <= 16
