"""A moment each minute that is known to have arrived in the archive: what can be promised, and looked for."""

import json
import os
import time
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from psycopg import sql

from apps.backups import databases, manifest
from apps.backups.archive.client import receiving, why_not_receiving
from apps.backups.archive.layout import Heartbeat, archive, position, written
from apps.backups.losses import counted

SLOT = "ledgerflow_archive"
SECONDS_TO_ARRIVE = 20
TICK = 0.05
ARRIVED = "SELECT active, restart_lsn::text FROM pg_replication_slots WHERE slot_name = %s"


def beat() -> Heartbeat:
    """
    Write the row, wait until the archive has it on its disk, and note it there.

    Raises ValidationError (code ``not archived``) when it does not arrive in time; psycopg.Error when the
    database does not answer.
    """
    with databases.connect(databases.live_name()) as session:
        session.execute("SET LOCAL lock_timeout = '10s'")
        session.execute("SET LOCAL synchronous_commit = on")  # so that its position is known after it
        at: datetime = _one(
            session,
            "INSERT INTO backups_heartbeat (id, at) VALUES (1, clock_timestamp())"
            " ON CONFLICT (id) DO UPDATE SET at = excluded.at RETURNING at",
        )
        newest = newest_keys(session)
        session.commit()
        session.autocommit = True
        reached, until = session.execute(
            "SELECT pg_current_wal_flush_lsn()::text, clock_timestamp()"
        ).fetchone()  # type: ignore[misc]
        era = _wait(session, position(reached))
    found = Heartbeat(at, until, era, position(reached), newest)
    _note(found)
    return found


def newest_keys(session: databases.Session) -> dict[str, int]:
    """Return the newest key of each table that is counted, as a database has it."""
    there = {name for name, *_facts in session.execute(manifest.TABLES).fetchall()}
    return {
        table: _one(session, sql.SQL("SELECT coalesce(max(id), 0) FROM {}").format(sql.Identifier(table)))
        for _how, table in counted()
        if table in there
    }


def _wait(session: databases.Session, reached: int) -> str:
    """Return the era that has the position, as soon as it has it on its disk."""
    end = time.monotonic() + SECONDS_TO_ARRIVE
    while time.monotonic() < end:
        era = receiving()
        row = session.execute(ARRIVED, [SLOT]).fetchone()
        if era and row and row[0] and row[1] and position(row[1]) >= reached and receiving() == era:
            return era
        time.sleep(TICK)
    why = why_not_receiving()
    if why:
        raise ValidationError(_("The archive receives nothing: %(why)s.") % {"why": why}, code="not archived")
    raise ValidationError(
        _("What is written does not arrive in the archive within %(seconds)s seconds.")
        % {"seconds": SECONDS_TO_ARRIVE},
        code="not archived",
    )


def _note(one: Heartbeat) -> None:
    told = {
        "at": one.at.isoformat(),
        "until": one.until.isoformat(),
        "era": one.era,
        "position": written(one.position),
        "newest": one.newest,
    }
    folder = archive() / "heartbeats"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{one.at.date().isoformat()}.jsonl"
    with open(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
        file.write(b"%s\n" % json.dumps(told).encode())
        file.flush()
        os.fsync(file.fileno())


def _one(session: databases.Session, query: Any) -> Any:
    return session.execute(query).fetchone()[0]  # type: ignore[index]
