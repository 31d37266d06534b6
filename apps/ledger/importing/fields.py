"""What a row of a journal can say, and the names other programs have for it."""

import re
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class ImportField:
    """
    Something a column can hold. ``known_as`` are the names of such columns, the surest first.

    ``is_of_line`` sets what each line has apart from what its entry has once.
    """

    name: str
    label: Any
    known_as: tuple[str, ...]
    is_of_line: bool = False


FIELDS = [
    ImportField("entry_id", _("Entry id"), ("entry id", "entry uuid", "uuid")),
    ImportField(
        "reference",
        _("Entry reference"),
        (
            "entry",
            "entry no",
            "entry number",
            "entry reference",
            "transaction id",
            "txnidx",
            "trans no",
            "trans",
            "transaction no",
            "transaction number",
            "journal no",
            "journal number",
            "journal id",
            "journal",
            "journalnumber",
            "je number",
            "voucher",
            "voucher no",
            "reference",
            "ref",
            "id",
        ),
    ),
    ImportField(
        "date",
        _("Date"),
        (
            "date",
            "entry date",
            "journal date",
            "posting date",
            "transaction date",
            "txn date",
            "booking date",
        ),
    ),
    ImportField(
        "description",
        _("Description"),
        ("narration", "description", "entry description", "journal memo", "text", "details", "private note"),
    ),
    ImportField(
        "account",
        _("Account"),
        (
            "account",
            "account code",
            "account no",
            "account number",
            "accountcode",
            "full account name",
            "account full name",
            "distribution account",
            "account name",
        ),
    ),
    ImportField(
        "account_name",
        _("Account name"),
        ("account name", "account description", "account title"),
        is_of_line=True,
    ),
    ImportField(
        "account_kind",
        _("Kind of account"),
        ("account kind", "account type", "account_kind"),
        is_of_line=True,
    ),
    ImportField("debit", _("Debit"), ("debit", "debit amount", "dr", "debits"), is_of_line=True),
    ImportField("credit", _("Credit"), ("credit", "credit amount", "cr", "credits"), is_of_line=True),
    ImportField(
        "amount",
        _("Amount, debit or credit by its sign"),
        ("amount", "amount num", "net amount", "value", "value num", "posting amount"),
        is_of_line=True,
    ),
    ImportField(
        "side",
        _("Debit or credit (D, C)"),
        ("d/c", "dr/cr", "debit/credit", "side", "sign", "indicator"),
        is_of_line=True,
    ),
    ImportField(
        "memo",
        _("Memo of the line"),
        (
            "memo",
            "line memo",
            "line description",
            "posting comment",
            "comment",
            "notes",
            "memo/description",
            "line text",
            "description",
        ),
        is_of_line=True,
    ),
    ImportField(
        "contact",
        _("Contact"),
        ("contact", "contact name", "payee", "customer", "vendor", "supplier", "name"),
        is_of_line=True,
    ),
    ImportField(
        "cost_centre",
        _("Class"),
        ("class", "cost centre", "cost center", "department", "trackingoption1", "location"),
        is_of_line=True,
    ),
    ImportField(
        "document_number",
        _("Document no."),
        (
            "document no",
            "document number",
            "doc no",
            "num",
            "invoice number",
            "invoice no",
            "cheque number",
            "check number",
            "code",
        ),
    ),
    ImportField("document_date", _("Document date"), ("document date", "invoice date")),
    ImportField("due_date", _("Due"), ("due", "due date"), is_of_line=True),
    ImportField(
        "tax_code",
        _("Tax code"),
        ("tax code", "vat code", "taxrate", "tax rate", "tax type"),
        is_of_line=True,
    ),
    ImportField("tax_base", _("Tax base"), ("tax base", "taxable amount"), is_of_line=True),
    ImportField(
        "currency",
        _("Currency"),
        ("currency", "currency code", "commodity/currency", "commodity"),
        is_of_line=True,
    ),
    ImportField(
        "foreign_amount",
        _("Foreign amount"),
        ("foreign amount", "amount in currency", "source amount"),
        is_of_line=True,
    ),
    ImportField("rate", _("Rate"), ("rate", "exchange rate", "currency rate"), is_of_line=True),
    ImportField("kind", _("Kind of entry"), ("kind", "entry kind")),
    ImportField("reverses", _("Reverses (entry id)"), ("reverses",)),
    ImportField("client", _("Client (code)"), ("client", "client code")),
]
CODES_OF_ACCOUNTS = ("account code", "account no", "account number")


def plain(header: str) -> str:
    """Return a column's name as names are compared: without capitals, stars, dots and doubled blanks."""
    return " ".join(re.sub(r"[*.:_]+", " ", header.lower().replace("#", " no ")).split())


def guess_columns(headers: list[str]) -> dict[str, str]:
    """Return which field each column seems to hold, by the field's name; each column is taken once."""
    names = {plain(header): header for header in reversed(headers)}
    found: dict[str, str] = {}
    for fits in (_is_called, _begins_so):
        for field in FIELDS:
            if field.name in found:
                continue
            for known in field.known_as:
                header = next((names[name] for name in names if fits(name, known)), "")
                if header and header not in found.values():
                    found[field.name] = header
                    break
    code = next((names[known] for known in CODES_OF_ACCOUNTS if known in names), "")
    if code and plain(found.get("account", "")) == "account" and "account_name" not in found:
        found["account_name"], found["account"] = found["account"], code
    if "entry_id" not in found:
        found.pop("client", None)  # only exports from here mean the client whose books they are
    if {"debit", "credit"} <= found.keys():
        found.pop("amount", None)
    else:
        found = {name: header for name, header in found.items() if name not in ("debit", "credit")}
    return found


def _is_called(name: str, known: str) -> bool:
    return name == known


def _begins_so(name: str, known: str) -> bool:
    """``amount usd`` and ``debit (EUR)`` are amounts and debits; a short name has to be whole."""
    is_money = known in ("amount", "debit", "credit")
    return is_money and re.fullmatch(rf"{known} \(?[a-z]{{3}}\)?", name) is not None
