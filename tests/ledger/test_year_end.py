"""The year end by legal form: what is moved, what is asked for first, and what a second time adds."""

from datetime import date
from decimal import Decimal

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from apps.ledger.models import JournalEntry
from apps.ledger.queries.balances import trial_balance
from apps.ledger.services import (
    Line,
    close_fiscal_year,
    close_through,
    closing_entries,
    draft_entry,
    lock_through,
    post_entry,
    reverse_entry,
)
from apps.profiles.models import LegalForm
from apps.profiles.roles import Role
from tests.factories import make_account, make_client, make_owner, make_posted, make_staff, make_year

pytestmark = pytest.mark.django_db

LAST_DAY = date(2026, 12, 31)


@pytest.fixture
def owner():
    return make_owner()


def make_form(legal_form, *equity, **facts):
    """A client of a legal form with a bank account, sales, rent and these equity accounts, and its year."""
    client = make_client(legal_form=legal_form, **facts)
    make_account(client, "1010", "asset", "Checking")
    make_account(client, "4000", "income", "Sales")
    make_account(client, "6100", "expense", "Rent")
    for code, role, *share in equity:
        make_account(client, code, "equity", role=role, share=share[0] if share else None)
    make_year(client)
    return client, client.fiscal_years.get()


def earn(client, amount="100.00", day="2026-06-30", **facts):
    make_posted(client, ("1010", amount), ("4000", f"-{amount}"), day=day, **facts)


def move(client, code, amount, day="2026-07-01", **facts):
    """Pay an amount onto an account out of the bank; negative: the other way round."""
    make_posted(client, (code, amount), ("1010", str(-Decimal(amount))), day=day, **facts)


def lines(entry):
    """What an entry says, posted or only proposed: code -> amount."""
    found = entry.lines.select_related("account") if isinstance(entry, JournalEntry) else entry.lines
    return {line.account.code: f"{line.amount:.2f}" for line in found}


def refusal(attempt, *arguments, **options):
    with pytest.raises(ValidationError) as caught:
        attempt(*arguments, **options)
    return caught.value.code


def after_closing(client):
    return {
        one.account.code: f"{one.amount:.2f}" for one in trial_balance(client, LAST_DAY, after_closing=True)
    }


# By legal form


@pytest.mark.parametrize(
    ("legal_form", "equity", "into"),
    [
        (LegalForm.COMPANY, [("3000", "capital"), ("3900", "retained_earnings")], "3900"),
        (LegalForm.NON_PROFIT, [("3900", "retained_earnings")], "3900"),
        (LegalForm.COMPANY, [("3000", "capital")], "3000"),
        (LegalForm.SOLE_TRADER, [("3000", "capital"), ("3900", "retained_earnings")], "3000"),
        (LegalForm.SOLE_TRADER, [("3900", "retained_earnings")], "3900"),
        (LegalForm.PARTNERSHIP, [("3000", "capital")], "3000"),
    ],
)
def test_the_result_goes_where_the_legal_form_says(owner, legal_form, equity, into):
    client, year = make_form(legal_form, *equity)
    earn(client)
    move(client, "6100", "30.00")
    (entry,) = close_fiscal_year(year, by=owner)
    assert lines(entry) == {"4000": "100.00", "6100": "-30.00", into: "-70.00"}
    assert (entry.kind, entry.date, entry.period.is_adjusting) == ("closing", LAST_DAY, True)
    assert after_closing(client) == {"1010": "70.00", into: "-70.00"}


def test_a_loss_is_taken_from_capital(owner):
    client, year = make_form(LegalForm.SOLE_TRADER, ("3000", "capital"))
    move(client, "6100", "30.00")
    (entry,) = close_fiscal_year(year, by=owner)
    assert lines(entry) == {"6100": "-30.00", "3000": "30.00"}


def test_income_that_expenses_used_up_needs_no_account(owner):
    client, year = make_form(LegalForm.COMPANY, ("3900", "retained_earnings"))
    earn(client, "30.00")
    move(client, "6100", "30.00")
    (entry,) = close_fiscal_year(year, by=owner)
    assert lines(entry) == {"4000": "30.00", "6100": "-30.00"}


def test_a_second_entry_takes_a_sole_traders_draws_and_contributions(owner):
    client, year = make_form(
        LegalForm.SOLE_TRADER, ("3000", "capital"), ("3100", "draw"), ("3200", "contribution")
    )
    earn(client)
    move(client, "3100", "25.00")
    move(client, "3200", "-5.00")
    result, owners = close_fiscal_year(year, by=owner)
    assert lines(result) == {"4000": "100.00", "3000": "-100.00"}
    assert lines(owners) == {"3100": "-25.00", "3200": "5.00", "3000": "20.00"}
    assert (result.description, owners.description) == (
        "Year-end close 2026: result",
        "Year-end close 2026: draws and contributions",
    )


