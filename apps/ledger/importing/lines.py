"""The rows of a file as lines of entries: what each says, or what is wrong with it, in a sentence."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from operator import itemgetter
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.core.tables.reading import Cell, Table
from apps.core.tables.values import amount_of, date_of
from apps.core.tables.writing import unharmed
from apps.ledger.importing.mapping import AMOUNTS, DATES, Grouping, Header, JournalFormat
from apps.ledger.models import AccountKind, EntryKind
from apps.profiles.codes import currencies, decimal_places
from apps.profiles.models import Client

MOST, SMALLEST_RATE = Decimal("1E15"), Decimal("1E-10")
LONGEST = {
    "reference": 200,
    "description": 500,
    "document_number": 100,
    "account": 200,
    "account_name": 200,
    "account_kind": 40,
    "memo": 500,
    "contact": 200,
    "cost_centre": 100,
    "tax_code": 20,
}
DEBIT, CREDIT = {"d", "dr", "debit", "s", "soll", "+"}, {"c", "cr", "credit", "h", "haben", "-"}
SIGNS = {"€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"}
DOLLARS = {"USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN"}

#: The columns of the staged lines, in the order that ``lines_of`` gives them.
STAGED = [
    "line",
    "grp",
    "reference",
    "entry_uuid",
    "reverses",
    "date",
    "kind",
    "description",
    "document_number",
    "document_date",
    "account",
    "account_name",
    "account_kind",
    "amount",
    "currency",
    "foreign_amount",
    "rate",
    "memo",
    "contact",
    "cost_centre",
    "tax_code",
    "tax_base",
    "due_date",
    "problem",
]
IN_ORDER = itemgetter(*STAGED)
EMPTY: dict[str, Any] = dict.fromkeys(STAGED) | dict.fromkeys([*LONGEST, "currency"], "")
NO_AMOUNTS: dict[str, Any] = dict.fromkeys(AMOUNTS)
KINDS, ACCOUNT_KINDS = frozenset(EntryKind.values), frozenset(AccountKind.values)
NAMES_OF_MORE = {"client", "kind", "account_kind", "entry_id", "reverses"}


class JournalReader:
    """
    Reads a file by a format, once, row by row; nothing is kept but what the next row needs.

    ``notes`` counts, by sentence, what of the file is not read: the sentence has a place for the number.
    """

    def __init__(self, table: Table, header: Header, read_as: JournalFormat, client: Client) -> None:
        self.table, self.header, self.read_as = table, header, read_as
        self.client_code, self.base_currency = client.code, client.base_currency
        self.decimals = decimal_places(client.base_currency)
        self.places = {name: header.index(column) for name, column in read_as.columns.items()}
        self.mapped = [(name, place) for name, place in self.places.items() if place is not None]
        self.only = header.index(read_as.only_column) if read_as.only_column else None
        self.currencies = dict(currencies())
        self.notes: Counter[str] = Counter()
        self.rows = 0
        self._group = 0
        self._open = False  # whether the lines since the group began do not balance yet
        self._balance = Decimal(0)
        self._above: dict[str, Any] = {}

    def lines(self) -> Iterator[tuple[Any, ...]]:
        """Yield a tuple in the order of STAGED for each line. Raises ValidationError as ``Table.rows``."""
        self.table.refuse_merged(after=self.header.line)
        for line, cells in self.table.rows():
            if line <= self.header.line or not self._is_wanted(cells):
                continue
            self.rows += 1
            if (staged := self._line(line, cells)) is not None:
                yield staged
        if not self.rows:
            raise ValidationError(_("There are no rows to import under the header."), code="empty")

    def _is_wanted(self, cells: list[Cell]) -> bool:
        if self.only is None:
            return True
        return self.only < len(cells) and _text(cells[self.only]) == self.read_as.only_value

    def _line(self, line: int, cells: list[Cell]) -> tuple[Any, ...] | None:
        said: list[str] = []
        raw = {name: cells[place] for name, place in self.mapped if place < len(cells) and cells[place] != ""}
        values, amounts = EMPTY.copy(), NO_AMOUNTS.copy()  # most of them stay empty: a file has a few columns
        for name, cell in raw.items():
            if name in LONGEST:
                values[name] = self._short(name, cell, said)
            elif name in NO_AMOUNTS:
                amounts[name] = self._read(amount_of, cell, self.read_as.decimal_mark, said)
            elif name in DATES:
                values[name] = self._read(date_of, cell, self.read_as.date_format, said)
        values["amount"] = self._amount(amounts, raw.get("side"), said)
        if self._is_no_line(values, said):
            return None
        self._group_of(values)
        self._money(values, amounts, raw, said)
        self._names(values, raw, said)
        values["line"], values["problem"] = line, " ".join(said)
        return IN_ORDER(values)

    # --- what a row says ---

    def _short(self, name: str, cell: Cell, said: list[str]) -> str:
        text = unharmed(_text(cell))
        if len(text) > LONGEST[name]:
            said.append(
                _("“%(text)s…” is longer than %(most)s characters.")
                % {"text": text[:30], "most": LONGEST[name]}
            )
            return text[:30]
        return text

    def _read(self, read: Callable[[Cell, str], Any], cell: Cell, written: str, said: list[str]) -> Any:
        if cell is None or cell == "":
            return None
        try:
            return read(cell, written)
        except ValueError as error:
            said.append(str(error))
            return None

    def _amount(self, amounts: dict[str, Any], side: Cell, said: list[str]) -> Decimal | None:
        debit, credit, amount = amounts["debit"], amounts["credit"], amounts["amount"]
        if "debit" in self.places or "credit" in self.places:
            if debit and credit:
                said.append(_("There is an amount under debit and under credit: a line has one."))
                return None
            if debit is None and credit is None:
                return None
            return (debit or Decimal(0)) - (credit or Decimal(0))
        if amount is not None and "side" in self.places:
            word = _text(side).lower()
            if word not in DEBIT | CREDIT:
                said.append(_("“%(text)s” says neither debit nor credit.") % {"text": word[:20]})
            amount = -amount if word in CREDIT else amount
        return -amount if amount is not None and self.read_as.credit_is_positive else amount

    def _is_no_line(self, values: dict[str, Any], said: list[str]) -> bool:
        """Totals of a report, its blank lines, and lines of nothing: counted, and said."""
        if not said and values["amount"] == 0 and not values.get("foreign_amount"):
            self.notes[_("%(count)s rows have an amount of 0.00 and are not read.")] += 1
            return True
        if not values["account"] and self.read_as.grouping in (Grouping.BLANK, Grouping.BALANCE):
            self.notes[
                _("%(count)s rows name no account: they are taken for totals or titles and not read.")
            ] += 1
            if self._names_an_entry(values):
                self._begin(values)  # a title above the lines of its entry
            return True
        return False

    def _names_an_entry(self, values: dict[str, Any]) -> bool:
        if self.read_as.grouping != Grouping.BLANK:
            return False
        return bool(values["reference"] or ("reference" not in self.places and values["date"]))

    def _money(
        self, values: dict[str, Any], amounts: dict[str, Any], raw: dict[str, Cell], said: list[str]
    ) -> None:
        values["tax_base"] = amounts["tax_base"]
        if "currency" in raw:
            currency = self._currency(_text(raw["currency"]).upper().rpartition("::")[2])
            if currency not in ("", self.base_currency):
                self._foreign(currency, values, amounts, raw, said)
        amount = values["amount"]
        if amount is None and not values["currency"] and not said:
            said.append(_("The amount is missing."))
        for one in (amount, values["tax_base"]):
            if one is not None and self._is_too_fine(one, self.decimals):
                said.append(
                    _("%(amount)s has more decimals than %(currency)s.")
                    % {"amount": str(one)[:40], "currency": self.base_currency}
                )
        if any(
            one is not None and abs(one) >= MOST
            for one in (amount, values["foreign_amount"], values["tax_base"])
        ):
            said.append(_("An amount is a number below 1,000,000,000,000,000."))
            values |= {"amount": None, "foreign_amount": None, "tax_base": None}
        if values["tax_base"] is not None and not values["tax_code"]:
            said.append(_("A tax base needs a tax code."))
        if not values["account"]:
            said.append(_("The account is missing."))

    def _currency(self, text: str) -> str:
        """Return the code of a currency that may be written as its sign."""
        if text == "$":
            return self.base_currency if self.base_currency in DOLLARS else "USD"
        return SIGNS.get(text, text)

    def _foreign(
        self,
        currency: str,
        values: dict[str, Any],
        amounts: dict[str, Any],
        raw: dict[str, Cell],
        said: list[str],
    ) -> None:
        """A line in another currency; its amount in base currency may be worked out of the rate later."""
        if currency not in self.currencies:
            said.append(_("“%(code)s” is no currency, such as EUR.") % {"code": currency[:20]})
            return
        rate = self._read(amount_of, raw.get("rate"), self.read_as.decimal_mark, said)
        if rate is not None and not SMALLEST_RATE <= rate < 10**10:
            said.append(_("A rate is a positive number."))
            rate = None
        foreign = amounts["foreign_amount"]
        if foreign is None:  # the amount is in the currency of the line
            foreign, values["amount"] = values["amount"], None
        elif values["amount"] is not None and foreign and (foreign < 0) != (values["amount"] < 0):
            foreign = -foreign  # the side is said once, by the amount or by its column
        if foreign is None and not said:
            said.append(_("The amount is missing."))
        elif foreign is not None and self._is_too_fine(foreign, decimal_places(currency)):
            said.append(
                _("%(amount)s has more decimals than %(currency)s.")
                % {"amount": str(foreign)[:40], "currency": currency}
            )
        values["currency"], values["foreign_amount"], values["rate"] = currency, foreign, rate

    def _is_too_fine(self, amount: Decimal, decimals: int) -> bool:
        return amount != round(amount, decimals) if abs(amount) < MOST else False

    def _names(self, values: dict[str, Any], raw: dict[str, Cell], said: list[str]) -> None:
        values["kind"] = self.read_as.kind
        if not NAMES_OF_MORE.isdisjoint(raw):
            self._more_names(values, raw, said)

    def _more_names(self, values: dict[str, Any], raw: dict[str, Cell], said: list[str]) -> None:
        """What few files say: whose books, which kind of entry, which entry."""
        client = _text(raw.get("client"))
        if client and client.upper() != self.client_code:
            said.append(
                _("These books are of %(code)s: this row is for another client.") % {"code": self.client_code}
            )
        kind = _text(raw.get("kind")).lower()
        values["kind"] = kind or self.read_as.kind
        if kind and kind not in KINDS:
            said.append(
                _("“%(text)s” is no kind of entry: %(choices)s.")
                % {"text": kind[:40], "choices": ", ".join(EntryKind.values)}
            )
            values["kind"] = EntryKind.MANUAL
        account_kind = values["account_kind"].lower()
        values["account_kind"] = account_kind if account_kind in ACCOUNT_KINDS else ""
        for name, column in (("entry_uuid", "entry_id"), ("reverses", "reverses")):
            values[name] = self._uuid(_text(raw.get(column)), said)
        if values["entry_uuid"] and self.read_as.grouping in (
            Grouping.REFERENCE,
            Grouping.REFERENCE_AND_DATE,
        ):
            values["grp"] = str(values["entry_uuid"])

    def _uuid(self, text: str, said: list[str]) -> uuid.UUID | None:
        if not text:
            return None
        try:
            return uuid.UUID(text)
        except ValueError:
            said.append(_("“%(text)s” is no entry id: leave it empty for a new entry.") % {"text": text[:40]})
            return None

    # --- which lines belong together ---

    def _group_of(self, values: dict[str, Any]) -> None:
        """Set ``grp``, by which lines of an entry are known, and hand down what only its first line says."""
        match self.read_as.grouping:
            case Grouping.REFERENCE:
                values["grp"] = values["reference"]
            case Grouping.REFERENCE_AND_DATE:
                values["grp"] = f"{values['reference']}|{values['date'] or ''}"
            case Grouping.WHOLE:  # an open item's document is its line's: the entry has many
                values["grp"] = "whole"
                values["memo"] = " · ".join(filter(None, [values["document_number"], values["memo"]]))[:500]
                values["document_number"] = ""
            case Grouping.BLANK:
                if self._names_an_entry(values):
                    self._begin(values)
                self._hand_down(values)
            case Grouping.BALANCE:
                if not self._open:
                    self._begin(values)
                self._balance += values["amount"] or 0
                self._open = self._balance != 0
                self._hand_down(values)

    def _begin(self, values: dict[str, Any]) -> None:
        same = self.read_as.grouping == Grouping.BLANK and values["reference"] == self._above.get("reference")
        if not (same and values["reference"]):  # a file may name the entry on each of its lines, too
            self._group, self._balance = self._group + 1, Decimal(0)
        self._above = {name: values[name] for name in ("reference", "date", "description", "document_number")}

    def _hand_down(self, values: dict[str, Any]) -> None:
        values["grp"] = str(self._group) if self._group else ""  # a line above the first that names an entry
        for name, value in self._above.items():
            values[name] = values[name] or value


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        if not cell.isprintable():
            cell = "".join(letter if letter.isprintable() else " " for letter in cell)
            cell = " ".join(cell.split())
        return cell
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    return str(cell)
