"""What can be chosen above each report. It all stands in the address, so that a page can be shared."""

import datetime
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from apps.ledger.models import Account, AccountKind, AccountSection, EntryKind, FiscalYear
from apps.ledger.reports import times
from apps.ledger.reports.times import DAY, Span
from apps.profiles.models import Client

EARLIEST, LATEST = datetime.date(1900, 1, 1), datetime.date(2199, 12, 31)
MOST_COLUMNS = 40


class DayField(forms.DateField):
    """A day, as a browser's own date field sends it; one nobody keeps books for is refused."""

    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    default_error_messages = {"invalid": _lazy("“%(value)s” is not a date. Write it as 2026-01-31.")}

    def __init__(self, **options: Any) -> None:
        outside = _lazy("Choose a day between 1900 and 2199.")
        checks = [MinValueValidator(EARLIEST, outside), MaxValueValidator(LATEST, outside)]
        super().__init__(required=False, validators=checks, **options)

    def to_python(self, value: Any) -> datetime.date | None:
        try:
            return super().to_python(value)
        except ValidationError as error:
            error.params = {"value": str(value)[:40]}
            raise


def choice(label: Any, choices: Sequence[tuple[str, Any]]) -> forms.ChoiceField:
    """Return a field to choose from; what is none of the choices is told, and passed over."""
    field = forms.ChoiceField(label=label, choices=choices, required=False)
    field.error_messages["invalid_choice"] = _lazy("“%(value)s” is not one of the choices.")
    return field


class Options(forms.Form):
    """
    The options of a report. What is left out of the address, or is nonsense in it, has its usual value.

    ``values`` has them all, whether the form is valid or not: a wrong date is a sentence above a report
    that still shows.
    """

    def __init__(self, given: Mapping[str, str], *, client: Client, **options: Any) -> None:
        self.client = client
        self.today = timezone.localdate()
        chosen = {name: given[name] for name in self.base_fields if given.get(name)}
        super().__init__({**self.usual, **chosen}, auto_id="option_%s", label_suffix="", **options)
        self.chosen = {name: str(value) for name, value in chosen.items()}
        self.full_clean()

    @cached_property
    def years(self) -> list[FiscalYear]:
        return list(FiscalYear.objects.filter(client=self.client).order_by("start"))

    @property
    def usual(self) -> dict[str, Any]:
        """What each option is when nobody says."""
        return {}

    @cached_property
    def values(self) -> dict[str, Any]:
        kept = self.cleaned_data
        return {name: kept[name] if name in kept else self.usual.get(name) for name in self.fields}

    @property
    def sentences(self) -> list[str]:
        """What is wrong with the options, each with the name of its field."""
        return [
            f"{self.fields[name].label}: {error}" if name in self.fields else str(error)
            for name, errors in self.errors.items()
            for error in errors
        ]

    @property
    def span(self) -> Span:
        """The first and the last day the report is about."""
        raise NotImplementedError

    def offered(self) -> list[tuple[str, dict[str, str]]]:
        """Return what can be chosen by name: a title, and the options it sets."""
        raise NotImplementedError

    def described(self) -> list[str]:
        """Return the choices that change figures, in words, for the head of the report."""
        return [
            str(dict(self.fields[name].choices)[value])
            for name in ("adjustments", "closing", "show")
            if name in self.fields and (value := self.values[name]) != self.usual.get(name)
        ]


class AsAtOptions(Options):
    """Options of a report as at the end of a day."""

    day = DayField(label=_lazy("As at"))

    @property
    def usual(self) -> dict[str, Any]:
        year = times.usual(self.today, self.years)
        return {**super().usual, "day": min(max(self.today, year.start), year.end)}

    @cached_property
    def span(self) -> Span:
        """From the first day of the fiscal year that holds the day to the day."""
        return self.year_to(self.values["day"])

    def year_to(self, day: datetime.date) -> Span:
        """Return the part of the fiscal year of a day up to it."""
        return Span(year_start(day, self.years), day)

    def offered(self) -> list[tuple[str, dict[str, str]]]:
        year = times.usual(self.today, self.years)
        days = {_("Today"): self.today, _("End of last month"): self.today.replace(day=1) - DAY}
        for span in [one for one in times.offered(self.today, self.years) if one.end.year <= year.end.year]:
            if any((one.start, one.end) == span.days for one in self.years):
                days.setdefault(_("End of %(span)s") % {"span": _lower(span.name)}, span.end)
        return [(name, {"day": day.isoformat()}) for name, day in days.items()]


