"""A wrong figure, set right by keyboard: report, lines, tick, account, and back at the figure."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from apps.ledger.models import JournalEntry
from apps.profiles.groups import make_groups
from apps.profiles.roles import Role
from tests.e2e.browser import DESK, PHONE
from tests.factories import make_account, make_books, make_client, make_posted, make_staff

pytestmark = pytest.mark.django_db(transaction=True)

REPORTS = [
    "trial_balance", "profit_and_loss", "balance_sheet",
    "general_ledger", "account_register", "journal_listing",
]  # fmt: skip


@pytest.fixture
def acorn():
    make_groups()
    books, accounts = make_books(make_client("ACORN", name="Acorn Bakery"))
    books.chart = accounts
    for day, amount in [("2026-01-10", "1250.00"), ("2026-02-10", "80.00"), ("2026-02-20", "45.00")]:
        make_posted(books, ("6100", amount), ("1010", f"-{amount}"), day=day, description=f"Paid {amount}")
    make_posted(books, ("1010", "5000.00"), ("4000", "-5000.00"), day="2026-01-31", description="Sales")
    return books


def test_a_wrong_figure_is_set_right_by_keyboard(acorn, page_of, live_server, complaints):
    page = page_of(make_staff(acorn, Role.REVIEWER))
    report = reverse("admin:profit_and_loss", args=["ACORN"]) + "?start=2026-01-01&end=2026-03-31&split=month"
    page.goto(live_server.url + report)
    rent, software = acorn.chart["6100"].pk, acorn.chart["6200"].pk
    wrong = page.locator(f"#a{rent}-2 a")  # February
    expect(wrong).to_have_text("125.00")

    wrong.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="6100 Rent")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("j")
    expect(page.get_by_role("checkbox", name="Entry 2 of 10 Feb 2026")).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Space")
    expect(page.get_by_text("1 line ticked")).to_be_visible()
    page.keyboard.press("r")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.type("soft")
    expect(page.get_by_role("dialog").get_by_role("option", name=re.compile("6200"))).to_be_visible()
    page.keyboard.press("Enter")

    page.wait_for_url(f"**{report}#a{rent}-2")
    expect(page.locator(f"#a{rent}-2")).to_have_text("45.00")
    expect(page.locator(f"#a{software}-2")).to_have_text("80.00")
    expect(page.locator(f"#a{rent}-2")).to_be_in_viewport()
    entry = JournalEntry.objects.get(kind="recode")
    link = page.get_by_role("link", name=str(entry), exact=True)
    expect(link).to_have_attribute("href", reverse("admin:ledger_journalentry_change", args=[entry.pk]))
    assert complaints == []


def test_a_figure_that_became_zero_leads_back_to_its_place(acorn, page_of, live_server):
    for number in range(20):
        code = f"5{number:03}"
        make_account(acorn, code, name=f"Cost {number}")
        make_posted(acorn, (code, "1.00"), ("1010", "-1.00"))
    page = page_of(make_staff(acorn, Role.REVIEWER), viewport={"width": 1000, "height": 400})
    page.goto(live_server.url + reverse("admin:trial_balance", args=["ACORN"]) + "?day=2026-12-31")
    row = page.locator("tr", has_text="Cost 12").get_by_role("link")
    row.scroll_into_view_if_needed()
    stood = page.evaluate("scrollY")
    assert stood > 200
    row.click()
    expect(page.get_by_role("heading", name="5012 Cost 12")).to_be_visible()
    page.wait_for_load_state()
    page.keyboard.press("j")
    page.keyboard.press("Space")
    page.keyboard.press("r")
    page.keyboard.type("6200")
    expect(page.get_by_role("dialog").get_by_role("option", name=re.compile("6200"))).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_text("One line recoded from 5012 Cost 12")).to_have_count(1)
    expect(page.locator("tr", has_text="Cost 12")).to_have_count(0)
    assert page.evaluate("scrollY") == pytest.approx(stood, abs=5)


def test_what_was_recoded_is_shown_and_has_no_box(acorn, page_of, live_server):
    page = page_of(make_staff(acorn, Role.REVIEWER))
    page.goto(live_server.url + reverse("admin:account_register", args=["ACORN"]) + "?account=6100")
    expect(page.get_by_role("checkbox")).to_have_count(3)
    page.keyboard.press("r")  # nothing is ticked: nothing happens
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Recode").click()
    page.keyboard.type("6200")
    page.get_by_role("dialog").get_by_role("option", name=re.compile("6200")).click()
    page.get_by_label("Reason").fill("It was a subscription")
    page.keyboard.press("Enter")
    expect(page.get_by_text("One line recoded from 6100 Rent")).to_be_visible()
    expect(page.get_by_text(re.compile("Recoded by entry"))).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(2)


def test_a_refused_recoding_keeps_ticks_and_says_why(acorn, page_of, live_server):
    page = page_of(make_staff(acorn, Role.REVIEWER))
    page.goto(live_server.url + reverse("admin:account_register", args=["ACORN"]) + "?account=6100")
    page.get_by_role("checkbox").first.check()
    page.keyboard.press("r")
    page.keyboard.type("rent")
    expect(page.get_by_role("dialog").get_by_role("option", name=re.compile("6100"))).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_text("is on 6100 Rent already")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("checkbox").first).to_be_checked()


def test_a_viewer_sees_no_boxes(acorn, page_of, live_server, complaints):
    page = page_of(make_staff(acorn, Role.VIEWER))
    page.goto(live_server.url + reverse("admin:account_register", args=["ACORN"]) + "?account=6100")
    expect(page.get_by_text("Paid 80.00")).to_be_visible()
    expect(page.get_by_role("checkbox")).to_have_count(0)
    assert complaints == []


@pytest.mark.parametrize("viewport", [DESK, PHONE])
@pytest.mark.parametrize("dark", [False, True])
def test_every_report_opens_and_fits(acorn, page_of, live_server, complaints, dark, viewport):
    page = page_of(make_staff(acorn, Role.REVIEWER), dark=dark, viewport=viewport)
    for name in REPORTS:
        page.goto(live_server.url + reverse(f"admin:{name}", args=["ACORN"]) + "?account=1010&split=month")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], name
        expect(page.locator(".lf-table")).to_be_visible()
    assert complaints == []


def test_a_print_has_the_table_and_its_facts_and_nothing_else(acorn, page_of, live_server):
    page = page_of(make_staff(acorn, Role.REVIEWER), dark=True)
    for name in REPORTS:
        page.goto(live_server.url + reverse(f"admin:{name}", args=["ACORN"]) + "?account=1010")
        page.emulate_media(media="print")
        expect(page.locator(".lf-table")).to_be_visible()
        expect(page.locator(".lf-report-head dl")).to_contain_text("Acorn Bakery")
        for hidden in ["#nav-sidebar", ".lf-report-options", ".lf-report-files", ".lf-books"]:
            expect(page.locator(hidden)).to_be_hidden()
        colours = "[getComputedStyle(e).color, getComputedStyle(document.body).backgroundColor]"
        ink = page.locator(".lf-row--total th").first.evaluate(f"e => {colours}")
        assert ink == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"], name
        page.emulate_media(media="screen")
