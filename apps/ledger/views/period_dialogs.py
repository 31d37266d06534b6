"""What is done to periods in a dialog: close, lock, reopen."""

import datetime
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.ledger.close_checks import Finding, findings
from apps.ledger.models import FiscalYear, Period, PeriodState
from apps.ledger.queries.periods import standing
from apps.ledger.services import (
    InTheWay,
    close_through,
    lock_through,
    reopen_period,
)
from apps.ledger.services.closing import to_close, to_reopen
from apps.ledger.views.books import book_url
from apps.ledger.views.dialogs import DialogView
from apps.profiles.models import Client

MOST_NAMED = 3  # periods named in a sentence


class PeriodDialogView(DialogView):
    """A question about periods, asked over their page."""

    tab = "periods"
    template_name = "ledger/periods_dialog.html"

    @property
    def back(self) -> str:
        return book_url(self.client, "periods")

    def show(self, form: forms.Form) -> HttpResponse:
        if self.request.headers.get("HX-Trigger-Name") in form.fields:
            return super().show(form)  # asked anew: who has gone on to the next field must not be called back
        names = [*form.errors, "reason", *form.fields]
        typed = [one for one in names if one in form.fields and not form.fields[one].disabled]
        for first in [one for one in typed if not form[one].is_hidden][:1]:
            form.fields[first].widget.attrs["autofocus"] = True
        return super().show(form)


class ReasonField(forms.CharField):
    """Why something is done, on one line, so that Enter does it."""

    def __init__(self, **options: Any) -> None:
        missing = {"required": gettext_lazy("Say why: it stays in the history.")}
        options = {"label": gettext_lazy("Reason"), "max_length": 500, "error_messages": missing, **options}
        super().__init__(**options)
        self.widget.attrs |= {"autocomplete": "off", "hx-preserve": "true"}


#: What is chosen decides what would happen: the dialog is asked for anew, and what was typed stays in it.
ASKS_ANEW = {
    "data-asks-anew": "true",
    "hx-trigger": "change delay:150ms",
    "hx-sync": "closest form:replace",
    "hx-include": "#dialog [data-asks-anew]",
    "hx-target": "#dialog",
    "hx-select": "#dialog",
    "hx-swap": "outerHTML",
}


class PeriodField(forms.ModelChoiceField):
    """One of the periods offered."""

    def __init__(self, periods: Any, *, address: str, **options: Any) -> None:
        gone = _("This was closed or reopened meanwhile. Choose another period.")
        options["error_messages"] = {"invalid_choice": gone, "required": _("Choose a period.")}
        super().__init__(periods, empty_label=None, **options)
        self.widget.attrs |= {**ASKS_ANEW, "hx-get": address}


class CloseForm(forms.Form):
    """Through which month, with the adjusting periods or without; a reason only where it overrides."""

    def __init__(
        self, data: Any, *, periods: Any, years: list[FiscalYear], address: str, **options: Any
    ) -> None:
        super().__init__(data, use_required_attribute=False, **options)
        self.fields["through"] = PeriodField(periods, label=_("Through"), address=address)
        if years:
            names = ", ".join(year.name for year in years)
            self.fields["adjusting"] = forms.BooleanField(
                label=_("Also the adjusting period of %(years)s") % {"years": names}, required=False
            )
            self.fields["adjusting"].widget.attrs |= {**ASKS_ANEW, "hx-get": address}


