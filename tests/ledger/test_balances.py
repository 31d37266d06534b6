"""Trial balances: cumulated, per year, computed across years, and the same however a month is cut."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import connection

from apps.ledger.queries.balances import flows, movements, trial_balance
from apps.ledger.queries.equity import split
from apps.profiles.codes import currencies, decimal_places
from tests.factories import make_books, make_posted, make_year

pytestmark = pytest.mark.django_db


def test_database_and_python_agree_on_decimals():
    with connection.cursor() as cursor:
        for code, _name in [*currencies(), ("CLF", ""), ("IQD", "")]:
            cursor.execute("SELECT ledger_decimals(%s)", [code])
            assert cursor.fetchone() == (decimal_places(code),), code


def test_an_earlier_result_stands_in_retained_earnings():
    client, _accounts = make_books()
    make_year(client, "2027-01-01", "2027-12-31")
    make_posted(client, ("1010", "100"), ("4000", "-100"), day="2026-05-05")
    make_posted(client, ("6100", "30"), ("1010", "-30"), day="2027-01-31")
    balances = {b.account.code: int(b.amount) for b in trial_balance(client, date(2027, 1, 31))}
    assert balances == {"1010": 70, "3900": -100, "6100": 30}
    after = {b.account.code: int(b.amount) for b in trial_balance(client, date(2026, 12, 31))}
    assert after == {"1010": 100, "4000": -100}


@pytest.mark.parametrize("last", [date(2026, 1, 31), date(2026, 2, 15), date(2026, 2, 28), date(2026, 3, 1)])
@pytest.mark.parametrize("first", [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 31), date(2026, 2, 15)])
def test_flows_are_the_same_however_months_are_cut(first, last):
    client, accounts = make_books()
    days = ["01-01", "01-02", "01-31", "02-01", "02-14", "02-15", "02-28", "03-01", "03-02"]
    for number, day in enumerate(days, start=1):
        make_posted(client, ("1010", str(2**number)), ("4000", str(-(2**number))), day=f"2026-{day}")
    within = [
        2**number
        for number, day in enumerate(days, start=1)
        if first <= date.fromisoformat(f"2026-{day}") <= last
    ]
    found = {flow.account_id: flow.amount for flow in flows(client, [(first, last)])}
    assert found.get(accounts["1010"].pk, 0) == sum(within)


def test_the_range_mode_opens_and_closes():
    client, _accounts = make_books()
    make_posted(client, ("1010", "100"), ("4000", "-100"), day="2026-01-05")
    make_posted(client, ("6100", "30"), ("1010", "-30"), day="2026-02-10")
    rows = {
        m.account.code: (m.opening, m.debit, m.credit, m.closing)
        for m in movements(client, date(2026, 2, 1), date(2026, 2, 28))
    }
    assert rows == {"1010": (100, 0, 30, 70), "4000": (-100, 0, 0, -100), "6100": (0, 30, 0, 30)}


def test_the_last_part_takes_what_rounding_leaves():
    assert split(Decimal("100"), [Decimal(1)] * 3, 2) == [
        Decimal("33.33"),
        Decimal("33.33"),
        Decimal("33.34"),
    ]
    assert split(Decimal("-0.01"), [Decimal(60), Decimal(40)], 2) == [Decimal("-0.01"), 0]
