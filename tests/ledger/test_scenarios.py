"""Whole stories, told through the services: every trial balance, statement and refusal to the cent."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from apps.ledger.models import ClosedPeriod, JournalEntry, Period
from apps.ledger.queries.changes import changed_since
from apps.ledger.services import (
    Line,
    draft_entry,
    first_open_day,
    post_entry,
    recode,
    reverse_entry,
)
from apps.ledger.services.closing import close_through, lock_through, reopen_period
from apps.ledger.services.year_end import close_fiscal_year
from apps.profiles.models import LegalForm
from apps.profiles.roles import Role
from tests.factories import make_owner, make_staff
from tests.ledger.scenarios import Story

pytestmark = pytest.mark.django_db

HARBOR = {"name": "Harbor Print LLC", "legal_form": LegalForm.COMPANY}
MARLOW = {
    "name": "Marlow Joinery Ltd",
    "legal_form": LegalForm.COMPANY,
    "base_currency": "GBP",
    "country": "GB",
}
PANTRY = {"name": "Riverside Food Pantry", "legal_form": LegalForm.NON_PROFIT}
DANA = {"name": "Dana Reyes Photography", "legal_form": LegalForm.SOLE_TRADER}
BLUE_RIDGE = {"name": "Blue Ridge Landscaping LLC", "legal_form": LegalForm.COMPANY}


def refusal(attempt, *arguments, **options):
    """Return the code an attempt is refused with."""
    with pytest.raises(ValidationError) as caught:
        attempt(*arguments, **options)
    return caught.value.code


@pytest.fixture
def owner():
    return make_owner()


def year(story, day):
    return story.client.fiscal_years.get(start__lte=day, end__gte=day)


def period(story, month):
    return Period.objects.get(client=story.client, start=f"{month}-01", is_adjusting=False)


# 1. Reversal across the year end


@pytest.fixture
def harbor(owner):
    story = Story(1, owner, years=[("2025-12-01", "2025-12-31"), ("2026-01-01", "2026-12-31")], **HARBOR)
    story.post(*range(1, 8))
    return story


def tell_january(story, *, with_close):
    lock_through(story.client, date(2025, 12, 31), by=story.by)
    if with_close:
        (closing,) = close_fiscal_year(year(story, date(2025, 12, 31)), by=story.by)
        assert story.made(closing) == story.expected(8)
    accrual = reverse_entry(story.entries[7], by=story.by)
    assert story.made(accrual) == story.expected(9)
    story.post(10)
    twice = reverse_entry(story.entries[6], by=story.by, date=date(2026, 1, 20))
    assert story.made(twice) == story.expected(11)
    story.post(12, 13)


DECEMBER = {
    "1010": "24640.00", "2010": "-630.80", "2200": "-480.00", "3000": "-20000.00", "4000": "-8400.00",
    "6100": "2500.00", "6200": "1260.00", "6300": "630.80", "6400": "480.00",
}  # fmt: skip
JANUARY = {
    "1010": "29962.23", "3000": "-20000.00", "3900": "-3529.20", "4000": "-6150.00", "6300": "-315.40",
    "6400": "32.37",
}  # fmt: skip


@pytest.mark.parametrize("with_close", [True, False])
def test_a_reversal_across_the_year_end(harbor, with_close):
    assert harbor.trial_balance("2025-12-31") == DECEMBER
    tell_january(harbor, with_close=with_close)
    assert harbor.trial_balance("2026-01-31") == JANUARY
    assert harbor.trial_balance("2025-12-31") == DECEMBER  # 2025 stays as it was closed
    assert not any(changed_since(one) for one in ClosedPeriod.objects.filter(client=harbor.client))
    after = {code: amount for code, amount in DECEMBER.items() if code < "4000"} | {"3900": "-3529.20"}
    assert harbor.trial_balance("2025-12-31", after_closing=True) == after


def test_reversals_are_refused_before_their_original_into_a_closed_month_and_twice(harbor):
    tell_january(harbor, with_close=True)
    assert refusal(reverse_entry, harbor.entries[6], by=harbor.by) == "reversed"
    keyed = harbor.entries[5]
    closed = refusal(reverse_entry, keyed, by=harbor.by, date=date(2025, 12, 31))
    assert closed == "ledger_entry_period_locked"
    early = refusal(reverse_entry, harbor.entries[13], by=harbor.by, date=date(2026, 1, 24))
    assert early == "ledger_entry_reversal_date"
    assert first_open_day(harbor.client, keyed.date) == date(2026, 1, 1)


def test_a_reversal_passes_over_an_account_made_inactive(harbor):
    tell_january(harbor, with_close=True)
    software = harbor.accounts["6200"]
    software.is_active = False
    software.save()
    there = reverse_entry(harbor.entries[4], by=harbor.by, date=date(2026, 1, 31))
    back = reverse_entry(there, by=harbor.by, date=date(2026, 1, 31))
    assert (there.kind, back.kind) == ("reversal", "reversal")
    assert harbor.trial_balance("2026-01-31") == JANUARY
    lines = harbor.lines([("6200", "5"), ("1010", "-5")])
    new = draft_entry(client=harbor.client, by=harbor.by, date=date(2026, 1, 31), lines=lines)
    assert refusal(post_entry, new, by=harbor.by) == "ledger_entry_active_accounts"


# 2. Closing, reopening, and the accountant's late adjustments


@pytest.fixture
def marlow(owner):
    story = Story(2, owner, years=[("2026-01-01", "2026-03-31"), ("2026-04-01", "2027-03-31")], **MARLOW)
    story.post(*range(1, 9))
    close_through(story.client, date(2026, 3, 31), by=owner)
    (closing,) = close_fiscal_year(year(story, date(2026, 3, 31)), by=owner)
    assert story.made(closing) == story.expected(9)
    story.post(10, 11, 12)
    lock_through(story.client, date(2026, 5, 31), by=owner)
    return story


FIRST_CLOSE = {
    "1010": "5750.00", "1100": "4200.00", "1500": "18000.00", "1590": "-1125.00", "2500": "-15000.00",
    "3000": "-5000.00", "4000": "-13800.00", "5000": "3150.00", "6000": "2700.00", "6500": "1125.00",
}  # fmt: skip
ADJUSTED = {**FIRST_CLOSE, "2200": "-950.00", "2300": "-1116.25", "6700": "950.00", "8000": "1116.25"}
MAY_ADJUSTED = {
    "1010": "12010.00", "1500": "18000.00", "1590": "-1125.00", "2200": "-950.00", "2300": "-1116.25",
    "2500": "-15000.00", "3000": "-5000.00", "3900": "-4758.75", "4000": "-3300.00", "5000": "1240.00",
}  # fmt: skip


def by_reopening(story):
    reopen_period(period(story, "2026-03"), by=story.by, reason="The accountant's adjustments")
    story.post(13, 14)
    lock_through(story.client, date(2026, 5, 31), by=story.by)


def by_adjusting_period(story):
    story.post(13, 14)


@pytest.mark.parametrize("late_entries", [by_reopening, by_adjusting_period])
def test_late_adjustments(marlow, late_entries):
    facts_before = [(e.number, bytes(e.hash)) for n in (10, 11, 12) for e in [fresh(marlow.entries[n])]]
    first = {one.period.end.month: one for one in ClosedPeriod.objects.order_by("-pk")}
    assert marlow.trial_balance("2026-03-31") == FIRST_CLOSE
    late_entries(marlow)
    assert fresh(marlow.entries[13]).kind == "adjusting"
    (supplement,) = close_fiscal_year(year(marlow, date(2026, 3, 31)), by=marlow.by)
    assert marlow.made(supplement) == marlow.expected(15)
    assert marlow.closing_total("3900") == Decimal("-4758.75")
    assert marlow.trial_balance("2026-03-31") == ADJUSTED
    assert marlow.trial_balance("2026-03-31", before_adjustments=True) == FIRST_CLOSE
    assert marlow.trial_balance("2026-05-31") == MAY_ADJUSTED
    facts_after = [(e.number, bytes(e.hash)) for n in (10, 11, 12) for e in [fresh(marlow.entries[n])]]
    assert facts_after == facts_before
    changes = {
        month: {change.code: f"{change.difference:+.2f}" for change in changed_since(one)}
        for month, one in first.items()
        if month >= 3
    }
    later = {"2200": "-950.00", "2300": "-1116.25", "3900": "+2066.25"}
    march = {"2200": "-950.00", "2300": "-1116.25", "6700": "+950.00", "8000": "+1116.25"}
    assert changes == {3: march, 4: later, 5: later}


def fresh(entry):
    return JournalEntry.objects.get(pk=entry.pk)


def test_who_and_what_is_refused_while_books_are_closed(marlow):
    preparer = make_staff(marlow.client, Role.PREPARER)
    draft = marlow.draft(13)
    with pytest.raises(PermissionDenied):
        post_entry(draft, by=preparer)
    with pytest.raises(PermissionDenied):
        reopen_period(period(marlow, "2026-03"), by=preparer, reason="Please")
    no_period = marlow.draft(10, date=date(2025, 12, 31))
    assert refusal(post_entry, no_period, by=marlow.by) == "ledger_entry_has_period"
    april = marlow.draft(10, date=date(2026, 4, 15))
    assert refusal(post_entry, april, by=marlow.by) == "ledger_entry_period_locked"


def test_a_draft_stands_in_the_way_of_closing_and_is_named(owner):
    story = Story(2, owner, years=[("2026-01-01", "2026-03-31")], **MARLOW)
    story.post(*range(1, 8))
    story.draft(8, date=date(2026, 3, 30))
    with pytest.raises(ValidationError) as caught:
        close_through(story.client, date(2026, 3, 31), by=owner)
    assert "draft" in str(caught.value).lower()
    assert not ClosedPeriod.objects.exists()
    assert {one.state for one in story.client.periods.all()} == {"open"}


# 6. Split loan payments


def test_split_loan_payments(owner):
    story = Story(6, owner, years=[("2026-01-01", "2026-12-31")], **BLUE_RIDGE)
    story.post(*range(1, 9))
    assert story.trial_balance("2026-04-30") == {
        "1010": "9933.10", "1500": "20000.00", "2500": "-21660.44", "3000": "-5000.00", "4000": "-3900.00",
        "6600": "240.00", "6750": "350.83", "6760": "36.51",
    }  # fmt: skip
    off_by_a_cent = draft_entry(
        client=story.client,
        by=owner,
        date=date(2026, 4, 30),
        lines=story.lines([("2500", "616.25"), ("6750", "113.87"), ("1010", "-730.13")]),
    )
    assert refusal(post_entry, off_by_a_cent, by=owner) == "ledger_entry_balanced"


# 8. Opening balances in the middle of a fiscal year

TAKEN_OVER = {
    "1010": "18240.55", "1200": "6000.00", "1500": "9600.00", "1590": "-3200.00", "2010": "-1115.20",
    "3000": "-20780.00", "4000": "-31400.00", "5000": "17254.65", "6100": "5400.00",
}  # fmt: skip


def test_taking_over_in_the_middle_of_a_year(owner):
    story = Story(8, owner, years=[], **PANTRY)
    opening = story.draft(1)
    assert refusal(post_entry, opening, by=owner) == "ledger_entry_has_period"
    from tests.factories import make_year

    make_year(story.client, "2025-10-01", "2026-09-30", by=owner)
    post_entry(opening, by=owner)
    assert story.trial_balance("2026-03-31") == TAKEN_OVER
    lock_through(story.client, date(2026, 3, 31), by=owner)
    story.post(*range(2, 8))
    assert story.trial_balance("2026-04-30") == {
        "1010": "21294.95", "1200": "2000.00", "1500": "9600.00", "1590": "-3280.00", "2010": "-700.00",
        "3000": "-20780.00", "4000": "-33750.00", "5000": "19235.05", "6100": "6300.00", "6500": "80.00",
    }  # fmt: skip
    assert story.trial_balance("2026-09-30", after_closing=True)["3000"] == "-28914.95"
    second = story.draft(1, date=date(2026, 4, 1))
    assert refusal(post_entry, second, by=owner) == "ledger_entry_one_opening"
    wrong = [(c, Decimal("5400.10") if a == 5400 else a) for c, a in story.told[1][3]]
    off = draft_entry(client=story.client, by=owner, date=date(2026, 4, 1), lines=story.lines(wrong))
    with pytest.raises(ValidationError, match=r"0\.10"):
        post_entry(off, by=owner)


# 10. Owner's draw and year-end close of a sole proprietor

DANA_BEFORE = {
    "1010": "19963.60", "1500": "4800.00", "1590": "-2400.00", "3000": "-6400.00", "3100": "3886.40",
    "3200": "-1740.00", "4000": "-19750.00", "6200": "600.00", "6300": "240.00", "6500": "800.00",
}  # fmt: skip
DANA_AFTER = {"1010": "19963.60", "1500": "4800.00", "1590": "-2400.00", "3000": "-22363.60"}
DANA_2026 = {**DANA_AFTER, "1010": "19463.60", "3100": "500.00"}


@pytest.mark.parametrize("with_close", [True, False])
def test_a_sole_proprietors_year_end(owner, with_close):
    story = Story(10, owner, years=[("2025-01-01", "2025-12-31"), ("2026-01-01", "2026-12-31")], **DANA)
    story.post(*range(1, 12))
    assert story.trial_balance("2025-12-31") == DANA_BEFORE
    if with_close:
        result, owners = close_fiscal_year(year(story, date(2025, 12, 31)), by=owner)
        assert (story.made(result), story.made(owners)) == (story.expected(12), story.expected(13))
        assert close_fiscal_year(year(story, date(2025, 12, 31)), by=owner) == []
    assert story.trial_balance("2025-12-31") == DANA_BEFORE
    assert story.trial_balance("2025-12-31", after_closing=True) == DANA_AFTER
    story.post(14)
    assert story.trial_balance("2026-01-31") == DANA_2026


def test_two_partners_share_sixty_to_forty(owner):
    story = Story(
        10, owner, years=[("2025-01-01", "2025-12-31")], **{**DANA, "legal_form": LegalForm.PARTNERSHIP}
    )
    capital, draw = story.accounts["3000"], story.accounts["3100"]
    capital.share = 60
    capital.save()
    other = type(capital).objects.create(
        client=story.client, code="3001", name="B's capital", kind="equity", role="capital", share=40
    )
    for account in (draw, story.accounts["3200"]):
        account.closes_into = capital
        account.save()
    story.post(*range(1, 12))
    computed = story.trial_balance("2025-12-31", after_closing=True)
    close_fiscal_year(year(story, date(2025, 12, 31)), by=owner)
    assert story.trial_balance("2025-12-31", after_closing=True) == computed
    assert computed[other.code] == "-7244.00"
    assert computed["3000"] == f"{-6400 - 10866 - 1740 + Decimal('3886.40'):.2f}"


def test_a_company_keeps_its_result_and_its_draws(owner):
    story = Story(
        10, owner, years=[("2025-01-01", "2025-12-31")], **{**DANA, "legal_form": LegalForm.COMPANY}
    )
    type(story.accounts["3000"]).objects.create(
        client=story.client, code="3900", name="Retained earnings", kind="equity", role="retained_earnings"
    )
    story.post(*range(1, 12))
    (result,) = close_fiscal_year(year(story, date(2025, 12, 31)), by=owner)
    assert result.lines.get(account__code="3900").amount == Decimal("-18110.00")
    assert story.trial_balance("2025-12-31", after_closing=True)["3100"] == "3886.40"


# More of the kind: foreign currency, money in transit, cards, tax lines, duplicates


def test_a_bank_account_in_a_foreign_currency(owner):
    from tests.factories import make_account, make_books

    client, accounts = make_books()
    euro = make_account(client, "1020", "asset", "Euro account", currency="EUR", section="bank")
    gain = make_account(client, "4900", "income", "Exchange differences", role="fx_difference")

    def post(*lines, day, **facts):
        return post_entry(draft_entry(client=client, by=owner, date=day, lines=lines, **facts), by=owner)

    post(
        Line(account=euro, amount=Decimal("1100.00"), currency="EUR", foreign_amount=Decimal(1000)),
        Line(account=accounts["4000"], amount=Decimal("-1100.00")),
        day=date(2026, 1, 10),
    )
    post(  # the month's end at another rate: base moves, euros do not
        Line(account=euro, amount=Decimal("50.00"), currency="EUR", foreign_amount=Decimal(0)),
        Line(account=gain, amount=Decimal("-50.00")),
        day=date(2026, 1, 31),
        kind="fx",
    )
    line = euro.lines.get(kind="manual")
    assert (line.rate, str(line.foreign_amount)) == (Decimal("1.1"), "1000.0000")
    without = [Line(account=euro, amount=Decimal(5)), Line(account=accounts["4000"], amount=Decimal(-5))]
    assert refusal(post, *without, day=date(2026, 2, 1)) == "ledger_line_account_currency"


def test_tax_lines_and_a_card_in_one_entry(owner):
    from apps.ledger.models import TaxCode
    from tests.factories import make_account, make_books

    client, accounts = make_books()
    card = make_account(client, "2100", "liability", "Card", section="card")
    vat = make_account(client, "1150", "asset", "VAT receivable")
    code = TaxCode.objects.create(
        client=client, code="V20", name="VAT 20 %", direction="purchases", account=vat
    )
    entry = draft_entry(
        client=client,
        by=owner,
        date=date(2026, 3, 31),
        lines=[
            Line(account=accounts["6200"], amount=Decimal("100.00"), tax_code=code),
            Line(account=vat, amount=Decimal("20.00"), tax_code=code, tax_base=Decimal("100.00")),
            Line(account=card, amount=Decimal("-120.00")),
        ],
    )
    posted = post_entry(entry, by=owner)
    net = posted.lines.get(account=accounts["6200"])
    (moved,) = recode([net], account=accounts["6100"], by=owner)
    assert {line.tax_code_id for line in moved.lines.all()} == {code.pk}
    mirrored = reverse_entry(moved, by=owner)
    assert sum(line.amount for line in mirrored.lines.all()) == 0


def test_money_in_transit_across_a_month_end(owner):
    from tests.factories import make_account, make_books, make_posted

    client, _accounts = make_books()
    make_account(client, "1020", "asset", "Savings", section="bank")
    make_account(client, "1090", "asset", "In transit", role="in_transit")
    make_posted(client, ("1090", "500"), ("1010", "-500"), day="2026-01-31", by=owner)
    make_posted(client, ("1020", "500"), ("1090", "-500"), day="2026-02-02", by=owner)
    from apps.ledger.queries.balances import trial_balance

    def on(day):
        return {b.account.code: int(b.amount) for b in trial_balance(client, day)}

    assert on(date(2026, 1, 31)) == {"1010": -500, "1090": 500}
    assert on(date(2026, 2, 28)) == {"1010": -500, "1020": 500}
