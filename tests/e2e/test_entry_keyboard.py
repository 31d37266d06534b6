"""An entry by keyboard alone: typed, posted, recoded, reversed and copied; keys are counted."""

import re

import pytest
from playwright.sync_api import expect

from apps.ledger.models import JournalEntry
from apps.profiles.groups import make_groups
from apps.profiles.roles import Role
from tests.e2e.browser import PHONE
from tests.factories import make_books, make_client, make_posted, make_staff
from tests.ledger.typed_entries import page as page_in_books

pytestmark = pytest.mark.django_db(transaction=True)

CONTROL_KEYS_A_LINE = 3  # UX.md, "a five-line entry"
LINES = [  # account, amount, memo
    ("rent", "1200+34.50", "May"),
    ("62", "89", "Hosting"),
    ("6200", "1,000.25", "Licences"),
    ("chec", "-2000", ""),
    ("pay", "=", "Rest"),
]


@pytest.fixture
def acorn():
    make_groups()
    return make_books(make_client("ACORN", name="Acorn Bakery"))[0]


class Keys:
    """Types as a person does, and counts the keys that are no text."""

    def __init__(self, page):
        self.page, self.control = page, 0

    def type(self, text):
        self.page.keyboard.type(text)

    def press(self, key):
        self.control += 1
        self.page.keyboard.press(key)


def open_new(page, live_server, acorn):
    page.goto(f"{live_server.url}{page_in_books(acorn)}?date=2026-05-20")
    expect(page.locator("[name=date]")).to_be_focused()
    return Keys(page)


def field(page, row, name):
    return page.locator(f"[name=lines-{row}-{name}]")


def type_line(keys, account, amount, memo):
    keys.type(account)
    keys.press("Tab")
    keys.type(amount)
    keys.press("Tab")
    keys.type(memo)
    keys.press("Tab")


def test_a_five_line_entry_is_typed_and_posted(acorn, page_of, live_server, complaints):
    page = page_of(make_staff(acorn, Role.REVIEWER))
    keys = open_new(page, live_server, acorn)
    keys.type("15")
    keys.press("Tab")
    expect(page.locator("[name=date]")).to_have_value("2026-05-15")
    keys.type("INV-7")
    keys.press("Tab")
    keys.type("Month of May")
    keys.press("Tab")
    keys.press("Tab")  # past the kind
    for number, line in enumerate(LINES):
        expect(field(page, number, "account_text")).to_be_focused()
        before = keys.control
        type_line(keys, *line)
        assert keys.control - before <= CONTROL_KEYS_A_LINE
    expect(page.locator("[data-difference]")).to_have_text("Difference 0.00")
    expect(field(page, 3, "credit")).to_have_value("2,000.00")
    expect(field(page, 4, "credit")).to_have_value("323.75")
    expect(page.get_by_role("button", name="Post")).to_be_enabled()
    keys.press("Control+Enter")
    expect(page.get_by_text("Posted as entry 1.")).to_be_visible()

    expect(page).to_have_url(re.compile(r"entries/new/\?date=2026-05-15$"))
    expect(page.locator("[name=date]")).to_have_value("2026-05-15")
    expect(field(page, 0, "account_text")).to_have_value("")
    entry = JournalEntry.objects.get()
    assert (entry.document_number, entry.description, str(entry.date)) == (
        "INV-7",
        "Month of May",
        "2026-05-15",
    )
    lines = entry.lines.order_by("line_number").select_related("account")
    assert [(line.account.code, str(line.amount), line.memo) for line in lines] == [
        ("6100", "1234.5000", "May"), ("6200", "89.0000", "Hosting"), ("6200", "1000.2500", "Licences"),
        ("1010", "-2000.0000", ""), ("2010", "-323.7500", "Rest"),
    ]  # fmt: skip
    assert complaints == []


def test_the_date_answers_to_its_keys(acorn, page_of, live_server):
    page = page_of(make_staff(acorn, Role.REVIEWER))
    keys = open_new(page, live_server, acorn)
    date = page.locator("[name=date]")
    for key, value in [("+", "2026-05-21"), ("-", "2026-05-20"), ("-", "2026-05-19")]:
        keys.press(key)
        expect(date).to_have_value(value)
    keys.press("t")
    expect(date).to_have_value(page.locator("#lf-entry").get_attribute("data-today"))
    date.fill("31")
    keys.press("Tab")
    date.fill("2026-06-30")
    keys.press("Tab")
    date.fill("31")  # of a month that has none
    keys.press("Tab")
    expect(date).to_have_attribute("aria-invalid", "true")
    date.fill("5-1")
    keys.press("Tab")
    expect(date).to_have_value("2026-05-01")


def test_post_waits_until_debits_and_credits_agree(acorn, page_of, live_server):
    page = page_of(make_staff(acorn, Role.REVIEWER))
    keys = open_new(page, live_server, acorn)
    post = page.get_by_role("button", name="Post")
    expect(post).to_be_disabled()
    field(page, 0, "account_text").focus()
    type_line(keys, "rent", "50", "")
    expect(page.locator("[data-difference]")).to_have_text("Difference 50.00")
    keys.press("Control+Enter")
    expect(page.get_by_text("Debits and credits differ by 50.00.")).to_be_visible()
    expect(field(page, 1, "account_text")).to_be_focused()
    type_line(keys, "chec", "abc", "")
    expect(field(page, 1, "debit")).to_have_attribute("aria-invalid", "true")
    expect(post).to_be_disabled()
    field(page, 1, "debit").fill("-50")
    field(page, 1, "memo").focus()
    expect(post).to_be_enabled()


