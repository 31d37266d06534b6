"""Going back to a moment: a base backup and the log after it, beside the live cluster."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import psycopg
from dbbackup.db.exceptions import ConnectorError
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.backups import databases, log
from apps.backups.archive import client, layout
from apps.backups.archive.heartbeat import newest_keys
from apps.backups.archive.moments import is_twice, offset_of
from apps.backups.catalogue import Backup, Reason, backups
from apps.backups.connector import Report
from apps.backups.elsewhere import check_books, last_line, manage_elsewhere
from apps.backups.look import Look, compare
from apps.backups.services.backing_up import reason_of
from apps.backups.services.restoring import restore, running, start
from apps.backups.storage import hold, replace_in

LOCK = "side"
SIDE = "side.json"
DRILL = "drill.json"
LOOKED_AT_FOR = timedelta(hours=12)


@dataclass(frozen=True)
class Target:
    """A moment, the base backup that leads to it, and how PostgreSQL is told to stop there."""

    moment: datetime
    base: layout.Base
    kind: str
    value: str


@dataclass(frozen=True)
class Side:
    """The cluster that was brought up: how it is reached, and which moment it is of."""

    moment: datetime
    host: str
    port: int
    password: str

    def connect(self) -> databases.Session:
        return databases.connect(
            databases.live_name(), host=self.host, port=self.port, password=self.password, sslmode="disable"
        )

    def overrides(self) -> dict[str, str]:
        """Return what makes a command of manage.py work on it."""
        user = quote(str(connection.settings_dict["USER"]), safe="")
        is_socket = self.host.startswith("/")
        place = f":{self.port}/{self.host}" if is_socket else f"{self.host}:{self.port}"
        return {
            "DATABASE_URL": f"postgres://{user}:{self.password}@{place}/{databases.live_name()}",
            "DATABASE_URL_FILE": "",
            "LEDGERFLOW_DATABASE_NAME": databases.live_name(),
        }


@dataclass(frozen=True)
class Drill:
    """What came of bringing up a random moment: without findings it was that moment."""

    at: datetime
    by: str
    seconds: float
    moment: datetime
    findings: list[str]


def restore_to(
    moment: datetime | None, *, by: str, safety: bool = True, identity: str = "", say: Any = None
) -> str:
    """
    Put the database as it was at a moment in the live one's place; return the name the old one is kept under.

    None is the last moment the archive holds. What was brought up becomes a backup of that moment, and that
    goes through the restore's test, barrier, safety backup and change-over. Raises ValidationError with a
    sentence; the live database is then what it was.
    """
    name = said(moment) if moment else _("the last moment")
    with running("go back", name, by, identity, say) as run:
        with side_at(moment, run.report) as side:
            backup = _back_up(side, by, run.report)
        return restore(run, backup.name, by=by, safety=safety)


def look_at(moment: datetime | None, *, by: str, identity: str = "", say: Any = None) -> Look:
    """
    Bring up a moment beside the live cluster and compare the two; it stays there until it is dropped, looked
    away from, or 12 hours old. Raises ValidationError with a sentence.
    """
    name = said(moment) if moment else _("the last moment")
    with running("look", name, by, identity, say) as run:
        with side_at(moment, run.report, keep=True) as side:
            run.report(_("Comparing that moment with now."))
            with side.connect() as then, databases.connect(databases.live_name()) as now:
                look = compare(then, now, moment=side.moment)
            _remember(side, look=look.told())
        run.end("done", _("That moment is up beside the live database. Nothing was changed."))
        return look


def last_look() -> Look | None:
    """Return the comparison with the moment that is up now; None where none is."""
    told = _remembered().get("look")
    return Look.read(told) if told else None


def look_away(*, by: str) -> None:
    """Drop what was brought up. Raises ValidationError (code ``busy``) while it is being used."""
    with hold(LOCK):
        _drop()
    log.record("look away", by=by, outcome="done")


def drop_forgotten() -> None:
    """Drop what was brought up half a day ago, or by who was killed; nothing while it is being used."""
    told = _remembered()
    if not told and not (layout.archive() / "side").exists():
        return
    if "look" in told and timezone.now() - datetime.fromisoformat(told["since"]) < LOOKED_AT_FOR:
        return
    with suppress(ValidationError), hold(LOCK):
        _drop()


def make_base(*, by: str, report: Report = lambda message: None) -> str:
    """
    Make a base backup, verified, and let go of what the days to keep no longer need; return its name.

    Raises ValidationError with a sentence.
    """
    with _recorded("base", by) as record:
        with hold("base", wait=lambda: report(_("Waiting for another base backup."))):
            name = client.ask("base", report=report).split()[-1]
            report(_("Reading the log through."))
            layout.look_for_damage()
        prune_archive()
        record(name)
    return name


def prune_archive() -> list[str]:
    """Let go of what the days to keep no longer need, but not under who goes back; return what went."""
    with suppress(ValidationError), hold(LOCK):
        return layout.prune_archive(timezone.now())
    return []


def drill(*, by: str, report: Report = lambda message: None, choose: Any = secrets.choice) -> Drill:
    """
    Bring up a random moment, hold it against what was noted then, check the books in it, and keep the result.

    Raises ValidationError when it could not be tried at all.
    """
    began = time.monotonic()
    if _remembered():
        raise ValidationError(_("Somebody looks at an earlier moment; the drill waits."), code="busy")
    possible = drillable()
    if not possible:
        raise ValidationError(nothing_yet(), code="nothing")
    noted = choose(possible)
    with _recorded("drill", by) as record:
        try:
            with side_at(noted.until, report) as side:
                findings = _compared(side, noted) + check_books(side.overrides(), report)
        except ValidationError as error:
            if error.code in ("stopped", "busy", "silent"):
                raise
            findings = list(error.messages)
        found = Drill(timezone.now(), by, round(time.monotonic() - began, 1), noted.until, findings)
        told = asdict(found) | {"at": found.at.isoformat(), "moment": found.moment.isoformat()}
        replace_in(layout.archive(), DRILL, json.dumps(told).encode())
        if findings:
            raise ValidationError(
                _("The drill of %(moment)s failed: %(why)s")
                % {"moment": said(noted.until), "why": " ".join(findings)[:400]},
                code="drill",
            )
        record(said(noted.until))
    return found


def drillable() -> list[layout.Heartbeat]:
    """
    Return the heartbeats that a drill may take: all that can be gone back to with the programs of today.

    Those from before an upgrade of PostgreSQL need programs that the archive's service no longer has.
    """
    spans = layout.reaches()
    majors = [era.facts.get("major") for era in layout.eras()]
    spans = [one for one in spans if one.base.era.facts.get("major") == majors[-1]]
    return [
        beat
        for beat in layout.heartbeats()[:-1]
        if any(one.since <= beat.until <= one.until for one in spans)
    ]


def last_drill() -> Drill | None:
    try:
        told = json.loads((layout.archive() / DRILL).read_bytes())
        return Drill(
            datetime.fromisoformat(told["at"]),
            told["by"],
            told["seconds"],
            datetime.fromisoformat(told["moment"]),
            told["findings"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def start_restore_to(moment: datetime | None, *, by: str) -> str:
    """Start going back in a process of its own and return what to follow it by."""
    return start(["restore_to", moment.isoformat() if moment else "latest", "--noinput"], by)


def start_look(moment: datetime | None, *, by: str) -> str:
    """Start looking at a moment in a process of its own and return what to follow it by."""
    return start(["restore_to", moment.isoformat() if moment else "latest", "--look"], by)


@contextmanager
def side_at(moment: datetime | None, report: Report, *, keep: bool = False) -> Iterator[Side]:
    """
    Bring up the live cluster's files as they were at a moment, and drop that in the end.

    ``keep`` leaves it up when nothing failed; what is up already of the same moment is taken. Raises
    ValidationError with a sentence.
    """
    with hold(LOCK, wait=lambda: report(_("Waiting for another who goes back."))):
        try:
            side = _what_is_up(moment) or _bring_up(target_at(moment, report), report)
            yield side
        except BaseException:
            with suppress(ValidationError):
                _drop()
            raise
        if not keep:
            report("")
            _drop()


def target_at(moment: datetime | None, report: Report = lambda message: None) -> Target:
    """
    Return how to get to a moment, with None to the last that the archive holds.

    Raises ValidationError (code ``time``) with a sentence that says which times can be had.
    """
    if moment is None:
        newest = layout.last_reach()
        if newest is None:
            raise ValidationError(nothing_yet(), code="time")
        last = newest.last
        try:
            found = client.ask("last", last.era, layout.written(last.position), report=report)
        except ValidationError as error:
            if error.code != "nothing-after":
                raise
            return Target(last.at, newest.base, "time", last.at.isoformat(sep=" "))
        place, _space, at = found.partition(" ")
        return Target(datetime.fromisoformat(at).replace(tzinfo=UTC), newest.base, "lsn", place)
    base = layout.base_for(moment)
    if base is None:
        raise ValidationError(_why_not(moment), code="time")
    return Target(moment, base, "time", moment.astimezone(UTC).isoformat(sep=" "))


def nothing_yet() -> str:
    return _("The archive leads to no moment yet: it needs a base backup, and a minute after it.")


def said(moment: datetime) -> str:
    """Return a moment for people, in the practice's time, to the second."""
    local = timezone.localtime(moment)
    offset = offset_of(local) if is_twice(local) else ""
    return f"{date_format(local, 'DATE_FORMAT')} {local:%H:%M:%S}{offset}"


