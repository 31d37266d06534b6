"""
What a backup must give back: rows and checksum of every table, the schema, migrations, and facts.

It is SQL on the catalogue and never the ORM, because it must read a schema older than the code (the backup
before a migration) as well as one that was just restored. An app adds facts of its own by a view that a
migration makes, named ``manifest_…``, whose first column ``name`` says what each row is about.
"""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from psycopg import Cursor, sql

Manifest = dict[str, Any]
PARTS = ("tables", "facts", "schema", "migrations", "server", "database_bytes")

FACTS = "manifest_"
MOST_NAMED = 20  # differences that are told one by one

# A row as text must be the same text wherever and by whomever it is read.
PINNED = (
    "SET LOCAL search_path = public",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL intervalstyle = 'postgres'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL bytea_output = 'hex'",
    "SET LOCAL jit = off",
)
# Values of these types have the same hash in every database, at half the cost of their text's; that of an
# enum, say, is of a number the database gave it.
PLAIN = (
    "bool int2 int4 int8 numeric float4 float8 text varchar bpchar bytea uuid date time timestamp timestamptz"
    " interval jsonb inet"
)
TABLES = f"""
SELECT c.relname,
       (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attname = 'id' AND atttypid = 20),
       NOT EXISTS (
         SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = atttypid
          WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
            AND typname <> ALL (string_to_array('{PLAIN}', ' '))
       )
  FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
 ORDER BY pg_relation_size(c.oid) DESC, 1
"""  # noqa: S608
# A row's own hash adds those of its columns up, so that two rows could change values and the sum stay:
# it is hashed once more before it is added to the others.
OF_VALUES = "hashtextextended(hash_record_extended(x, 0)::text, 0)"
OF_TEXT = "hashtextextended(x::text, 0)"
SCHEMA = """
SELECT 'column ' || c.relname || '.' || a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
                 pg_get_expr(d.adbin, d.adrelid))
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'constraint ' || conrelid::regclass || '.' || conname,
       concat_ws(' ', pg_get_constraintdef(oid), convalidated)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index ' || tablename || '.' || indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'trigger ' || tgrelid::regclass || '.' || tgname, concat_ws(' ', pg_get_triggerdef(oid), tgenabled)
  FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'function ' || oid::regprocedure, pg_get_functiondef(oid)
  FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prokind IN ('f', 'p')
   AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
UNION ALL
SELECT 'view ' || viewname, definition FROM pg_views WHERE schemaname = 'public'
UNION ALL
SELECT 'materialized view ' || matviewname, definition FROM pg_matviews WHERE schemaname = 'public'
UNION ALL
SELECT 'sequence ' || sequencename, concat_ws(' ', data_type, start_value, min_value, max_value, increment_by)
  FROM pg_sequences WHERE schemaname = 'public'
UNION ALL
SELECT 'type ' || t.typname, string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)
  FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid
 WHERE t.typnamespace = 'public'::regnamespace GROUP BY t.typname
UNION ALL
SELECT 'extension ' || extname, '' FROM pg_extension
"""
# PostgreSQL writes an expression down in other words once it has read its own: x IN ('a', 'b') becomes
# x = ANY (ARRAY['a'::varchar, 'b'::varchar]::text[]) and then (ARRAY[('a'::varchar)::text, …]). So casts and
# parentheses are left out before definitions are compared. A function's text is kept as it was written.
NORMALISED = rf"""
SELECT what,
       md5(CASE WHEN starts_with(what, 'function ') THEN text ELSE translate(
         regexp_replace(text, '::(character varying|[a-z_]+)(\(\d+\))?(\[\])?', '', 'g'), '() ', ''
       ) END)
  FROM ({SCHEMA}) described (what, text)
"""  # noqa: S608
SEQUENCES = """
SELECT c.relname, a.attname, pg_get_serial_sequence(quote_ident(c.relname), a.attname)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
   AND pg_get_serial_sequence(quote_ident(c.relname), a.attname) IS NOT NULL
"""


def collect(cursor: Cursor[Any]) -> Manifest:
    """
    Return the facts of the database as one transaction sees them; begin it with REPEATABLE READ.

    Rows are counted, hashed and added up, so their order does not matter. Values of
    sequences are left out: they are not part of a transaction, and the dump reads them at another moment.
    """
    for statement in PINNED:
        cursor.execute(statement)
    server, size = _row(
        cursor, "SELECT current_setting('server_version'), pg_database_size(current_database())"
    )
    return {
        "tables": dict(_tables(cursor)),
        "facts": dict(_facts(cursor)),
        "schema": dict(cursor.execute(NORMALISED).fetchall()),
        "migrations": migrations(cursor),
        "server": server,
        "database_bytes": size,
    }


