"""Are the backups well? One answer for the screen, the start page, monitoring and the probes."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dbbackup.db.exceptions import CommandConnectorError
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from apps.backups.archive.watch import problems as archive_problems
from apps.backups.catalogue import Backup, State, backups
from apps.backups.connector import client_tool
from apps.backups.losses import contents
from apps.backups.offsite import keys, records
from apps.backups.storage import folder

TIMES_FREE = 3  # the size of the newest backup must be free this often


@dataclass(frozen=True)
class Health:
    """All backups, the newest, the newest tested one, and a sentence for each limit that is passed."""

    every: list[Backup]
    newest: Backup | None
    tested: Backup | None
    problems: list[str]

    @property
    def is_well(self) -> bool:
        return not self.problems

    @property
    def sentence(self) -> str:
        """What somebody wants to know first: how old the newest backup is that would surely help."""
        if self.tested is None:
            return _("No backup has been tested yet.") if self.newest else _("There is no backup yet.")
        held = contents(self.tested)
        facts = {"age": timesince(self.tested.taken_at, depth=1), "held": held}
        if not held:
            return _("Newest tested backup: %(age)s old.") % facts
        return _("Newest tested backup: %(age)s old, %(held)s.") % facts


def health(now: datetime | None = None) -> Health:
    """Look at the storage and the tools; a storage that cannot be read is a problem, not an error."""
    now = now or timezone.now()
    try:
        every = backups()
    except OSError as error:
        why = _("The backup folder cannot be read: %(why)s.") % {"why": error.strerror}
        return Health([], None, None, [why])
    newest = next(iter(every), None)
    tested = next((one for one in every if one.state == State.TESTED), None)
    if newest is None:
        return Health([], None, None, [_("There is no backup yet."), *archive_problems(now)])
    problems = [
        *archive_problems(now),
        _late(tested, settings.BACKUP_TESTED_WITHIN_HOURS, now, _("tested backup")),
        _late(newest, settings.BACKUP_WITHIN_HOURS, now, _("backup")),
        _failed(every, tested),
        _space(newest),
        _tools(),
        *_off_site(now),
    ]
    return Health(every, newest, tested, [one for one in problems if one])


def _late(backup: Backup | None, hours: int, now: datetime, what: str) -> str:
    if backup is None:
        return _("There is no %(what)s.") % {"what": what}
    if now - backup.taken_at <= timedelta(hours=hours):
        return ""
    facts = {"what": what, "age": timesince(backup.taken_at, now, depth=1), "hours": hours}
    return _("The newest %(what)s is %(age)s old; %(hours)s hours are the limit.") % facts


def _failed(every: list[Backup], tested: Backup | None) -> str:
    """Tell of a newer backup that failed its test; an older one was overtaken."""
    failed = next((one for one in every if one.state == State.FAILED), None)
    if failed is None or (tested and tested.taken_at > failed.taken_at):
        return ""
    when = date_format(timezone.localtime(failed.taken_at), "DATETIME_FORMAT")
    why = failed.test.findings[0] if failed.test else ""
    return _("The backup of %(when)s failed its test: %(why)s") % {"when": when, "why": why}


def _space(newest: Backup | None) -> str:
    try:
        free = shutil.disk_usage(folder()).free
    except OSError:
        return ""
    if newest is None or free >= TIMES_FREE * newest.size:
        return ""
    return _("%(free)s MB are free for backups; the newest takes %(size)s MB.") % {
        "free": f"{free // 10**6:,}",
        "size": f"{newest.size // 10**6:,}",
    }


def _off_site(now: datetime) -> Iterator[str]:
    """Tell of copies off site, where there is a bucket for them."""
    if not records.is_configured():
        return
    try:
        keys.refuse_unproven()
    except ValidationError as error:
        yield " ".join(error.messages)
    limit = timedelta(hours=settings.OFFSITE_WITHIN_HOURS)
    copy = next(iter(records.copies()), None)
    if copy is None:
        yield _("No backup has been copied off site yet.")
    elif now - copy.taken_at > limit:
        facts = {"age": timesince(copy.taken_at, now, depth=1), "hours": settings.OFFSITE_WITHIN_HOURS}
        yield _("The newest copy off site is %(age)s old; %(hours)s hours are the limit.") % facts
    if settings.ARCHIVE_FOLDER:
        yield from _archive_off_site(now, limit)


def _archive_off_site(now: datetime, limit: timedelta) -> Iterator[str]:
    copied = records.archive_copied_at()
    if copied is None:
        yield _("The archive has not been copied off site yet.")
    elif now - copied > limit:
        facts = {"age": timesince(copied, now, depth=1), "hours": settings.OFFSITE_WITHIN_HOURS}
        yield _("The archive was copied off site %(age)s ago; %(hours)s hours are the limit.") % facts


def _tools() -> str:
    try:
        major = connection.pg_version // 10_000  # type: ignore[attr-defined]
        for tool in ("pg_dump", "pg_restore"):
            client_tool(tool, major)
    except CommandConnectorError as error:
        return str(error)
    except DatabaseError:
        return _("The database does not answer.")
    return ""