def _why_not(moment: datetime) -> str:
    found = layout.windows()
    if not found:
        return nothing_yet()
    asked = {"moment": said(moment)}
    if moment < found[0].since:
        return _("The archive leads back to %(since)s; %(moment)s was before that.") % {
            **asked,
            "since": said(found[0].since),
        }
    if moment > found[-1].until:
        return _("The archive is proven to hold what was done until %(until)s; %(moment)s is after that.") % {
            **asked,
            "until": said(found[-1].until),
        }
    before = max((one for one in found if one.until < moment), key=lambda one: one.until)
    after = min((one for one in found if one.since > moment), key=lambda one: one.since)
    return _("The archive has a gap from %(since)s to %(until)s, and %(moment)s is in it.") % {
        **asked,
        "since": said(before.until),
        "until": said(after.since),
    }


def _bring_up(target: Target, report: Report) -> Side:
    user = str(connection.settings_dict["USER"])
    base = target.base
    report(_("Going back to %(moment)s.") % {"moment": said(target.moment)})
    (layout.archive() / SIDE).unlink(missing_ok=True)
    answered = client.ask("recover", base.era.name, base.name, target.kind, target.value, user, report=report)
    host, port, password = answered.rsplit(" ", 2)
    side = Side(target.moment, host, int(port), password)
    _remember(side)
    return side


