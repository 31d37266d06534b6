"""Closing and reopening without a mouse: a dialog takes the focus where it is needed, Enter does it."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from apps.ledger.models import ClosedPeriod, Period
from apps.profiles.roles import Role
from tests.e2e.browser import PHONE
from tests.factories import make_books, make_client, make_draft, make_posted, make_staff

pytestmark = pytest.mark.django_db(transaction=True)

SALE = (("1010", "50.00"), ("4000", "-50.00"))


@pytest.fixture
def books():
    client, _accounts = make_books(make_client("ACORN", name="Acorn Bakery"), "2025-01-01", "2025-12-31")
    make_posted(client, *SALE, day="2025-03-05")
    return client


@pytest.fixture
def at_periods(books, page_of, live_server):
    def open_page(**options):
        page = page_of(make_staff(books, Role.MANAGER), **options)
        page.goto(live_server.url + reverse("admin:periods", args=[books.code]))
        return page

    return open_page


def reach(page, text):
    """Press Tab until the link or button that begins so has the focus; returns how often."""
    for presses in range(1, 60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()").startswith(text):
            return presses
    raise AssertionError(f"Tab never reaches {text}.")


def states(client):
    periods = Period.objects.filter(client=client).order_by("end", "is_adjusting")
    return "".join(period.state[0] for period in periods)


def test_close_and_reopen_by_keyboard(books, at_periods, complaints):
    page = at_periods()
    reach(page, "Close through December 2025")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Through")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Closed: January 2025 to December 2025")).to_be_visible()
    assert states(books) == "s" * 12 + "o"

    reach(page, "Reopen…")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Reason")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")  # October: the dialog is asked for anew, and says what opens
    expect(dialog).to_contain_text("Opens December 2025, November 2025 and October 2025.")
    page.keyboard.press("Tab")
    page.keyboard.type("A late bill")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Reopened: December 2025, November 2025 and October 2025.")).to_be_visible()
    assert states(books) == "s" * 9 + "oooo"

    reach(page, "Close again through December 2025")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_label("Through")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Closed: October 2025, November 2025 and December 2025.")).to_be_visible()
    assert states(books) == "s" * 12 + "o"
    assert complaints == []


def test_what_stands_in_the_way_is_a_link_and_a_reason_overrides_it(books, at_periods, complaints):
    make_draft(books, *SALE, day="2025-11-05")
    page = at_periods()
    reach(page, "Close through December 2025")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Why it is closed anyway")).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog.get_by_text("Say why: it stays in the history.")).to_be_visible()
    expect(dialog.get_by_label("Why it is closed anyway")).to_be_focused()
    dialog.get_by_role("link", name="1 draft up to 31 Dec 2025").click()
    expect(page).to_have_url(re.compile("status__exact=draft"))
    page.go_back()
    reach(page, "Close through December 2025")
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Why it is closed anyway")).to_be_focused()
    page.keyboard.type("It belongs to next year")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Closed: January 2025 to December 2025")).to_be_visible()
    assert set(ClosedPeriod.objects.values_list("reason", flat=True)) == {"It belongs to next year"}
    assert complaints == []


def test_another_month_asks_the_dialog_anew_and_keeps_what_was_typed(books, at_periods):
    make_draft(books, *SALE, day="2025-11-05")
    page = at_periods()
    page.get_by_role("link", name="Close through December 2025…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Why it is closed anyway").fill("Typed")
    dialog.get_by_label("Through").focus()  # as a person does on the way to another choice
    dialog.get_by_label("Through").select_option(label="November 2025")
    expect(dialog.get_by_role("button", name="Close through November 2025")).to_be_visible()
    expect(dialog.get_by_label("Why it is closed anyway")).to_have_value("Typed")
    expect(dialog.get_by_label("Through")).to_be_focused()
    dialog.get_by_label("Through").select_option(label="October 2025")
    expect(dialog.get_by_role("button", name="Close through October 2025")).to_be_visible()
    expect(dialog.get_by_label("Why it is closed anyway")).to_have_count(0)
    assert states(books) == "o" * 13


@pytest.mark.parametrize("away", ["Escape", "Cancel"])
def test_a_dialog_goes_away_and_nothing_has_happened(books, at_periods, away):
    page = at_periods()
    reach(page, "Close the year…")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Close 2025")).to_be_focused()
    expect(page.get_by_role("dialog")).to_contain_text("Year-end close 2025")
    page.keyboard.press("Escape") if away == "Escape" else page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("button", name="Close 2025")).to_be_hidden()
    expect(page.get_by_role("link", name="Close the year… 2025")).to_be_focused()
    assert not books.entries.filter(kind="closing").exists()


@pytest.mark.parametrize("options", [{}, {"dark": True}, {"viewport": PHONE}])
def test_the_pages_open_without_a_complaint_and_fit_the_screen(
    books, at_periods, complaints, live_server, options
):
    page = at_periods(**options)
    year = books.fiscal_years.get().pk
    period = books.periods.first().pk
    page.wait_for_load_state("networkidle")
    wide = "[...document.querySelectorAll('.lf-scroll')].every((one) => one.scrollWidth <= one.clientWidth)"
    assert page.evaluate(wide)
    names = [("periods", []), ("period", [period]), ("year_close", [year]), ("year_open", [])]
    for name, arguments in names:
        page.goto(live_server.url + reverse(f"admin:{name}", args=[books.code, *arguments]))
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    page.goto(live_server.url + reverse("admin:close"))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert complaints == []
