"""The journal as it was posted: entries with their lines, by date."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Prefetch, Q, QuerySet

from apps.ledger.models import EntryKind, JournalEntry, JournalLine
from apps.ledger.queries.balances import ZERO, flows
from apps.profiles.models import Client

CHUNK = 500
#: An entry's place in the journal.
Place = tuple[datetime.date, int]


@dataclass(frozen=True)
class JournalPage:
    """
    Some entries with their lines, ``listed_lines``. ``previous`` and ``following`` are the entries that the
    pages around it begin with; ``debit`` is the sum of the whole range, which the credits equal.
    """

    entries: list[JournalEntry]
    previous: JournalEntry | None
    following: JournalEntry | None
    is_first: bool
    debit: Decimal


def posted_entries(
    client: Client, start: datetime.date, end: datetime.date, *, kind: str = ""
) -> QuerySet[JournalEntry]:
    """Return the posted entries of a range by date, and in the order they were made within a day."""
    entries = JournalEntry.objects.filter(client=client, date__gte=start, date__lte=end).posted()
    return (entries.filter(kind=kind) if kind else entries).order_by("date", "pk")


def journal(
    client: Client,
    start: datetime.date,
    end: datetime.date,
    *,
    kind: str = "",
    begins: Place | None = None,
    size: int,
) -> JournalPage:
    """Return the entries from a place on, or the first ones; a page deep in the journal costs no more."""
    entries = posted_entries(client, start, end, kind=kind)
    shown = list(_with_lines(entries.filter(_from(begins)) if begins else entries)[: size + 1])
    earlier = list(entries.filter(_until(begins)).reverse()[:size]) if begins else []
    return JournalPage(
        entries=shown[:size],
        previous=earlier[-1] if earlier else None,
        following=shown[size] if len(shown) > size else None,
        is_first=not earlier,
        debit=sum(
            (flow.debit for flow in flows(client, [(start, end)]) if not kind or flow.kind == kind), ZERO
        ),
    )


def every_entry(
    client: Client, start: datetime.date, end: datetime.date, *, kind: str = ""
) -> Iterator[JournalEntry]:
    """Yield all entries with their lines, holding a few at a time: for files."""
    yield from _with_lines(posted_entries(client, start, end, kind=kind)).iterator(chunk_size=CHUNK)


def kinds_offered() -> list[tuple[str, str]]:
    return [(kind.value, str(kind.label)) for kind in EntryKind]


def _from(place: Place) -> Q:
    date, pk = place
    return Q(date__gte=date) & (Q(date__gt=date) | Q(pk__gte=pk))  # the first part is what an index serves


def _until(place: Place) -> Q:
    date, pk = place
    return Q(date__lte=date) & (Q(date__lt=date) | Q(pk__lt=pk))


def _with_lines(entries: QuerySet[JournalEntry]) -> QuerySet[JournalEntry]:
    lines = JournalLine.objects.select_related("account", "contact").order_by("line_number")
    return entries.select_related("fiscal_year").prefetch_related(
        Prefetch("lines", lines, to_attr="listed_lines")
    )