def _what_is_up(moment: datetime | None) -> Side | None:
    """Return what was brought up to be looked at, if it is that moment and answers."""
    told = _remembered()
    try:
        kept = {**told["side"], "moment": datetime.fromisoformat(told["side"]["moment"])}
        if moment is None or kept["moment"] != moment or "look" not in told:
            return None
        side = Side(**kept)
        side.connect().close()
        return side
    except (KeyError, TypeError, ValueError, psycopg.Error):
        return None


def _drop() -> None:
    client.ask("drop")
    (layout.archive() / SIDE).unlink(missing_ok=True)


def _remember(side: Side, **more: Any) -> None:
    told = {"side": asdict(side) | {"moment": side.moment.isoformat()}, "since": timezone.now().isoformat()}
    replace_in(layout.archive(), SIDE, json.dumps({**told, **more}).encode())


def _remembered() -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((layout.archive() / SIDE).read_bytes())
        return told
    except (OSError, ValueError):
        return {}


def _back_up(side: Side, by: str, report: Report) -> Backup:
    """Make a backup of what was brought up; it is tested and restored as any other."""
    report(_("Copying the database as it was."))
    before = {one.name for one in backups()}
    options = [f"--as-of={side.moment.isoformat()}", f"--by={by}"]
    try:
        code, _told, errors = manage_elsewhere(["backup", *options], side.overrides(), report)
        why = last_line(errors)
    except ConnectorError as error:
        code, why = 1, str(error)
    made = [one for one in backups() if one.name not in before and one.reason == Reason.POINT_IN_TIME]
    if code or not made:
        why = why.removeprefix("CommandError: ")
        raise ValidationError(
            _("What was brought up could not be copied: %(why)s") % {"why": why}, code="copy"
        )
    return made[0]


def _compared(side: Side, noted: layout.Heartbeat) -> list[str]:
    """Return sentences about what is not as it was noted at that minute."""
    findings = []
    with side.connect() as session:
        row = session.execute("SELECT at FROM backups_heartbeat").fetchone()
        if row is None or row[0] != noted.at:
            findings.append(
                _("Its heartbeat is of %(found)s, not of %(noted)s.")
                % {"found": said(row[0]) if row else _("no time"), "noted": said(noted.at)}
            )
        for table, newest in newest_keys(session).items():
            if newest < noted.newest.get(table, 0):
                findings.append(_("Table %(table)s lacks what was in it.") % {"table": table})
    return findings


@contextmanager
def _recorded(what: str, by: str) -> Iterator[Any]:
    """Write into the log how something ends; what is handed over is its name there."""
    named: list[str] = []
    try:
        yield named.append
    except (psycopg.Error, OSError, ConnectorError) as error:
        log.record(what, by=by, outcome="failed", message=reason_of(error))
        raise ValidationError(reason_of(error), code="failed") from error
    except BaseException as error:
        is_failure = isinstance(error, ValidationError) and error.code != "stopped"
        why = reason_of(error) if isinstance(error, Exception) else ""
        log.record(what, by=by, outcome="failed" if is_failure else "stopped", message=why)
        raise
    log.record(what, by=by, outcome="done", name=" ".join(named))