class RangeOptions(Options):
    """Options of a report over a range of days."""

    start = DayField(label=_lazy("From"))
    end = DayField(label=_lazy("To"))

    @property
    def usual(self) -> dict[str, Any]:
        span = times.usual(self.today, self.years)
        return {**super().usual, "start": span.start, "end": span.end}

    def clean(self) -> dict[str, Any]:
        start, end = self.cleaned_data.get("start"), self.cleaned_data.get("end")
        if start and end and start > end:
            self.add_error("start", _("The first day is after the last one."))
        return self.cleaned_data

    @cached_property
    def span(self) -> Span:
        start, end = self.values["start"], self.values["end"]
        return Span(start, end) if start <= end else Span(self.usual["start"], self.usual["end"])

    def offered(self) -> list[tuple[str, dict[str, str]]]:
        return [
            (span.name, {"start": span.start.isoformat(), "end": span.end.isoformat()})
            for span in times.offered(self.today, self.years)
        ]


class StatementOptions(Options):
    """What the statements share."""

    adjustments = choice(
        _lazy("Adjusting entries"),
        [("after", _lazy("After adjustments")), ("before", _lazy("Before adjustments"))],
    )
    zeros = forms.BooleanField(label=_lazy("Accounts at zero"), required=False)

    @property
    def usual(self) -> dict[str, Any]:
        return {**super().usual, "adjustments": "after", "zeros": False}

    @property
    def figures(self) -> dict[str, bool]:
        """What the queries want to know."""
        return {
            "before_adjustments": self.values["adjustments"] == "before",
            "with_zeros": bool(self.values["zeros"]),
        }


MODES = [("day", _lazy("As at a day")), ("range", _lazy("Over a time"))]


class TrialBalanceOptions(StatementOptions, AsAtOptions):
    closing = choice(
        _lazy("Closing entries"),
        [("before", _lazy("Before closing entries")), ("after", _lazy("After closing entries"))],
    )

    field_order = ["day", "adjustments", "closing", "zeros"]

    @property
    def usual(self) -> dict[str, Any]:
        return {**super().usual, "closing": "before"}


class BalanceSheetOptions(StatementOptions, AsAtOptions):
    compare = choice(
        _lazy("Compare with"),
        [
            ("none", _lazy("Nothing")),
            ("month", _lazy("A month earlier")),
            ("year", _lazy("A year earlier")),
            ("last", _lazy("End of the last fiscal year")),
        ],
    )

    field_order = ["day", "compare", "adjustments", "zeros"]

    @property
    def usual(self) -> dict[str, Any]:
        return {**super().usual, "compare": "none"}

    @cached_property
    def compared(self) -> datetime.date | None:
        """The day that is compared with."""
        day = self.values["day"]
        match self.values["compare"]:
            case "month":
                is_last = (day + DAY).day == 1
                return day.replace(day=1) - DAY if is_last else times.months_back(day, 1)
            case "year":
                return times.day_a_year_before(day)
            case "last":
                return self.span.start - DAY
        return None


class ProfitAndLossOptions(StatementOptions, RangeOptions):
    split = choice(
        _lazy("Columns"),
        [
            ("none", _lazy("Total only")),
            ("month", _lazy("Months")),
            ("quarter", _lazy("Quarters")),
            ("year", _lazy("Fiscal years")),
        ],
    )
    compare = choice(
        _lazy("Compare with"),
        [
            ("none", _lazy("Nothing")),
            ("period", _lazy("The period before")),
            ("year", _lazy("The year before")),
        ],
    )

    field_order = ["start", "end", "split", "compare", "adjustments", "zeros"]

    @property
    def usual(self) -> dict[str, Any]:
        return {**super().usual, "split": "none", "compare": "none"}

    def clean(self) -> dict[str, Any]:
        super().clean()
        by, start, end = (self.cleaned_data.get(name) for name in ("split", "start", "end"))
        if by and by != "none" and start and end:
            count = times.count_of_pieces(Span(start, end), by)
            if count > MOST_COLUMNS:
                self.add_error(
                    "split",
                    _("That makes %(count)s columns. Choose longer ones, or a shorter time.")
                    % {"count": count},
                )
        return self.cleaned_data

    @cached_property
    def columns(self) -> list[Span]:
        """The columns besides the total, if any."""
        by = self.values["split"]
        return [] if by == "none" else times.cut(self.span, by, self.years)

    @cached_property
    def compared(self) -> Span | None:
        match self.values["compare"]:
            case "period":
                return times.period_before(self.span, self.years)
            case "year":
                return times.year_before(self.span, self.years)
        return None


