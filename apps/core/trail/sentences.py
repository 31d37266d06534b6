"""Rows of histories made into events: each compared with the row before it, each key by its name."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Model, OuterRef, Subquery
from django.utils.translation import gettext as _

from apps.core.trail.events import CHANGED, REMOVED, Change, Event
from apps.core.trail.telling import Related, Telling, telling_of

Rows = Sequence[tuple[Telling, Any]]
Parts = dict[tuple[Telling, int], list[tuple[Telling, Any]]]
MOST_LISTED = 5  # names of a many-to-many list that are all told; of a longer one, what differs


def events_of(heads: Rows, parts: Parts) -> list[Event]:
    """Return an event for each row, with those of its parts. The number of queries is that of the models."""
    return _Reader([*heads, *(row for found in parts.values() for row in found)]).events(heads, parts)


def as_it_was(model: type[Model], pk: Any) -> Any | None:
    """Return a record as it was when its history ends; None where it has none."""
    telling = telling_of(model)
    last = telling.rows().filter(**{telling.key: pk}).order_by("-history_id").first()
    return telling.record_of(last, _related({telling: [last]}, {})) if last else None


class _Reader:
    """What is needed to tell some rows, read at once: the rows before them, and what they refer to."""

    def __init__(self, rows: Rows) -> None:
        by_telling: dict[Telling, list[Any]] = defaultdict(list)
        for telling, row in rows:
            by_telling[telling].append(row)
        self.before: dict[tuple[Telling, int], Any] = {}
        for telling, own in by_telling.items():
            self.before |= {(telling, pk): row for pk, row in _before(telling, own).items()}
        for (telling, _pk), row in self.before.items():
            by_telling[telling].append(row)
        self.lists = {telling: _lists(telling, own) for telling, own in by_telling.items() if telling.lists}
        self.related = _related(by_telling, self.lists)

    def events(self, heads: Rows, parts: Parts) -> list[Event]:
        keys: dict[Telling, set[Any]] = defaultdict(set)
        for telling, row in heads:
            keys[telling].add(getattr(row, telling.key))
        gone = {telling: telling.gone(found) for telling, found in keys.items()}
        told = []
        for telling, row in heads:
            along = [self._event(*part) for part in parts.get((telling, row.history_id), ())]
            told.append(self._event(telling, row, parts=along, gone=gone[telling]))
        return told

    def _event(
        self, telling: Telling, row: Any, *, parts: Sequence[Event] = (), gone: set[Any] | None = None
    ) -> Event:
        record = telling.record_of(row, self.related)
        before = self.before.get((telling, row.history_id))
        record_before = telling.record_of(before, self.related) if before else None
        did, said = telling.did(row, record, before)
        url = ""
        if gone is not None:
            is_gone = getattr(row, telling.key) in gone
            url = telling.url_when_gone(record) if is_gone else telling.url_of(record)
        who = self.related.get((get_user_model(), row.history_user_id))
        return Event(
            at=row.history_date,
            who=str(who) if who else _("The system"),
            kind=row.history_type,
            did=did,
            what=telling.name_of(record),
            alone=telling.name_alone(record),
            of_kind=telling.of_kind,
            reason=row.history_change_reason or "",
            changes=tuple(self._changes(telling, (row, record), (before, record_before), said)),
            parts=tuple(parts),
            url=url,
        )

    def _changes(
        self, telling: Telling, now: tuple[Any, Any], then: tuple[Any, Any], said: Sequence[str]
    ) -> Iterable[Change]:
        row, record = now
        before, record_before = then
        for field in telling.fields:
            if field.name in said:
                continue
            new = getattr(row, field.attname)
            if before is not None:
                old = getattr(before, field.attname)
                if old != new:
                    was = self._words(telling, field, old, record_before)
                    yield Change(str(field.verbose_name), was, self._words(telling, field, new, record))
            elif field.editable and new not in (None, "", False):
                text = self._words(telling, field, new, record)
                both = (text, "") if row.history_type == REMOVED else ("", text)
                yield Change(str(field.verbose_name), *both)
        for field in telling.lists:
            lists = self.lists[telling][field.name]
            yield from self._list_change(
                field, lists[before.history_id] if before else set(), lists[row.history_id]
            )

    def _list_change(self, field: Any, old: set[Any], new: set[Any]) -> Iterable[Change]:
        if old == new:
            return
        if max(len(old), len(new)) > MOST_LISTED:
            old, new = old - new, new - old  # what was taken away, and what was given
        names = ("; ".join(sorted(self._name(field.related_model, pk) for pk in keys)) for keys in (old, new))
        yield Change(str(field.verbose_name), *names)

    def _words(self, telling: Telling, field: Any, value: Any, record: Any) -> str:
        if field.is_relation:
            return "" if value is None else self._name(field.related_model, value)
        return telling.words(field, value, record)

    def _name(self, model: type[Model], pk: Any) -> str:
        found = self.related.get((model, pk))
        return str(found) if found else _("no. %(number)s, which is gone") % {"number": pk}


def _before(telling: Telling, rows: Iterable[Any]) -> dict[int, Any]:
    """Return the row before each changed one, by the history id of that."""
    changed = [row for row in rows if row.history_type == CHANGED]
    if not changed:
        return {}
    earlier = telling.rows().filter(
        **{telling.key: OuterRef(telling.key)}, history_id__lt=OuterRef("history_id")
    )
    newest = Subquery(earlier.order_by("-history_id").values("history_id")[:1])
    own = telling.rows().filter(history_id__in=[row.history_id for row in changed])
    found = telling.rows().filter(history_id__in=own.annotate(before=newest).values("before"))
    by_key: dict[Any, list[Any]] = defaultdict(list)
    for row in found:
        by_key[getattr(row, telling.key)].append(row)
    befores = {}
    for row in changed:
        older = [one for one in by_key[getattr(row, telling.key)] if one.history_id < row.history_id]
        if older:
            befores[row.history_id] = max(older, key=lambda one: one.history_id)
    return befores


def _lists(telling: Telling, rows: Iterable[Any]) -> dict[str, dict[int, set[Any]]]:
    """Return, by field and by history id, the keys a many-to-many list had."""
    ids = [row.history_id for row in rows]
    lists: dict[str, dict[int, set[Any]]] = {}
    for field in telling.lists:
        found: dict[int, set[Any]] = defaultdict(set)
        kept = getattr(telling.history, field.name).model.objects.filter(history__in=ids)
        for history_id, pk in kept.values_list("history_id", f"{field.m2m_reverse_field_name()}_id"):
            found[history_id].add(pk)
        lists[field.name] = found
    return lists


def _related(rows: dict[Telling, list[Any]], lists: dict[Telling, Any]) -> Related:
    """Return every record that the rows refer to, by model and key: one query a model, or two."""
    keys: dict[type[Model], set[Any]] = defaultdict(set)
    for telling, own in rows.items():
        for row in own:
            keys[get_user_model()].add(row.history_user_id)
            for link in telling.links:
                keys[link.related_model].add(getattr(row, link.attname))  # type: ignore[index]
        for field in telling.lists if telling in lists else ():
            keys[field.related_model] |= set().union(*lists[telling][field.name].values())
    related: Related = {}
    for model, wanted in keys.items():
        wanted.discard(None)
        if not wanted:
            continue
        found: dict[Any, Model] = model._base_manager.in_bulk(wanted)
        related |= {(model, pk): one for pk, one in found.items()}
        if missing := wanted - found.keys():
            related |= {(model, pk): one for pk, one in _gone(model, missing).items()}
    return related


def _gone(model: type[Model], keys: set[Any]) -> dict[Any, Model]:
    """Return records that are no more, as they were last."""
    if not hasattr(model, "history"):
        return {}
    telling = telling_of(model)
    last = telling.rows().filter(**{f"{telling.key}__in": keys}).order_by(telling.key, "-history_id")
    return {getattr(row, telling.key): telling.record_of(row, {}) for row in last.distinct(telling.key)}
