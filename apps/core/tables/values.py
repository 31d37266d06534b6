"""Amounts and dates as people and programs of many countries write them."""

import datetime
import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from django.utils.translation import gettext as _

from apps.core.tables.reading import Cell

PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
MINUS = str.maketrans(
    {"\u2212": "-", "\u2012": "-", "\u2013": "-", "\u00a0": " ", "\u202f": " ", "\u2019": "'"}
)
AMOUNT = {
    ".": re.compile(r"([0-9]+|[0-9]{1,3}([, '][0-9]{2,3})*[, '][0-9]{3})?(\.[0-9]*)?", re.ASCII),
    ",": re.compile(r"([0-9]+|[0-9]{1,3}([. '][0-9]{3})+)?(,[0-9]*)?", re.ASCII),
}
AROUND = re.compile(r"^[A-Z]{3}\s*|\s*[A-Z]{3}$|[$€£¥₹₣]")

#: How dates are written, by the name people choose them by.
DATE_FORMATS = {
    "2026-12-31": "%Y-%m-%d",
    "31/12/2026": "%d/%m/%Y",
    "12/31/2026": "%m/%d/%Y",
    "31.12.2026": "%d.%m.%Y",
    "31-12-2026": "%d-%m-%Y",
    "12-31-2026": "%m-%d-%Y",
    "2026/12/31": "%Y/%m/%d",
    "20261231": "%Y%m%d",
    "31/12/26": "%d/%m/%y",
    "12/31/26": "%m/%d/%y",
    "31.12.26": "%d.%m.%y",
    "31 Dec 2026": "%d %b %Y",
    "31 December 2026": "%d %B %Y",
    "Dec 31, 2026": "%b %d, %Y",
    "31-Dec-2026": "%d-%b-%Y",
    "31-Dec-26": "%d-%b-%y",
}
FIRST_YEAR, LAST_YEAR = 1900, 2199


def amount_of(cell: Cell, decimal_mark: str = ".") -> Decimal | None:
    """
    Return the amount a cell holds, None for an empty one.

    A minus stands before or after it or is a pair of parentheses; currency signs are passed over; groups of
    thousands have to be such. Raises ValueError with a sentence.
    """
    if isinstance(cell, Decimal) or cell is None:
        return cell
    if not isinstance(cell, str):
        raise ValueError(_("“%(text)s” is no amount.") % {"text": str(cell)[:40]})
    if decimal_mark == "." and PLAIN.fullmatch(cell):
        return Decimal(cell)
    text = cell.translate(MINUS).strip()
    if not text or text == "-":
        return None
    negative = text.startswith("(") and text.endswith(")")
    text = AROUND.sub("", text.strip("()") if negative else text).strip()
    if text[:1] in ("-", "+"):
        negative, text = negative ^ (text[0] == "-"), text[1:]
    elif text.endswith("-"):
        negative, text = not negative, text[:-1]
    text = AROUND.sub("", text.strip()).strip()
    if not text.strip(".,' ") or not AMOUNT[decimal_mark].fullmatch(text):
        raise ValueError(_no_amount(cell, decimal_mark))
    digits = re.sub(r"[ ']", "", text)
    digits = digits.replace(",", "") if decimal_mark == "." else digits.replace(".", "").replace(",", ".")
    try:
        amount = Decimal(digits)
    except InvalidOperation:
        raise ValueError(_no_amount(cell, decimal_mark)) from None
    return -amount if negative else amount


def _no_amount(text: str, decimal_mark: str) -> str:
    other = "," if decimal_mark == "." else "."
    if AMOUNT[other].fullmatch(text.strip("-+ ()")):
        return _("“%(text)s” is no amount with a decimal %(mark)s.") % {
            "text": text[:40],
            "mark": _("point") if decimal_mark == "." else _("comma"),
        }
    return _("“%(text)s” is no amount.") % {"text": text[:40]}


def decimal_mark_of(cells: Iterable[Cell]) -> str:
    """Return the decimal mark of a column of amounts, "." or ","; "." when nothing says."""
    points = commas = 0
    for cell in cells:
        if isinstance(cell, str):
            point, comma = cell.rfind("."), cell.rfind(",")
            if point >= 0 and comma >= 0:
                points, commas = points + (point > comma), commas + (comma > point)
            elif max(point, comma) >= 0 and len(cell.rstrip(" )-€$£")) - max(point, comma) != 4:
                points, commas = points + (point >= 0), commas + (comma >= 0)
    return "," if commas > points else "."


def date_of(cell: Cell, date_format: str = "%Y-%m-%d") -> datetime.date | None:
    """
    Return the day a cell holds, None for an empty one; a time behind it is passed over.

    Raises ValueError with a sentence.
    """
    if cell is None or cell == "":
        return None
    text = str(cell).strip()
    try:
        day = cell if isinstance(cell, datetime.date) else _day(text, date_format)
    except ValueError:
        raise ValueError(_no_date(text, date_format)) from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(
            _("%(day)s lies outside the years %(first)s to %(last)s.")
            % {"day": text[:40], "first": str(FIRST_YEAR), "last": str(LAST_YEAR)}
        )
    return day


@lru_cache(10_000)  # a file has many rows of few days
def _day(text: str, date_format: str) -> datetime.date:
    without_time = re.sub(r"[T ]\d{1,2}:\d{2}.*$", "", text)
    return datetime.datetime.strptime(without_time, date_format).date()


def _no_date(text: str, date_format: str) -> str:
    named = next((name for name, one in DATE_FORMATS.items() if one == date_format), date_format)
    if re.fullmatch(r"[\d./\- ]{6,10}", text) and len(re.findall(r"\d+", text)) in (1, 3):
        return _("There is no day %(text)s (read as %(format)s).") % {"text": text[:40], "format": named}
    return _("“%(text)s” is no date such as %(format)s.") % {"text": text[:40], "format": named}


def date_formats_of(cells: Iterable[Cell]) -> list[str]:
    """
    Return the formats that fit the dates of a column best, the usual one first; more than one is a question.

    A format that fits all fits best; when none does, the one that fits most.
    """
    texts = {str(cell).strip() for cell in cells if isinstance(cell, str) and cell.strip()}
    if not texts:
        return ["%Y-%m-%d"]
    fits = {one: sum(_fits(text, one) for text in texts) for one in DATE_FORMATS.values()}
    most = max(fits.values())
    return [one for one, count in fits.items() if count == most] if most else []


def _fits(text: str, date_format: str) -> bool:
    try:
        return date_of(text, date_format) is not None
    except ValueError:
        return False