def test_only_draws_are_closed_where_there_is_no_result(owner):
    client, year = make_form(LegalForm.SOLE_TRADER, ("3000", "capital"), ("3100", "draw"))
    move(client, "3100", "25.00")
    (owners,) = close_fiscal_year(year, by=owner)
    assert lines(owners) == {"3100": "-25.00", "3000": "25.00"}


def make_partners(*shares):
    equity = [(f"30{n:02}", "capital", share) for n, share in enumerate(shares)]
    draws = [(f"31{n:02}", "draw") for n in range(len(shares))]
    client, year = make_form(LegalForm.PARTNERSHIP, *equity, *draws)
    for n in range(len(shares)):
        draw = client.accounts.get(code=f"31{n:02}")
        draw.closes_into = client.accounts.get(code=f"30{n:02}")
        draw.save()
    return client, year


def test_partners_share_and_the_last_one_takes_what_rounding_leaves(owner):
    client, year = make_partners(1, 1, 1)
    earn(client)
    move(client, "3101", "7.00")
    result, owners = close_fiscal_year(year, by=owner)
    assert lines(result) == {"4000": "100.00", "3000": "-33.33", "3001": "-33.33", "3002": "-33.34"}
    assert lines(owners) == {"3101": "-7.00", "3001": "7.00"}


def test_partners_in_a_currency_without_decimals(owner):
    client, year = make_form(
        LegalForm.PARTNERSHIP, ("3000", "capital", 60), ("3001", "capital", 40), base_currency="JPY"
    )
    earn(client, "101")
    (entry,) = close_fiscal_year(year, by=owner)
    assert lines(entry) == {"4000": "101.00", "3000": "-61.00", "3001": "-40.00"}


def test_a_companys_draws_are_never_closed(owner):
    client, year = make_form(LegalForm.COMPANY, ("3100", "draw"), ("3900", "retained_earnings"))
    earn(client)
    move(client, "3100", "25.00")
    (entry,) = close_fiscal_year(year, by=owner)
    assert lines(entry) == {"4000": "100.00", "3900": "-100.00"}


def test_a_draw_kept_in_a_foreign_currency_is_closed_in_both(owner):
    client, year = make_form(LegalForm.SOLE_TRADER, ("3000", "capital"))
    draw = make_account(client, "3100", "equity", role="draw", currency="EUR")
    bank = client.accounts.get(code="1010")
    drawn = [
        Line(account=draw, amount=Decimal(110), currency="EUR", foreign_amount=Decimal(100)),
        Line(account=bank, amount=Decimal(-110)),
    ]
    post_entry(draft_entry(client=client, by=owner, date=date(2026, 3, 1), lines=drawn), by=owner)
    (entry,) = close_fiscal_year(year, by=owner)
    line = entry.lines.get(account=draw)
    assert (line.amount, line.foreign_amount, line.rate) == (-110, -100, Decimal("1.1"))


# A second time


def test_nothing_is_left_to_close_twice(owner):
    client, year = make_form(LegalForm.COMPANY, ("3900", "retained_earnings"))
    assert close_fiscal_year(year, by=owner) == []
    earn(client)
    assert len(close_fiscal_year(year, by=owner)) == 1
    assert close_fiscal_year(year, by=owner) == []
    assert closing_entries(year) == []


def test_late_adjustments_add_a_supplementary_entry_for_what_is_left(owner):
    client, year = make_form(LegalForm.COMPANY, ("3900", "retained_earnings"))
    earn(client)
    lock_through(client, LAST_DAY, by=owner)
    close_fiscal_year(year, by=owner)
    move(client, "6100", "12.50", day="2026-12-31", kind="adjusting")
    (entry,) = close_fiscal_year(year, by=owner)
    assert entry.description == "Supplementary year-end close 2026"
    assert lines(entry) == {"6100": "-12.50", "3900": "12.50"}
    assert after_closing(client) == {"1010": "87.50", "3900": "-87.50"}


def test_a_reversed_close_is_made_anew(owner):
    client, year = make_form(LegalForm.COMPANY, ("3900", "retained_earnings"))
    earn(client)
    (first,) = close_fiscal_year(year, by=owner)
    reverse_entry(first, by=owner)
    (again,) = close_fiscal_year(year, by=owner)
    assert again.description == "Year-end close 2026"
    assert lines(again) == lines(first)