def migrations(cursor: Cursor[Any]) -> list[str]:
    """Return the migrations applied, as ``app.name``; none where the table of them is missing."""
    if not _row(cursor, "SELECT to_regclass('public.django_migrations')")[0]:
        return []
    cursor.execute("SELECT app || '.' || name FROM public.django_migrations ORDER BY 1")
    return [name for (name,) in cursor]


def _tables(cursor: Cursor[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield rows, sum of their hashes and newest key of each table."""
    for name, key, is_plain in cursor.execute(TABLES).fetchall():
        query = sql.SQL("SELECT count(*), coalesce(sum({}), 0)::text, {} FROM {} x").format(
            sql.SQL(OF_VALUES if is_plain else OF_TEXT),
            sql.SQL("coalesce(max(x.id), 0)" if key else "0"),
            sql.Identifier(name),
        )
        yield name, list(cursor.execute(query).fetchone())  # type: ignore[arg-type]


def _facts(cursor: Cursor[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    views = cursor.execute(
        "SELECT viewname FROM pg_views WHERE schemaname = 'public' AND starts_with(viewname, %s)", [FACTS]
    ).fetchall()
    for (view,) in views:
        rows = cursor.execute(sql.SQL("SELECT v.name, row_to_json(v) FROM {} v").format(sql.Identifier(view)))
        yield view.removeprefix(FACTS), {name: {**row, "name": name} for name, row in rows.fetchall()}


def sequences_behind(cursor: Cursor[Any]) -> list[str]:
    """Return a sentence for each sequence that would hand out a key that exists."""
    behind = []
    for table, column, sequence in cursor.execute(SEQUENCES).fetchall():
        query = sql.SQL("SELECT (SELECT last_value FROM {}) < coalesce((SELECT max({}) FROM {}), 0)").format(
            sql.SQL(sequence), sql.Identifier(column), sql.Identifier(table)
        )
        if _row(cursor, query)[0]:
            behind.append(_("The sequence of %(table)s is behind its keys.") % {"table": table})
    return behind


def differences(wanted: Manifest, found: Manifest) -> list[str]:
    """Return a sentence for each thing in which ``found`` is not what ``wanted`` says; none is identical."""
    every = [
        *_table_differences(wanted["tables"], found["tables"]),
        *_fact_differences(wanted["facts"], found["facts"]),
        *_differences(wanted["schema"], found["schema"]),
        *_differences(*[{f"migration {name}": "" for name in one["migrations"]} for one in (wanted, found)]),
    ]
    if len(every) > MOST_NAMED:
        left = len(every) - MOST_NAMED
        every = [*every[:MOST_NAMED], _("And %(count)s other differences.") % {"count": left}]
    return every


def _table_differences(wanted: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            yield _("Table %(table)s is missing.") % {"table": name}
        elif name not in wanted:
            yield _("Table %(table)s is too much.") % {"table": name}
        elif wanted[name][0] != found[name][0]:
            yield _("Table %(table)s has %(found)s rows, not %(wanted)s.") % {
                "table": name,
                "found": f"{found[name][0]:,}",
                "wanted": f"{wanted[name][0]:,}",
            }
        elif wanted[name][1:] != found[name][1:]:
            yield _("Table %(table)s has other content in %(rows)s rows.") % {
                "table": name,
                "rows": f"{found[name][0]:,}",
            }


def _fact_differences(wanted: dict[str, Any], found: dict[str, Any]) -> Iterator[str]:
    for view in sorted(wanted.keys() | found.keys()):
        mine, theirs = wanted.get(view, {}), found.get(view, {})
        for name in sorted(mine.keys() | theirs.keys()):
            if mine.get(name) != theirs.get(name):
                yield _("%(fact)s of %(name)s: %(found)s, not %(wanted)s.") % {
                    "fact": view.replace("_", " ").capitalize(),
                    "name": name,
                    "found": _told(theirs.get(name), mine.get(name)),
                    "wanted": _told(mine.get(name), theirs.get(name)),
                }


def _told(one: dict[str, Any] | None, other: dict[str, Any] | None) -> str:
    """Return what a fact says where the other says something else."""
    if one is None:
        return _("none")
    return ", ".join(f"{key} {value}" for key, value in one.items() if (other or {}).get(key) != value)


def _differences(wanted: dict[str, str], found: dict[str, str]) -> Iterator[str]:
    for what in sorted(wanted.keys() | found.keys()):
        kind, _space, name = what.partition(" ")
        if what not in found:
            yield _("%(kind)s %(name)s is missing.") % {"kind": kind.capitalize(), "name": name}
        elif what not in wanted:
            yield _("%(kind)s %(name)s is too much.") % {"kind": kind.capitalize(), "name": name}
        elif wanted[what] != found[what]:
            yield _("%(kind)s %(name)s is not what it was.") % {"kind": kind.capitalize(), "name": name}


def _row(cursor: Cursor[Any], query: Any) -> tuple[Any, ...]:
    return cursor.execute(query).fetchone()  # type: ignore[return-value]
