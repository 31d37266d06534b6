"""Is the archive well? A sentence for each limit that is passed."""

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from apps.backups.archive import client, layout
from apps.backups.archive.heartbeat import SLOT

HEARTBEAT_WITHIN = timedelta(minutes=2)
BASE_WITHIN = timedelta(hours=26)
DRILL_WITHIN = timedelta(days=8)
SPARE = 64  # MB beside a base backup
SLOT_STATE = "SELECT active, wal_status FROM pg_replication_slots WHERE slot_name = %s"


def problems(now: datetime | None = None) -> list[str]:
    """Return what is wrong with the archive; nothing where there is none."""
    return list(_problems(now or timezone.now())) if layout.is_on() else []


def _problems(now: datetime) -> Iterator[str]:
    if not client.is_alive():
        yield _("The archive's service does not run: nothing is archived.")
    elif not client.receiving():
        why = client.why_not_receiving()
        yield (
            _("The archive receives nothing: %(why)s.") % {"why": why}
            if why
            else _("The archive receives nothing.")
        )
    else:
        yield from _slot()
    last = layout.last_heartbeat()
    if last is None:
        yield _("Nothing is known to have arrived in the archive.")
    elif now - last.at > HEARTBEAT_WITHIN:
        yield _("What was written since %(age)s ago has not been seen to arrive in the archive.") % {
            "age": timesince(last.at, now, depth=1)
        }
    yield from _bases(now)
    yield from _space()
    yield from _drill(now)


def _slot() -> Iterator[str]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(SLOT_STATE, [SLOT])
            found = cursor.fetchone()
    except DatabaseError:
        return  # which others tell
    if found is None or not found[0]:
        yield _("The archive is not connected to the database.")
    elif found[1] not in ("reserved", "extended"):
        yield _("The archive is too far behind: the database no longer keeps what it lacks.")


def _bases(now: datetime) -> Iterator[str]:
    every = layout.eras()
    bases = every[-1].bases if every else []
    if not bases:
        yield _("The archive has no base backup: it leads back to no moment yet.")
    elif now - bases[-1].finished_at > BASE_WITHIN:
        yield _("The newest base backup of the archive is %(age)s old; %(hours)s hours are the limit.") % {
            "age": timesince(bases[-1].finished_at, now, depth=1),
            "hours": BASE_WITHIN // timedelta(hours=1),
        }
    gaps = [name for era in every for name in era.gaps()]
    if gaps:
        yield _("The log in the archive has a gap: segment %(name)s is missing or damaged.") % {
            "name": gaps[0]
        }


def _space() -> Iterator[str]:
    """Tell when the next base backup, or what is brought up to go back, would not fit any more."""
    bases = [base for era in layout.eras() for base in era.bases]
    size = bases[-1].size // 2**20 if bases else 0
    try:
        free = shutil.disk_usage(layout.archive()).free // 2**20
    except OSError:
        return  # it does not exist, which others tell
    if free < size + SPARE:
        yield _(
            "The archive's disk is nearly full: %(free)s MB are free, a base backup takes %(size)s MB."
        ) % {
            "free": f"{free:,}",
            "size": f"{size:,}",
        }


def _drill(now: datetime) -> Iterator[str]:
    from apps.backups.services.going_back import last_drill  # which stands on this package

    found, oldest = last_drill(), min((one.since for one in layout.windows()), default=now)
    if found and found.findings:
        yield _("The last drill of the archive failed: %(why)s") % {"why": found.findings[0]}
    elif now - (found.at if found else oldest) > DRILL_WITHIN:
        yield (
            _("The archive was last tried out %(age)s ago; %(days)s days are the limit.")
            % {
                "age": timesince(found.at, now, depth=1),
                "days": DRILL_WITHIN.days,
            }
            if found
            else _("The archive was never tried out.")
        )
