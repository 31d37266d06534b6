"""Where the periods of a client, or of many, stand: what is closed, what is due, what has changed since."""

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Max, Q

from apps.ledger.close_checks import Finding, findings_of
from apps.ledger.models import ClosedPeriod, EntryKind, FiscalYear, JournalEntry, Period, PeriodState
from apps.ledger.queries.changes import changed_among
from apps.profiles.models import Client


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
    def has_ended(self) -> bool:
        return self.rows[-1].has_ended


@dataclass(frozen=True)
class Standing:
    """
    How far a client's books are closed.

    ``closed_through`` and ``locked_through`` are the last days that are; ``due`` is the latest period that
    has ended and is open, ``reopened`` the latest open one that was closed before.
    """

    closed_through: datetime.date | None = None
    locked_through: datetime.date | None = None
    due: Period | None = None
    due_count: int = 0
    reopened: Period | None = None


def standing(client: Client, today: datetime.date) -> Standing:
    """Return how far a client's books are closed, as a day of the practice sees it."""
    months = Period.objects.filter(client=client, is_adjusting=False)
    closed = months.exclude(state=PeriodState.OPEN).aggregate(
        through=Max("end"), locked=Max("end", filter=Q(state=PeriodState.LOCKED))
    )
    still_open = months.filter(state=PeriodState.OPEN).order_by("-end")
    due = still_open.filter(end__lt=today)
    return Standing(
        closed_through=closed["through"],
        locked_through=closed["locked"],
        due=due.first(),
        due_count=due.count(),
        reopened=still_open.filter(closings__isnull=False).first(),
    )


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
    for closing in closings.values():
        closing.client = client
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


def _within(period: Period, counts: list[tuple[datetime.date, int]]) -> int:
    return sum(count for day, count in counts if period.start <= day <= period.end)
