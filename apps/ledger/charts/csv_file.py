"""A chart of accounts as a CSV file: what it says, and which of its rows cannot be taken."""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.ledger.charts import PlannedAccount
from apps.ledger.models.accounts import (
    EQUITY_ROLES,
    USUAL_SECTION,
    Account,
    AccountKind,
    AccountRole,
    AccountSection,
)
from apps.profiles.codes import currencies
from apps.profiles.models import Client

MOST_BYTES = 1024 * 1024
MOST_ROWS = 2000
LONGEST_CODE, LONGEST_NAME = 60, 200  # as the columns are
COLUMNS = {
    "code": ["code", "number", "no", "no.", "account", "account code", "account number"],
    "name": ["name", "account name", "title"],
    "kind": ["kind", "type", "account type"],
    "section": ["section"],
    "parent": ["parent", "parent code", "under"],
    "currency": ["currency"],
    "role": ["role"],
    "postable": ["postable", "can be posted to"],
}
NEEDED = ["code", "name", "kind"]
KINDS = {
    "assets": AccountKind.ASSET,
    "liabilities": AccountKind.LIABILITY,
    "revenue": AccountKind.INCOME,
    "expenses": AccountKind.EXPENSE,
}
YES, NO = {"", "yes", "y", "true", "1", "x"}, {"no", "n", "false", "0"}


@dataclass(frozen=True)
class WrongRow:
    line: int
    code: str
    sentence: str


@dataclass
class ReadChart:
    """
    What a file says: accounts to open, codes that are in the chart already, and rows that are wrong.

    ``ignored`` names the columns that mean nothing here. A chart with a wrong row is not taken at all.
    """

    planned: list[PlannedAccount] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    wrong: list[WrongRow] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


@dataclass
class _Row:
    line: int
    cells: dict[str, str]
    account: PlannedAccount | None = None


def decode(content: bytes) -> str:
    """Return a file's text, in UTF-8 or the Windows code page. Raises ValidationError: too_big, text."""
    if len(content) > MOST_BYTES:
        raise _too_big()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise ValidationError(_("This is not a text file. Save it as CSV (UTF-8)."), code="text") from error


def read_chart(text: str, client: Client, existing: Mapping[str, Account]) -> ReadChart:
    """
    Read a chart for a client whose accounts by code are ``existing``. Writes nothing.

    Raises ValidationError where the file as a whole cannot be read: ``empty``, ``too_big``, ``text``,
    ``columns``, ``rows``.
    """
    rows, ignored = _rows(text)
    chart = ReadChart(ignored=ignored)
    taken: dict[str, int] = {}
    for row in rows:
        code = row.cells["code"]
        if code in existing:
            chart.kept.append(code)
            continue
        try:
            if code in taken:
                raise ValidationError(_("This code stands on line %(line)s already.") % {"line": taken[code]})
            row.account = _account(row.cells, client)
            taken[code] = row.line
        except ValidationError as error:
            chart.wrong.append(WrongRow(row.line, code, " ".join(error.messages)))
    _check_together(chart, [row for row in rows if row.account], existing)
    chart.wrong.sort(key=lambda one: one.line)
    return chart


