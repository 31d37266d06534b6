"""Verbs about backups, the same for the screen, the job, the command and the migration."""

from apps.backups.services.archiving import fetch_archive, prune_archive, push_archive
from apps.backups.services.backing_up import back_up
from apps.backups.services.copying import fetch_backup, prune_copies, push_backups
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
from apps.backups.services.off_site import copy_off_site
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
    "copy_off_site",
    "delete_backup",
    "drill",
    "drop_forgotten",
    "drop_kept_copy",
    "look_at",
    "look_away",
    "make_base",
    "fetch_archive",
    "fetch_backup",
    "prune",
    "prune_archive",
    "prune_copies",
    "push_archive",
    "push_backups",
    "restore_backup",
    "restore_to",
    "run_test",
    "start_look",
    "start_restore",
    "start_restore_to",
    "start_undo",
    "undo_restore",
]