#: What a register shows; the first is what the reports count.
SHOWS = [
    ("books", _lazy("Without closing entries")),
    ("all", _lazy("With closing entries")),
    ("activity", _lazy("Without opening and closing entries")),
    ("opening", _lazy("Opening entries only")),
]


class RegisterOptions(RangeOptions):
    account = forms.ChoiceField(label=_lazy("Account"), required=False)
    show = choice(_lazy("Entries"), SHOWS)
    adjustments = choice(
        _lazy("Adjusting entries"),
        [("after", _lazy("After adjustments")), ("before", _lazy("Before adjustments"))],
    )

    field_order = ["account", "start", "end", "show", "adjustments"]

    def __init__(self, given: Mapping[str, str], *, client: Client, **options: Any) -> None:
        self.accounts = {
            account.code: account
            for account in Account.objects.filter(client=client, is_postable=True).order_by("code")
        }
        super().__init__(given, client=client, **options)

    def full_clean(self) -> None:
        field = self.fields["account"]
        field.choices = [("", "—"), *((code, str(account)) for code, account in self.accounts.items())]
        field.error_messages["invalid_choice"] = _("There is no account “%(value)s” in these books.")
        super().full_clean()

    @property
    def usual(self) -> dict[str, Any]:
        return {**super().usual, "account": "", "show": "books", "adjustments": "after"}

    @property
    def account_shown(self) -> Account | None:
        return self.accounts.get(self.values["account"] or "")

    @property
    def kinds(self) -> dict[str, list[str]]:
        """Which kinds of entries the register leaves out, and which it is restricted to."""
        left_out = [EntryKind.ADJUSTING] if self.values["adjustments"] == "before" else []
        match self.values["show"]:
            case "books":
                left_out += [EntryKind.CLOSING]
            case "activity":
                left_out += [EntryKind.CLOSING, EntryKind.OPENING]
            case "opening":
                return {"left_out": left_out, "within": [EntryKind.OPENING]}
        return {"left_out": left_out}

    @property
    def has_opening(self) -> bool:
        """Whether the balance goes on from before; else it is what the lines shown come to."""
        return self.values["show"] in ("books", "all")


#: Accounts that are read together in the general ledger.
PARTS = [
    ("", _lazy("All")),
    ("profit", _lazy("Income and expense")),
    *AccountKind.choices,
    *((value, label) for value, label in AccountSection.choices if value != "equity"),
]


class GeneralLedgerOptions(RangeOptions):
    part = choice(_lazy("Accounts"), PARTS)
    first = forms.CharField(label=_lazy("Codes from"), required=False, max_length=20)
    last = forms.CharField(label=_lazy("to"), required=False, max_length=20)

    field_order = ["start", "end", "part", "first", "last"]

    def holds(self, account: Account | None) -> bool:
        """Whether the ledger shows an account; "6" as the last code means all that begin with it."""
        first, last, part = (self.values[name] or "" for name in ("first", "last", "part"))
        if account is None:
            return not (first or last or part)
        if part == "profit" and AccountKind(account.kind).is_on_balance_sheet:
            return False
        if part not in ("", "profit", account.kind, account.section):
            return False
        return account.code >= first and (not last or account.code <= last or account.code.startswith(last))


class JournalOptions(RangeOptions):
    kind = choice(_lazy("Kind"), [("", _lazy("All kinds")), *EntryKind.choices])

    field_order = ["start", "end", "kind"]


def year_start(day: datetime.date, years: Sequence[FiscalYear]) -> datetime.date:
    """Return the first day of the fiscal year that holds a day, or that would after the last one."""
    begun = [year for year in years if year.start <= day]
    if not begun:
        return day
    return begun[-1].start if day <= begun[-1].end else begun[-1].end + DAY


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
