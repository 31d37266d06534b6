"""What is done to an entry in a dialog: reverse, recode a line, delete a draft; and its notes."""

import datetime
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import formats
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.ledger.forms.accounts import AccountField
from apps.ledger.forms.annotations import AnnotationForm, LineAnnotationFormSet, notes_of
from apps.ledger.forms.dates import DayField
from apps.ledger.models import FiscalYear, JournalEntry, JournalLine
from apps.ledger.queries import entries
from apps.ledger.services import recode, reverse_entry
from apps.ledger.services.annotations import annotate
from apps.ledger.services.corrections import reversal_date
from apps.ledger.services.drafts import delete_draft, version_of
from apps.ledger.views.books import book_url
from apps.ledger.views.dialogs import DialogView
from apps.ledger.views.entry import linked


class EntryDialogView(DialogView):
    """A question about one entry, asked over its page."""

    template_name = "ledger/entry_dialog.html"

    @cached_property
    def entry(self) -> JournalEntry:
        found = entries.entry_of(self.client, self.kwargs["pk"])
        if found is None:
            raise Http404
        return found

    @property
    def back(self) -> str:
        return book_url(self.client, "entry", self.entry.pk)


class CorrectionForm(forms.Form):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=500, required=False)
    warned = forms.IntegerField(widget=forms.HiddenInput, required=False)


class ReverseForm(CorrectionForm):
    date = DayField(label=gettext_lazy("Date of the reversal"))
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        error_messages={"required": gettext_lazy("Say why: it stays in the history.")},
    )
    field_order = ["date", "reason"]


class CorrectionView(EntryDialogView):
    """A correction by another entry. One that falls into another fiscal year is warned of first."""

    crosses: Any = ""  # what that means, about the years %(old)s and %(new)s

    def foresee(self) -> dict[str, Any]:
        """Return the day the correction is offered for, and the year of it that is warned of."""
        if not self.entry.is_posted:
            return {}
        try:
            day = reversal_date(self.entry)
        except ValidationError as error:
            self.warning = " ".join(error.messages)
            return {}
        return {"date": day, "warned": self._year_crossed_into(day)}

    def confirm(self, form: Any, day: datetime.date) -> None:
        """Raise ValidationError (code ``crosses``) where a person has not read the warning yet."""
        crossed = self._year_crossed_into(day)
        if crossed and crossed != form.cleaned_data["warned"]:
            form.data = form.data.copy()
            form.data["warned"] = crossed
            raise ValidationError(_("Read the warning, then confirm."), code="crosses")

    def _year_crossed_into(self, day: datetime.date) -> int | None:
        year = FiscalYear.objects.filter(client=self.client, start__lte=day, end__gte=day).first()
        if year is None or year.pk == self.entry.fiscal_year_id:
            return None
        self.warning = self.crosses % {"old": self.entry.fiscal_year, "new": year}
        return year.pk


class ReverseView(CorrectionView):
    title = gettext_lazy("Reverse this entry?")
    button = gettext_lazy("Reverse entry")
    permission = "ledger.post_journalentry"
    consequence = gettext_lazy("A second entry mirrors it, line by line, and both stay in the books.")
    crosses = gettext_lazy(
        "The entry is in fiscal year %(old)s, its reversal would be in %(new)s: the results of both "
        "years would include it."
    )

    def make_form(self, data: Any = None) -> forms.Form:
        initial = self.foresee() if data is None else {}
        return ReverseForm(data, initial=initial, use_required_attribute=False)

    def act(self, form: Any) -> SafeString:
        day = form.cleaned_data["date"]
        self.confirm(form, day)
        reversal = reverse_entry(
            self.entry, by=self.request.user, date=day, reason=form.cleaned_data["reason"]
        )
        said = _("Reversed by entry %(number)s of %(day)s.") % {
            "number": reversal.number,
            "day": formats.date_format(reversal.date),
        }
        return linked(reversal, said)


class RecodeView(CorrectionView):
    title = gettext_lazy("Recode this line?")
    button = gettext_lazy("Recode line")
    permission = "ledger.recode_journalline"
    crosses = gettext_lazy(
        "The entry is in fiscal year %(old)s, its recoding would be in %(new)s: the figures of %(old)s "
        "would stay as they are."
    )

    @cached_property
    def line(self) -> JournalLine:
        lines = self.entry.lines.select_related("account").filter(pk=min(self.kwargs["line"], 2**63 - 1))
        if (line := lines.first()) is None:
            raise Http404
        return line

    @property
    def consequence(self) -> str:
        return _(
            "A linked entry moves the amount from %(account)s to the account you choose. "
            "This entry and whatever it is matched to stay."
        ) % {"account": self.line.account}

    def make_form(self, data: Any = None) -> forms.Form:
        initial = self.foresee() if data is None else {}
        form = CorrectionForm(data, initial=initial, use_required_attribute=False)
        form.fields = {"account": AccountField(client=self.client, label=_("To account")), **form.fields}
        return form

    def act(self, form: Any) -> SafeString:
        if self.entry.is_posted:
            self.confirm(form, reversal_date(self.entry))
        (moved,) = recode(
            [self.line],
            account=form.cleaned_data["account"],
            by=self.request.user,
            reason=form.cleaned_data["reason"],
        )
        said = _("Recoded to %(account)s by entry %(number)s.") % {
            "account": form.cleaned_data["account"],
            "number": moved.number,
        }
        return linked(moved, said)


class DeleteView(EntryDialogView):
    title = gettext_lazy("Delete this draft?")
    button = gettext_lazy("Delete draft")
    permission = "ledger.delete_journalentry"
    is_danger = True

    @property
    def consequence(self) -> str:
        return _("It is not in the books yet, so nothing of them changes. Its history stays.")

    @property
    def leads_to(self) -> str:
        return book_url(self.client, "entry_new")

    def act(self, form: Any) -> str:
        name = str(self.entry)
        delete_draft(self.entry, by=self.request.user)
        return _("%(entry)s is deleted.") % {"entry": name}


class AnnotateView(EntryDialogView):
    """The notes of a posted entry: what stays open to change, with history, while its facts are fixed."""

    template_name = "ledger/entry_annotate.html"
    title = gettext_lazy("Edit notes")
    permission = "ledger.change_journalentry"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = AnnotationForm(initial={**notes_of(self.entry), "seen": version_of(self.entry)})
        return self._show_both(form, LineAnnotationFormSet(client=self.client, lines=self.lines))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = AnnotationForm(request.POST)
        lines = LineAnnotationFormSet(request.POST, client=self.client, lines=self.lines)
        if form.is_valid() & lines.is_valid():
            try:
                annotate(
                    self.entry,
                    by=request.user,
                    notes=form.notes,
                    line_notes=lines.notes,
                    seen=form.cleaned_data["seen"],
                    reason=form.cleaned_data["reason"],
                )
            except ValidationError as error:
                form.add_error(None, error)
                if getattr(error, "code", "") == "changed":
                    form.data = form.data.copy()
                    form.data["seen"] = version_of(self.entry)
            else:
                messages.success(request, _("The notes are saved."))
                return redirect(self.leads_to)
        return self._show_both(form, lines)

    @cached_property
    def lines(self) -> list[JournalLine]:
        return entries.lines_of(self.entry)

    def _show_both(self, form: forms.Form, lines: LineAnnotationFormSet) -> HttpResponse:
        if not self.entry.is_posted:
            return redirect(self.leads_to)
        return self.render_to_response(self.get_context_data(entry=self.entry, form=form, lines=lines))
