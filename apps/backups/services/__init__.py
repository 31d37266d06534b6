"""Verbs about backups, the same for the screen, the job, the command and the migration."""

from apps.backups.services.backing_up import back_up
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
    "drop_kept_copy",
    "prune",
    "restore_backup",
    "run_test",
    "start_restore",
    "start_undo",
    "undo_restore",
]
