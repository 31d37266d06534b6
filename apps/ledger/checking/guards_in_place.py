"""Whether the guards stand as the migrations made them: present, switched on, and saying what they said."""

import re
from collections.abc import Iterator
from functools import cache

from django.apps import apps
from django.db import connection, migrations
from django.db.migrations.loader import MigrationLoader
from django.utils.translation import gettext as _

_FUNCTION = re.compile(
    r"CREATE (?:OR REPLACE )?FUNCTION (\w+)\(.*?AS (\$\w*\$)(.*?)\2", re.DOTALL | re.IGNORECASE
)
_TRIGGER = re.compile(r'CREATE (?:CONSTRAINT )?TRIGGER "?(\w+)"?.*?\bON "?(\w+)"?', re.DOTALL | re.IGNORECASE)
_DROPPED = re.compile(r"DROP (TRIGGER|FUNCTION) (?:IF EXISTS )?([^;]+)", re.IGNORECASE)

Triggers = set[tuple[str, str]]


def missing_guards() -> Iterator[str]:
    """Yield a sentence for each trigger, function or constraint that is missing, off, or not what it was."""
    functions, triggers = guards_of_migrations()
    yield from _triggers(triggers)
    yield from _functions(functions)
    yield from _constraints()


@cache
def guards_of_migrations() -> tuple[dict[str, str], Triggers]:
    """Return the source of each function and (table, name) of each trigger, as the migrations leave them."""
    functions: dict[str, str] = {}
    triggers: Triggers = set()
    for sql in _statements():
        for kind, dropped in _DROPPED.findall(sql):
            if kind.upper() == "FUNCTION":
                for name in re.findall(r"\w+(?=\(|,|$|\s)", dropped):
                    functions.pop(name, None)
            elif match := re.match(r'"?(\w+)"? ON "?(\w+)"?', dropped):
                triggers.discard((match[2], match[1]))
        functions |= {name: body for name, _mark, body in _FUNCTION.findall(sql)}
        triggers |= {(table, name) for name, table in _TRIGGER.findall(sql)}
    return functions, triggers


def _statements() -> Iterator[str]:
    graph = MigrationLoader(None).graph
    own = {config.label for config in apps.get_app_configs() if config.name.startswith("apps.")}
    seen = dict.fromkeys(node for leaf in graph.leaf_nodes() for node in graph.forwards_plan(leaf))
    for node in seen:
        if node[0] in own:
            for operation in graph.nodes[node].operations:
                if isinstance(operation, migrations.RunSQL) and isinstance(operation.sql, str):
                    yield operation.sql


def _rows(sql: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def _triggers(expected: Triggers) -> Iterator[str]:
    found = {
        (table, name): enabled
        for table, name, enabled in _rows(
            "SELECT relname, tgname, tgenabled::text FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace"
        )
    }
    for table, name in sorted(expected):
        if (table, name) not in found:
            yield _("The guard %(name)s of the table %(table)s is missing.") % {"name": name, "table": table}
        elif found[table, name] != "O":
            yield _("The guard %(name)s of the table %(table)s is switched off.") % {
                "name": name,
                "table": table,
            }


def _functions(expected: dict[str, str]) -> Iterator[str]:
    found = {
        function: source
        for function, source in _rows(
            "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace"
        )
        if function in expected
    }
    for name, source in sorted(expected.items()):
        if found.get(name) != source:
            yield (
                _("The function %(name)s, which guards use, is not what the migrations made.")
                if name in found
                else _("The function %(name)s, which guards use, is missing.")
            ) % {"name": name}


def _constraints() -> Iterator[str]:
    """Named constraints, and the foreign keys Django names itself."""
    valid = {
        name
        for (name,) in _rows(
            "SELECT conname FROM pg_constraint"
            " WHERE connamespace = current_schema()::regnamespace AND convalidated"
            " UNION ALL SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE relnamespace = current_schema()::regnamespace AND indisunique AND indisvalid"
        )
    }
    keys = set(
        _rows(
            "SELECT conrelid::regclass::text, attname FROM pg_constraint"
            " JOIN pg_attribute ON attrelid = conrelid AND ARRAY[attnum] = conkey"
            " WHERE contype = 'f' AND convalidated AND connamespace = current_schema()::regnamespace"
        )
    )
    for model in apps.get_models():
        if not model.__module__.startswith("apps.") or not model._meta.managed:
            continue
        table = model._meta.db_table
        names = [str(constraint.name) for constraint in model._meta.constraints]
        for name in names:
            if name not in valid:
                yield _("The rule %(name)s of the table %(table)s is missing or was never checked.") % {
                    "name": name,
                    "table": table,
                }
        for field in model._meta.local_concrete_fields:
            if getattr(field, "db_constraint", False) and (table, field.column) not in keys:
                yield _("The foreign key of %(table)s.%(column)s is missing or was never checked.") % {
                    "table": table,
                    "column": field.column,
                }
