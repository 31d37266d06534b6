"""Tables in the files people send: CSV in any dialect, Excel in any of its formats."""

import codecs
import csv
import datetime
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from math import isfinite
from typing import IO, Any, TextIO, cast

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetVisibleEnum

Cell = str | Decimal | datetime.date | bool | None
Row = tuple[int, list[Cell]]

MOST_BYTES = 100 * 2**20
MOST_UNPACKED = 600 * 2**20
MOST_RATIO = 200  # a spreadsheet packs to a tenth or a twentieth; a bomb to a thousandth
LONGEST_CELL = 100_000
CHUNK = 2**20
DELIMITERS = ",;\t|"
PACKED, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")
EMPTY_FORMULA = re.compile(
    rb'<(?:\w+:)?c\b[^>]*\br="([A-Z]+[0-9]+)"[^>]*>\s*<(?:\w+:)?f\b(?:[^>]*/>|[^<]*</(?:\w+:)?f>)'
    rb"\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)


@dataclass
class Table:
    """
    The rows of a file, which can be read as often as one likes and never all at once.

    ``notes`` are sentences about what is not read; ``merged`` are the (first, last) lines of merged cells.
    """

    file: IO[bytes]
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    sheets: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    merged: list[tuple[int, int]] = field(default_factory=list)

    @property
    def is_excel(self) -> bool:
        return bool(self.sheets)

    def rows(self) -> Iterator[Row]:
        """
        Yield (line as a person counts it, cells) of every row that is not empty.

        Cells of a CSV file are texts, trimmed; those of Excel numbers, dates and truth values, too.
        Raises ValidationError (code ``text``) at a line that cannot be read.
        """
        return self._rows_of_excel() if self.is_excel else self._rows_of_csv()

    def head(self, count: int) -> list[Row]:
        return list(islice(self.rows(), count))

    def refuse_merged(self, after: int) -> None:
        """Raise ValidationError (code ``merged``) where cells under the header are merged."""
        for first, last in self.merged:
            if last > after:
                raise ValidationError(
                    _(
                        "Cells of row %(line)s are merged, so it is not clear which rows their value is for. "
                        "Unmerge them."
                    )
                    % {"line": max(first, after + 1)},
                    code="merged",
                )

    def _rows_of_csv(self) -> Iterator[Row]:
        with _text_of(self.file, self.encoding) as text:
            reader = csv.reader(text, delimiter=self.delimiter, strict=True)
            line = 1
            try:
                for cells in reader:
                    trimmed: list[Cell] = [cell.strip() for cell in cells]
                    if any(trimmed) and not (line == 1 and _names_the_delimiter(cells)):
                        yield line, trimmed
                    line = reader.line_num + 1
            except csv.Error as error:
                raise _unreadable_line(line, error) from error
            except UnicodeDecodeError as error:
                raise _no_text() from error

    def _rows_of_excel(self) -> Iterator[Row]:
        with _undamaged():
            sheet = _workbook(self.file).get_sheet_by_name(self.sheet)
            first = (sheet.start or (0, 0))[0]
            for line, cells in enumerate(sheet.iter_rows(), start=first + 1):
                read = [_cell(cell) for cell in cells]
                if any(cell not in (None, "") for cell in read):
                    yield line, read


def open_table(
    file: IO[bytes], *, sheet: str = "", encoding: str = "", delimiter: str = "", most_bytes: int = MOST_BYTES
) -> Table:
    """
    Find out what a seekable file holds, whatever its name ends in; nothing of it is kept in memory.

    ``sheet``, ``encoding`` and ``delimiter`` are taken as given, else found. Raises ValidationError:
    ``empty``, ``too_big``, ``bomb``, ``password``, ``damaged``, ``sheet``, ``formula``, ``page``, ``text``.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > most_bytes:
        raise ValidationError(
            _("The file is larger than %(most)s MB. Split it, by year for example.")
            % {"most": most_bytes // 2**20},
            code="too_big",
        )
    begins = file.read(1024)
    file.seek(0)
    if begins.startswith(PACKED) or begins.startswith(OLE):
        with _undamaged():
            return _open_excel(file, begins, sheet)
    if begins.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"<", b"%PDF", b"{")):
        raise ValidationError(
            _("This is not a table but a web page, a PDF or a program's data. Save it as CSV or Excel."),
            code="page",
        )
    return _open_csv(file, encoding, delimiter)


# --- CSV ---


def _open_csv(file: IO[bytes], encoding: str, delimiter: str) -> Table:
    encoding = encoding or _encoding_of(file)
    try:
        with _text_of(file, encoding) as text:
            sample = text.read(CHUNK // 4)
    except (UnicodeError, LookupError) as error:
        raise _no_text() from error
    if not sample.strip():
        raise ValidationError(_("There is nothing in this file."), code="empty")
    if re.search(r"[\x00-\x08\x0e-\x1f]", sample):
        raise _no_text()
    return Table(file, encoding=encoding, delimiter=delimiter or _delimiter_of(sample))


def _encoding_of(file: IO[bytes]) -> str:
    begins = file.read(4)
    file.seek(0)
    if begins.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    finally:
        file.seek(0)
    return "utf-8-sig"


@contextmanager
def _text_of(file: IO[bytes], encoding: str) -> Iterator[TextIO]:
    """Give a file as text from its beginning, and leave it open."""
    file.seek(0)
    text = io.TextIOWrapper(cast(IO[bytes], _Shared(file)), encoding=encoding, newline="")
    csv.field_size_limit(LONGEST_CELL)
    try:
        yield text
    finally:
        text.detach()


class _Shared(io.BufferedIOBase):
    """A file that a text wrapper may read and not close."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        return self._file.read(-1 if size is None else size)

    def read1(self, size: int = -1) -> bytes:
        return self._file.read(size if size > 0 else CHUNK)


def _delimiter_of(sample: str) -> str:
    """Return the delimiter by which most lines have the same number of cells, and most of them."""
    lines = [line for line in sample.splitlines()[:200] if line.strip()]
    if _names_the_delimiter(lines[:1]):
        return lines[0].strip()[4]
    scores = []
    for delimiter in DELIMITERS:
        try:
            widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter)]
        except csv.Error:
            continue
        width, count = (
            Counter(width for width in widths if width > 1).most_common(1)[0] if max(widths) > 1 else (0, 0)
        )
        scores.append((count * min(width, 30), -DELIMITERS.index(delimiter), delimiter))
    return max(scores)[2] if scores else ","


