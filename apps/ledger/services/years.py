"""Fiscal years and the periods they are made of."""

import datetime

from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _
from simple_history.utils import bulk_create_with_history

from apps.core.history import sign
from apps.core.models import User
from apps.ledger.models import ClosedPeriod, FiscalYear, JournalEntry, Period
from apps.ledger.services.transactions import refusals_as_sentences, require
from apps.profiles.models import Client

COVERED = "ledger_year_covered, ledger_period_covers"


def months(start: datetime.date, end: datetime.date) -> list[tuple[datetime.date, datetime.date]]:
    """
    Cut a fiscal year into periods of a month each.

    Calendar months, the first and the last cut off where the year begins and ends; a year that begins
    later in the month (6 April) has periods that begin on that day of each month.
    """
    first_days = [start]
    while True:
        year, month = divmod(start.year * 12 + start.month - 1 + len(first_days), 12)
        day = min(start.day, 28) if _runs_mid_month(start, end) else 1
        following = datetime.date(year, month + 1, day)
        if following > end:
            break
        first_days.append(following)
    last_days = [day - datetime.timedelta(days=1) for day in first_days[1:]] + [end]
    return list(zip(first_days, last_days, strict=True))


def _runs_mid_month(start: datetime.date, end: datetime.date) -> bool:
    return start.day != 1 and (end + datetime.timedelta(days=1)).day == start.day


def open_fiscal_year(
    client: Client, *, start: datetime.date, end: datetime.date, by: User, name: str = ""
) -> FiscalYear:
    """
    Open a fiscal year with its monthly periods and its adjusting period, all of them open.

    It begins on the day after the last one, or ends on the day before the first one. Without a name it
    has that of its years: 2026, or 2025/26. Raises PermissionDenied, and ValidationError with the name of
    the guard that refused.
    """
    year = FiscalYear(client=client, start=start, end=end, name=name or _usual_name(client, start, end))
    require(by, "ledger.add_fiscalyear", year)
    if end <= start:
        raise ValidationError(_("A fiscal year ends after it begins."), code="ledger_fiscalyear_order")
    sign(year, by=by)
    with refusals_as_sentences(), connection.cursor() as cursor:
        year.save()
        periods = [Period(client=client, fiscal_year=year, start=a, end=b) for a, b in months(start, end)]
        periods.append(Period(client=client, fiscal_year=year, start=end, end=end, is_adjusting=True))
        bulk_create_with_history(periods, Period, default_user=by)
        cursor.execute(f"SET CONSTRAINTS {COVERED} IMMEDIATE")  # here, where it can still be told
        cursor.execute(f"SET CONSTRAINTS {COVERED} DEFERRED")
    return year


def remove_fiscal_year(year: FiscalYear, *, by: User) -> None:
    """
    Remove a fiscal year nothing was posted to, the first or the last one, with its periods.

    Raises PermissionDenied, and ValidationError: ``used``, ``was_closed``, or the name of the guard that
    refused.
    """
    require(by, "ledger.delete_fiscalyear", year)
    with refusals_as_sentences():
        if JournalEntry.objects.filter(fiscal_year=year).exists():
            raise ValidationError(_("This fiscal year has posted entries."), code="used")
        if ClosedPeriod.objects.filter(period__fiscal_year=year).exists():
            raise ValidationError(
                _("Periods of this fiscal year were closed once, and the record of that stays."),
                code="was_closed",
            )
        records: list[Period | FiscalYear] = [*year.periods.all(), year]
        for record in records:
            sign(record, by=by)
            record.delete()


def _usual_name(client: Client, start: datetime.date, end: datetime.date) -> str:
    name = str(start.year) if start.year == end.year else f"{start.year}/{end.year % 100:02}"
    taken = set(FiscalYear.objects.filter(client=client).values_list("name", flat=True))
    return name if name not in taken else f"{name} ({start:%d.%m.}–{end:%d.%m.})"
