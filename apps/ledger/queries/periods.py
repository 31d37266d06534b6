"""Where the periods of a client, or of many, stand: what is closed, what is due, what has changed since."""

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count

from apps.ledger.close_checks import Finding, findings_of
from apps.ledger.models import ClosedPeriod, EntryKind, FiscalYear, JournalEntry, Period, PeriodState
from apps.ledger.queries.changes import changed_among
from apps.profiles.models import Client

DAY = datetime.timedelta(days=1)
WEEK = datetime.timedelta(days=7)


@dataclass(frozen=True)
class PeriodRow:
    """
    A period with what is in it, what stands in the way of closing through it, and its latest close.

    The checks run for open periods that have ended; ``closing`` is there for a reopened period, too.
    """

    period: Period
    entries: int
    drafts: int
    has_ended: bool
    findings: list[Finding]
    closing: ClosedPeriod | None
    is_changed: bool


@dataclass(frozen=True)
class YearRows:
    """A fiscal year and its periods, oldest first; one without entries or closings can be removed."""

    year: FiscalYear
    rows: list[PeriodRow]
    is_removable: bool
    closing_entries: int = 0

    @property
    def has_entries(self) -> bool:
        return any(row.entries for row in self.rows)


@dataclass(frozen=True)
class Standing:
    """
    How far a client's books are closed; each the latest month of its kind.

    ``due`` has ended and is open, ``due_count`` of them; ``reopened`` is open and was closed before.
    """

    closed: Period | None
    locked: Period | None
    due: Period | None
    due_count: int
    reopened: Period | None


def standing(client: Client, today: datetime.date) -> Standing:
    """Return how far a client's books are closed, as a day of the practice sees it."""
    months = Period.objects.filter(client=client, is_adjusting=False).order_by("-end")
    still_open = months.filter(state=PeriodState.OPEN)
    due = still_open.filter(end__lt=today)
    return Standing(
        closed=months.exclude(state=PeriodState.OPEN).first(),
        locked=months.filter(state=PeriodState.LOCKED).first(),
        due=due.first(),
        due_count=due.count(),
        reopened=still_open.filter(closings__isnull=False).first(),
    )


def proposed_year(
    client: Client, today: datetime.date, *, earlier: bool = False
) -> tuple[datetime.date, datetime.date, str]:
    """
    Return the first and the last day to offer for another fiscal year, and which of them is given.

    The next one after the last, or an earlier one before the first, of twelve months; of 52 weeks where
    its neighbour has whole weeks. A client's first year is the calendar year, and nothing of it is given.
    """
    years = FiscalYear.objects.filter(client=client).order_by("start")
    first, last = years.first(), years.last()
    if first is None or last is None:
        return datetime.date(today.year, 1, 1), datetime.date(today.year, 12, 31), ""
    if earlier:
        return _months_before(first), first.start - DAY, "end"
    start = last.end + DAY
    return start, start + (52 * WEEK if _has_whole_weeks(last) else _year_from(start)) - DAY, "start"


def years_with_periods(client: Client, today: datetime.date, *, newest: int | None = None) -> list[YearRows]:
    """Return the fiscal years of a client, newest first, with their periods; or the ``newest`` few."""
    every = list(FiscalYear.objects.filter(client=client).order_by("-start"))
    shown = every[:newest]
    rows = _rows(client, shown, today)
    ends = {year.pk for year in (every[:1] + every[-1:])}
    closing = JournalEntry.objects.filter(fiscal_year__in=shown, kind=EntryKind.CLOSING)
    closings = dict(closing.values_list("fiscal_year").annotate(Count("pk")).order_by())
    return [
        YearRows(
            year,
            rows[year.pk],
            is_removable=year.pk in ends and not any(row.entries or row.closing for row in rows[year.pk]),
            closing_entries=closings.get(year.pk, 0),
        )
        for year in shown
    ]


def latest_closings(periods: Iterable[Period]) -> dict[int, ClosedPeriod]:
    """Return the latest close of each period that was ever closed, by the period's id."""
    closings = ClosedPeriod.objects.filter(period__in=list(periods)).select_related("closed_by", "period")
    latest = closings.order_by("period_id", "-closed_at", "-pk").distinct("period_id")
    return {closed.period_id: closed for closed in latest}


def _rows(client: Client, years: list[FiscalYear], today: datetime.date) -> dict[int, list[PeriodRow]]:
    periods = list(
        Period.objects.filter(fiscal_year__in=years)
        .select_related("fiscal_year")
        .order_by("end", "is_adjusting")
    )
    due = [period for period in periods if period.is_open and period.end < today]
    findings = findings_of([(client, day) for day in {period.end for period in due}])
    entries = JournalEntry.objects.filter(period__in=periods).values_list("period")
    entry_counts = dict(entries.annotate(Count("pk")).order_by())
    drafts = JournalEntry.objects.drafts().filter(client=client).values_list("date").annotate(Count("pk"))
    draft_counts = list(drafts.order_by())
    closings = latest_closings(periods)
    rows: dict[int, list[PeriodRow]] = defaultdict(list)
    for one in closings.values():
        one.client = client
    changed = changed_among(closings.values())
    for period in periods:
        closing = closings.get(period.pk)
        rows[period.fiscal_year_id].append(
            PeriodRow(
                period=period,
                entries=entry_counts.get(period.pk, 0),
                drafts=0 if period.is_adjusting else _within(period, draft_counts),
                has_ended=period.end < today,
                findings=findings[client.pk, period.end] if period in due else [],
                closing=closing,
                is_changed=bool(closing and closing.pk in changed),
            )
        )
    return rows


def _has_whole_weeks(year: FiscalYear) -> bool:
    return (year.end - year.start + DAY) in (52 * WEEK, 53 * WEEK)


def _year_from(start: datetime.date) -> datetime.timedelta:
    """Return twelve months from a day; from 29 February until 28 February, whose day after is 1 March."""
    is_leap_day = (start.month, start.day) == (2, 29)
    following = datetime.date(start.year + 1, 3, 1) if is_leap_day else start.replace(year=start.year + 1)
    return following - start


def _months_before(first: FiscalYear) -> datetime.date:
    if _has_whole_weeks(first):
        return first.start - 52 * WEEK
    is_leap_day = (first.start.month, first.start.day) == (2, 29)
    before = first.start.replace(day=28) if is_leap_day else first.start
    return before.replace(year=before.year - 1)


def _within(period: Period, counts: list[tuple[datetime.date, int]]) -> int:
    return sum(count for day, count in counts if period.start <= day <= period.end)
