"""The books of a client as a file, for those who have no shell."""

import io

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from apps.ledger.books_file.formats import FORMATS
from apps.ledger.models import Attachment, TaxIdAccess
from apps.ledger.services.books_file import import_books
from apps.profiles.groups import AUDITORS
from apps.profiles.roles import Role
from tests.factories import make_client, make_owner, make_staff, make_user
from tests.ledger.books_files import contents, forget, make_full_books

pytestmark = pytest.mark.django_db


@pytest.fixture
def books():
    return make_full_books(make_owner())


def address(books):
    return reverse("admin:books_export", args=[books.code])


def auditor():
    user = make_user("auditor")
    user.groups.add(Group.objects.get(name=AUDITORS))
    return user


def taken(http, books, name):
    answer = http.post(address(books), {"format": name})
    assert answer.status_code == 200
    assert answer["Content-Type"] == FORMATS[name].content_type
    assert 'filename="FULL-20' in answer["Content-Disposition"]
    return b"".join(answer.streaming_content)


def test_what_a_reviewer_takes_is_what_the_command_writes_and_can_be_imported(client, books):
    reviewer = make_staff(books, Role.REVIEWER)
    client.force_login(reviewer)
    assert "Export for LedgerFlow" in client.get(address(books)).text
    assert address(books) in client.get(reverse("admin:books", args=[books.code])).text
    file = taken(client, books, "zip")
    assert b"DE123456789" in contents(io.BytesIO(file))["contacts.csv"]
    (looked,) = TaxIdAccess.objects.filter(client=books)
    assert (looked.by, looked.what, looked.contact_name) == (reviewer, "revealed", "+Harbour, Estates")
    forget(books)
    assert import_books(io.BytesIO(file), by=make_owner()).client.code == "FULL"


@pytest.mark.parametrize("name", ["beancount", "hledger"])
def test_a_journal_can_be_taken_and_reveals_no_tax_id(client, books, name):
    client.force_login(make_staff(books, Role.REVIEWER))
    assert "Opening balances" in taken(client, books, name).decode()
    assert not TaxIdAccess.objects.exists()


def test_an_auditor_takes_everything_but_tax_ids(client, books):
    client.force_login(auditor())
    assert "left out, because you may not see them" in client.get(address(books)).text
    assert b"DE123456789" not in contents(io.BytesIO(taken(client, books, "zip")))["contacts.csv"]
    assert not TaxIdAccess.objects.exists()


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PREPARER])
def test_lower_roles_take_nothing(client, books, role):
    client.force_login(make_staff(books, role))
    assert client.get(address(books)).status_code == 403
    assert client.post(address(books), {"format": "zip"}).status_code == 403
    assert address(books) not in client.get(reverse("admin:books", args=[books.code])).text


def test_another_clients_books_are_not_there(client, books):
    client.force_login(make_staff(make_client("ELSE"), Role.MANAGER))
    for name in FORMATS:
        assert client.post(address(books), {"format": name}).status_code == 404


def test_an_unknown_format_and_a_lost_paper_are_told(client, books, settings, tmp_path):
    client.force_login(make_owner())
    assert "Choose one of the formats." in client.post(address(books), {"format": "xml"}, follow=True).text
    settings.MEDIA_ROOT = tmp_path / "lost"
    taken(client, books, "zip")
    lost = Attachment.objects.get().sha256
    said = client.get(address(books)).text
    assert f"The file of 1 paper is gone from the storage and could not be exported: {lost}" in said
