"""How the history of a model is told. Apps register more where a model's fields do not say enough."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.db.models import F, Field, ForeignKey, Model, QuerySet, Value
from django.urls import NoReverseMatch, reverse

from apps.core.trail.events import ADDED, CHANGED, REMOVED, did
from apps.core.trail.words import words

Related = dict[tuple[type[Model], Any], Model]


@dataclass(frozen=True)
class Part:
    """
    Records that are a part of another one, by the name of their key to it.

    A row of a part belongs to an event of its record when one person saved both within ``within``, and when
    what was done to it is one of ``kinds``.
    """

    model: type[Model]
    parent: str
    within: timedelta = timedelta(seconds=5)
    kinds: str = ADDED + CHANGED + REMOVED


class Telling:
    """The history of a model in words: names, deeds, values. One for each model."""

    #: What is told along with a record.
    parts: Sequence[Part] = ()
    #: Fields that say nothing to people: keys of the machine, and what every record of a client repeats.
    silent: Sequence[str] = ("uuid", "client")

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.history: type[Any] = self._history()

    def _history(self) -> type[Any]:
        return self.model.history.model  # type: ignore[attr-defined]

    @property
    def key(self) -> str:
        """The name of the column that says which record a row is about."""
        return self.model._meta.pk.attname  # type: ignore[union-attr]

    @property
    def of_kind(self) -> str:
        """What kind of record this is, in words."""
        return str(self.model._meta.verbose_name)

    def rows(self) -> QuerySet[Any]:
        return self.history._default_manager.order_by()

    # Fields

    @cached_property
    def stored(self) -> list[Field]:
        return list(self.history.tracked_fields)

    @cached_property
    def fields(self) -> list[Field]:
        """The fields that are told."""
        return [one for one in self.stored if one.name not in self.silent and not one.primary_key]

    @cached_property
    def lists(self) -> Sequence[Any]:
        """The many-to-many fields that are told."""
        return self.history._history_m2m_fields

    @cached_property
    def links(self) -> list[ForeignKey]:
        return [one for one in self.stored if isinstance(one, ForeignKey)]

    def record_of(self, row: Any, related: Related) -> Any:
        """Return the record as a row has it, with its related records: naming it asks nothing more."""
        record = self.model(**{field.attname: getattr(row, field.attname) for field in self.stored})
        for link in self.links:
            if (pk := getattr(row, link.attname)) is not None:
                model: Any = link.related_model
                setattr(
                    record, link.name, related.get((model, pk)) or model(pk=pk)
                )  # never asked for by itself
        return record

    # Words

    def name_of(self, record: Any) -> str:
        return str(record)

    def name_alone(self, record: Any) -> str:
        """Name a record where nothing else says what it is a part of."""
        return self.name_of(record)

    def did(self, row: Any, record: Any, before: Any | None) -> tuple[str, Sequence[str]]:
        """Return the sentence for a row, and the names of the fields that it says already."""
        return did(row.history_type), ()

    def words(self, field: Any, value: Any, record: Any) -> str:
        return words(field, value)

    def url_of(self, record: Any) -> str:
        """Return where the record is read."""
        return admin_url(self.model, "change", record.pk)

    def url_when_gone(self, record: Any) -> str:
        """Return where to read of a record that is gone: its history stays."""
        return admin_url(self.model, "history", record.pk)

    def gone(self, keys: Iterable[Any]) -> set[Any]:
        """Return which of these records are no more."""
        keys = set(keys)
        return keys - set(self.model._base_manager.filter(pk__in=keys).values_list("pk", flat=True))

    def more_about(self, pk: Any, user: Any) -> list["Source"]:
        """Return what else belongs into the history of one record, besides its rows and its parts."""
        return []


class LogTelling(Telling):
    """A log that only grows, told with the histories: each row is something somebody did."""

    moment = "at"
    person = "by_id"

    def _history(self) -> type[Any]:
        return self.model

    def rows(self) -> QuerySet[Any]:
        return self.model._default_manager.order_by().annotate(
            history_id=F("pk"),
            history_date=F(self.moment),
            history_user_id=F(self.person),
            history_type=Value(ADDED),
            history_change_reason=Value(""),
        )

    @cached_property
    def stored(self) -> list[Field]:
        return list(self.model._meta.concrete_fields)

    @cached_property
    def fields(self) -> list[Field]:
        return []

    @cached_property
    def lists(self) -> Sequence[Any]:
        return ()

    def record_of(self, row: Any, related: Related) -> Any:
        return row


@dataclass(frozen=True)
class Source:
    """Rows of one history. Those of a part are told with its record wherever they belong to its event."""

    telling: Telling
    rows: QuerySet[Any]
    part: Part | None = None


_tellings: dict[type[Model], Telling] = {}


def register[Kind: type[Telling]](model: type[Model]) -> Callable[[Kind], Kind]:
    """Tell the history of a model by a class of its own; a decorator."""

    def put(kind: Kind) -> Kind:
        _tellings[model] = kind(model)
        return kind

    return put


def telling_of(model: type[Model]) -> Telling:
    if model not in _tellings:
        _tellings[model] = Telling(model)
    return _tellings[model]


def sources_about(model: type[Model], pk: Any, user: Any) -> list[Source]:
    """Return what the history of one record is read from: its own rows, those of its parts, and more."""
    telling = telling_of(model)
    parts = [(part, telling_of(part.model)) for part in telling.parts]
    return [
        Source(telling, telling.rows().filter(**{telling.key: pk})),
        *(Source(of_part, of_part.rows().filter(**{part.parent: pk}), part) for part, of_part in parts),
        *telling.more_about(pk, user),
    ]


def admin_url(model: type[Model], page: str, pk: Any) -> str:
    """Return the address of a record's page in the admin; empty where it has none."""
    if model not in admin.site._registry:
        return ""
    try:
        return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=[pk])
    except NoReverseMatch:
        return ""
