"""Attacks on fiscal years and periods."""

from datetime import date

from apps.ledger.models import (
    FiscalYear,
    Period,
)
from tests.factories import (
    make_year,
)
from tests.ledger.attacks.world import in_state
from tests.ledger.attempts import Add, Change, Remove, run_sql


def period_of(w, **facts):
    return Period(client=w.client, fiscal_year=w.year, **facts)


def closed_first(w, count=3, state="soft_closed"):
    in_state(w, state, *w.periods[:count])
    return w.periods[:count]


PERIODS = [
    (
        "A period begins closed",
        "ledger_period_begins_open",
        lambda w: Add(period_of(w, start=date(2026, 5, 1), end=date(2026, 5, 31), state="locked")),
    ),
    (
        "A period lies outside its year",
        "ledger_period_in_year",
        lambda w: Add(period_of(w, start=date(2027, 5, 2), end=date(2027, 5, 31))),
    ),
    (
        "A second period holds the same days",
        "ledger_period_covers_year",
        lambda w: Add(period_of(w, start=date(2026, 5, 2), end=date(2026, 5, 30))),
    ),
    ("A period is removed from its year", "ledger_period_covers_year", lambda w: Remove(w.periods[5])),
    (
        "A fiscal year has no periods",
        "ledger_period_covers_year",
        lambda w: Add(
            FiscalYear(client=w.client, name="2028", start=date(2028, 1, 1), end=date(2028, 12, 31))
        ),
    ),
    (
        "A period is stretched",
        "ledger_period_dates_fixed",
        lambda w: Change(w.periods[4], end=date(2026, 6, 1)),
    ),
    (
        "A period is moved to another year",
        "ledger_period_dates_fixed",
        lambda w: Change(w.periods[4], fiscal_year=w.later_year),
    ),
    (
        "A month becomes the adjusting period",
        "ledger_period_dates_fixed",
        lambda w: Change(w.periods[11], is_adjusting=True),
    ),
    (
        "A month is locked before the one before it",
        "ledger_period_order",
        lambda w: Change(w.periods[1], state="locked"),
    ),
    (
        "A month is soft-closed before the one before it",
        "ledger_period_order",
        lambda w: Change(w.periods[1], state="soft_closed"),
    ),
    (
        "The adjusting period is closed before the months",
        "ledger_period_order",
        lambda w: Change(w.adjusting, state="soft_closed"),
    ),
    (
        "A closed month is reopened before the one after it",
        "ledger_period_order",
        lambda w: (
            closed_first(w)
            and run_sql("SELECT set_config('ledgerflow.reason', 'Late bill', true)")
            or Change(w.periods[0], state="open")
        ),
    ),
    (
        "A closed month is reopened without a reason",
        "ledger_period_reopen_reason",
        lambda w: closed_first(w) and Change(w.periods[2], state="open"),
    ),
    (
        "A locked month becomes soft-closed without a reason",
        "ledger_period_reopen_reason",
        lambda w: closed_first(w, 1, "locked") and Change(w.periods[0], state="soft_closed"),
    ),
    (
        "A closed month is removed",
        ("ledger_period_closed_stays", "protected"),
        lambda w: closed_first(w) and Remove(w.periods[2]),
    ),
    (
        "A month with entries is removed",
        ("ledger_period_used", "protected"),
        lambda w: Remove(w.periods[0]),
    ),
    (
        "A fiscal year follows with a gap",
        "ledger_fiscalyear_no_gap",
        lambda w: Add(FiscalYear(client=w.client, name="x", start=date(2028, 1, 2), end=date(2028, 12, 31))),
    ),
    (
        "A fiscal year overlaps another",
        "ledger_fiscalyear_no_gap",
        lambda w: Add(
            FiscalYear(client=w.client, name="x", start=date(2027, 12, 31), end=date(2028, 12, 31))
        ),
    ),
    (
        "A fiscal year has more than 18 months",
        "ledger_fiscalyear_length",
        lambda w: Add(FiscalYear(client=w.client, name="x", start=date(2028, 1, 1), end=date(2029, 7, 1))),
    ),
    (
        "A fiscal year ends before it begins",
        "ledger_fiscalyear_order",
        lambda w: Add(FiscalYear(client=w.client, name="x", start=date(2028, 1, 1), end=date(2027, 12, 1))),
    ),
    (
        "A fiscal year is stretched",
        "ledger_fiscalyear_dates_fixed",
        lambda w: Change(w.later_year, end=date(2028, 1, 31)),
    ),
    (
        "A fiscal year with periods is removed",
        ("ledger_period_year_same_client", "protected"),
        lambda w: Remove(w.later_year),
    ),
    (
        "A fiscal year between two others is removed",
        ("ledger_fiscalyear_no_gap", "protected"),
        lambda w: make_year(w.client, "2028-01-01", "2028-12-31") and Remove(w.later_year),
    ),
]
