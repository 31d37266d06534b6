"""The form of an entry: its facts, and a grid of lines with a debit and a credit column."""

from collections.abc import Iterable
from decimal import Decimal
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.formsets import BaseFormSet, formset_factory
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from apps.ledger.forms.accounts import AccountField, ContactField, is_id
from apps.ledger.forms.amounts import AmountField, as_typed
from apps.ledger.forms.dates import DayField
from apps.ledger.models import Account, Contact, CostCentre, EntryKind, JournalEntry, JournalLine, TaxCode
from apps.ledger.services import Line
from apps.profiles.codes import currencies, decimal_places
from apps.profiles.models import Client

#: The kinds people enter; all others are made by the software.
KINDS = [EntryKind.MANUAL, EntryKind.ADJUSTING, EntryKind.OPENING]
FACTS = ["date", "kind", "description", "document_number"]
#: The less-used columns of a line, which are opened line by line.
MORE = ["contact", "cost_centre", "tax_code", "tax_base", "due_date", "currency", "foreign_amount", "rate"]
MOST_LINES = 1000
EMPTY_ROWS = 2


class EntryForm(forms.Form):
    """The facts of an entry. ``key`` makes a form that is sent twice one entry; ``seen`` is its version."""

    key = forms.UUIDField(widget=forms.HiddenInput, required=False)
    seen = forms.IntegerField(widget=forms.HiddenInput, required=False)
    date = DayField(label=_("Date"))
    document_number = forms.CharField(label=_("Document no."), max_length=100, required=False)
    description = forms.CharField(label=_("Description"), max_length=500, required=False)
    kind = forms.ChoiceField(label=_("Kind"), choices=[(kind, kind.label) for kind in KINDS])
    reason = forms.CharField(label=_("Reason"), max_length=500, required=False)

    def __init__(self, *args: Any, entry: JournalEntry | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **{"use_required_attribute": False, **kwargs})
        if entry is not None and entry.kind not in KINDS:
            self.fields["kind"].choices = [(entry.kind, entry.get_kind_display())]  # type: ignore[attr-defined]
        for name in ("document_number", "description", "reason"):
            self.fields[name].widget.attrs["autocomplete"] = "off"

    @property
    def facts(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in FACTS}


class NamedField(forms.CharField):
    """One of a client's few classes or tax codes, by its name; code ``unknown``."""

    default_error_messages = {"unknown": _("This client has none named “%(text)s”.")}

    def __init__(self, records: dict[str, Any], suggestions: str, **options: Any) -> None:
        super().__init__(required=False, max_length=220, **options)
        self.records = records
        self.widget.attrs |= {"list": suggestions, "autocomplete": "off"}

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        if (record := self.records.get(text) or self.records.get(text.casefold())) is None:
            params = {"text": text}
            raise ValidationError(self.error_messages["unknown"], code="unknown", params=params)
        return record


class Records:
    """What the lines of a form refer to, of one client, read once for all of them."""

    def __init__(self, client: Client, data: Any = None) -> None:
        self.client = client
        self.data = data or {}

    def account(self, pk: int) -> Account | None:
        return self._accounts.get(pk)

    def contact(self, pk: int) -> Contact | None:
        return self._contacts.get(pk)

    @cached_property
    def cost_centres(self) -> dict[str, CostCentre]:
        return {one.name.casefold(): one for one in CostCentre.objects.filter(client=self.client)}

    @cached_property
    def tax_codes(self) -> dict[str, TaxCode]:
        found = list(TaxCode.objects.filter(client=self.client))
        folded = {name.casefold(): one for one in found for name in (one.code, str(one))}
        return folded | {name: one for one in found for name in (one.code, str(one))}

    @property
    def class_names(self) -> list[str]:
        return [one.name for one in self.cost_centres.values() if one.is_active]

    @property
    def tax_code_names(self) -> list[str]:
        return sorted({str(one) for one in self.tax_codes.values() if one.is_active})

    @cached_property
    def _accounts(self) -> dict[int, Account]:
        return Account.objects.filter(client=self.client).in_bulk(self._ids("-account"))

    @cached_property
    def _contacts(self) -> dict[int, Contact]:
        return Contact.objects.filter(client=self.client).in_bulk(self._ids("-contact"))

    def _ids(self, ending: str) -> list[int]:
        return [int(text) for name, text in self.data.items() if name.endswith(ending) and is_id(text)]


