"""
A journal as hledger reads it.

https://hledger.org/hledger.html#journal. It has no quotes: what would mean something to it in a text of
ours is written as its full-width twin, which reads the same and means nothing.
"""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

from apps.ledger.books_file.journals import Books, Entry, Posting, amount, clean
from apps.profiles.codes import decimal_places

ZERO = Decimal(0)
#: Begins a comment or a note, ends a tag, gives it a value, or is a date in brackets that moves a posting.
TWINS = str.maketrans({";": "；", "|": "｜", ",": "，", ":": "：", "[": "［", "]": "］"})


def lines(books: Books) -> Iterator[str]:
    """Yield the lines of the journal."""
    yield f"; {plain(str(books.client))}"
    yield "decimal-mark ."
    for commodity in books.commodities:
        yield f"commodity 1000.{'0' * decimal_places(commodity)} {commodity}"
    for name, account in books.accounts:
        yield f"account {name}  ; code:{plain(account.code)}, name:{plain(account.name)}"
    balances = list(books.balances)
    for entry in books.entries:
        while balances and entry.date > balances[0][0]:
            yield from _balances(*balances.pop(0))
        yield ""
        yield from _entry(entry)
    for one in balances:
        yield from _balances(*one)


def plain(text: str) -> str:
    """Return a text that is nothing but text to hledger, wherever it stands."""
    return clean(text).translate(TWINS)


def _entry(entry: Entry) -> Iterator[str]:
    said = " | ".join(filter(None, [plain(entry.payee), plain(entry.description)]))
    yield f"{entry.date} * ({entry.number}) {said}".rstrip()
    yield f"    ; uuid:{entry.uuid}, kind:{entry.kind}, year:{plain(entry.year)}"
    for name, text in entry.notes.items():
        yield f"    ; {name}:{plain(text)}"
    for posting in entry.postings:
        yield _posting(posting)


def _posting(posting: Posting) -> str:
    notes = ", ".join(f"{name}:{plain(text)}" for name, text in posting.notes.items())
    return f"    {posting.account}  {posting.priced}" + (f"  ; {notes}" if notes else "")


def _balances(day: date, standing: list[tuple[str, Decimal, str]]) -> Iterator[str]:
    """Say at a year end what stands where: hledger refuses the journal when it is otherwise."""
    yield ""
    yield f"{day} * Balances at the year end"
    for name, units, commodity in standing:
        yield f"    {name}  {amount(ZERO, commodity)} = {amount(units, commodity)}"
