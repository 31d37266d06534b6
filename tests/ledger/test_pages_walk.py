"""Every page of a client's books: open to those who may see the client, and non-existent for all others."""

import re

import pytest
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.urls import reverse

from apps.ledger.pages import PAGES
from apps.ledger.services.attachments import attach
from apps.ledger.services.imports import look_through, upload_journal
from apps.profiles.groups import AUDITORS
from apps.profiles.roles import Role
from tests.factories import (
    make_books,
    make_client,
    make_draft,
    make_owner,
    make_posted,
    make_staff,
    make_user,
)

pytestmark = pytest.mark.django_db

BOOK_PAGES = {name: address for address, name, _view in PAGES if "<slug:code>" in address}
OTHER_PAGES = [name for address, name, _view in PAGES if "<slug:code>" not in address]


@pytest.fixture
def books():
    client, _accounts = make_books(make_client("ACORN"))
    make_posted(client, ("1010", "50"), ("4000", "-50"))
    return client


@pytest.fixture
def theirs():
    client, _accounts = make_books(make_client("BLUEBELL", name="Secret Bluebell"))
    make_posted(client, ("1010", "50"), ("4000", "-50"), description="Secret deal")
    return client


PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\nxref\n0 0\ntrailer<</Root 1 0 R>>\nstartxref\n45\n%%EOF\n"


def make_record(name, client):
    """Return the record an address is about."""
    entry = make_posted(client, ("1010", "5"), ("6100", "-5"))
    match name:
        case "entry_delete" | "entry_post":
            return make_draft(client, ("1010", "5"), ("6100", "-5"))
        case "attachment" | "detach":
            return attach(entry, ContentFile(PDF, "bill.pdf"), by=make_owner())
        case _ if name.startswith("journal_import"):
            file = ContentFile(b"ref,date,account,amount,memo\n1,2026-01-05,1010,5,Secret\n", "Secret.csv")
            return look_through(upload_journal(client, file, by=make_owner()), by=make_owner())
        case _ if name.startswith("period"):
            return client.periods.order_by("start").first()
        case _ if "year" in name:
            return client.fiscal_years.first()
    return entry


def arguments(name, client):
    """Return what an address needs: the client, and a record of theirs."""
    rest = re.findall(r"<(?:\w+:)?(\w+)>", BOOK_PAGES[name])[1:]
    assert set(rest) <= {"pk", "line", "period", "year"}, f"{name} is new: say here how to make {rest}."
    record = make_record(name, client) if rest else None
    line = record.lines.first().pk if "line" in rest else None
    return [client.code, *(line if one == "line" else record.pk for one in rest)]


def ask(http, url, query=None, *, method="get"):
    """Return an answer's status and text; a streamed file is closed by reading it."""
    answer = getattr(http, method)(url, query or {})
    text = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return answer.status_code, text.decode(errors="replace")


def address_of(name, client):
    return reverse(f"admin:{name}", args=arguments(name, client))


@pytest.mark.parametrize("name", BOOK_PAGES)
@pytest.mark.parametrize("role", [*Role.values, "auditor", "owner"])
def test_who_may_see_the_client_is_answered(client, books, name, role):
    if role in Role.values:
        user = make_staff(books, role)
    else:
        user = make_owner() if role == "owner" else make_user("auditor")
        user.groups.set(Group.objects.filter(name=AUDITORS) if role == "auditor" else [])
    client.force_login(user)
    status, _text = ask(client, address_of(name, books))
    # 403: the page is for another role. 405: it only takes what a form sends.
    allowed = {200, 302} if role == "owner" else {200, 302, 403}
    assert status in allowed | {405}, (name, status)


@pytest.mark.parametrize("name", BOOK_PAGES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_another_clients_books_do_not_exist(client, books, theirs, name, method):
    client.force_login(make_staff(books, Role.MANAGER))
    status, text = ask(client, address_of(name, theirs), method=method)
    assert status in (404, 405), (name, status)
    assert "Secret" not in text


@pytest.mark.parametrize("name", [name for name, address in BOOK_PAGES.items() if address.count("<") > 1])
@pytest.mark.parametrize("method", ["get", "post"])
def test_another_clients_record_does_not_exist_under_ones_own_code(client, books, theirs, name, method):
    client.force_login(make_staff(books, Role.MANAGER))
    mine = [books.code, *arguments(name, theirs)[1:]]
    status, text = ask(client, reverse(f"admin:{name}", args=mine), method=method)
    if (name, method) == ("entry", "post"):  # what was typed is kept, as for any draft that is gone
        assert "This draft is gone" in text
    else:
        assert status in (404, 405), (name, status)
    assert "Secret" not in text


@pytest.mark.parametrize("name", BOOK_PAGES)
def test_a_visitor_is_sent_to_sign_in(client, books, name):
    answer = client.get(address_of(name, books))
    assert answer.status_code == 302
    assert answer.url.startswith(reverse("admin:login"))


@pytest.mark.parametrize("name", OTHER_PAGES)
def test_pages_over_many_clients_show_only_ones_own(client, books, theirs, name):
    client.force_login(make_staff(books, Role.MANAGER))
    status, text = ask(client, reverse(f"admin:{name}"))
    assert status == 200
    assert "Secret" not in text


@pytest.mark.parametrize("name", BOOK_PAGES)
def test_odd_parameters_are_never_a_traceback(client, books, name):
    client.force_login(make_owner())
    url = address_of(name, books)
    odd = ["x", "-1", "9" * 30, "2026-02-31", "\x00", "<b>", "", "NaN", "1e400", "ü" * 300]
    for value in odd:
        keys = (
            "date",
            "start",
            "end",
            "from",
            "to",
            "as_at",
            "page",
            "account",
            "q",
            "format",
            "by",
            "compare",
        )
        status, _text = ask(client, url, dict.fromkeys(keys, value))
        assert status < 500, (name, value)
