"""What would be lost by going back to a backup, said before anybody decides."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from psycopg import sql

from apps.backups import databases, manifest
from apps.backups.archive.layout import heartbeats
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


def losses_since(moment: datetime) -> list[str]:
    """Return sentences about what was done after a moment, as far as the live database can tell."""
    noted = max((one for one in heartbeats() if one.at <= moment), key=lambda one: one.at, default=None)
    told = []
    try:
        with databases.connect(databases.live_name()) as session:
            for how, table in counted():
                newer = _newer(session, table, noted.newest.get(table, 0))[1] if noted else 0
                if newer:
                    told.append(_("%(newer)s made since would go.") % {"newer": said(newer, how)})
            if changes := _changes(session, moment):
                told.append(_changes_said(changes))
    except psycopg.Error:
        return [_("The live database does not answer, so what would be lost cannot be said.")]
    return told or [_("Nothing was made since; look first to see what was changed or deleted.")]


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
        now, newer = _newer(session, table, backup.facts.get("newest", {}).get(table, 0))
        then = backup.rows(table)
        facts = {"now": said(now, how), "then": f"{then:,}", "newer": f"{newer:,}"}
        if newer:
            yield _("%(now)s now, %(then)s in the backup; %(newer)s made since would go.") % facts
        elif now != then:
            yield _("%(now)s now, %(then)s in the backup.") % facts
        else:
            yield _("%(now)s, as many as in the backup.") % facts
    if changes := _changes(session, backup.taken_at):
        yield _changes_said(changes)


def _newer(session: databases.Session, table: str, key: int) -> tuple[int, int]:
    """Return how many rows a table has, and how many of them came after a key."""
    query = sql.SQL("SELECT count(*), count(*) FILTER (WHERE id > %s) FROM {}").format(sql.Identifier(table))
    return session.execute(query, [key]).fetchone()  # type: ignore[return-value]


def _changes_said(count: int) -> str:
    return _("%(count)s changes recorded in the history since would go.") % {"count": f"{count:,}"}


def _changes(session: databases.Session, since: datetime) -> int:
    """Return how many lines all histories have grown by since a moment."""
    tables = session.execute(
        "SELECT DISTINCT table_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND column_name = 'history_date'"
    ).fetchall()
    count = sql.SQL("(SELECT count(*) FROM {} WHERE history_date > %(since)s)")
    counts = [count.format(sql.Identifier(table)) for (table,) in tables]
    if not counts:
        return 0
    query = sql.SQL("SELECT ") + sql.SQL(" + ").join(counts)
    return int(session.execute(query, {"since": since}).fetchone()[0])  # type: ignore[index]