class LineForm(forms.Form):
    """A row of the grid. Its ``line`` has one signed amount; a row with nothing typed is no line."""

    def __init__(self, *args: Any, records: Records, **kwargs: Any) -> None:
        kwargs |= {"empty_permitted": True, "use_required_attribute": False}
        super().__init__(*args, **kwargs)
        client = records.client
        self.base_currency = client.base_currency
        decimals = decimal_places(client.base_currency)
        self.fields |= {
            "id": forms.CharField(required=False, widget=forms.HiddenInput),
            "account": AccountField(client=client, find=records.account),
            "debit": AmountField(decimals=decimals, required=False, label=_("Debit")),
            "credit": AmountField(decimals=decimals, required=False, label=_("Credit")),
            "memo": forms.CharField(max_length=500, required=False, label=_("Memo")),
            "contact": ContactField(client=client, find=records.contact, required=False, label=_("Contact")),
            "cost_centre": NamedField(records.cost_centres, "lf-classes", label=_("Class")),
            "tax_code": NamedField(records.tax_codes, "lf-tax-codes", label=_("Tax code")),
            "tax_base": AmountField(decimals=decimals, required=False, label=_("Tax base")),
            "due_date": DayField(required=False, label=_("Due")),
            "currency": forms.CharField(max_length=3, required=False, label=_("Currency")),
            "foreign_amount": AmountField(decimals=4, required=False, label=_("Foreign amount")),
            "rate": forms.DecimalField(
                max_digits=20, decimal_places=10, required=False, label=_("Rate"), widget=forms.TextInput
            ),
        }
        self.fields["currency"].widget.attrs |= {"list": "lf-currencies", "autocomplete": "off"}
        for name in MORE:
            self.fields[name].widget.attrs["data-more"] = ""
        for name in ("account", "debit", "credit", "memo"):
            self.fields[name].widget.attrs["aria-label"] = str(self.fields[name].label).capitalize()
        self.fields["memo"].widget.attrs["autocomplete"] = "off"

    @property
    def is_blank(self) -> bool:
        """Whether nothing is typed in this row; the id of the line it showed does not count."""
        typed = (field.data for field in self if field.name != "id")
        return not any((" ".join(one) if isinstance(one, tuple) else one or "").strip() for one in typed)

    @property
    def has_more(self) -> bool:
        """Whether one of the less-used columns has something, or something wrong."""
        return any(self[name].value() not in (None, "", ("", "")) or self.errors.get(name) for name in MORE)

    @property
    def more_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in MORE]

    def has_changed(self) -> bool:
        return not self.is_blank

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        data["currency"] = data["currency"].upper()
        self._check_currency(data)
        if self.errors:  # what is wrong is not among the cleaned data any more
            return data
        data["amount"] = self._amount(data)
        if data["tax_base"] is not None:
            if data["tax_code"] is None:
                self.add_error("tax_code", _("A tax base needs a tax code."))
            data["tax_base"] = abs(data["tax_base"]) * (-1 if data["amount"] < 0 else 1)
        return data

    @property
    def line(self) -> Line:
        names = [*Line.__dataclass_fields__]
        return Line(**{name: self.cleaned_data[name] for name in names if name in self.cleaned_data})

    @property
    def pk(self) -> int | None:
        text = self.cleaned_data["id"]
        return int(text) if is_id(text) else None

    def _amount(self, data: dict[str, Any]) -> Decimal:
        """Return the one signed amount, debit positive; where only a foreign one is given, by its rate."""
        debit, credit = data["debit"] or Decimal(0), data["credit"] or Decimal(0)
        foreign, rate = data["foreign_amount"], data["rate"]
        if debit and credit:
            self.add_error("credit", _("A line is either a debit or a credit."))
        if not debit and not credit and foreign and rate:
            return round(foreign * rate, decimal_places(self.base_currency))
        amount = debit - credit
        if foreign is not None:
            data["foreign_amount"] = abs(foreign) * (-1 if amount < 0 or (not amount and foreign < 0) else 1)
        if not amount and not foreign:
            self.add_error("debit", _("Give an amount that is not zero."))
        return amount

    def _check_currency(self, data: dict[str, Any]) -> None:
        """See that currency and foreign amount go together, and go with the account."""
        wanted = data["account"].currency
        if wanted and wanted != self.base_currency and data["currency"] != wanted:
            if data["currency"] or data["foreign_amount"] is None:
                said = _now("%(account)s is kept in %(currency)s: give the amount in %(currency)s, too.")
                where = "currency" if data["currency"] else "foreign_amount"
                self.add_error(where, said % {"account": data["account"], "currency": wanted})
                return
            data["currency"] = wanted
        currency, foreign = data["currency"], data["foreign_amount"]
        if currency and currency == self.base_currency:
            self.add_error("currency", _("The books are kept in this currency: use debit or credit."))
        elif currency and currency not in dict(currencies()):
            self.add_error("currency", _("A currency is three letters, such as EUR."))
        elif currency and foreign is None:
            self.add_error("foreign_amount", _("Give the amount in this currency."))
        elif not currency and (foreign is not None or data["rate"] is not None):
            self.add_error("currency", _("Say which currency this is."))
        elif foreign is not None and foreign != round(foreign, decimals := decimal_places(currency)):
            said = _now("%(currency)s has %(decimals)s decimals.")
            self.add_error("foreign_amount", said % {"currency": currency, "decimals": decimals})
        elif data["rate"] is not None and data["rate"] <= 0:
            self.add_error("rate", _("A rate is a positive number."))