class CloseView(PeriodDialogView):
    """Soft-closing through a month; what stands in the way is listed, and a reason overrides it."""

    title = gettext_lazy("Close the books")
    permission = "ledger.close_period"
    state = PeriodState.SOFT_CLOSED

    @cached_property
    def offered(self) -> list[Period]:
        """The months this would change, oldest first; with them any whose adjusting period alone is left."""
        every = to_close(self.client, datetime.date.max, self.state, adjusting=True)
        months = [period for period in every if not period.is_adjusting]
        ends = {period.end for period in every if period.is_adjusting}
        closed = Period.objects.filter(client=self.client, is_adjusting=False, end__in=ends)
        return sorted({*months, *closed}, key=lambda period: period.end)

    @cached_property
    def chosen(self) -> Period | None:
        """The month asked for, else the one closed before it was reopened, else the latest that has ended."""
        if self.asked:
            return next((period for period in self.offered if period.end == self.asked.end), None)
        found = standing(self.client, timezone.localdate())
        usual = [found.closed, found.due] if self.state == PeriodState.LOCKED else [found.reopened, found.due]
        still_open = [period for period in self.offered if period.is_open]
        return next((one for one in [*usual, *still_open, *self.offered] if one in self.offered), None)

    @cached_property
    def asked(self) -> Period | None:
        """The period the address or the form names; an adjusting period stands for its last month, too."""
        pk = self.request.POST.get("through") or self.request.GET.get("through") or ""
        return _period_of(self.client, pk)

    @cached_property
    def with_adjusting(self) -> bool:
        if self.request.method == "POST":
            return bool(self.request.POST.get("adjusting"))
        return bool(self.request.GET.get("adjusting")) or bool(self.asked and self.asked.is_adjusting)

    @cached_property
    def changed(self) -> list[Period]:
        """The periods this would change, in order."""
        if not self.chosen:
            return []
        return to_close(self.client, self.chosen.end, self.state, adjusting=self.with_adjusting)

    @cached_property
    def findings(self) -> list[Finding]:
        return findings(self.client, self.changed[-1].end) if self.changed else []

    @property
    def is_possible(self) -> bool:
        return bool(self.changed) and all(one.can_be_overridden for one in self.findings)

    @property
    def button(self) -> str:
        return _("Close through %(period)s") % {"period": self.chosen}

    @property
    def consequence(self) -> str:
        if not self.changed:
            return _("Everything is closed already.")
        effect = _("After that only a reviewer posts there, with a reason.")
        return f"{self._closes} {effect}"

    @property
    def _closes(self) -> str:
        return _("Closes %(periods)s and keeps what the trial balance says.") % {
            "periods": _named(self.changed)
        }

    @property
    def warning(self) -> str:
        today = timezone.localdate()
        if not self.changed or self.changed[-1].end < today:
            return ""
        return _("%(period)s has not ended yet.") % {"period": self.changed[-1]}

    def make_form(self, data: Any = None) -> forms.Form:
        initial = {"through": self.chosen, "adjusting": self.with_adjusting}
        ids = [period.pk for period in self.offered]
        periods = Period.objects.filter(pk__in=ids).order_by("start")
        years = self._years_with_adjusting()
        form = CloseForm(data, periods=periods, years=years, address=self.request.path, initial=initial)
        if self.findings and self.is_possible:
            form.fields["reason"] = ReasonField(
                label=_("Why it is closed anyway"), required="anyway" in self.request.POST
            )
            form.fields["anyway"] = forms.CharField(initial="1", widget=forms.HiddenInput, required=False)
        return form

    def _years_with_adjusting(self) -> list[FiscalYear]:
        """The years whose adjusting period could go along."""
        if not self.chosen:
            return []
        along = to_close(self.client, self.chosen.end, self.state, adjusting=True)
        return [period.fiscal_year for period in along if period.is_adjusting]

    def act(self, form: forms.Form) -> str:
        closed = self.close(
            self.client,
            form.cleaned_data["through"].end,
            by=self.request.user,
            reason=form.cleaned_data.get("reason", ""),
            adjusting=form.cleaned_data.get("adjusting", False),
        )
        return self.said % {"periods": _named([one.period for one in closed])}

    close = staticmethod(close_through)
    said: Any = gettext_lazy("Closed: %(periods)s.")

    def refuse(self, form: forms.Form, error: ValidationError) -> None:
        # What the checks found since the dialog was opened: listed, with a field for the reason.
        if not isinstance(error, InTheWay):
            return super().refuse(form, error)
        self.findings = error.findings
        if "reason" not in form.fields and self.is_possible:
            form.fields["reason"] = ReasonField(label=_("Why it is closed anyway"), required=False)
            form.fields["anyway"] = forms.CharField(initial="1", widget=forms.HiddenInput, required=False)
        return None


