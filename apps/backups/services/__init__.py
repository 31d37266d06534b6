"""Verbs about backups, the same for the screen, the job, the command and the migration."""

from apps.backups.services.backing_up import back_up
from apps.backups.services.going_back import (
    drill,
    drop_forgotten,
    look_at,
    look_away,
    make_base,
    restore_to,
    start_look,
    start_restore_to,
)
from apps.backups.services.keeping import delete_backup, prune
from apps.backups.services.restoring import (
    drop_kept_copy,
    restore_backup,
    start_restore,
    start_undo,
    undo_restore,
)
from apps.backups.services.testing import run_test

__all__ = [
    "back_up",
    "delete_backup",
    "drill",
    "drop_forgotten",
    "drop_kept_copy",
    "look_at",
    "look_away",
    "make_base",
    "prune",
    "restore_backup",
    "restore_to",
    "run_test",
    "start_look",
    "start_restore",
    "start_restore_to",
    "start_undo",
    "undo_restore",
]
