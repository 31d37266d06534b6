"""The books of a client taken along in a real browser."""

import zipfile

import pytest
from django.urls import reverse

from apps.profiles.groups import make_groups
from apps.profiles.roles import Role
from tests.factories import make_books, make_client, make_posted, make_staff

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_reviewer_finds_the_export_on_the_overview_and_saves_the_file(page_of, complaints, live_server):
    make_groups()
    client, _accounts = make_books(make_client("ACORN", name="Acorn Bakery"))
    make_posted(client, ("1010", "50"), ("4000", "-50"), description="Bread")
    page = page_of(make_staff(client, Role.REVIEWER))
    page.goto(live_server.url + reverse("admin:books", args=["ACORN"]))
    page.get_by_role("link", name="Export the books").click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export for LedgerFlow").click()
    assert saved.value.suggested_filename.startswith("ACORN-")
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert b"Bread" in archive.read("entries.csv")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Export for hledger").press("Enter")
    assert saved.value.suggested_filename.endswith(".journal")
    assert complaints == []
