"""The chart, the papers of an entry and a revealed tax id in a real browser."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from apps.ledger.models import Attachment, Contact, TaxIdAccess
from apps.profiles.groups import make_groups
from apps.profiles.roles import Role
from tests.e2e.browser import PHONE
from tests.factories import make_account, make_books, make_client, make_draft, make_owner, make_staff
from tests.ledger.test_attachments import PDF, TAKEN

pytestmark = pytest.mark.django_db(transaction=True)

DROP = """([bytes, name]) => {
  const files = new DataTransfer();
  files.items.add(new File([new Uint8Array(bytes)], name));
  const place = document.querySelector(".lf-papers-drop");
  for (const type of ["dragenter", "dragover", "drop"])
    place.dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: files }));
}"""


@pytest.fixture
def acorn():
    make_groups()
    return make_books(make_client("ACORN", name="Acorn Bakery"))[0]


def test_accounts_are_found_while_typing_and_inactive_ones_on_request(
    acorn, page_of, complaints, live_server
):
    heading = make_account(acorn, "6000", name="Operating expenses", is_postable=False)
    acorn.accounts.filter(code="6100").update(parent=heading)
    make_account(acorn, "6900", name="Old rent", is_active=False)
    page = page_of(make_staff(acorn, Role.PREPARER))
    page.goto(live_server.url + reverse("admin:chart", args=["ACORN"]))
    rows = page.locator("#chart tbody tr[data-find]:visible .lf-code")
    page.locator("#chart-filter").press_sequentially("ren")
    assert rows.all_text_contents() == ["6000", "6100"]
    page.get_by_label("Show inactive (1)").check()
    assert rows.all_text_contents() == ["6000", "6100", "6900"]
    page.locator("#chart-filter").fill("nothing like it")
    expect(page.get_by_text("No account matches.")).to_be_visible()
    page.locator("#chart-filter").press("Escape")
    assert len(rows.all_text_contents()) == 9
    page.locator("#chart tr", has_text="Software").hover()
    page.locator("#chart tr", has_text="Software").get_by_role("button", name="Make inactive").click()
    expect(page.get_by_text("6200 Software is inactive now.")).to_be_visible()
    assert complaints == []


def test_the_chart_fits_a_phone(acorn, page_of, live_server):
    page = page_of(make_staff(acorn, Role.PREPARER), viewport=PHONE)
    for name in ("chart", "chart_start", "chart_import"):
        page.goto(live_server.url + reverse(f"admin:{name}", args=["ACORN"]))
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name


def test_papers_are_dropped_and_removed_without_losing_what_is_typed(
    acorn, page_of, complaints, live_server, settings, tmp_path
):
    draft = make_draft(acorn, ("1010", "-5"), ("6100", "5"), by=make_owner())
    page = page_of(make_staff(acorn, Role.PREPARER))
    page.goto(live_server.url + reverse("admin:entry", args=["ACORN", draft.pk]))
    fresh_papers = page.locator("#attachments.htmx-added")  # shown, but htmx does not listen to it yet
    page.locator("[name=description]").fill("Half typed")
    page.evaluate(DROP, [list(PDF), "bill.pdf"])
    expect(page.get_by_role("link", name="bill.pdf")).to_be_visible()
    expect(fresh_papers).to_have_count(0)
    page.evaluate(DROP, [list(b"MZ"), "evil.pdf"])
    expect(page.get_by_text("evil.pdf: This is a program, not a paper.")).to_be_visible()
    expect(fresh_papers).to_have_count(0)
    page.locator("#attachments input[type=file]").set_input_files(
        {"name": "photo.png", "mimeType": "image/png", "buffer": TAKEN["image/png"]}
    )
    expect(page.get_by_role("link", name="photo.png")).to_be_visible()
    expect(fresh_papers).to_have_count(0)
    page.on("dialog", lambda asked: asked.accept())
    page.get_by_role("button", name="Remove bill.pdf").click()
    expect(page.get_by_role("link", name="bill.pdf")).to_have_count(0)
    expect(page.locator("[name=description]")).to_have_value("Half typed")
    assert Attachment.objects.get().name == "photo.png"
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="photo.png").click()
    expect(opened.value.locator("img")).to_be_visible()
    assert complaints == []


def test_a_revealed_tax_id_is_shown_once_and_written_down(acorn, page_of, complaints, live_server):
    contact = Contact.objects.create(client=acorn, name="Harbour Estates", tax_id="98-7654321")
    page = page_of(make_staff(acorn, Role.PREPARER))
    page.goto(live_server.url + reverse("admin:ledger_contact_change", args=[contact.pk]))
    page.get_by_role("link", name=re.compile("Reveal tax id")).click()
    page.get_by_role("button", name="Reveal", exact=True).click()
    expect(page.get_by_text("98-7654321")).to_be_visible()
    expect(page.get_by_role("button", name="Reveal", exact=True)).to_be_hidden()
    assert TaxIdAccess.objects.count() == 1
    assert complaints == []
