"""Which account of the chart a file means, and what is opened for one that the chart does not have."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from django.utils.translation import gettext as _

from apps.ledger.charts import PlannedAccount, Template
from apps.ledger.models import Account, AccountKind
from apps.ledger.models.accounts import USUAL_SECTION, AccountRole
from apps.profiles.models import LegalForm, Numbering

OPENS = "="  # before a kind, in what a person decides on an account
NUMBERED = re.compile(r"^([0-9][0-9A-Za-z./-]*)\s*(?:[-–·:]\s*)?(.*)$")
ROOTS = {
    "assets": AccountKind.ASSET,
    "asset": AccountKind.ASSET,
    "liabilities": AccountKind.LIABILITY,
    "liability": AccountKind.LIABILITY,
    "equity": AccountKind.EQUITY,
    "income": AccountKind.INCOME,
    "revenue": AccountKind.INCOME,
    "revenues": AccountKind.INCOME,
    "expenses": AccountKind.EXPENSE,
    "expense": AccountKind.EXPENSE,
}
#: What an account's first digit says about its kind.
KINDS_OF_DIGITS = {
    Numbering.US: {"1": "asset", "2": "liability", "3": "equity", "4": "income"}
    | dict.fromkeys("56789", "expense"),
    Numbering.EUROPEAN: {"0": "asset", "1": "asset", "4": "income", "8": "income"}
    | dict.fromkeys("567", "expense"),
}


@dataclass
class FoundAccount:
    """
    What is done about an account of a file: ``account`` of the chart, or ``planned`` to open, or neither.

    ``text`` is what the file calls it, ``rows`` how many of its rows do.
    """

    text: str
    rows: int
    account: Account | None = None
    planned: PlannedAccount | None = None
    problem: str = ""
    unusable: str = ""

    @property
    def decision(self) -> str:
        """The choice that leads to this, as a form and a remembered format have it."""
        if self.account:
            return self.account.code
        return f"{OPENS}{self.planned.kind}" if self.planned else ""


class ChartLookup:
    """The accounts of a client by each of the names a file may have for them: code, name, or both."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self.by_code: dict[str, Account] = {}
        named: dict[str, list[Account]] = {}
        self.roles: set[str] = set()
        for account in accounts:
            self.by_code[account.code.casefold()] = account
            self.roles.add(account.role)
            code, name = account.code, account.name
            for text in (name, f"{code} {name}", f"{code} - {name}", f"{code} · {name}", f"{name} ({code})"):
                named.setdefault(text.casefold(), []).append(account)
        self.by_name = {text: found[0] for text, found in named.items() if len(found) == 1}

    def find(self, text: str) -> Account | None:
        text = text.casefold()
        return self.by_code.get(text) or self.by_name.get(text)


def find_accounts(
    used: Iterable[tuple[str, str, str, int]],
    lookup: ChartLookup,
    decisions: Mapping[str, str],
    numbering: str,
) -> list[FoundAccount]:
    """
    Return what is done about each account that a file uses: (text, its name, its kind, number of rows).

    A decision of a person wins, then the chart, then a guess of the kind a new one is of.
    """
    found = []
    for text, name, kind, rows in used:
        one = FoundAccount(text, rows)
        decision = decisions.get(text, "")
        if decision and not decision.startswith(OPENS):
            one.account = lookup.by_code.get(decision.casefold())
        one.account = one.account or lookup.find(text)
        if one.account is None:
            asked = decision.removeprefix(OPENS)
            one.planned = _plan(text, name, asked or kind, lookup, numbering)
        one.problem, one.unusable = _problem(one), _unusable(one)
        found.append(one)
    return found


def _problem(one: FoundAccount) -> str:
    if one.account is None and one.planned is None:
        return _("“%(text)s” is not in the chart: say which account it is, or of which kind a new one.") % {
            "text": one.text[:60]
        }
    return ""


def _unusable(one: FoundAccount) -> str:
    """Return why nothing new is posted to an account; what is in the books already stays."""
    if one.account and not one.account.is_postable:
        return _("%(account)s is a heading and cannot be posted to.") % {"account": one.account}
    if one.account and not one.account.is_active:
        return _("%(account)s is inactive.") % {"account": one.account}
    return ""


def _plan(text: str, name: str, kind: str, lookup: ChartLookup, numbering: str) -> PlannedAccount | None:
    """Return the account to open; its section and role are those of a template's account with its name."""
    code, name = _code_and_name(text, name)
    if len(code) > 60:
        return None
    usual = _usual_accounts().get(name.casefold())
    kind = kind or _kind_of_root(text) or (usual.kind if usual else "") or _kind_of_number(code, numbering)
    if kind not in AccountKind.values:
        return None
    if usual is None or usual.kind != kind:
        return PlannedAccount(code, name, USUAL_SECTION[kind])
    role = usual.role if usual.role not in lookup.roles else ""
    if role in (AccountRole.DRAW, AccountRole.CONTRIBUTION, AccountRole.CAPITAL):
        role = ""  # whose capital it is, is said by a person
    lookup.roles.add(role or "")
    return PlannedAccount(code, name, usual.section, role=role)


def _code_and_name(text: str, name: str) -> tuple[str, str]:
    """``1010 Checking`` and ``1010 · Checking`` have both in one; ``Assets:Bank`` is named by its end."""
    numbered = NUMBERED.match(text)
    if numbered and (numbered[2] or name):
        return (text if name else numbered[1]), (name or numbered[2])
    root, _colon, rest = text.partition(":")
    return text, name or (rest if rest and root.casefold() in ROOTS else text)


def _kind_of_root(text: str) -> str:
    return str(ROOTS.get(text.partition(":")[0].strip().casefold(), ""))


def _kind_of_number(code: str, numbering: str) -> str:
    return KINDS_OF_DIGITS[Numbering(numbering)].get(code[:1], "") if code[:1].isdigit() else ""


@cache
def _usual_accounts() -> dict[str, PlannedAccount]:
    """The accounts of all templates by name: what is called Checking is at a bank."""
    accounts: dict[str, PlannedAccount] = {}
    for legal_form in LegalForm:
        for numbering in Numbering:
            for one in Template(legal_form, numbering).accounts:
                if one.is_postable:
                    accounts.setdefault(one.name.casefold(), one)
    return accounts
