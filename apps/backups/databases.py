"""
The databases of the server that belong to this LedgerFlow: the live one, scratch copies and kept copies.

A scratch copy is made to try a backup in and is gone afterwards. A kept copy is what was live before a
restore. Both carry the live one's name, what they are, and a time in UTC, so that the server itself is the
list of them.
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import psycopg
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _
from psycopg import sql

MAINTENANCE = "postgres"  # every server has it; nothing is stored there
LOCK = 0x6C656462  # "ledb": held on the maintenance database by whoever has a scratch copy
LONGEST_BASE = 40  # of the 63 bytes of a name, the rest is the kind and the time
POLITE_SECONDS = 2  # so long writers may go on when their tables are asked for
POLITE_TRIES = 2

Kind = Literal["try", "old"]
Session = psycopg.Connection[Any]


@dataclass(frozen=True)
class Copy:
    """A database beside the live one: its name, when it was set aside (UTC), and its size in bytes."""

    name: str
    since: datetime
    size: int


def live_name() -> str:
    return str(connection.settings_dict["NAME"])


def connect(name: str, **options: Any) -> Session:
    """Return a session on a database of the live one's server, by the same role. Raises psycopg.Error."""
    parameters = connection.get_connection_params()
    for of_django in ("context", "cursor_factory", "prepare_threshold"):
        parameters.pop(of_django, None)
    return psycopg.connect(
        **{**parameters, "dbname": name, "application_name": "ledgerflow backups", **options}
    )


def name_of_copy(kind: Kind, since: datetime | None = None) -> str:
    """Return a new name; two copies of one millisecond would share it, and the server refuses the second."""
    moment = (since or datetime.now(UTC)).strftime("%Y%m%d%H%M%S%f")[:17]
    return f"{_base()}_{kind}_{moment}"


def copies(session: Session, kind: Kind) -> list[Copy]:
    """Return the scratch or kept copies of the live database, newest first."""
    pattern = re.compile(re.escape(_base()) + rf"_{kind}_(\d{{17}})")
    found = session.execute(
        "SELECT datname, pg_database_size(oid) FROM pg_database WHERE pg_has_role(datdba, 'MEMBER')"
    )
    named = [(pattern.fullmatch(name), size) for name, size in found]
    dated = [Copy(match[0], _moment(match[1]), size) for match, size in named if match]
    return sorted(dated, key=lambda copy: copy.since, reverse=True)


def kept_copies() -> list[Copy]:
    with connect(MAINTENANCE, autocommit=True) as session:
        return copies(session, "old")


@contextmanager
def only_one(wait: Callable[[], object]) -> Iterator[Session]:
    """
    Hold the right to have a scratch copy, and drop what one who was killed has left.

    The right is a lock of a session, so the server takes it back from whoever dies. While another has it,
    ``wait`` is called about twice a second; what it raises ends the waiting.
    """
    with connect(MAINTENANCE, autocommit=True) as session:
        while not _one(session, "SELECT pg_try_advisory_lock(%s, hashtext(%s))", LOCK, live_name()):
            wait()
            time.sleep(0.5)
        for copy in copies(session, "try"):
            drop(session, copy.name)
        yield session


def create_scratch(session: Session, name: str = "") -> str:
    """Make an empty database of the live one's encoding and sort order, and return its name."""
    name = name or name_of_copy("try")
    collate, ctype, encoding, provider = session.execute(
        "SELECT datcollate, datctype, pg_encoding_to_char(encoding), datlocprovider FROM pg_database"
        " WHERE datname = %s",
        [live_name()],
    ).fetchone()  # type: ignore[misc]
    if provider not in ("c", b"c"):
        raise ValidationError(_("The database sorts by ICU, which a restore cannot make yet."), code="locale")
    session.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
            sql.Identifier(name), sql.Literal(encoding), sql.Literal(collate), sql.Literal(ctype)
        )
    )
    return name


