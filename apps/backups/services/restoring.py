"""Restoring a backup, and taking a restore back."""

import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from dbbackup.db.exceptions import ConnectorError
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.translation import gettext as _
from psycopg import sql

from apps.backups import databases, log, manifest, media
from apps.backups.catalogue import Reason, backup_named
from apps.backups.connector import child_environment
from apps.backups.runs import LOCK, Run, Stopped
from apps.backups.services.backing_up import LOCK as BACKUPS
from apps.backups.services.backing_up import make_backup, reason_of
from apps.backups.services.testing import restored_copy
from apps.backups.storage import hold

#: What belongs to the moment and not to the books: work in the queue, and who is signed in.
OF_THE_MOMENT = (
    "procrastinate_jobs",
    "procrastinate_workers",
    "procrastinate_periodic_defers",
    "django_session",
)


def restore_backup(name: str, *, by: str, safety: bool = True, identity: str = "", say: Any = None) -> str:
    """
    Put what a backup holds in the live database's place, and return the name the old one is kept under.

    The live database is not touched before the restored copy has passed its test. Then writers wait, a
    backup of it is taken, and the two change names in one transaction. Whatever fails, and whenever this
    process is killed, the live database is what it was, or the restore is whole.

    ``safety=False`` goes on where no backup of the live database can be made; it is kept all the same.
    Raises ValidationError with a sentence; code ``stopped`` when somebody asked for it.
    """
    with running("restore", name, by, identity, say) as run:
        return restore(run, name, by=by, safety=safety)


def restore(run: Run, name: str, *, by: str, safety: bool) -> str:
    """Do what ``restore_backup`` says, as a part of a run that has begun."""
    with restored_copy(backup_named(name), by=by, report=run.report) as copy:
        if not copy.test.is_clean:
            raise ValidationError(
                _("Nothing was restored, for the backup failed its test: %(why)s")
                % {"why": " ".join(copy.test.findings[:3])},
                code="test",
            )
        forget_the_moment(copy.name)
        media.restore_media(name, run.report)
        # Before the barrier: a backup that is being made reports to a table, and would wait for ever.
        with hold(BACKUPS, wait=lambda: run.report(_("Waiting for a backup that is being made."))):
            run.report(_("Waiting until nobody writes."))
            with databases.writers_wait() as barrier:
                if safety and holds_anything(barrier.session):
                    _back_up_before(by, run)
                kept = _swap(run, barrier, copy.name)
        copy.take()
    connection.close()
    run.end("done", _("The backup is restored."), kept=kept)
    return kept


def undo_restore(*, by: str, identity: str = "", say: Any = None) -> str:
    """
    Put the newest kept copy back in the live database's place, and return the name of what it replaced.

    What was written since the restore is in that one, which is kept in turn; doing it again goes forward
    again. Raises ValidationError (code ``none`` when nothing is kept).
    """
    with running("undo", "", by, identity, say) as run:
        with databases.only_one(lambda: run.report(_("Waiting for a test that runs."))) as server:
            back = next(iter(databases.copies(server, "old")), None)
            if back is None:
                raise ValidationError(_("There is no earlier database to go back to."), code="none")
            run.facts["name"] = back.name
            forget_the_moment(back.name)
            run.report(_("Waiting until nobody writes."))
            with databases.writers_wait() as barrier:
                kept = _swap(run, barrier, back.name)
        connection.close()
        run.end("done", _("The database from before the restore is back."), kept=kept)
        return kept


def drop_kept_copy(name: str, *, typed: str, by: str) -> None:
    """
    Drop a database that a restore has kept. Raises ValidationError: ``unknown``, or ``typed`` when the name
    typed is another: there is no way back from this.
    """
    with hold(LOCK), databases.connect(databases.MAINTENANCE, autocommit=True) as server:
        if name not in {copy.name for copy in databases.copies(server, "old")}:
            raise ValidationError(
                _("There is no kept database named %(name)s.") % {"name": name}, code="unknown"
            )
        if typed.strip() != name:
            raise ValidationError(_("Type the whole name: there is no way back."), code="typed")
        databases.drop(server, name)
        log.record("drop", by=by, outcome="done", name=name)


