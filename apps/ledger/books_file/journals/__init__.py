"""
The posted entries of a client as a text journal, for programs that keep books in plain text.

A module a program, all with the same names of accounts. Drafts are left out; at each year end the journal
says what stands on every account, and the program that reads it checks that.
"""

import datetime
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import IO
from uuid import UUID

from django.db import connection

from apps.ledger.books_file.snapshot import one_moment
from apps.ledger.models import Account, AccountKind, FiscalYear, JournalLine
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client

ROOTS = {
    AccountKind.ASSET: "Assets",
    AccountKind.LIABILITY: "Liabilities",
    AccountKind.EQUITY: "Equity",
    AccountKind.INCOME: "Income",
    AccountKind.EXPENSE: "Expenses",
}
BALANCES = """
    SELECT account_id, commodity, "end", sum(units) FROM (
        SELECT l.account_id, y."end",
               CASE WHEN coalesce(l.foreign_amount, 0) <> 0 THEN l.currency ELSE %(base)s END AS commodity,
               CASE WHEN coalesce(l.foreign_amount, 0) <> 0 THEN l.foreign_amount ELSE l.amount END AS units
          FROM ledger_journalline l
          JOIN ledger_fiscalyear y ON y.client_id = l.client_id AND l.date BETWEEN y.start AND y."end"
         WHERE l.client_id = %(client)s AND l.is_posted
    ) u GROUP BY account_id, commodity, "end"
"""


@dataclass(frozen=True)
class Posting:
    """A line of an entry: so much of a commodity, and what that was in base currency where it is another."""

    account: str
    units: Decimal
    commodity: str
    cost: str
    notes: dict[str, str]

    @property
    def priced(self) -> str:
        """The amount, with its total price in base currency where it is another one."""
        return amount(self.units, self.commodity) + (f" @@ {self.cost}" if self.cost else "")


@dataclass(frozen=True)
class Entry:
    """A posted entry; ``payee`` is the one contact of its lines, where there is only one."""

    uuid: UUID
    date: datetime.date
    number: int
    year: str
    kind: str
    payee: str
    description: str
    notes: dict[str, str]
    postings: list[Posting]


@dataclass(frozen=True)
class Books:
    """What a journal is written of, read from one moment; amounts are debit positive."""

    client: Client
    first_day: datetime.date
    accounts: list[tuple[str, Account]]
    commodities: list[str]
    entries: Iterable[Entry]
    balances: list[tuple[datetime.date, list[tuple[str, Decimal, str]]]]

    @property
    def base(self) -> str:
        return self.client.base_currency


def amount(units: Decimal, commodity: str) -> str:
    """Return an amount as both programs read it: no separators, the decimals its currency has, its code."""
    return f"{units:.{decimal_places(commodity)}f} {commodity}"


def clean(text: str) -> str:
    """Return a text in one line, without characters that nobody sees."""
    return " ".join("".join(" " if unicodedata.category(one)[0] in "CZ" else one for one in text).split())


def write_journal(client: Client, file: IO[bytes], lines_of: Callable[[Books], Iterator[str]]) -> int:
    """Write a journal as UTF-8, entry by entry, and return how many entries are in it."""
    count = 0

    def counted(entries: Iterable[Entry]) -> Iterator[Entry]:
        nonlocal count
        for entry in entries:
            count += 1
            yield entry

    text = io.TextIOWrapper(file, encoding="utf-8", newline="\n", write_through=False)
    with _read(client, counted) as books:
        for line in lines_of(books):
            text.write(line + "\n")
    text.detach()  # flushed, and the file stays open
    return count


@contextmanager
def _read(client: Client, through: Callable[[Iterable[Entry]], Iterable[Entry]]) -> Iterator[Books]:
    with one_moment():
        accounts = list(Account.objects.filter(client=client).order_by("code"))
        names = account_names(accounts)
        first_year = FiscalYear.objects.filter(client=client).order_by("start").first()
        used = JournalLine.objects.filter(client=client, is_posted=True).exclude(currency="")
        yield Books(
            client=client,
            first_day=first_year.start if first_year else datetime.date(1970, 1, 1),
            accounts=[(names[account.pk], account) for account in accounts if account.is_postable],
            commodities=sorted({client.base_currency, *used.values_list("currency", flat=True).distinct()}),
            entries=through(_entries(client, names)),
            balances=_balances(client, names),
        )


