"""
Histories brought into one order, newest first, a page at a time.

A page costs the same anywhere in a history of any length: it begins at a place, not at a number, and each
history is asked for a page of rows through its index.
"""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import (
    DateTimeField,
    DurationField,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Coalesce

from apps.core.trail.events import REMOVED, Event
from apps.core.trail.sentences import events_of
from apps.core.trail.telling import Part, Source, Telling, telling_of

#: What is removed just before its record goes along with it: the lines of a draft that is deleted.
LEAD = datetime.timedelta(seconds=5)
CHUNK = 200
NOBODY = 0


@dataclass(frozen=True, order=True)
class Place:
    """Where a row stands among all rows; the newest has the greatest place."""

    at: datetime.datetime
    rank: int
    pk: int

    def __str__(self) -> str:
        return f"{self.at.astimezone(datetime.UTC):%Y%m%dT%H%M%S%f}.{-self.rank}.{self.pk}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """Return the place a text from an address names; None for any other text."""
        at, _dot, rest = text.partition(".")
        rank, _dot, pk = rest.partition(".")
        if not all(part.isascii() and part.isdecimal() and len(part) <= 18 for part in (rank, pk)):
            return None
        try:
            moment = datetime.datetime.strptime(at, "%Y%m%dT%H%M%S%f").replace(tzinfo=datetime.UTC)
        except ValueError:
            return None
        return cls(moment, -int(rank), int(pk))


@dataclass(frozen=True)
class Row:
    place: Place
    telling: Telling
    row: Any
    is_part: bool


@dataclass(frozen=True)
class Page:
    """Some events, newest first, and the place that the page after them begins at."""

    events: Sequence[Event]
    following: Place | None
    is_first: bool


def read_page(sources: Sequence[Source], *, begins: Place | None = None, size: int) -> Page:
    """Return the events from a place on, or the newest ones."""
    rows = _newest(sources, begins, size + 1)
    following = rows[size].place if len(rows) > size else None
    return Page(_events(rows[:size]), following, is_first=begins is None)


def every_event(sources: Sequence[Source]) -> Iterator[Event]:
    """Yield all events, newest first, holding a few at a time: for files."""
    begins: Place | None = None
    while True:
        page = read_page(sources, begins=begins, size=CHUNK)
        yield from page.events
        if page.following is None:
            return
        begins = page.following


def _newest(sources: Sequence[Source], begins: Place | None, count: int) -> list[Row]:
    found: list[Row] = []
    # Parts come last: only those as young as the oldest row found so far are looked at.
    for rank, source in sorted(enumerate(sources), key=lambda one: one[1].part is not None):
        rows = source.rows if source.part is None else _loose(source, source.part)
        if begins:
            rows = rows.filter(_from(begins, -rank))
        if source.part and len(found) >= count:
            rows = rows.filter(history_date__gte=found[count - 1].place.at)
        newest = rows.order_by("-history_date", "-history_id")[:count]
        found += [
            Row(Place(row.history_date, -rank, row.history_id), source.telling, row, source.part is not None)
            for row in newest
        ]
        found.sort(key=lambda one: one.place, reverse=True)
        del found[count:]
    return found


def _from(place: Place, rank: int) -> Q:
    at_once = Q(history_date=place.at)
    if rank == place.rank:
        at_once &= Q(history_id__lte=place.pk)
    earlier = Q(history_date__lt=place.at)
    if rank <= place.rank:
        earlier |= at_once
    return Q(history_date__lte=place.at) & earlier  # the first part is what an index serves


def _loose(source: Source, part: Part) -> QuerySet[Any]:
    """Return the rows of a part that stand for themselves: nobody saved their record along with them."""
    parent = _parent_of(part)
    anchors = parent.rows().filter(
        **{parent.key: OuterRef(_column(part))},
        history_date__gte=_moved("history_date", -part.within),
        history_date__lte=_moved("history_date", part.within),
    )
    same_person = anchors.alias(person=Coalesce("history_user_id", Value(NOBODY))).filter(
        person=Coalesce(OuterRef("history_user_id"), Value(NOBODY))
    )
    return source.rows.exclude(Exists(same_person), history_type__in=list(part.kinds))


def _moved(name: str, by: datetime.timedelta) -> Any:
    return ExpressionWrapper(
        OuterRef(name) + Value(by, output_field=DurationField()), output_field=DateTimeField()
    )


def _parent_of(part: Part) -> Telling:
    return telling_of(part.model._meta.get_field(part.parent).related_model)  # type: ignore[arg-type]


def _column(part: Part) -> str:
    return part.model._meta.get_field(part.parent).attname  # type: ignore[union-attr]


def _events(rows: Sequence[Row]) -> list[Event]:
    heads = [(one.telling, one.row) for one in rows]
    parts: dict[tuple[Telling, int], list[tuple[Telling, Any]]] = {}
    for telling in {telling for telling, _row in heads if telling.parts}:
        own = [row for one, row in heads if one is telling]
        parts |= {(telling, pk): found for pk, found in _parts_along(telling, own).items()}
    events = events_of(heads, parts)
    return [replace(event, is_part=one.is_part) for one, event in zip(rows, events, strict=True)]


def _parts_along(telling: Telling, heads: list[Any]) -> dict[int, list[tuple[Telling, Any]]]:
    """Return the rows of parts that belong to rows of their record, by the history id of these."""
    first, last = (pick(row.history_date for row in heads) for pick in (min, max))
    keys = {getattr(row, telling.key) for row in heads}
    longest = max(part.within for part in telling.parts)
    anchors: dict[Any, list[Any]] = defaultdict(list)
    around = (first - 2 * longest, last + 2 * longest)
    for anchor in telling.rows().filter(**{f"{telling.key}__in": keys}, history_date__range=around):
        anchors[getattr(anchor, telling.key)].append(anchor)
    shown = {row.history_id for row in heads}
    found: dict[int, list[tuple[Telling, Any]]] = defaultdict(list)
    for part in telling.parts:
        of_part, column = telling_of(part.model), _column(part)
        rows = of_part.rows().filter(
            **{f"{column}__in": keys},
            history_type__in=list(part.kinds),
            history_date__range=(first - part.within, last + part.within),
        )
        for row in rows.order_by("history_date", "history_id"):
            anchor = _anchor(row, anchors[getattr(row, column)], part)
            if anchor and anchor.history_id in shown:
                found[anchor.history_id].append((of_part, row))
    return found


def _anchor(row: Any, candidates: Iterable[Any], part: Part) -> Any | None:
    """Return the row of the record that a row of a part was saved with, as ``_loose`` finds there is one."""
    at, is_gone = row.history_date, row.history_type == REMOVED
    near = [
        one
        for one in candidates
        if one.history_user_id == row.history_user_id and abs(at - one.history_date) <= part.within
    ]
    soon = [one for one in near if at <= one.history_date <= at + LEAD and one.history_type == REMOVED]
    if is_gone and soon:
        return min(soon, key=lambda one: one.history_date)
    if is_gone:
        return min(near, key=lambda one: abs(at - one.history_date), default=None)
    before = [one for one in near if one.history_date <= at]
    if before:
        return max(before, key=lambda one: (one.history_date, one.history_type == row.history_type))
    return min(near, key=lambda one: one.history_date, default=None)
