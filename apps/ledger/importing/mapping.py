"""How a file is read: which column holds what, how dates and amounts are written, what makes an entry."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.tables.reading import Cell, Row, Table
from apps.core.tables.values import DATE_FORMATS, date_formats_of, decimal_mark_of
from apps.ledger.importing.fields import guess_columns, plain
from apps.ledger.models import EntryKind

MOST_ROWS_BEFORE_HEADER = 40
SAMPLE = 300
MOST_COLUMNS = 200
AMOUNTS = ("debit", "credit", "amount", "foreign_amount", "tax_base")
DATES = ("date", "document_date", "due_date")


class Grouping(models.TextChoices):
    """What the lines of one entry have in common."""

    REFERENCE = "reference", gettext_lazy("The same reference")
    REFERENCE_AND_DATE = "reference_and_date", gettext_lazy("The same reference and date")
    BLANK = "blank", gettext_lazy("Only the first line names the entry, those under it do not")
    BALANCE = "balance", gettext_lazy("Lines follow each other until they balance")
    WHOLE = "whole", gettext_lazy("The whole file is one entry")


@dataclass(frozen=True)
class JournalFormat:
    """
    How one file is read. ``columns`` has a header of the file for each field that it has.

    ``accounts`` decides on accounts that are not in the chart, by what the file calls them: a code of the
    chart, or ``=kind`` to open one. ``only_column`` and ``only_value`` narrow the file to some of its rows.
    ``kind`` and ``date`` are those of entries whose rows name none. ``credit_is_positive`` is for files whose
    amounts have the other sign.
    """

    columns: dict[str, str] = field(default_factory=dict)
    header_line: int = 1
    sheet: str = ""
    encoding: str = ""
    delimiter: str = ""
    date_format: str = "%Y-%m-%d"
    decimal_mark: str = "."
    grouping: str = Grouping.REFERENCE
    credit_is_positive: bool = False
    only_column: str = ""
    only_value: str = ""
    date: str = ""
    kind: str = EntryKind.MANUAL
    accounts: dict[str, str] = field(default_factory=dict)
    opens_years: bool = True
    year_start: str = "01-01"
    posts: bool = False
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "JournalFormat":
        known = {one.name for one in fields(cls)}
        return cls(**{name: value for name, value in stored.items() if name in known})

    def to_remember(self) -> dict[str, Any]:
        """What of it the next file of the same kind is read by: not where its header stood, nor its day."""
        left_out = {"header_line": 1, "date": "", "reason": "", "sheet": "", "encoding": "", "delimiter": ""}
        return replace(self, **left_out).as_json()  # type: ignore[arg-type]

    def missing(self) -> list[str]:
        """Return what has to be said before anything can be read, as sentences."""
        said = []
        if "account" not in self.columns:
            said.append(_("Choose the column that holds the account."))
        if "date" not in self.columns and not self.date:
            said.append(_("Choose the column that holds the date, or a day for all."))
        if "amount" not in self.columns and not {"debit", "credit"} <= self.columns.keys():
            said.append(_("Choose the column of the amount, or those of debit and credit."))
        by_reference = self.grouping in (Grouping.REFERENCE, Grouping.REFERENCE_AND_DATE)
        if by_reference and not {"reference", "entry_id"} & self.columns.keys():
            said.append(
                _("Choose the column of the entry's reference, or say how else lines belong together.")
            )
        return said


@dataclass(frozen=True)
class Header:
    """The row of a file that names its columns, each with a name of its own."""

    line: int
    names: list[str]

    @property
    def signature(self) -> str:
        """By which the same kind of file is known again."""
        return hashlib.sha256(json.dumps([plain(name) for name in self.names]).encode()).hexdigest()

    def index(self, name: str) -> int | None:
        return self.names.index(name) if name in self.names else None


def header_at(table: Table, line: int) -> Header | None:
    """Return the header that stands on a line, if there is a row on it."""
    rows = table.head(MOST_ROWS_BEFORE_HEADER)
    return next((Header(number, _names(cells)) for number, cells in rows if number == line), None)


def find_header(table: Table) -> Header:
    """
    Return the row that seems to name the columns: the one with most names that are known.

    Reports have some lines above it. Raises ValidationError (code ``columns``) where no row could be it.
    """
    rows = [(line, cells) for line, cells in table.head(MOST_ROWS_BEFORE_HEADER) if _texts(cells) >= 2]
    if not rows:
        raise ValidationError(
            _("This file has a single column. Is it a table, and what stands between its columns?"),
            code="columns",
        )
    if max(len(cells) for _line, cells in rows) > MOST_COLUMNS:
        raise ValidationError(
            _("This file has more than %(most)s columns: it is no journal.") % {"most": MOST_COLUMNS},
            code="columns",
        )
    best = max(rows, key=lambda row: (len(guess_columns(_names(row[1]))), -row[0]))
    if not guess_columns(_names(best[1])):
        best = rows[0]
    return Header(best[0], _names(best[1]))


def guess_format(table: Table, header: Header, remembered: Mapping[str, Any] | None = None) -> JournalFormat:
    """Return how a file seems to be read: as the last one with these columns, else by names and contents."""
    sample = _sample(table, header)
    if remembered is not None:
        known = JournalFormat.from_json(remembered)
        known = replace(known, columns={k: v for k, v in known.columns.items() if v in header.names})
    else:
        known = JournalFormat(columns=guess_columns(_filled(sample, header) or header.names))
    known = replace(known, header_line=header.line, sheet=table.sheet)
    known = replace(
        known,
        encoding=table.encoding,
        delimiter=table.delimiter,
        decimal_mark=decimal_mark_of(_cells(sample, header, known, AMOUNTS)),
        date_format=_date_format(_cells(sample, header, known, DATES), known.date_format),
    )
    return known if remembered is not None else replace(known, grouping=_grouping(sample, header, known))


def date_choices(table: Table, header: Header, chosen: JournalFormat) -> list[str]:
    """Return the formats the file's dates can be read by, the likeliest first."""
    return date_formats_of(_cells(_sample(table, header), header, chosen, DATES))