def start_restore(name: str, *, by: str) -> str:
    """Start a restore in a process of its own and return what to follow it by."""
    return start(["restore_backup", name, "--noinput"], by)


def start_undo(*, by: str) -> str:
    """Start taking a restore back in a process of its own and return what to follow it by."""
    return start(["undo_restore", "--noinput"], by)


def holds_anything(session: databases.Session) -> bool:
    """Return whether a database was ever migrated; one that was not has nothing to lose."""
    return bool(manifest.migrations(session.cursor()))


def forget_the_moment(database: str) -> None:
    """Empty what belongs to the moment in a copy: no job is done twice, and people sign in again."""
    with closing(databases.connect(database)) as session:
        session.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE")
        session.commit()
        there = session.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            " AND relname = ANY(%s)",
            [list(OF_THE_MOMENT)],
        ).fetchall()
        for (table,) in there:
            session.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.Identifier(table)))
        session.commit()


def _back_up_before(by: str, run: Run) -> None:
    run.report(_("Backing up what is there now."))
    try:
        make_backup(reason=Reason.BEFORE_RESTORE, by=by, report=run.report)
    except Stopped:
        raise
    except ValidationError as error:
        raise ValidationError(
            _("Nothing was restored, because the backup of what is there now failed: %(why)s")
            % {"why": reason_of(error)},
            code="safety",
        ) from error


def _swap(run: Run, barrier: databases.Barrier, replacement: str) -> str:
    """Change the live database over, and return the name it is kept under."""
    run.report(_("Changing the two databases over."))
    run.can_be_stopped = False
    kept = databases.name_of_copy("old")
    run.tell(kept=kept)  # a run that is killed now is known by it to be through
    connection.close()
    run.facts["seconds_away"] = round(databases.swap(barrier, replacement=replacement, kept=kept), 3)
    return kept


@contextmanager
def running(what: str, name: str, by: str, identity: str, say: Any) -> Iterator[Run]:
    """Hold the one restore that may run, and tell and record how it ends."""
    with hold(LOCK):
        try:
            run = Run(what, name, by, identity or secrets.token_hex(8), say)
        except OSError as error:
            log.record(what, by=by, outcome="failed", name=name, message=reason_of(error))
            raise ValidationError(reason_of(error), code="failed") from error
        log.record(what, by=by, outcome="begun", name=name)
        try:
            yield run
        except Stopped as error:
            run.end("stopped", " ".join(error.messages))
            log.record(what, by=by, outcome="stopped", name=name)
            raise
        except (ValidationError, ConnectorError, psycopg.Error, OSError) as error:
            why = reason_of(error)
            run.end("failed", why)
            log.record(what, by=by, outcome="failed", name=name, message=why)
            if isinstance(error, ValidationError):
                raise
            raise ValidationError(why, code="failed") from error
        except BaseException:
            run.end("failed", _("It failed for a reason that is in the log of its process."))
            log.record(what, by=by, outcome="failed", name=name)
            raise
        kept = run.facts.get("kept")
        message = _("What was live is kept as %(name)s.") % {"name": kept} if kept else ""
        log.record(what, by=by, outcome="done", name=run.facts["name"], message=message)


def start(arguments: list[str], by: str) -> str:
    """Start a command of manage.py in a process of its own and return what to follow it by."""
    identity = secrets.token_hex(8)
    environment = child_environment() | {
        "LEDGERFLOW_DATABASE_NAME": databases.live_name(),
        "LEDGERFLOW_ENV": settings.ENVIRONMENT,
    }
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    subprocess.Popen(  # noqa: S603
        [*command, f"--identity={identity}", f"--by={by}"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # it goes on when the web server is started again
    )
    return identity
