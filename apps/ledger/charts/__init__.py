"""
The charts of accounts a client can start from: by legal form, in US or European numbering.

``accounts.csv`` has each account once, with its code in either numbering (none where it is left out) and
the legal forms it is for, by initial; none means all. ``headings.csv`` has what groups them.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from apps.ledger.models.accounts import SECTIONS, AccountKind, AccountRole, AccountSection
from apps.profiles.models import LegalForm, Numbering

HERE = Path(__file__).parent
INITIALS = {
    LegalForm.SOLE_TRADER: "s",
    LegalForm.PARTNERSHIP: "p",
    LegalForm.COMPANY: "c",
    LegalForm.NON_PROFIT: "n",
}
KIND_OF_SECTION = {section: kind for kind, sections in SECTIONS.items() for section in sections}


@dataclass(frozen=True)
class PlannedAccount:
    """An account to open; ``parent`` and ``closes_into`` are codes, empty for none."""

    code: str
    name: str
    section: str
    role: str = ""
    currency: str = ""
    share: Decimal | None = None
    parent: str = ""
    closes_into: str = ""
    is_postable: bool = True

    @property
    def kind(self) -> str:
        return KIND_OF_SECTION[self.section]

    @property
    def kind_label(self) -> str:
        return str(AccountKind(self.kind).label)

    @property
    def section_label(self) -> str:
        return str(AccountSection(self.section).label)

    @property
    def role_label(self) -> str:
        return str(AccountRole(self.role).label) if self.role else ""


@dataclass(frozen=True)
class Template:
    """A chart of accounts to start from."""

    legal_form: LegalForm
    numbering: Numbering

    @property
    def accounts(self) -> list[PlannedAccount]:
        """Its accounts and headings in order of codes; a heading comes before what stands under it."""
        return _accounts(self.legal_form, self.numbering)


@cache
def _accounts(legal_form: LegalForm, numbering: Numbering) -> list[PlannedAccount]:
    headings = {
        row["code"]: row for row in _rows("headings.csv", legal_form) if row["numbering"] == numbering
    }
    parents = {code: _parent(code, headings, numbering) for code in headings}
    planned = [
        PlannedAccount(code, row["name"], row["section"], parent=parents[code], is_postable=False)
        for code, row in headings.items()
    ]
    capital = ""
    for row in _rows("accounts.csv", legal_form):
        if not (code := row[numbering]):
            continue
        role = row["role"]
        if role == AccountRole.CAPITAL:
            capital = code  # what the draws and contributions below it close into
        planned.append(
            PlannedAccount(
                code,
                row["name"],
                row["section"],
                role=role,
                share=Decimal(row["share"]) if row["share"] else None,
                parent=_parent(code, headings, numbering),
                closes_into=capital if role in (AccountRole.DRAW, AccountRole.CONTRIBUTION) else "",
            )
        )
    return sorted(planned, key=lambda account: account.code)


def _rows(name: str, legal_form: LegalForm) -> Iterator[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not row["for"] or INITIALS[legal_form] in row["for"].split():
                yield row


def _parent(code: str, headings: Iterable[str], numbering: Numbering) -> str:
    """Return the narrowest heading whose digits a code begins with: 1510 is of 1500, and 1500 of 1000."""
    digits = {heading: heading.rstrip("0") if numbering == Numbering.US else heading for heading in headings}
    around = [heading for heading in digits if heading != code and code.startswith(digits[heading])]
    return max(around, key=lambda heading: len(digits[heading]), default="")