def _names_the_delimiter(cells: list[Any]) -> bool:
    """Whether a first line only says what Excel is to split at: ``sep=;``."""
    return bool(cells) and re.fullmatch(r"\ufeff?sep=.?\s*", str(cells[0])) is not None


def _unreadable_line(line: int, error: csv.Error) -> ValidationError:
    if "field larger" in str(error):
        return ValidationError(
            _("Line %(line)s has a text of more than %(most)s characters; a quotation mark may be missing.")
            % {"line": line, "most": f"{LONGEST_CELL:,}"},
            code="text",
        )
    return ValidationError(
        _("Line %(line)s cannot be read as CSV: a quotation mark is missing, or there is one too many.")
        % {"line": line},
        code="text",
    )


def _no_text() -> ValidationError:
    return ValidationError(
        _("This file is no readable text. Save it as CSV (UTF-8) or as an Excel file."), code="text"
    )


# --- Excel ---


def _open_excel(file: IO[bytes], begins: bytes, sheet: str) -> Table:
    if begins.startswith(PACKED):
        _refuse_bomb(file)
    elif _is_encrypted(file):
        raise _locked()
    book = _workbook(file)
    visible = [one.name for one in book.sheets_metadata if one.visible == SheetVisibleEnum.Visible]
    hidden = [one.name for one in book.sheets_metadata if one.visible != SheetVisibleEnum.Visible]
    pages = {name: page for name in visible if (page := book.get_sheet_by_name(name)).height}
    if not pages:
        raise ValidationError(_("There is nothing in this file."), code="empty")
    if sheet and sheet not in pages:
        raise ValidationError(
            _("There is no sheet “%(sheet)s” in this file.") % {"sheet": sheet}, code="sheet"
        )
    chosen = sheet or next(iter(pages))
    table = Table(file, sheet=chosen, sheets=list(pages), merged=_merged(pages[chosen]))
    if len(pages) > 1:
        others = ", ".join(name for name in pages if name != chosen)
        table.notes.append(
            _("The sheet “%(sheet)s” is read, these are not: %(others)s.")
            % {"sheet": chosen, "others": others}
        )
    if hidden:
        table.notes.append(_("Hidden sheets are not read: %(names)s.") % {"names": ", ".join(hidden)})
    if begins.startswith(PACKED) and (formulas := _formulas(file)):
        table.notes.append(formulas)
    return table