def test_each_year_closes_its_own_result(owner):
    client, year = make_form(LegalForm.COMPANY, ("3900", "retained_earnings"))
    make_year(client, "2027-01-01", "2027-12-31")
    earn(client)
    earn(client, "40.00", day="2027-02-01")
    following = client.fiscal_years.get(start=date(2027, 1, 1))
    assert lines(close_fiscal_year(following, by=owner)[0])["3900"] == "-40.00"
    assert lines(close_fiscal_year(year, by=owner)[0])["3900"] == "-100.00"


@pytest.mark.parametrize(
    ("legal_form", "equity"),
    [
        (LegalForm.COMPANY, [("3900", "retained_earnings")]),
        (LegalForm.SOLE_TRADER, [("3000", "capital"), ("3100", "draw")]),
        (LegalForm.PARTNERSHIP, [("3000", "capital", 2), ("3001", "capital", 1)]),
    ],
)
def test_closing_changes_no_report(owner, legal_form, equity):
    client, year = make_form(legal_form, *equity)
    make_year(client, "2027-01-01", "2027-12-31")
    earn(client)
    if client.accounts.filter(role="draw"):
        move(client, "3100", "5.00")

    def reports():
        days = [LAST_DAY, date(2027, 1, 31)]
        return [[(one.account, one.amount) for one in trial_balance(client, day)] for day in days]

    before = [reports(), after_closing(client)]
    assert close_fiscal_year(year, by=owner)
    assert [reports(), after_closing(client)] == before


def test_what_is_proposed_is_what_is_posted(owner):
    client, year = make_partners(60, 40)
    earn(client)
    move(client, "3100", "5.00")
    proposed = closing_entries(year)
    assert [entry.total for entry in proposed] == [100, 5]
    posted = close_fiscal_year(year, by=owner)
    assert [(one.description, lines(one)) for one in proposed] == [
        (one.description, lines(one)) for one in posted
    ]


# Refusals


@pytest.mark.parametrize(
    ("legal_form", "role"),
    [(LegalForm.COMPANY, "Retained earnings"), (LegalForm.SOLE_TRADER, "Owner's or partner's capital")],
)
def test_without_an_account_for_the_result_the_role_it_needs_is_named(owner, legal_form, role):
    client, year = make_form(legal_form)
    earn(client)
    with pytest.raises(ValidationError, match=role) as caught:
        close_fiscal_year(year, by=owner)
    assert caught.value.code == "no_target"
    assert not JournalEntry.objects.filter(kind="closing").exists()


def test_draws_without_a_capital_account_are_not_lost(owner):
    client, year = make_form(LegalForm.SOLE_TRADER, ("3100", "draw"), ("3900", "retained_earnings"))
    move(client, "3100", "5.00")
    assert refusal(close_fiscal_year, year, by=owner) == "no_target"


def test_partners_without_shares_are_asked_for_them(owner):
    client, year = make_form(LegalForm.PARTNERSHIP, ("3000", "capital"), ("3001", "capital"))
    earn(client)
    assert refusal(close_fiscal_year, year, by=owner) == "no_shares"


def test_a_draw_that_does_not_say_whose_it_is_is_named(owner):
    client, year = make_form(
        LegalForm.PARTNERSHIP, ("3000", "capital", 1), ("3001", "capital", 1), ("3100", "draw")
    )
    move(client, "3100", "5.00")
    with pytest.raises(ValidationError, match="3100") as caught:
        close_fiscal_year(year, by=owner)
    assert caught.value.code == "closes_into"


def test_a_locked_adjusting_period_refuses(owner):
    client, year = make_form(LegalForm.COMPANY, ("3900", "retained_earnings"))
    earn(client)
    lock_through(client, LAST_DAY, by=owner, adjusting=True)
    assert refusal(close_fiscal_year, year, by=owner) == "locked"


def test_a_soft_closed_one_asks_for_a_reason(owner):
    client, year = make_form(LegalForm.COMPANY, ("3900", "retained_earnings"))
    earn(client)
    close_through(client, LAST_DAY, by=owner, adjusting=True)
    assert refusal(close_fiscal_year, year, by=owner) == "ledger_entry_period_soft_closed"
    (entry,) = close_fiscal_year(year, by=owner, reason="The accountant has signed")
    assert entry.history.first().history_change_reason == "The accountant has signed"


def test_only_a_reviewer_closes_a_year(owner):
    client, year = make_form(LegalForm.COMPANY, ("3900", "retained_earnings"))
    earn(client)
    with pytest.raises(PermissionDenied):
        close_fiscal_year(year, by=make_staff(client, Role.PREPARER))
    assert close_fiscal_year(year, by=make_staff(client, Role.REVIEWER))


def test_an_account_that_was_made_inactive_is_still_closed(owner):
    client, year = make_form(LegalForm.COMPANY, ("3900", "retained_earnings"))
    earn(client)
    client.accounts.filter(code="4000").update(is_active=False)
    assert close_fiscal_year(year, by=owner)
