"""How a file of journal entries is read, as a form: what each column holds, and the choices beside it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.core.tables.reading import DELIMITERS, Row, Table
from apps.core.tables.values import DATE_FORMATS
from apps.ledger.forms.dates import DayField
from apps.ledger.importing.accounts import OPENS
from apps.ledger.importing.fields import FIELDS
from apps.ledger.importing.mapping import Grouping, Header, JournalFormat
from apps.ledger.models import AccountKind, EntryKind

MOST_VALUES = 3
ENCODINGS = [
    ("utf-8-sig", "UTF-8"),
    ("utf-16", "UTF-16"),
    ("cp1252", _("Windows, Western European")),
    ("cp1250", _("Windows, Central European")),
    ("mac_roman", "Mac"),
]
NAMES_OF_DELIMITERS = {",": _("Comma"), ";": _("Semicolon"), "\t": _("Tab"), "|": _("Bar")}
YEAR_STARTS = [
    ("01-01", _("1 January")),
    ("04-01", _("1 April")),
    ("04-06", _("6 April")),
    ("07-01", _("1 July")),
    ("10-01", _("1 October")),
    *(
        (f"{month:02}-01", name)
        for month, name in [
            (2, _("1 February")),
            (3, _("1 March")),
            (5, _("1 May")),
            (6, _("1 June")),
            (8, _("1 August")),
            (9, _("1 September")),
            (11, _("1 November")),
            (12, _("1 December")),
        ]
    ),
]
KINDS = [EntryKind.MANUAL, EntryKind.OPENING, EntryKind.ADJUSTING, EntryKind.BANK]


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx,.xls,.xlsm,.ods"}),
    )
    is_opening = forms.BooleanField(
        label=_("These are opening balances: the whole file is one entry"), required=False
    )


class FormatForm(forms.Form):
    """
    Fields ``column_0`` and so on say what each column holds; ``kind_0`` and ``code_0`` decide on an account
    that the chart does not have.
    """

    grouping = forms.ChoiceField(label=_("Lines of one entry have in common"), choices=Grouping.choices)
    date_format = forms.ChoiceField(label=_("Dates are written"))
    decimal_mark = forms.ChoiceField(
        label=_("Decimal mark"), choices=[(".", _("Point: 1,234.56")), (",", _("Comma: 1.234,56"))]
    )
    credit_is_positive = forms.BooleanField(label=_("Amounts without a minus are credits"), required=False)
    kind = forms.ChoiceField(label=_("Kind of entry"), choices=[(one.value, one.label) for one in KINDS])
    date = DayField(label=_("Date, where the file has none"), required=False)
    only_column = forms.ChoiceField(label=_("Only rows where"), required=False)
    only_value = forms.CharField(label=_("says"), required=False, max_length=200)
    year_start = forms.ChoiceField(label=_("Fiscal years begin on"), choices=YEAR_STARTS)
    opens_years = forms.BooleanField(label=_("Open the fiscal years that are missing"), required=False)
    header_line = forms.IntegerField(label=_("Names of the columns are on line"), min_value=1, max_value=1000)
    sheet = forms.ChoiceField(label=_("Sheet"), required=False)
    encoding = forms.ChoiceField(
        label=_("Characters"), required=False, choices=[("", _("Find out")), *ENCODINGS]
    )
    delimiter = forms.ChoiceField(
        label=_("Between columns"),
        required=False,
        choices=[("", _("Find out")), *((one, NAMES_OF_DELIMITERS[one]) for one in DELIMITERS)],
    )
    posts = forms.TypedChoiceField(
        label=_("The entries are"),
        choices=[("", _("left as drafts")), ("1", _("posted"))],
        widget=forms.RadioSelect,
        coerce=bool,
        empty_value=False,  # type: ignore[arg-type]
        required=False,
    )
    reason = forms.CharField(label=_("Reason, where a period is soft-closed"), required=False, max_length=500)

    def __init__(
        self,
        data: Any = None,
        *,
        table: Table,
        header: Header,
        read_as: JournalFormat,
        date_formats: Sequence[str],
        accounts: Sequence[dict[str, Any]] = (),
        may_post: bool = False,
    ) -> None:
        super().__init__(data, initial=self._initial(read_as), use_required_attribute=False)
        self.header, self.read_as, self.accounts = header, read_as, accounts
        self.is_day_in_doubt = {"%d/%m/%Y", "%m/%d/%Y"} <= set(date_formats)
        self._offer("date_format", _date_choices(date_formats, read_as.date_format))
        self._offer("only_column", [("", _("– all rows –")), *((name, name) for name in header.names)])
        if table.is_excel:
            self._offer("sheet", [(name, name) for name in table.sheets])
            del self.fields["encoding"], self.fields["delimiter"]
        else:
            del self.fields["sheet"]
        if not may_post:
            del self.fields["posts"]
        held = {column: name for name, column in read_as.columns.items()}
        choices = [("", _("– not read –")), *((field.name, field.label) for field in FIELDS)]
        for place, name in enumerate(header.names):
            self.fields[f"column_{place}"] = forms.ChoiceField(
                label=name, choices=choices, required=False, initial=held.get(name, "")
            )
        kinds = [("", "–"), *((OPENS + value, label) for value, label in AccountKind.choices)]
        for place, account in enumerate(accounts):
            self.fields[f"kind_{place}"] = forms.ChoiceField(
                label=_("A new account"), choices=kinds, required=False, initial=account["decision"]
            )
            self.fields[f"code_{place}"] = forms.CharField(
                label=_("The account of the chart"),
                required=False,
                max_length=60,
                widget=forms.TextInput(attrs={"list": "accounts", "autocomplete": "off"}),
            )

    def _offer(self, name: str, choices: list[tuple[str, Any]]) -> None:
        field: Any = self.fields[name]
        field.choices = choices

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        columns: dict[str, str] = {}
        for place, name in enumerate(self.header.names):
            field = cleaned.get(f"column_{place}")
            if field in columns:
                self.add_error(
                    f"column_{place}",
                    ValidationError(_("“%(column)s” holds that already.") % {"column": columns[field]}),
                )
            elif field:
                columns[field] = name
        cleaned["columns"] = columns
        return cleaned

    @property
    def result(self) -> JournalFormat:
        """How the file is to be read now; what the form does not show stays as it was."""
        given = {
            name: value
            for name, value in self.cleaned_data.items()
            if name in JournalFormat.__dataclass_fields__
        }
        given["date"] = given["date"].isoformat() if given.get("date") else ""
        accounts = dict(self.read_as.accounts)
        for place, account in enumerate(self.accounts):
            decision = self.cleaned_data[f"code_{place}"] or self.cleaned_data[f"kind_{place}"]
            accounts[account["text"]] = decision
        return replace(self.read_as, **given, accounts={text: one for text, one in accounts.items() if one})

    # --- what a page shows of it ---

    def columns_with(self, sample: list[Row]) -> list[tuple[forms.BoundField, list[str]]]:
        """Return each column's field, with the first values it has."""
        return [
            (self[f"column_{place}"], _first_values(sample, place)) for place in range(len(self.header.names))
        ]

    def accounts_to_decide(self) -> list[tuple[dict[str, Any], forms.BoundField, forms.BoundField]]:
        return [
            (account, self[f"kind_{place}"], self[f"code_{place}"])
            for place, account in enumerate(self.accounts)
        ]

    def fields_of_format(self) -> list[forms.BoundField]:
        """The choices that are neither a column nor an account, nor what is done with the entries."""
        shown = [name for name in type(self).base_fields if name != "posts" and name in self.fields]
        return [self[name] for name in shown]

    def _initial(self, read_as: JournalFormat) -> dict[str, Any]:
        return read_as.as_json() | {"posts": "1" if read_as.posts else ""}


def _date_choices(fitting: Sequence[str], chosen: str) -> list[tuple[str, str]]:
    """The formats that fit the file first, and all others under them."""
    names = {one: name for name, one in DATE_FORMATS.items()}
    first = dict.fromkeys([*fitting, chosen])
    return [(one, names.get(one, one)) for one in dict.fromkeys([*first, *names])]


def _first_values(sample: list[Row], place: int) -> list[str]:
    values = (
        str(cells[place]) for _line, cells in sample if place < len(cells) and cells[place] not in ("", None)
    )
    return [value[:40] for value in dict.fromkeys(values)][:MOST_VALUES]
