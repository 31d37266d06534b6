"""
Records as rows of a file: what columns a kind of record has, and where their values come from.

A column is a path that the database follows (``account__code``), so that a file of a million rows is one
query, read a few thousand rows at a time.
"""

import datetime
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import QuerySet
from django.utils import timezone

from apps.core.tables.writing import Column, Sheet, Value

AT_ONCE = 4_000  # rows read from the database
#: By what a record is known to people, the first of these that it has; else by its number.
NATURAL_KEYS = ("code", "username", "name", "file_name", "uuid")
NEVER = {"password", "hash", "facts_key", "lines_key"}


@dataclass(frozen=True)
class ExportColumn:
    """A column: its title, the path to its values, and what is done to them on the way."""

    title: str
    path: str
    kind: str = "text"
    convert: Callable[[Any], Value] | None = None

    @property
    def as_column(self) -> Column:
        return Column(self.title, self.kind)

    def value(self, stored: Any) -> Value:
        """Return a value as a file has it: local times, decimals without zeros at their end."""
        if stored is None:
            return None
        if self.convert:
            return self.convert(stored)
        match stored:
            case bool() | int():
                return stored
            case Decimal():
                return _short(stored)
            case datetime.datetime():
                return timezone.localtime(stored).replace(microsecond=0, tzinfo=None)
            case datetime.date():
                return stored
        return str(stored)


def columns_of(model: type[models.Model], *, without: Iterable[str] = ()) -> list[ExportColumn]:
    """Return a column for each field of a model that means something outside of this database."""
    left_out = {*NEVER, *without}
    return [
        column_of(model, field.name)
        for field in model._meta.concrete_fields
        if not field.primary_key
        and field.name not in left_out
        and not isinstance(field, models.BinaryField | models.JSONField)
    ]


def column_of(model: type[models.Model], path: str, title: str = "") -> ExportColumn:
    """Return the column of a field, also of a related record; a relation is its natural key."""
    field: Any = _follow(model, path)
    title = title or str(field.verbose_name).lower()
    if field.is_relation:
        key = natural_key(field.related_model)
        return ExportColumn(title, f"{path}__{key}", "text")
    return ExportColumn(title, path, _kind(field))


def natural_key(model: type[models.Model]) -> str:
    """Return the name of the field by which people know records of a model."""
    names = {field.name for field in model._meta.concrete_fields}
    return next((name for name in NATURAL_KEYS if name in names), "pk")


def rows_of(queryset: QuerySet[Any], columns: Sequence[ExportColumn]) -> Iterator[list[Value]]:
    """Yield a row for each record, in the order of the queryset, with a few thousand in memory."""
    values = queryset.prefetch_related(None).values_list(*(column.path for column in columns))
    for stored in values.iterator(chunk_size=AT_ONCE):
        yield [column.value(value) for column, value in zip(columns, stored, strict=True)]


def sheet_of(title: str, queryset: QuerySet[Any], columns: Sequence[ExportColumn]) -> Sheet:
    return Sheet(title, [], [one.as_column for one in columns], rows_of(queryset, columns), has_head=False)


def _follow(model: type[models.Model], path: str) -> models.Field:
    first, _dots, rest = path.partition("__")
    field: Any = model._meta.get_field(first)
    return _follow(field.related_model, rest) if rest else field


def _kind(field: models.Field) -> str:
    match field:
        case models.DateTimeField():
            return "time"
        case models.DateField():
            return "date"
        case models.DecimalField():
            return "decimal"
        case models.IntegerField():
            return "number"
    return "text"


def _short(amount: Decimal) -> Decimal:
    """``12.5000`` is written 12.50: with two decimals, or as many as it needs."""
    short = amount.normalize()
    exponent = short.as_tuple().exponent
    return round(amount, 2) if isinstance(exponent, int) and exponent > -2 else short
