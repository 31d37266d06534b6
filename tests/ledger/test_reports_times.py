"""The times of reports: columns cut out of a range, what came before it, and what is offered by name."""

from datetime import date

import pytest

from apps.ledger.models import FiscalYear
from apps.ledger.reports.times import Span, cut, day_a_year_before, offered, period_before, usual, year_before

DAY = date.fromisoformat
YEARS = [
    FiscalYear(name="2025", start=DAY("2025-12-01"), end=DAY("2025-12-31")),
    FiscalYear(name="2026", start=DAY("2026-01-01"), end=DAY("2026-12-31")),
]


def span(start, end):
    return Span(DAY(start), DAY(end))


def days(one):
    return tuple(day.isoformat() for day in one.days)


@pytest.mark.parametrize(
    ("start", "end", "before", "year"),
    [
        ("2026-03-01", "2026-03-31", ("2026-02-01", "2026-02-28"), ("2025-03-01", "2025-03-31")),
        ("2024-02-01", "2024-02-29", ("2024-01-01", "2024-01-31"), ("2023-02-01", "2023-02-28")),
        ("2025-02-01", "2025-02-28", ("2025-01-01", "2025-01-31"), ("2024-02-01", "2024-02-29")),
        ("2026-01-01", "2026-03-31", ("2025-10-01", "2025-12-31"), ("2025-01-01", "2025-03-31")),
        ("2026-03-10", "2026-03-19", ("2026-02-28", "2026-03-09"), ("2025-03-10", "2025-03-19")),
        ("2026-01-01", "2026-12-31", ("2025-12-01", "2025-12-31"), ("2025-12-01", "2025-12-31")),
    ],
)
def test_what_came_before(start, end, before, year):
    assert days(period_before(span(start, end), YEARS)) == before
    assert days(year_before(span(start, end), YEARS)) == year


def test_the_last_day_of_a_month_stays_the_last():
    assert day_a_year_before(DAY("2025-02-28")) == DAY("2024-02-29")
    assert day_a_year_before(DAY("2024-02-29")) == DAY("2023-02-28")
    assert day_a_year_before(DAY("2026-05-30")) == DAY("2025-05-30")


@pytest.mark.parametrize(
    ("by", "columns"),
    [
        ("month", ["2025-11-15", "2025-12-01", "2026-01-01", "2026-02-01"]),
        ("quarter", ["2025-11-15", "2026-01-01"]),
        ("year", ["2025-11-15", "2025-12-01", "2026-01-01"]),
    ],
)
def test_columns_cover_a_range_once(by, columns):
    pieces = cut(span("2025-11-15", "2026-02-10"), by, YEARS)
    assert [piece.start.isoformat() for piece in pieces] == columns
    assert pieces[-1].end == DAY("2026-02-10")
    assert all(
        (after.start - before.end).days == 1 for before, after in zip(pieces, pieces[1:], strict=False)
    )


def test_nothing_is_offered_twice():
    names = [one.name for one in offered(DAY("2026-11-22"), YEARS)]
    assert names == ["This month", "Last month", "This year", "Last year", "Fiscal year 2025"]


@pytest.mark.parametrize(
    ("today", "start"),
    [("2025-01-01", "2025-12-01"), ("2026-06-01", "2026-01-01"), ("2030-01-01", "2026-01-01")],
)
def test_a_report_opens_with_todays_fiscal_year_or_the_nearest(today, start):
    assert usual(DAY(today), YEARS).start == DAY(start)


def test_without_fiscal_years_the_calendar_serves():
    assert days(usual(DAY("2026-06-01"), [])) == ("2026-01-01", "2026-12-31")
