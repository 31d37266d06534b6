"""What would be lost by going back to a backup, said before anybody decides."""

from collections.abc import Iterator
from typing import Any

import psycopg
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from psycopg import sql

from apps.backups import databases, manifest
from apps.backups.catalogue import Backup
from apps.core.registry import counted_in_backups


def losses(backup: Backup) -> list[str]:
    """Return sentences about what is in the live database and not in the backup."""
    age = timesince(backup.taken_at, timezone.now(), depth=2)
    told = [_("It was taken %(age)s ago; what was done since goes.") % {"age": age}]
    try:
        with databases.connect(databases.live_name()) as session:
            told += _compared(session, backup)
    except psycopg.Error:
        told.append(_("The live database does not answer, so what would be lost cannot be said."))
    return told


def contents(backup: Backup) -> str:
    """Return what a backup holds, such as "12,480 entries, 3 clients"; empty when that is not known."""
    return ", ".join(said(count, how) for how, table in counted() if (count := backup.rows(table)))


def counted() -> list[tuple[Any, str]]:
    """Return (how a number of them is said, table) for what an app wants counted, the books first."""
    return [register() for register in reversed(list(counted_in_backups))]


def said(count: int, how: Any) -> str:
    """Return a number of things in words, such as "12,480 entries"."""
    return (how % {"count": count}).replace(str(count), f"{count:,}", 1)


def _compared(session: databases.Session, backup: Backup) -> Iterator[str]:
    there = {name for name, *_facts in session.execute(manifest.TABLES).fetchall()}
    for how, table in counted():
        if table not in there or not backup.facts:
            continue
        name = sql.Identifier(table)
        now, newer = session.execute(
            sql.SQL("SELECT count(*), count(*) FILTER (WHERE id > %s) FROM {}").format(name),
            [backup.facts.get("newest", {}).get(table, 0)],
        ).fetchone()  # type: ignore[misc]
        then = backup.rows(table)
        facts = {"now": said(now, how), "then": f"{then:,}", "newer": f"{newer:,}"}
        if newer:
            yield _("%(now)s now, %(then)s in the backup; %(newer)s made since would go.") % facts
        elif now != then:
            yield _("%(now)s now, %(then)s in the backup.") % facts
        else:
            yield _("%(now)s, as many as in the backup.") % facts
    if changes := _changes(session, backup):
        yield _("%(count)s changes recorded in the history since would go.") % {"count": f"{changes:,}"}


def _changes(session: databases.Session, backup: Backup) -> int:
    """Return how many lines all histories have grown by since the backup was taken."""
    tables = session.execute(
        "SELECT DISTINCT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'history_date'"
    ).fetchall()
    count = sql.SQL("(SELECT count(*) FROM {} WHERE history_date > %(since)s)")
    counts = [count.format(sql.Identifier(table)) for (table,) in tables]
    if not counts:
        return 0
    query = sql.SQL("SELECT ") + sql.SQL(" + ").join(counts)
    return int(session.execute(query, {"since": backup.taken_at}).fetchone()[0])  # type: ignore[index]