def _date_format(cells: Iterable[Cell], known: str) -> str:
    fits = date_formats_of(cells)
    return known if known in fits or not fits else fits[0]


def _grouping(sample: list[Row], header: Header, known: JournalFormat) -> str:
    if "entry_id" in known.columns:
        return Grouping.REFERENCE
    named = "reference" if "reference" in known.columns else "date"
    cells = list(_cells(sample, header, known, [named]))
    blanks = sum(cell in (None, "") for cell in cells)
    if blanks and blanks < len(cells):
        return Grouping.BLANK
    if "reference" in known.columns:
        return Grouping.REFERENCE
    return Grouping.BALANCE if "date" in known.columns else Grouping.WHOLE


def _sample(table: Table, header: Header) -> list[Row]:
    return [row for row in table.head(header.line + SAMPLE) if row[0] > header.line]


def _cells(sample: list[Row], header: Header, known: JournalFormat, names: Iterable[str]) -> Iterator[Cell]:
    places = [header.index(known.columns[name]) for name in names if name in known.columns]
    for _line, cells in sample:
        for place in places:
            if place is not None and place < len(cells):
                yield cells[place]


def _filled(sample: list[Row], header: Header) -> list[str]:
    """Return the names of the columns that hold something: an empty one is not what it is called."""
    return [
        name
        for place, name in enumerate(header.names)
        if any(place < len(cells) and cells[place] not in (None, "") for _line, cells in sample)
    ]


def _texts(cells: list[Cell]) -> int:
    return sum(isinstance(cell, str) and bool(cell) for cell in cells)


def _names(cells: list[Cell]) -> list[str]:
    """Return a name for each column: its own, or its place; the second of two equal ones is numbered."""
    names: list[str] = []
    for place, cell in enumerate(cells, start=1):
        name = (
            " ".join(str(cell).split())[:100]
            if cell not in (None, "")
            else _("Column %(place)s") % {"place": place}
        )
        count = 2
        unique = name
        while unique in names:
            unique, count = f"{name} ({count})", count + 1
        names.append(unique)
    return names


def label_of_date_format(date_format: str) -> str:
    return next((name for name, one in DATE_FORMATS.items() if one == date_format), date_format)
