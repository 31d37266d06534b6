"""Tables as files: CSV for programs, however long, and Excel for people."""

import csv
import datetime
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

Value = str | int | Decimal | datetime.date | bool | None
MOST_EXCEL_ROWS = 50_000  # that a person could read
EXCELS_OWN_LIMIT = 1_048_576 - 10
CHUNK = 64 * 1024
ILLEGAL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # in XML, and so in Excel files
#: A text that begins with one of these is a formula to a spreadsheet, whoever wrote it.
BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Column:
    """A column of a file: its title, and whether it holds text, dates, numbers or amounts of money."""

    title: str
    kind: str = "text"
    decimals: int = 2
    is_signed: bool = False

    @property
    def header(self) -> str:
        """The title in a file, where a balance has a sign instead of the side it stands on."""
        return _("%(title)s (debit +)") % {"title": self.title} if self.is_signed else self.title

    @property
    def width(self) -> int:
        widths = {
            "text": 32,
            "code": 12,
            "date": 12,
            "time": 18,
            "number": 10,
            "percent": 10,
            "amount": 16,
            "decimal": 16,
        }
        return widths[self.kind]

    @property
    def number_format(self) -> str:
        if self.kind in ("date", "time"):
            return "yyyy-mm-dd" if self.kind == "date" else "yyyy-mm-dd hh:mm:ss"
        places = "." + "0" * self.decimals if self.decimals else ""
        return f"#,##0{places};[Red]-#,##0{places}" if self.kind == "amount" else "General"


@dataclass(frozen=True)
class Sheet:
    """A report as rows of values, and the facts that belong above them: client, time, basis, when made."""

    title: str
    facts: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    rows: Iterable[Sequence[Value]]
    bold: set[int] = field(default_factory=set)
    has_head: bool = True


def csv_lines(sheet: Sheet) -> Iterator[str]:
    """Yield some lines at a time: a header and rows, nothing else, so that any program reads it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow([column.header for column in sheet.columns])
    for row in sheet.rows:
        writer.writerow([_plain(value, column) for value, column in zip(row, sheet.columns, strict=True)])
        if text.tell() > CHUNK:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def write_excel(sheet: Sheet, *, is_for_people: bool = True) -> IO[bytes]:
    """
    Write an Excel file and return it, open at its beginning: the facts, a header that stays, the rows.

    Raises ValidationError (code ``too_long``) for more rows than a person could read; a file that is for no
    person's eyes is written row by row, and whoever asks for it minds EXCELS_OWN_LIMIT.
    """
    rows = _readable(sheet.rows) if is_for_people else sheet.rows
    from openpyxl import Workbook  # only whoever writes such a file waits for it to be loaded
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    page = book.create_sheet(_sheet_name(sheet.title))
    head: list[Sequence[str]] = [[sheet.title], *sheet.facts, []] if sheet.has_head else []
    page.freeze_panes = f"A{len(head) + 2}"
    page.print_title_rows = f"{len(head) + 1}:{len(head) + 1}"
    page.page_setup.orientation = "landscape" if len(sheet.columns) > 6 else "portrait"
    page.page_setup.fitToHeight = 0
    page.sheet_properties.pageSetUpPr.fitToPage = True
    for index, column in enumerate(sheet.columns, start=1):
        page.column_dimensions[get_column_letter(index)].width = column.width
    for row in head:
        page.append([_bold(page, text) if row is head[0] else _excel(text) for text in row])
    page.append([_heading(page, column) for column in sheet.columns])
    # Each row is written as it is added, so one set of cells serves them all: making them is what costs.
    plain, bold = (
        [_formatted(page, column, is_bold) for column in sheet.columns] for is_bold in (False, True)
    )
    for number, values in enumerate(rows):
        cells = bold if number in sheet.bold else plain
        for cell, value in zip(cells, values, strict=True):
            cell.value = _excel(value)
        page.append(cells)
    file = TemporaryFile()  # noqa: SIM115  (the response closes it)
    book.save(file)
    file.seek(0)
    return file


def _readable(rows: Iterable[Sequence[Value]]) -> list[Sequence[Value]]:
    first = list(islice(rows, MOST_EXCEL_ROWS + 1))
    if len(first) > MOST_EXCEL_ROWS:
        raise ValidationError(
            _("This has more than %(most)s rows: take the CSV file, or a shorter time.")
            % {"most": f"{MOST_EXCEL_ROWS:,}"},
            code="too_long",
        )
    return first


def harmless(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; all others are returned as they are."""
    return f"'{text}" if text.lstrip("'").startswith(BEGINS_A_FORMULA) else text


def unharmed(text: str) -> str:
    """Return a text as it was before ``harmless``."""
    is_marked = text.startswith("'") and text.lstrip("'").startswith(BEGINS_A_FORMULA)
    return text[1:] if is_marked else text


def _plain(value: Value, column: Column) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return (
                f"{value:f}" if column.kind == "decimal" else f"{value + 0:.{column.decimals}f}"
            )  # no -0.00
        case datetime.date():
            return value.isoformat()
        case int():
            return str(value)
    return harmless(value)


def _excel(value: Value) -> Value:
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None)
    return harmless(ILLEGAL_CHARACTERS.sub("", value)) if isinstance(value, str) else value


def _formatted(page: Any, column: Column, is_bold: bool) -> Any:
    from openpyxl.cell import WriteOnlyCell

    cell = _bold(page) if is_bold else WriteOnlyCell(page)
    cell.number_format = column.number_format
    return cell


def _bold(page: Any, text: str = "") -> Any:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    cell = WriteOnlyCell(page, _excel(text))
    cell.font = Font(bold=True)
    return cell


def _heading(page: Any, column: Column) -> Any:
    from openpyxl.styles import Alignment

    cell = _bold(page, column.header)
    cell.alignment = Alignment(horizontal="right" if column.kind == "amount" else "left", wrap_text=True)
    return cell


def _sheet_name(title: str) -> str:
    return "".join(" " if letter in r"[]:*?/\'" else letter for letter in title)[:31]
