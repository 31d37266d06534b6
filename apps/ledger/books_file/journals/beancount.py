"""
A journal as beancount reads it.

https://beancount.github.io/docs/beancount_language_syntax.html
"""

import datetime
from collections.abc import Iterator

from apps.ledger.books_file.journals import Books, Entry, Posting, amount, clean
from apps.ledger.models import Account

DAY = datetime.timedelta(days=1)


def lines(books: Books) -> Iterator[str]:
    """Yield the lines of the journal. Every text is quoted, so none can be anything but a text."""
    yield f'option "title" {quoted(str(books.client))}'
    yield f'option "operating_currency" "{books.base}"'
    # A total price becomes a price of one unit there, and its last digit may be off by that.
    yield 'option "inferred_tolerance_default" "*:0.000001"'
    for commodity in books.commodities:
        yield f"{books.first_day} commodity {commodity}"
    for name, account in books.accounts:
        yield from _account(books.first_day, name, account)
    for entry in books.entries:
        yield ""
        yield from _entry(entry)
    for day, standing in books.balances:
        yield ""
        for name, units, commodity in standing:
            # Asked on the morning after; no tolerance: it has to be exactly so.
            number, _blank, code = amount(units, commodity).partition(" ")
            yield f"{day + DAY} balance {name}  {number} ~ 0 {code}"


def quoted(text: str) -> str:
    """Return a text between quotes, with what would end it escaped."""
    escaped = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _account(day: datetime.date, name: str, account: Account) -> Iterator[str]:
    yield f"{day} open {name}"
    yield f"  code: {quoted(account.code)}"
    yield f"  name: {quoted(account.name)}"


def _entry(entry: Entry) -> Iterator[str]:
    payee = f"{quoted(entry.payee)} " if entry.payee else ""
    yield f"{entry.date} * {payee}{quoted(entry.description)} #{entry.kind}"
    yield f'  uuid: "{entry.uuid}"'
    yield f"  number: {quoted(f'{entry.year}/{entry.number}')}"
    for name, text in entry.notes.items():
        yield f"  {name}: {quoted(text)}"
    for posting in entry.postings:
        yield from _posting(posting)


def _posting(posting: Posting) -> Iterator[str]:
    yield f"  {posting.account}  {posting.priced}"
    for name, text in posting.notes.items():
        yield f"    {name}: {quoted(text)}"
