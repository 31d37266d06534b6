"""One wrong write, made in each way Django offers and by SQL."""

import tempfile
from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path

from django.core.management import call_command
from django.core.serializers import serialize
from django.db import connection, models
from django.utils import timezone

Path_ = tuple[str, Callable[[], object]]


def run_sql(statement, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)


class Change:
    """A stored record gets other values."""

    def __init__(self, record: models.Model, **facts) -> None:
        self.record, self.facts = record, facts

    def paths(self) -> Iterator[Path_]:
        model = type(self.record)
        rows = model._base_manager.filter(pk=self.record.pk)
        changed = model._base_manager.get(pk=self.record.pk)
        for name, value in self.facts.items():
            setattr(changed, name, value)
        columns = [model._meta.get_field(name) for name in self.facts]
        if not any(column.primary_key for column in columns):
            yield "save", lambda: models.Model.save_base(changed)
            yield "bulk_update", lambda: model._base_manager.bulk_update([changed], list(self.facts))
            yield "loaddata", lambda: load(changed)
        yield "update", lambda: rows.update(**self.facts)
        sets = ", ".join(f'"{column.column}" = %s' for column in columns)
        yield (
            "SQL",
            lambda: run_sql(
                f'UPDATE "{model._meta.db_table}" SET {sets} WHERE {model._meta.pk.column} = %s',
                *(stored(changed, column) for column in columns),
                self.record.pk,
            ),
        )


class Add:
    """A record that should not exist is made."""

    def __init__(self, record: models.Model) -> None:
        self.record = record

    def paths(self) -> Iterator[Path_]:
        model = type(self.record)
        numbered = copy(self.record)
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT nextval(pg_get_serial_sequence('{model._meta.db_table}', 'id'))")
            numbered.pk = self.record.pk or cursor.fetchone()[0]
        for column in model._meta.concrete_fields:
            if getattr(column, "auto_now_add", False):
                setattr(numbered, column.attname, timezone.now())
        yield "save", lambda: copy(self.record).save()
        yield "bulk_create", lambda: model._base_manager.bulk_create([copy(self.record)])
        yield "loaddata", lambda: load(numbered)
        columns = [column for column in model._meta.concrete_fields if not column.generated]
        names = ", ".join(f'"{column.column}"' for column in columns)
        marks = ", ".join(["%s"] * len(columns))
        yield (
            "SQL",
            lambda: run_sql(
                f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({marks})',
                *(stored(numbered, column) for column in columns),
            ),
        )


class Remove:
    """A record that must stay is deleted."""

    def __init__(self, record: models.Model) -> None:
        self.record = record

    def paths(self) -> Iterator[Path_]:
        model, pk = type(self.record), self.record.pk
        table = model._meta.db_table
        rows = model._base_manager.filter(pk=pk)
        yield "delete", lambda: model._base_manager.get(pk=pk).delete()
        yield "queryset delete", lambda: rows.delete()
        yield "raw delete", lambda: rows._raw_delete("default")
        yield (
            "SQL",
            lambda: run_sql(f'DELETE FROM "{table}" WHERE {model._meta.pk.column} = %s', pk),
        )


class Empty:
    """A table is emptied."""

    def __init__(self, table: str) -> None:
        self.table = table

    def paths(self) -> Iterator[Path_]:
        yield "TRUNCATE CASCADE", lambda: run_sql(f'TRUNCATE "{self.table}" CASCADE')


def load(record: models.Model) -> None:
    names = [field.name for field in record._meta.concrete_fields if not field.generated]
    with tempfile.TemporaryDirectory() as folder:
        fixture = Path(folder, "rows.json")
        fixture.write_text(serialize("json", [record], fields=names))
        call_command("loaddata", str(fixture), verbosity=0)


def stored(record: models.Model, column: models.Field) -> object:
    return column.get_db_prep_save(getattr(record, column.attname), connection)
