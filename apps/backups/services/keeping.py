"""Letting backups go: by the rules, or one by name."""

from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.backups import log, media
from apps.backups.catalogue import Backup, Reason, State, backup_named, backups, delete_files
from apps.backups.retention import Kept, Rules, Worth, to_keep
from apps.backups.services.backing_up import LOCK
from apps.backups.storage import clear_unfinished, hold

WORTH: dict[State, Worth] = {State.TESTED: "tested", State.FAILED: "failed"}
PINNED = {Reason.BEFORE_MIGRATION, Reason.BEFORE_RESTORE}
STAYS_A_DAY = timedelta(days=1)  # whatever moment it shows, it was made to be restored now
FEWEST_TESTED = 2


def rules() -> Rules:
    """Return the rules of the settings."""
    return Rules(**settings.BACKUP_KEEP)


def to_go() -> list[Backup]:
    """Return the backups that the rules do not keep, oldest first."""
    every = backups()
    kept = to_keep(
        [
            Kept(one.name, one.taken_at, WORTH.get(one.state, "untested"), one.reason in PINNED)
            for one in every
        ],
        rules(),
        timezone.get_default_timezone(),
    )
    since = timezone.now() - STAYS_A_DAY
    is_new = {one.name for one in every if one.reason == Reason.POINT_IN_TIME and one.made_at > since}
    return [one for one in reversed(every) if one.name not in kept | is_new]


def prune(*, by: str) -> list[Backup]:
    """Delete what the rules do not keep, and the media files that only those needed; return what went."""
    with hold(LOCK, wait=lambda: None):
        clear_unfinished()
        gone = to_go()
        for one in gone:
            delete_files(one.name)
            log.record("delete", by=by, outcome="done", name=one.name, message=_("by the rules"))
        media.prune_pool([one.name for one in backups() if one.facts])
    return gone


def delete_backup(name: str, *, by: str) -> None:
    """
    Delete one backup. Raises ValidationError: ``unknown``, or ``last`` for one of the last two tested, which
    are what a restore would rest on.
    """
    with hold(LOCK, wait=lambda: None):
        backup = backup_named(name)
        if is_one_of_the_last(backup):
            raise ValidationError(
                _("This is one of the last two tested backups; test a newer one first."), code="last"
            )
        delete_files(name)
        log.record("delete", by=by, outcome="done", name=name)
        media.prune_pool([one.name for one in backups() if one.facts])


def is_one_of_the_last(backup: Backup) -> bool:
    tested = [one.name for one in backups() if one.state == State.TESTED]
    return backup.name in tested and len(tested) <= FEWEST_TESTED