def _rows(text: str) -> tuple[list[_Row], list[str]]:
    if len(text.encode()) > MOST_BYTES:
        raise _too_big()
    text = text.removeprefix("\ufeff").lstrip("\r\n")
    if not text.strip():
        raise ValidationError(_("There is nothing in it."), code="empty")
    if "\0" in text:
        raise ValidationError(_("This is not a text file. Save it as CSV (UTF-8)."), code="text")
    header = text.splitlines()[0]
    delimiter = max(",;\t|", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [cell.strip() for cell in next(reader)]
        columns = _columns(names)
        rows, line = [], reader.line_num + 1
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(_Row(line, {name: _cell(cells, at) for name, at in columns.items()}))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValidationError(
            _("Line %(line)s cannot be read as CSV: a quotation mark may be missing.")
            % {"line": reader.line_num},
            code="text",
        ) from error
    if not rows:
        raise ValidationError(_("There are no rows under the header."), code="empty")
    if len(rows) > MOST_ROWS:
        raise ValidationError(
            _("There are %(count)s rows; up to %(most)s can be imported at once.")
            % {"count": len(rows), "most": MOST_ROWS},
            code="rows",
        )
    return rows, [name for index, name in enumerate(names) if name and index not in columns.values()]


def _columns(names: list[str]) -> dict[str, int]:
    places = {name.lower(): index for index, name in reversed(list(enumerate(names)))}
    found = {
        column: places[known]
        for column, known_as in COLUMNS.items()
        for known in known_as[::-1]
        if known in places
    }
    if missing := [name for name in NEEDED if name not in found]:
        raise ValidationError(
            _("The first line names the columns: code, name and kind are needed. Missing: %(names)s.")
            % {"names": ", ".join(missing)},
            code="columns",
        )
    return found


def _cell(cells: list[str], index: int) -> str:
    return cells[index].strip() if index < len(cells) else ""


def _account(cells: dict[str, str], client: Client) -> PlannedAccount:
    """Return the account a row asks for; what its parent is like is looked at when all rows are known."""
    kind = _choice(cells["kind"], AccountKind, KINDS, _("“%(text)s” is no kind of account: %(choices)s."))
    section = _choice(
        cells.get("section", ""), AccountSection, {}, _("“%(text)s” is no section: %(choices)s.")
    )
    role = _choice(cells.get("role", ""), AccountRole, {}, _("“%(text)s” is no role: %(choices)s."))
    if not kind:
        raise ValidationError(_("The kind is missing."))
    planned = PlannedAccount(
        code=_text(cells["code"], LONGEST_CODE, _("The code is missing.")),
        name=_text(cells["name"], LONGEST_NAME, _("The name is missing.")),
        section=section or USUAL_SECTION[kind],
        role=role,
        currency=_currency(cells.get("currency", ""), client),
        parent=cells.get("parent", ""),
        is_postable=_yes(cells.get("postable", "")),
    )
    if planned.kind != kind:
        raise ValidationError(_("This section is not one for accounts of this kind."))
    if role in EQUITY_ROLES and kind != AccountKind.EQUITY:
        raise ValidationError(_("Only an equity account can have this role."))
    return planned


def _choice(text: str, choices: Any, also: Mapping[str, str], sentence: str) -> str:
    wanted = text.lower().replace("_", " ")
    if not wanted or (wanted == "none" and choices is AccountRole):
        return ""
    for value, label in choices.choices:
        if wanted in (value.replace("_", " "), str(label).lower()):
            return str(value)
    if wanted in also:
        return str(also[wanted])
    raise ValidationError(sentence % {"text": text[:40], "choices": ", ".join(filter(None, choices.values))})


def _text(text: str, longest: int, missing: str) -> str:
    if not text:
        raise ValidationError(missing)
    if len(text) > longest or not text.isprintable():
        raise ValidationError(
            _("“%(text)s” has to be one line of up to %(longest)s characters.")
            % {"text": text[:20], "longest": longest}
        )
    return text


def _currency(text: str, client: Client) -> str:
    code = text.upper()
    if code in ("", client.base_currency):
        return ""
    if code not in dict(currencies()):
        raise ValidationError(_("“%s” is no currency, such as EUR.") % text[:40])
    return code


def _yes(text: str) -> bool:
    if text.lower() not in YES | NO:
        raise ValidationError(_("Whether it can be posted to is yes or no, not “%s”.") % text[:40])
    return text.lower() in YES


def _check_together(chart: ReadChart, rows: list[_Row], existing: Mapping[str, Account]) -> None:
    """Sort the rows into accounts to open and wrong ones, by what only all of them together can show."""
    planned = {row.account.code: row.account for row in rows if row.account}
    retained = [code for code, one in existing.items() if one.role == AccountRole.RETAINED_EARNINGS]
    checks: list[Callable[[PlannedAccount], str]] = [
        lambda one: _wrong_parent(one, planned, existing),
        lambda one: _second_retained(one, retained),
    ]
    for row in rows:
        assert row.account  # noqa: S101
        if sentence := next(filter(None, (check(row.account) for check in checks)), ""):
            chart.wrong.append(WrongRow(row.line, row.account.code, sentence))
        else:
            chart.planned.append(row.account)


def _wrong_parent(
    one: PlannedAccount, planned: Mapping[str, PlannedAccount], existing: Mapping[str, Account]
) -> str:
    if not one.parent:
        return ""
    parent = planned.get(one.parent) or existing.get(one.parent)
    if parent is None:
        return _("There is no account %(code)s to stand under.") % {"code": one.parent[:60]}
    if parent.kind != one.kind:
        return _("Account %(code)s, which it is to stand under, is of another kind.") % {"code": one.parent}
    above, seen = one.parent, {one.code}
    while above in planned:
        if above in seen:
            return _("An account cannot stand under itself, or under one that stands under it.")
        seen.add(above)
        above = planned[above].parent
    return ""


def _second_retained(one: PlannedAccount, retained: list[str]) -> str:
    if one.role != AccountRole.RETAINED_EARNINGS:
        return ""
    retained.append(one.code)
    if retained[0] == one.code:
        return ""
    return _("Account %(code)s is for retained earnings already.") % {"code": retained[0]}


def _too_big() -> ValidationError:
    return ValidationError(_("This is larger than 1 MB."), code="too_big")