class BaseLineFormSet(BaseFormSet):
    """The rows of the grid, in the order they are shown."""

    default_error_messages = {
        "missing_management_form": _("This form was sent incomplete. Send it again."),
        "too_many_forms": _("An entry typed here has at most %(num)d lines. Import a longer one."),
        "too_few_forms": _("Type at least one line."),
    }

    def __init__(self, *args: Any, client: Client, **kwargs: Any) -> None:
        super().__init__(*args, **{"prefix": "lines", **kwargs})
        self.records = Records(client, self.data)
        self.form_kwargs = {"records": self.records}

    def initial_form_count(self) -> int:
        return 0 if self.is_bound else super().initial_form_count()

    def clean(self) -> None:
        if not any(not form.is_blank for form in self.forms):
            raise ValidationError(_("Type at least one line."), code="empty")

    @property
    def typed(self) -> list[tuple[int | None, Line]]:
        """The lines that were typed, each with the id of the one it replaces."""
        return [(form.pk, form.line) for form in self.forms if not form.is_blank]


LineFormSet: type[BaseLineFormSet] = formset_factory(  # type: ignore[assignment]
    LineForm,
    formset=BaseLineFormSet,
    extra=EMPTY_ROWS,
    max_num=MOST_LINES,
    absolute_max=MOST_LINES + 1,
    validate_max=True,
)


def rows_of(lines: Iterable[JournalLine], *, with_ids: bool = True) -> list[dict[str, Any]]:
    """Return what the grid shows of lines; a copy of them is without their ids."""
    return [
        {
            "id": line.pk if with_ids else "",
            "account": line.account,
            "debit": line.amount if line.amount > 0 else None,
            "credit": -line.amount if line.amount < 0 else None,
            "memo": line.memo,
            "contact": line.contact,
            "cost_centre": line.cost_centre.name if line.cost_centre else "",
            "tax_code": line.tax_code.code if line.tax_code else "",
            "tax_base": abs(line.tax_base) if line.tax_base is not None else None,
            "due_date": line.due_date,
            "currency": line.currency,
            "foreign_amount": _foreign(line),
            "rate": _rate(line),
        }
        for line in lines
    ]


def _foreign(line: JournalLine) -> str:
    if line.foreign_amount is None:
        return ""
    shown = abs(line.foreign_amount) if line.amount else line.foreign_amount  # else nothing shows its side
    return as_typed(shown, decimal_places(line.currency))


def _rate(line: JournalLine) -> str:
    """Return a rate that was given; one the database worked out of the two amounts would outlive them."""
    if line.rate is None or not line.foreign_amount:
        return ""
    worked_out = (line.amount / line.foreign_amount).quantize(line.rate)
    return "" if line.rate == worked_out else f"{line.rate.normalize():f}"


def facts_of(entry: JournalEntry) -> dict[str, Any]:
    """Return what the form shows of an entry's facts."""
    return {name: getattr(entry, name) for name in FACTS}
