"""
The chain of posted entries, recomputed in Python from facts this module reads for itself.

Each entry's hash is the SHA-256 of the hash before it and of the entry's facts as one text, whose form
``ledger_entry_facts`` in the database defines. Nothing here calls it: what both say is compared in a test.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import connection
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.core.registry import book_checks
from apps.ledger.checking import Failure

# Rows of one line each, in the order of the chain, as COPY writes them: tab-separated, nothing for NULL.
FACTS = """
    COPY (
        SELECT e.client_id, e.id, encode(e.hash, 'hex'),
               e.uuid, e.date, y.start, p.start, CASE WHEN p.is_adjusting THEN 'adjusting' END,
               e.number, e.position, e.kind,
               CASE WHEN e.reverses_id IS NOT NULL THEN
                   (SELECT o.uuid FROM ledger_journalentry o WHERE o.id = e.reverses_id) END,
               l.line_number, a.uuid, l.amount, l.currency, l.foreign_amount, l.rate, t.uuid, l.tax_base,
               CASE WHEN l.recodes_id IS NOT NULL THEN
                   (SELECT o.uuid || '#' || r.line_number
                      FROM ledger_journalline r JOIN ledger_journalentry o ON o.id = r.entry_id
                     WHERE r.id = l.recodes_id) END
          FROM ledger_journalentry e
          LEFT JOIN ledger_period p ON p.id = e.period_id
          LEFT JOIN ledger_fiscalyear y ON y.id = p.fiscal_year_id
          LEFT JOIN ledger_journalline l ON l.entry_id = e.id
          LEFT JOIN ledger_account a ON a.id = l.account_id
          LEFT JOIN ledger_taxcode t ON t.id = l.tax_code_id
         WHERE e.client_id = ANY(ARRAY[{clients}]::bigint[]) AND e.status = 'posted'
         ORDER BY e.client_id, e.position, e.id, l.line_number
    ) TO STDOUT (NULL '')
"""
ENTRY, LINE = slice(3, 12), slice(12, 21)


@dataclass(frozen=True)
class Link:
    """A posted entry as the chain has it: its facts as one text, and the hash that is stored for it."""

    client_id: int
    entry_id: int
    facts: bytes
    stored: bytes


def links(clients: Sequence[int]) -> Iterator[Link]:
    """Yield the posted entries of some clients, each client's in the order of its chain."""
    head: list[bytes] = []
    lines: list[bytes] = []
    with (
        connection.cursor() as cursor,
        cursor.copy(FACTS.format(clients=", ".join(map(str, clients)))) as rows,
    ):
        for row in rows:
            fields = bytes(row)[:-1].split(b"\t")
            if not head or fields[1] != head[1]:
                if head:
                    yield _link(head, lines)
                head, lines = fields, []
            if fields[LINE.start]:
                lines.append(b"|".join(fields[LINE]))
    if head:
        yield _link(head, lines)


def _link(head: list[bytes], lines: list[bytes]) -> Link:
    facts = b"\n".join([b"|".join([b"v1", *head[ENTRY]]), *lines])
    return Link(int(head[0]), int(head[1]), facts, bytes.fromhex(head[2].decode()))


@book_checks.register
def chain(clients: Sequence[int]) -> Iterator[Failure]:
    """
    Every entry has the hash of its facts and of the entry before it.

    What follows a changed entry is measured by the hash that is stored, so that one change is one failure.
    """
    first: dict[int, int] = {}
    broken: Counter[int] = Counter()
    client_id, before = 0, b""
    for link in links(clients):
        if link.client_id != client_id:
            client_id, before = link.client_id, b""
        if hashlib.sha256(before + link.facts).digest() != link.stored:
            first.setdefault(client_id, link.entry_id)
            broken[client_id] += 1
        before = link.stored
    for client_id, entry_id in first.items():
        code, number, day = _named(entry_id)
        yield Failure(
            check="chain",
            client=code,
            entry=number,
            date=day,
            count=broken[client_id],
            what=_(
                "Entry %(number)s of %(date)s is not what was posted: its facts, or the entry before it, "
                "were changed."
            )
            % {"number": number, "date": date_format(day, "Y-m-d")},
        )


def _named(entry_id: int) -> tuple[str, int, date]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.code, e.number, e.date FROM ledger_journalentry e"
            " JOIN profiles_client c ON c.id = e.client_id WHERE e.id = %s",
            [entry_id],
        )
        return cursor.fetchone()