def drop(session: Session, name: str) -> None:
    """
    Drop a database and end whoever is still connected to it.

    Raises ValidationError (code ``busy``) when somebody stays whom our role may not end.
    """
    statement = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name))
    try:
        session.execute(statement + sql.SQL(" WITH (FORCE)"))
    except psycopg.errors.InsufficientPrivilege:
        # Over a vacuum too, which the server ends by itself when it is not forced.
        _end_sessions(session, name)
        try:
            session.execute(statement)
        except psycopg.errors.ObjectInUse as error:
            raise _stays(error) from error


@contextmanager
def writers_wait() -> Iterator["Barrier"]:
    """
    Let nobody write to the live database while inside; who reads goes on, who writes waits.

    It is a lock on every table, and not a setting of the database: a setting would outlive us, and a killed
    restore would leave the books closed. Writers get a few seconds to finish; a session that goes on
    holding its tables after that is ended, and what it had not committed is undone.
    """
    refuse_strangers()
    with closing(connect(live_name())) as session:
        names = session.execute(
            "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND n.nspname = 'public'"
            " AND pg_has_role(c.relowner, 'MEMBER') ORDER BY 1"
        ).fetchall()
        for attempt in range(20):
            session.execute(f"SET LOCAL lock_timeout = '{POLITE_SECONDS}s'")
            try:
                for (name,) in names:
                    session.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(sql.SQL(name)))
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
                session.rollback()
                if attempt >= POLITE_TRIES - 1:
                    _end_writers(session)
                    session.rollback()
            else:
                yield Barrier(session)
                return
        raise ValidationError(_("Others go on writing to the database; try again."), code="busy")


@dataclass
class Barrier:
    """The session that holds every table of the live database."""

    session: Session

    @property
    def pid(self) -> int:
        return self.session.info.backend_pid


def swap(barrier: Barrier, *, replacement: str, kept: str) -> float:
    """
    Put ``replacement`` in the live one's place and keep that as ``kept``; return the seconds between.

    Both renames are one transaction, and the barrier falls only when the first of them already keeps
    everybody out, so nothing is written to the old one on the way. The old one can only be read from then
    on. A process killed at any moment here leaves everything as it was.

    Raises ValidationError (code ``busy``) when somebody we may not end stays connected.
    """
    live = live_name()
    with connect(MAINTENANCE) as session:
        _take_settings_along(session, live, replacement)
        _end_sessions(session, replacement)
        session.commit()
        helper = threading.Thread(target=_end_everybody, args=[barrier, live, session.info.backend_pid])
        began = time.monotonic()
        helper.start()
        try:
            _rename(session, live, kept)
            _rename(session, replacement, live)
            _freeze(session, kept, frozen=True)
            _freeze(session, live, frozen=False)
            session.commit()
        except psycopg.errors.ObjectInUse as error:
            session.rollback()
            raise _stays(error) from error
        finally:
            helper.join()
        return time.monotonic() - began


def _stays(error: psycopg.Error) -> ValidationError:
    return ValidationError(
        _("Somebody stays connected to the database: %(why)s") % {"why": error.diag.message_detail},
        code="busy",
    )


def refuse_strangers() -> None:
    """Raise ValidationError (code ``stranger``) when somebody is connected whom our role may not end."""
    with connect(MAINTENANCE, autocommit=True) as session:
        found = session.execute(
            "SELECT usename, coalesce(host(client_addr), 'this machine'), application_name,"
            "       backend_type IS NULL"  # the server shows no more of a mightier role's session
            "  FROM pg_stat_activity JOIN pg_roles ON pg_roles.oid = usesysid"
            " WHERE datname = %s AND coalesce(backend_type, 'client backend') = 'client backend'"
            "   AND NOT (pg_has_role(usesysid, 'MEMBER')"
            "            AND (NOT rolsuper OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)))",
            [live_name()],
        ).fetchone()
    if found and found[3]:
        raise ValidationError(
            _("The role %(who)s is connected to the database and would be cut off. End that session first.")
            % {"who": found[0]},
            code="stranger",
        )
    if found:
        raise ValidationError(
            _(
                "The role %(who)s is connected to the database from %(where)s (%(program)s) and would be "
                "cut off. End that session first."
            )
            % {"who": found[0], "where": found[1], "program": found[2] or "?"},
            code="stranger",
        )


