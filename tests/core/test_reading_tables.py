"""Files that people send: what is read of them, and what is said of those that cannot be."""

import io
import zipfile
from datetime import date, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from apps.core.tables.reading import MOST_BYTES, open_table
from apps.core.tables.values import amount_of, date_formats_of, date_of, decimal_mark_of
from apps.core.tables.writing import BEGINS_A_FORMULA, harmless, unharmed


def csv_file(text, encoding="utf-8"):
    return io.BytesIO(text.encode(encoding))


def excel_file(*rows, hidden=(), merge="", more=()):
    book = Workbook()
    page = book.active
    page.title = "Books"
    for row in rows:
        page.append(row)
    if merge:
        page.merge_cells(merge)
    for name in more:
        book.create_sheet(name).append(["x"])
    for name in hidden:
        sheet = book.create_sheet(name)
        sheet.append(["secret"])
        sheet.sheet_state = "hidden"
    file = io.BytesIO()
    book.save(file)
    return file


def code_of(file, **options):
    with pytest.raises(ValidationError) as caught:
        list(open_table(file, **options).rows())
    assert caught.value.messages[0].endswith((".", ")")), caught.value
    return caught.value.code


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_any_dialect_of_csv_is_read_as_it_was_meant(delimiter, encoding):
    rows = [["date", "text", "amount"], ["31.12.2026", "Größe – 5 €", "-1.234,56"], ["x", "a, b; c", "1,5"]]
    text = "\r\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    table = open_table(csv_file(text, encoding))
    assert (table.delimiter, [cells for _line, cells in table.rows()]) == (delimiter, rows)
    assert list(table.rows()) == list(table.rows())


def test_lines_are_counted_as_an_editor_counts_them():
    table = open_table(csv_file('a,b\n\n"two\nlines",2\n,\n3,4\n'))
    assert list(table.rows()) == [(1, ["a", "b"]), (3, ["two\nlines", "2"]), (6, ["3", "4"])]


def test_the_line_that_names_the_delimiter_is_no_row():
    assert list(open_table(csv_file("sep=;\na;b\n1,5;2\n")).rows()) == [(2, ["a", "b"]), (3, ["1,5", "2"])]


def test_excel_gives_numbers_and_days_as_such():
    table = open_table(excel_file(["date", "amount"], [datetime(2026, 1, 31), 0.1 + 0.2], [None, 12]))
    assert list(table.rows()) == [
        (1, ["date", "amount"]),
        (2, [date(2026, 1, 31), Decimal("0.3")]),
        (3, ["", Decimal(12)]),
    ]


def test_what_is_not_read_of_an_excel_file_is_said():
    table = open_table(excel_file(["a"], more=["Notes"], hidden=["Old"]))
    assert table.notes == [
        "The sheet “Books” is read, these are not: Notes.",
        "Hidden sheets are not read: Old.",
    ]
    assert [
        cells for _line, cells in open_table(excel_file(["a"], more=["Notes"]), sheet="Notes").rows()
    ] == [["x"]]


def test_merged_cells_matter_only_under_the_header():
    table = open_table(excel_file(["Journal", None], ["a", "b"], ["1", "2"], merge="A1:B1"))
    table.refuse_merged(after=2)
    table = open_table(excel_file(["a", "b"], ["1", "2"], [None, "3"], merge="A2:A3"))
    with pytest.raises(ValidationError, match="row 2 are merged") as caught:
        table.refuse_merged(after=1)
    assert caught.value.code == "merged"


def test_formulas_are_read_as_their_results_and_refused_without_one():
    assert code_of(excel_file(["a"], ["=1+1"])) == "formula"
    file = excel_file(["a"], ["=1+1"])
    calculated = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(calculated, "w") as new:
        for part in old.infolist():
            content = old.read(part)
            new.writestr(
                part.filename, content.replace(b"<v></v>", b"<v>2</v>").replace(b"<v />", b"<v>2</v>")
            )
    table = open_table(calculated)
    assert [cells for _line, cells in table.rows()] == [["a"], [Decimal(2)]]
    assert table.notes == ["Cells with formulas are read as the results they were saved with."]


def bomb():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"0" * 50 * 2**20)
    return file