def test_the_other_columns_are_reached_by_a_key_and_left_out_of_the_way(acorn, page_of, live_server):
    page = page_of(make_staff(acorn, Role.PREPARER))
    keys = open_new(page, live_server, acorn)
    field(page, 0, "account_text").focus()
    type_line(keys, "rent", "50", "")
    field(page, 0, "memo").focus()
    keys.press("Alt+ArrowDown")
    expect(field(page, 0, "contact_text")).to_be_focused()
    for name in ("cost_centre", "tax_code", "tax_base", "due_date"):
        keys.press("Tab")
        expect(field(page, 0, name)).to_be_focused()
    keys.type("3")
    keys.press("Tab")
    expect(field(page, 0, "due_date")).to_have_value("2026-05-03")
    field(page, 0, "memo").focus()
    keys.press("Tab")
    expect(field(page, 1, "account_text")).to_be_focused()


def test_a_draft_is_kept_when_posting_is_refused_and_saved_by_a_key(acorn, page_of, live_server):
    page = page_of(make_staff(acorn, Role.REVIEWER))
    keys = open_new(page, live_server, acorn)
    page.locator("[name=date]").fill("2031-01-01")
    field(page, 0, "account_text").focus()
    type_line(keys, "rent", "50", "Kept")
    type_line(keys, "chec", "=", "")
    keys.press("Control+Enter")
    expect(page.get_by_text("There is no period for")).to_be_visible()
    expect(field(page, 0, "memo")).to_have_value("Kept")
    expect(field(page, 0, "account_text")).to_have_value("6100 Rent")
    assert not JournalEntry.objects.exists()
    keys.press("Control+s")
    expect(page.get_by_text("The draft is saved.")).to_be_visible()
    assert JournalEntry.objects.get().lines.count() == 2


def test_a_line_is_removed_and_one_more_added(acorn, page_of, live_server):
    page = page_of(make_staff(acorn, Role.PREPARER))
    keys = open_new(page, live_server, acorn)
    field(page, 0, "account_text").focus()
    for line in LINES[:3]:
        type_line(keys, *line)
    page.locator("[data-remove]").nth(1).click()
    expect(page.locator("[data-total=debit]")).to_have_text("2,234.75")
    page.get_by_role("button", name="Add another line").click()
    keys.type("sal")
    keys.press("Enter")  # takes the account and goes on, as Tab does
    keys.type("=")
    keys.press("Control+Enter")
    expect(page.get_by_text("Saved as a draft.")).to_be_visible()
    entry = JournalEntry.objects.get()
    assert [line.account.code for line in entry.lines.order_by("line_number")] == ["6100", "6200", "4000"]
    assert entry.imbalance() == 0


def press_until(keys, page, selector):
    """Go on with Tab until the focus is there; a person without a mouse gets there, too."""
    for _ in range(60):
        if page.evaluate("selector => document.activeElement?.matches(selector)", selector):
            return
        keys.press("Tab")
    raise AssertionError(f"{selector} is not reached by Tab")


def test_a_posted_entry_is_reversed_recoded_and_copied_without_a_mouse(
    acorn, page_of, live_server, complaints
):
    entry = make_posted(acorn, ("6100", "80"), ("1010", "-80"), description="Rent", day="2026-05-02")
    page = page_of(make_staff(acorn, Role.REVIEWER))
    here = live_server.url + page_in_books(acorn, "entry", entry.pk)
    page.goto(here)
    keys = Keys(page)

    press_until(keys, page, "a[href$='/recode/']")
    keys.press("Enter")
    expect(page.locator("#modal-content [name=account_text]")).to_be_focused()
    keys.type("soft")
    expect(page.get_by_role("option", name="Software")).to_be_visible()
    keys.press("Enter")
    keys.press("Enter")
    expect(page.get_by_text("Recoded to 6200 Software by entry 2.")).to_be_visible()
    expect(page.get_by_text("recoded by Entry 2")).to_be_visible()

    page.goto(live_server.url + page_in_books(acorn, "entry", JournalEntry.objects.get(kind="recode").pk))
    press_until(keys, page, "a[href$='/reverse/']")
    keys.press("Enter")
    expect(page.locator("#modal-content [name=date]")).to_be_focused()
    keys.press("Enter")
    expect(page.get_by_text("Say why: it stays in the history.")).to_be_visible()
    press_until(keys, page, "#modal-content [name=reason]")
    keys.type("Was right before")
    keys.press("Enter")
    expect(page.get_by_text("Reversed by entry 3 of")).to_be_visible()

    page.goto(here)
    press_until(keys, page, "a[href*='?copy=']")
    keys.press("Enter")
    expect(field(page, 0, "debit")).to_have_value("80.00")
    expect(page.locator("[name=description]")).to_have_value("Rent")
    keys.press("Control+Enter")
    expect(page.get_by_text("Posted as entry 4.")).to_be_visible()
    assert complaints == []


def test_the_form_and_the_page_fit_a_phone(acorn, page_of, live_server):
    entry = make_posted(acorn, ("6100", "80"), ("1010", "-80"))
    page = page_of(make_staff(acorn, Role.REVIEWER), viewport=PHONE)
    for url in (page_in_books(acorn), page_in_books(acorn, "entry", entry.pk)):
        page.goto(live_server.url + url)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], url
