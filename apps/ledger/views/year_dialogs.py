"""What is done to fiscal years in a dialog: close one, open another, remove one that is unused."""

import datetime
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import Http404
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.ledger.models import FiscalYear, PeriodState
from apps.ledger.queries.periods import proposed_year
from apps.ledger.services import close_fiscal_year, closing_entries, open_fiscal_year, remove_fiscal_year
from apps.ledger.services.year_end import ClosingEntry
from apps.ledger.views.books import book_url
from apps.ledger.views.period_dialogs import PeriodDialogView, ReasonField
from apps.profiles.codes import decimal_places

DAY = "j M Y"
_outside = gettext_lazy("Choose a day between 1900 and 2199.")
KEPT_FOR = [
    MinValueValidator(datetime.date(1900, 1, 1), _outside),
    MaxValueValidator(datetime.date(2199, 12, 31), _outside),
]


class YearDialogView(PeriodDialogView):
    """A question about one fiscal year."""

    @cached_property
    def year(self) -> FiscalYear:
        found = FiscalYear.objects.filter(client=self.client, pk=self.kwargs["year"]).first()
        if found is None:
            raise Http404
        found.client = self.client
        return found


class CloseYearView(YearDialogView):
    """The closing entries of a year as they would be posted, and the button that posts them."""

    title = gettext_lazy("Close the year")
    permission = "ledger.close_period"

    @cached_property
    def _found(self) -> tuple[list[ClosingEntry], str]:
        try:
            return closing_entries(self.year), ""
        except ValidationError as error:
            return [], " ".join(error.messages)

    @property
    def entries(self) -> list[ClosingEntry]:
        return self._found[0]

    @property
    def decimals(self) -> int:
        return decimal_places(self.client.base_currency)

    @property
    def preview(self) -> list[dict[str, Any]]:
        """The entries with debit and credit apart, as people read them."""
        return [
            {
                "description": entry.description,
                "lines": [
                    {"account": line.account, "debit": max(line.amount, 0), "credit": max(-line.amount, 0)}
                    for line in entry.lines
                ],
            }
            for entry in self.entries
        ]

    @property
    def warning(self) -> str:
        if self._found[1]:
            return self._found[1]
        if self.entries and self.year.end >= timezone.localdate():
            return _("%(year)s has not ended yet.") % {"year": self.year}
        return ""

    @property
    def clears(self) -> tuple[str, str] | None:
        """Where what is missing is set right."""
        return (book_url(self.client, "chart"), _("Chart of accounts")) if self._found[1] else None

    @property
    def is_possible(self) -> bool:
        return bool(self.entries)

    @property
    def button(self) -> str:
        return _("Close %(year)s") % {"year": self.year}

    @property
    def consequence(self) -> str:
        if self._found[1]:
            return _("%(year)s cannot be closed yet.") % {"year": self.year}
        if not self.entries:
            return _("Nothing is left to close in %(year)s.") % {"year": self.year}
        posts = ngettext("Posts this entry", "Posts these %(count)s entries", len(self.entries))
        return _("%(posts)s, dated %(day)s. No report changes: earlier results are computed either way.") % {
            "posts": posts % {"count": len(self.entries)},
            "day": formats.date_format(self.year.end, DAY),
        }

    def make_form(self, data: Any = None) -> forms.Form:
        form = forms.Form(data, use_required_attribute=False)
        last_periods = self.year.periods.filter(end=self.year.end)
        if self.entries and not last_periods.filter(state=PeriodState.OPEN).exists():
            form.fields["reason"] = ReasonField()
        return form

    def act(self, form: forms.Form) -> str:
        posted = close_fiscal_year(
            self.year, by=self.request.user, reason=form.cleaned_data.get("reason", "")
        )
        if not posted:
            return _("Nothing was left to close in %(year)s.") % {"year": self.year}
        numbers = ", ".join(str(entry.number) for entry in posted)
        return _("%(year)s is closed, by entry %(numbers)s.") % {"year": self.year, "numbers": numbers}


class YearForm(forms.Form):
    start = forms.DateField(label=gettext_lazy("First day"), validators=KEPT_FOR)
    end = forms.DateField(label=gettext_lazy("Last day"), validators=KEPT_FOR)
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=50,
        required=False,
        help_text=gettext_lazy("Left empty: its years, such as 2026 or 2026/27."),
    )

    def __init__(self, data: Any, *, fixed: str, **options: Any) -> None:
        super().__init__(data, use_required_attribute=False, **options)
        for name in ("start", "end"):
            self.fields[name].widget = forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"})
            self.fields[name].error_messages["invalid"] = _("This is no date. Write it as 2026-01-31.")
        if fixed:
            self.fields[fixed].disabled = True


class OpenYearView(PeriodDialogView):
    """
    The next fiscal year, an earlier one for books that are taken over, or the first one.

    The day that touches the years there are is given; the other is proposed twelve months away and can
    be changed, for a short or a long year.
    """

    title = gettext_lazy("Open a fiscal year")
    button = gettext_lazy("Open the year")
    permission = "ledger.add_fiscalyear"

    @cached_property
    def is_earlier(self) -> bool:
        return self.request.GET.get("side") == "earlier"

    @property
    def consequence(self) -> str:
        return _(
            "Opens a period for each month, and one on the last day for adjustments. A year has up to "
            "18 months; its dates are fixed once it is open."
        )

    def make_form(self, data: Any = None) -> forms.Form:
        start, end, fixed = proposed_year(self.client, timezone.localdate(), earlier=self.is_earlier)
        return YearForm(data, fixed=fixed, initial={"start": start, "end": end})

    def act(self, form: forms.Form) -> str:
        year = open_fiscal_year(self.client, by=self.request.user, **form.cleaned_data)
        return _("Fiscal year %(year)s is open.") % {"year": year}


class RemoveYearView(YearDialogView):
    """Taking back a fiscal year that was opened by mistake."""

    title = gettext_lazy("Remove a fiscal year")
    permission = "ledger.delete_fiscalyear"
    is_danger = True

    @property
    def button(self) -> str:
        return _("Remove %(year)s") % {"year": self.year}

    @property
    def consequence(self) -> str:
        start, end = formats.date_format(self.year.start, DAY), formats.date_format(self.year.end, DAY)
        return _("Removes %(year)s, %(start)s to %(end)s, with its periods. It can be opened again.") % {
            "year": self.year,
            "start": start,
            "end": end,
        }

    def act(self, form: forms.Form) -> str:
        name = self.year.name
        remove_fiscal_year(self.year, by=self.request.user)
        return _("Fiscal year %(year)s is removed.") % {"year": name}