@contextmanager
def _undamaged() -> Iterator[None]:
    """What an Excel file breaks with, wherever it does, is a sentence."""
    try:
        yield
    except PasswordError as error:
        raise _locked() from error
    except (CalamineError, zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, EOFError) as error:
        raise ValidationError(
            _(
                "This Excel file is damaged, incomplete, or of a kind that cannot be read. Save it again as "
                ".xlsx or as CSV."
            ),
            code="damaged",
        ) from error


def _workbook(file: IO[bytes]) -> CalamineWorkbook:
    file.seek(0)
    return CalamineWorkbook.from_filelike(file)


def _locked() -> ValidationError:
    return ValidationError(
        _("This file is protected by a password. Save a copy without one."), code="password"
    )


def _is_encrypted(file: IO[bytes]) -> bool:
    """Whether an Office container holds an encrypted file, which it names in UTF-16."""
    file.seek(0)
    found, tail = False, b""
    while not found and (chunk := file.read(CHUNK)):
        found = "EncryptedPackage".encode("utf-16-le") in tail + chunk
        tail = chunk[-64:]
    return found


def _refuse_bomb(file: IO[bytes]) -> None:
    with zipfile.ZipFile(file) as packed:
        parts = packed.infolist()
    for part in parts:
        if part.flag_bits & 1:
            raise _locked()
    unpacked, size = sum(part.file_size for part in parts), sum(part.compress_size for part in parts)
    if unpacked > MOST_UNPACKED or unpacked > 10 * 2**20 and unpacked > size * MOST_RATIO:
        raise ValidationError(
            _("This file unpacks to far more than a spreadsheet of its size would, and is not opened."),
            code="bomb",
        )


def _formulas(file: IO[bytes]) -> str:
    """Return a note where cells hold formulas; ValidationError (code ``formula``) where one has no result."""
    has_formulas = False
    with zipfile.ZipFile(file) as packed:
        for part in packed.infolist():
            if not re.fullmatch(r"xl/worksheets/[^/]+\.xml", part.filename):
                continue
            content = packed.read(part)
            if FORMULA.search(content) is None:
                continue
            has_formulas = True
            if empty := EMPTY_FORMULA.search(content):
                raise ValidationError(
                    _(
                        "Cell %(cell)s holds a formula without a result. Open the file in Excel, let it "
                        "calculate, and save it."
                    )
                    % {"cell": empty[1].decode()},
                    code="formula",
                )
    return _("Cells with formulas are read as the results they were saved with.") if has_formulas else ""


def _merged(sheet: CalamineSheet) -> list[tuple[int, int]]:
    return [(start[0] + 1, end[0] + 1) for start, end in sheet.merged_cell_ranges or []]


def _cell(value: Any) -> Cell:
    match value:
        case bool() | None:
            return value
        case int():
            return Decimal(value)
        case float():
            return (
                Decimal(f"{value:.15g}") if isfinite(value) else str(value)
            )  # as many digits as Excel keeps
        case datetime.datetime():
            return value.date()
        case datetime.date():
            return value
        case str():
            return value.strip()
    return str(value)
