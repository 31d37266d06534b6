"""The notes of a posted entry."""

from typing import Any

from django import forms
from django.forms.formsets import BaseFormSet, formset_factory
from django.utils.translation import gettext_lazy as _

from apps.ledger.forms.accounts import ContactField
from apps.ledger.forms.dates import DayField
from apps.ledger.forms.journal import NamedField, Records
from apps.ledger.models import JournalEntry, JournalLine, Review
from apps.ledger.services.annotations import NOTES
from apps.profiles.models import Client


class AnnotationForm(forms.Form):
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    description = forms.CharField(label=_("Description"), max_length=500, required=False)
    document_number = forms.CharField(label=_("Document no."), max_length=100, required=False)
    document_date = DayField(label=_("Document date"), required=False)
    review = forms.ChoiceField(label=_("Review"), choices=Review.choices, required=False)
    review_note = forms.CharField(
        label=_("Note or question"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    reason = forms.CharField(label=_("Reason for the change"), max_length=500, required=False)

    @property
    def notes(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in NOTES}


class LineAnnotationForm(forms.Form):
    def __init__(self, *args: Any, records: Records, line: JournalLine, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.line = line
        client = records.client
        self.fields |= {
            "memo": forms.CharField(label=_("Memo"), max_length=500, required=False),
            "contact": ContactField(client=client, find=records.contact, required=False),
            "cost_centre": NamedField(records.cost_centres, "lf-classes", label=_("Class")),
            "due_date": DayField(label=_("Due"), required=False),
        }
        for field in self.fields.values():
            field.widget.attrs |= {"aria-label": str(field.label).capitalize(), "autocomplete": "off"}


class BaseLineAnnotationFormSet(BaseFormSet):
    """A row for each line of the entry, in its order."""

    def __init__(self, data: Any = None, *, client: Client, lines: list[JournalLine]) -> None:
        self.lines, self.records = lines, Records(client, data)
        initial = [
            {
                "memo": line.memo,
                "contact": line.contact,
                "cost_centre": line.cost_centre.name if line.cost_centre else "",
                "due_date": line.due_date,
            }
            for line in lines
        ]
        super().__init__(data, prefix="lines", initial=initial)

    def total_form_count(self) -> int:
        return len(self.lines)

    def initial_form_count(self) -> int:
        return len(self.lines)

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        return {"records": self.records, "line": self.lines[index or 0]}

    @property
    def notes(self) -> dict[int, dict[str, Any]]:
        """What was typed, by the id of the line."""
        return {form.line.pk: form.cleaned_data for form in self.forms}


LineAnnotationFormSet: type[BaseLineAnnotationFormSet] = formset_factory(  # type: ignore[assignment]
    LineAnnotationForm, formset=BaseLineAnnotationFormSet, extra=0
)


def notes_of(entry: JournalEntry) -> dict[str, Any]:
    """Return what the form shows of an entry."""
    return {name: getattr(entry, name) for name in NOTES}
