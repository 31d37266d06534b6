"""
Checking the books: every rule the guards hold is asked again of what is stored.

The guards stop mistakes, and the owner of the database could switch them off; so nothing here rests on
them. A check gets the ids of some clients and tells its Failures; another app adds its own::

    @book_checks.register
    def bank_lines(clients: Sequence[int]) -> Iterator[Failure]: ...
"""

import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from apps.core.registry import book_checks
from apps.ledger.checking.guards_in_place import missing_guards

#: How many lines, and how many clients, are checked in one go.
LINES_AT_ONCE = 200_000
CLIENTS_AT_ONCE = 500

#: Called with how many lines are checked, and how many there are.
Progress = Callable[[int, int], object]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """
    The first record of a client that breaks a rule, and how many do.

    ``what`` says it in plain words; ``entry`` is the number of the entry it is about, where it is about
    one. Without a client it is about the database.
    """

    check: str
    what: str
    client: str = ""
    entry: int | None = None
    date: datetime.date | None = None
    count: int = 1

    def __str__(self) -> str:
        more = f" ({self.count} such)" if self.count > 1 else ""
        return f"{self.client + ': ' if self.client else ''}{self.what}{more}"


def check_books(clients: Iterable[int] | None = None, progress: Progress | None = None) -> list[Failure]:
    """
    Recompute every invariant of the books of these clients (ids), or of all, and return what fails.

    Each check is one statement over many clients, so that it sees one state of the books even while
    people post. Reads only; memory does not grow with the books.
    """
    return list(failures(clients, progress))


def failures(clients: Iterable[int] | None = None, progress: Progress | None = None) -> Iterator[Failure]:
    """Yield what ``check_books`` returns, as it is found."""
    for what in missing_guards():
        yield Failure(check="guards", what=what)
    sizes = _sizes(clients)
    checks, total, done = list(book_checks), sum(sizes.values()), 0
    for batch in _batches(sizes):
        lines = sum(sizes[client] for client in batch)
        for number, check in enumerate(checks, start=1):
            with _room_to_sort():
                yield from check(batch)
            if progress:
                progress(done + lines * number // len(checks), total)
        done += lines


@contextmanager
def _room_to_sort() -> Iterator[None]:
    """Give the statements inside memory for their sorting; compiling them would cost more than it saves."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '64MB'")
        cursor.execute("SET LOCAL jit = off")
        yield


def _sizes(clients: Iterable[int] | None) -> dict[int, int]:
    """Return about how many lines each client has, by id."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, coalesce(sum(t.lines), 0)::bigint FROM profiles_client c"
            " LEFT JOIN ledger_accounttotal t ON t.client_id = c.id"
            " WHERE %(all)s OR c.id = ANY(%(ids)s) GROUP BY c.id ORDER BY c.id",
            {"all": clients is None, "ids": list(clients or ())},
        )
        return dict(cursor.fetchall())


def _batches(sizes: dict[int, int]) -> Iterator[list[int]]:
    batch: list[int] = []
    lines = 0
    for client, size in sizes.items():
        if batch and (lines + size > LINES_AT_ONCE or len(batch) == CLIENTS_AT_ONCE):
            yield batch
            batch, lines = [], 0
        batch.append(client)
        lines += size
    if batch:
        yield batch


def set_based(sql: str, clients: Sequence[int], **arguments: Any) -> Iterator[dict[str, Any]]:
    """
    Run a query for failing rows, and yield the first of each client with how many there are.

    It has ``%(clients)s`` for the ids and yields ``client_id``, and ``place`` to tell which is first.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT ON (c.code) c.code AS client, f.*,"  # noqa: S608  (only our own text is put in)
            f" count(*) OVER (PARTITION BY f.client_id) AS count FROM ({sql}) f"
            " JOIN profiles_client c ON c.id = f.client_id ORDER BY c.code, f.place",
            {"clients": list(clients), **arguments},
        )
        columns = [column.name for column in cursor.description]
        for row in cursor.fetchall():
            yield dict(zip(columns, row, strict=True))