def _end_everybody(barrier: Barrier, live: str, renaming: int) -> None:
    """End all sessions on the live database, the barrier last, as soon as the rename keeps new ones out."""
    waits = (
        "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND granted AND locktype = 'object'"
        " AND classid = 'pg_database'::regclass AND mode = 'AccessExclusiveLock')"
    )
    with suppress(psycopg.Error), connect(MAINTENANCE, autocommit=True) as session:
        end = time.monotonic() + 4
        while not _one(session, waits, renaming) and time.monotonic() < end:
            time.sleep(0.002)
        while _end_sessions(session, live, but=barrier.pid) and time.monotonic() < end:
            time.sleep(0.002)
    barrier.session.close()


def _end_sessions(session: Session, name: str, but: int = 0) -> int:
    """Ask all sessions on a database to end, and return how many there were."""
    return len(
        session.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN pg_roles ON pg_roles.oid = usesysid"
            " WHERE datname = %s AND backend_type = 'client backend' AND pid NOT IN (pg_backend_pid(), %s)"
            "   AND pg_has_role(usesysid, 'MEMBER')"
            "   AND (NOT rolsuper OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))",
            [name, but],
        ).fetchall()
    )


def _end_writers(session: Session) -> None:
    """End the sessions that hold locks on tables of this database which keep a writer out or are one."""
    session.execute(
        "SELECT pg_terminate_backend(pid) FROM (SELECT DISTINCT pid FROM pg_locks"
        "  WHERE locktype = 'relation' AND granted AND pid <> pg_backend_pid()"
        "    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        "    AND mode <> 'AccessShareLock') held"
        "  WHERE EXISTS (SELECT FROM pg_stat_activity a"
        "                 WHERE a.pid = held.pid AND pg_has_role(usesysid, 'MEMBER'))"
    )


def _rename(session: Session, old: str, new: str) -> None:
    session.execute(
        sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new))
    )


def _freeze(session: Session, name: str, *, frozen: bool) -> None:
    change = "SET default_transaction_read_only = on" if frozen else "RESET default_transaction_read_only"
    session.execute(sql.SQL("ALTER DATABASE {} " + change).format(sql.Identifier(name)))


def _take_settings_along(session: Session, live: str, replacement: str) -> None:
    """Copy what was set on the live database itself, which no dump holds: settings and rights to connect."""
    for setting in session.execute(
        "SELECT unnest(setconfig) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase"
        " WHERE datname = %s AND setrole = 0",
        [live],
    ).fetchall():
        name, _equals, value = setting[0].partition("=")
        session.execute(
            sql.SQL("ALTER DATABASE {} SET {} TO {}").format(
                sql.Identifier(replacement), sql.Identifier(name), sql.Literal(value)
            )
        )
    granted = session.execute(
        "SELECT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,"
        "       privilege_type"
        "  FROM pg_database, aclexplode(datacl) WHERE datname = %s",
        [live],
    ).fetchall()
    if granted:
        session.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(replacement)))
    for grantee, privilege in granted:
        session.execute(
            sql.SQL("GRANT {} ON DATABASE {} TO {}").format(
                sql.SQL(privilege), sql.Identifier(replacement), sql.SQL(grantee)
            )
        )


def _one(session: Session, query: str, *values: Any) -> Any:
    row = session.execute(query, values).fetchone()
    return row[0] if row else None


def _base() -> str:
    live = live_name()
    if len(live) <= LONGEST_BASE:
        return live
    return f"{live[: LONGEST_BASE - 9]}_{hashlib.sha256(live.encode()).hexdigest()[:8]}"


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp + "000", "%Y%m%d%H%M%S%f").replace(tzinfo=UTC)
