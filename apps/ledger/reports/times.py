"""The times a report covers: those people ask for by name, columns of a range, and what came before."""

import datetime
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import formats
from django.utils.translation import gettext as _

from apps.ledger.models import FiscalYear

DAY = datetime.timedelta(days=1)
YEARS_OFFERED = 3


@dataclass(frozen=True)
class Span:
    """A first and a last day, both included, and what people call them."""

    start: datetime.date
    end: datetime.date
    name: str = ""

    def __str__(self) -> str:
        return (
            self.name
            or f"{formats.date_format(self.start, 'j M Y')} – {formats.date_format(self.end, 'j M Y')}"
        )

    @property
    def days(self) -> tuple[datetime.date, datetime.date]:
        return self.start, self.end


def offered(today: datetime.date, years: Sequence[FiscalYear]) -> list[Span]:
    """Return the spans a report offers by name, none of them twice; ``years`` come oldest first."""
    month = _month_of(today)
    spans = [
        Span(*month.days, _("This month")),
        Span(*_month_of(month.start - DAY).days, _("Last month")),
        Span(*_calendar_year(today.year).days, _("This year")),
        Span(*_calendar_year(today.year - 1).days, _("Last year")),
        *(
            Span(year.start, year.end, _("Fiscal year %(name)s") % {"name": year.name})
            for year in reversed([year for year in years if year.start <= today][-YEARS_OFFERED:])
        ),
    ]
    first_names: dict[tuple[datetime.date, datetime.date], Span] = {}
    for span in spans:
        first_names.setdefault(span.days, span)
    return list(first_names.values())


def usual(today: datetime.date, years: Sequence[FiscalYear]) -> Span:
    """Return the fiscal year a report opens with: today's, else the last one before it, else the first."""
    begun = [year for year in years if year.start <= today] or list(years[:1])
    return Span(begun[-1].start, begun[-1].end) if begun else _calendar_year(today.year)


def cut(span: Span, by: str, years: Sequence[FiscalYear]) -> list[Span]:
    """Cut a span into its months, quarters or fiscal years, the first and the last as far as they reach."""
    columns: list[Span] = []
    day = span.start
    while day <= span.end:
        whole = _piece(day, by, years)
        columns.append(Span(day, min(whole.end, span.end), whole.name))
        day = columns[-1].end + DAY
    return columns


def count_of_pieces(span: Span, by: str) -> int:
    """Return about how many columns ``cut`` would make, without making them."""
    months = (span.end.year - span.start.year) * 12 + span.end.month - span.start.month + 1
    return -(-months // {"month": 1, "quarter": 3, "year": 12}[by])


def period_before(span: Span, years: Sequence[FiscalYear]) -> Span:
    """Return the span of the same length before: as many months where these are whole, else as many days."""
    if before := _fiscal_year_before(span, years):
        return before
    if span.start.day == 1 and (span.end + DAY).day == 1:
        months = (span.end.year - span.start.year) * 12 + span.end.month - span.start.month + 1
        return Span(months_back(span.start, months), span.start - DAY)
    return Span(span.start - (span.end - span.start) - DAY, span.start - DAY)


def year_before(span: Span, years: Sequence[FiscalYear]) -> Span:
    """Return the same span a year earlier; of a whole fiscal year, the fiscal year before it."""
    return _fiscal_year_before(span, years) or Span(months_back(span.start, 12), day_a_year_before(span.end))


def day_a_year_before(day: datetime.date) -> datetime.date:
    """Return the same day a year earlier; the last of a month stays the last."""
    earlier = months_back(day, 12)
    is_last = (day + DAY).day == 1
    return earlier.replace(day=monthrange(earlier.year, earlier.month)[1]) if is_last else earlier


def _fiscal_year_before(span: Span, years: Sequence[FiscalYear]) -> Span | None:
    """Return the fiscal year before the one the span is; None where it is none, or the first."""
    for before, year in zip(years, years[1:], strict=False):
        if (year.start, year.end) == span.days:
            return Span(before.start, before.end)
    return None


def _piece(day: datetime.date, by: str, years: Sequence[FiscalYear]) -> Span:
    if by == "month":
        return _month_of(day)
    if by == "quarter":
        first = months_back(day.replace(day=1), (day.month - 1) % 3)
        last = _month_of(months_back(first, -2)).end
        return Span(
            first, last, _("Q%(number)s %(year)s") % {"number": first.month // 3 + 1, "year": day.year}
        )
    for year in years:
        if year.start <= day <= year.end:
            return Span(year.start, year.end, year.name)
    following = [year.start for year in years if year.start > day]
    whole = _calendar_year(day.year)
    return Span(whole.start, min([whole.end, *(start - DAY for start in following)]), whole.name)


def _month_of(day: datetime.date) -> Span:
    first = day.replace(day=1)
    last = day.replace(day=monthrange(day.year, day.month)[1])
    return Span(first, last, formats.date_format(first, "M Y"))


def _calendar_year(year: int) -> Span:
    return Span(datetime.date(year, 1, 1), datetime.date(year, 12, 31), str(year))


def months_back(day: datetime.date, months: int) -> datetime.date:
    """Return the same day of an earlier month, or its last day where it is shorter; -1 is the next month."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return datetime.date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