class LockView(CloseView):
    """Locking through a month: nobody posts there any more until a manager reopens it."""

    title = gettext_lazy("Lock the books")
    permission = "ledger.lock_period"
    state = PeriodState.LOCKED
    close = staticmethod(lock_through)
    said = gettext_lazy("Locked: %(periods)s.")

    @property
    def button(self) -> str:
        return _("Lock through %(period)s") % {"period": self.chosen}

    @property
    def consequence(self) -> str:
        if not self.changed:
            return _("Everything is locked already.")
        return _("Locks %(periods)s: nobody posts there any more until a manager reopens it.") % {
            "periods": _named(self.changed)
        }


class ReopenForm(forms.Form):
    reason = ReasonField()

    def __init__(self, data: Any, *, periods: Any, address: str, **options: Any) -> None:
        super().__init__(data, use_required_attribute=False, **options)
        self.fields = {"period": PeriodField(periods, label=_("From"), address=address), **self.fields}


class ReopenView(PeriodDialogView):
    """Reopening a period and every later one, with one reason."""

    title = gettext_lazy("Reopen the books")
    permission = "ledger.lock_period"
    is_danger = True

    @cached_property
    def offered(self) -> list[Period]:
        closed = Period.objects.filter(client=self.client).exclude(state=PeriodState.OPEN)
        return list(closed.order_by("-end", "-is_adjusting"))

    @cached_property
    def chosen(self) -> Period | None:
        asked = self.request.POST.get("period") or self.request.GET.get("period") or ""
        by_id = {str(period.pk): period for period in self.offered}
        months = (period for period in self.offered if not period.is_adjusting)
        return by_id.get(asked) or next(months, self.offered[0] if self.offered else None)

    @cached_property
    def changed(self) -> list[Period]:
        return to_reopen(self.chosen) if self.chosen else []

    @property
    def is_possible(self) -> bool:
        return bool(self.changed)

    @property
    def button(self) -> str:
        return _("Reopen %(period)s") % {"period": self.chosen}

    @property
    def consequence(self) -> str:
        if not self.changed:
            return _("Everything is open already.")
        return _("Opens %(periods)s. What was kept at the close stays, to be compared with.") % {
            "periods": _named(self.changed)
        }

    def make_form(self, data: Any = None) -> forms.Form:
        ids = [period.pk for period in self.offered]
        periods = Period.objects.filter(pk__in=ids).order_by("-end", "-is_adjusting")
        initial = {"period": self.chosen}
        return ReopenForm(data, periods=periods, address=self.request.path, initial=initial)

    def act(self, form: forms.Form) -> str:
        opened = reopen_period(
            form.cleaned_data["period"], by=self.request.user, reason=form.cleaned_data["reason"]
        )
        return _("Reopened: %(periods)s.") % {"periods": _named(opened)}


def _period_of(client: Client, pk: str) -> Period | None:
    is_id = pk.isascii() and pk.isdecimal() and len(pk) <= 18
    return Period.objects.filter(client=client, pk=int(pk)).first() if is_id else None


def _named(periods: list[Period]) -> str:
    """Name periods in a sentence: all of a few, the ends of many."""
    if len(periods) <= MOST_NAMED:
        return _and([str(period) for period in periods])
    return _("%(first)s to %(last)s (%(count)s periods)") % {
        "first": periods[0],
        "last": periods[-1],
        "count": len(periods),
    }


def _and(names: list[str]) -> str:
    if len(names) < 2:
        return "".join(names)
    return _("%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