def account_names(accounts: Iterable[Account]) -> dict[int, str]:
    """
    Return a name for each account that no other one has: Assets:Bank:1010-Checking.

    Letters and digits of ASCII and hyphens, which both programs take; codes and names in full stand
    beside them in the journal.
    """
    names: dict[int, str] = {}
    taken: set[str] = set()
    for account in accounts:
        path = [ROOTS[AccountKind(account.kind)], _legal(account.section.replace("_", " ").title())]
        code, name = _legal(account.code), _legal(account.name)
        leaf = "-".join(filter(None, [code, name if name != code else ""])) or "X"
        wished = ":".join([*dict.fromkeys(path), leaf])
        chosen, number = wished, 1
        while chosen.casefold() in taken:
            number += 1
            chosen = f"{wished}-{number}"
        taken.add(chosen.casefold())
        names[account.pk] = chosen
    return names


def _legal(text: str) -> str:
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    legal = re.sub(r"[^A-Za-z0-9]+", "-", ascii_only).strip("-")
    return legal[:1].upper() + legal[1:]


def _entries(client: Client, names: dict[int, str]) -> Iterator[Entry]:
    lines = (
        JournalLine.objects.filter(client=client, is_posted=True)
        .select_related("entry__fiscal_year", "contact", "cost_centre", "tax_code")
        .order_by("date", "entry__position", "line_number")
        .iterator(chunk_size=2000)
    )
    for _pk, group in groupby(lines, key=lambda line: line.entry_id):
        of_entry = list(group)
        entry = of_entry[0].entry
        contacts = {line.contact.name for line in of_entry if line.contact}
        assert entry.number is not None and entry.fiscal_year is not None  # noqa: S101, PT018  (it is posted)
        yield Entry(
            uuid=entry.uuid,
            date=entry.date,
            number=entry.number,
            year=entry.fiscal_year.name,
            kind=entry.kind,
            payee=contacts.pop() if len(contacts) == 1 else "",
            description=entry.description,
            notes=_said(
                document=entry.document_number, document_date=entry.document_date, note=entry.review_note
            ),
            postings=[_posting(line, names, client.base_currency) for line in of_entry],
        )


def _posting(line: JournalLine, names: dict[int, str], base: str) -> Posting:
    notes = _said(
        memo=line.memo,
        contact=line.contact and line.contact.name,
        cost_centre=line.cost_centre and line.cost_centre.name,
        tax_code=line.tax_code and line.tax_code.code,
        tax_base=line.tax_base and amount(line.tax_base, base),
        due=line.due_date,
    )
    if line.foreign_amount:
        cost = amount(abs(line.amount), base)
        return Posting(names[line.account_id], line.foreign_amount, line.currency, cost, notes)
    return Posting(names[line.account_id], line.amount, base, "", notes)


def _said(**notes: object) -> dict[str, str]:
    """Return those notes that say something, under names both programs take."""
    given = {name.replace("_", "-"): clean(str(text)) for name, text in notes.items() if text}
    return {("class" if name == "cost-centre" else name): text for name, text in given.items() if text}


def _balances(
    client: Client, names: dict[int, str]
) -> list[tuple[datetime.date, list[tuple[str, Decimal, str]]]]:
    """Return what stands on each account at each year end, since the beginning, commodity by commodity."""
    moved: dict[datetime.date, list[tuple[str, str, Decimal]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(BALANCES, {"client": client.pk, "base": client.base_currency})
        for account_id, commodity, day, units in cursor.fetchall():
            moved[day].append((names[account_id], commodity, units))
    standing: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    balances = []
    for day in sorted(moved):
        for name, commodity, units in moved[day]:
            standing[name, commodity] += units
        balances.append((day, [(name, units, one) for (name, one), units in sorted(standing.items())]))
    return balances