def password_protected():
    return io.BytesIO(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000) + "EncryptedPackage".encode("utf-16-le")
    )


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (io.BytesIO(b""), "empty"),
        (io.BytesIO(b" \n \n"), "empty"),
        (io.BytesIO(b"\x00\x01\x02 no text"), "text"),
        (io.BytesIO(b'a,b\n1,"never closed\n2,3\n'), "text"),
        (io.BytesIO(b'a,b\n1,"' + b"x" * 200_000 + b'"\n'), "text"),
        (io.BytesIO(b"<html><table>"), "page"),
        (io.BytesIO(b"%PDF-1.7"), "page"),
        (io.BytesIO(b"PK\x03\x04 cut off"), "damaged"),
        (io.BytesIO(b"\xd0\xcf\x11\xe0" + bytes(600)), "damaged"),
        (password_protected(), "password"),
        (bomb(), "bomb"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(file, code):
    assert code_of(file) == code


def test_a_huge_file_is_refused_before_it_is_read():
    class Huge(io.BytesIO):
        def seek(self, offset, whence=0):
            return 3 * MOST_BYTES if whence == io.SEEK_END else super().seek(offset, whence)

        def read(self, *size):
            raise AssertionError("read")

    assert code_of(Huge()) == "too_big"


@pytest.mark.parametrize(
    ("text", "mark", "amount"),
    [
        ("1234.5", ".", "1234.5"),
        ("1,234.56", ".", "1234.56"),
        ("12,34,567.00", ".", "1234567"),
        ("1.234,56", ",", "1234.56"),
        ("1'234.50", ".", "1234.5"),
        ("1 234,50", ",", "1234.5"),
        ("(12.00)", ".", "-12"),
        ("12.00-", ".", "-12"),
        ("−5", ".", "-5"),
        ("$ 1,000", ".", "1000"),
        ("-$5.00", ".", "-5"),
        ("EUR 5,00", ",", "5"),
        (".5", ".", "0.5"),
        ("", ".", None),
        ("-", ".", None),
    ],
)
def test_amounts_are_read_as_they_are_written_here_and_elsewhere(text, mark, amount):
    assert amount_of(text, mark) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize(
    "text", ["abc", "1.2.3", "NaN", "Infinity", "1e5", "12,34", "1,2345.00", "--5", "()", "٣"]
)
def test_what_is_no_amount_is_said(text):
    with pytest.raises(ValueError, match="is no amount"):
        amount_of(text, ".")


def test_the_other_decimal_mark_is_named():
    with pytest.raises(ValueError, match="“1.234,56” is no amount with a decimal point"):
        amount_of("1.234,56", ".")


def test_the_decimal_mark_of_a_column_is_found():
    assert decimal_mark_of(["1.234", "12,50"]) == ","
    assert decimal_mark_of(["1,234", "12.50"]) == "."
    assert decimal_mark_of(["1,234"]) == "."


def test_days_that_are_none_are_said():
    with pytest.raises(ValueError, match="There is no day 31/02/2026"):
        date_of("31/02/2026", "%d/%m/%Y")
    with pytest.raises(ValueError, match="is no date such as 2026-12-31"):
        date_of("soon")
    with pytest.raises(ValueError, match="outside the years"):
        date_of("0026-01-01")


def test_the_format_of_dates_is_found_and_a_doubt_is_shown():
    assert date_formats_of(["31/12/2026", "01/02/2026"]) == ["%d/%m/%Y"]
    assert date_formats_of(["01/02/2026"]) == ["%d/%m/%Y", "%m/%d/%Y"]
    assert date_formats_of(["2026-01-31 10:00:00"]) == ["%Y-%m-%d"]


@given(st.binary(max_size=500))
def test_any_bytes_are_a_table_or_a_sentence(content):
    try:
        table = open_table(io.BytesIO(content))
        rows = list(table.rows())
    except ValidationError:
        return
    assert list(table.rows()) == rows


@given(st.text(max_size=30), st.sampled_from(".,"))
def test_any_text_is_an_amount_or_a_sentence(text, mark):
    try:
        amount = amount_of(text, mark)
    except ValueError:
        return
    assert amount is None or amount.is_finite()


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_what_is_written_is_read(amount):
    assert amount_of(f"{amount:,.2f}") == amount
    german = f"{amount:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".")
    assert amount_of(german, ",") == amount


@given(st.text(st.sampled_from("'=+-@ab\t"), max_size=6))
def test_what_is_made_harmless_is_read_as_it_was(text):
    assert unharmed(harmless(text)) == text
    assert not harmless(text).startswith(BEGINS_A_FORMULA)
