"""The pages about backups: (address, name, view)."""

PAGES = [
    ("backups/", "backups", "apps.backups.views.BackupsView"),
    ("backups/now/", "back_up_now", "apps.backups.views.BackUpNowView"),
    ("backups/undo/", "undo_restore", "apps.backups.views.UndoView"),
    ("backups/kept/<str:name>/drop/", "drop_kept_copy", "apps.backups.views.DropCopyView"),
    ("backups/<str:name>/test/", "backup_test", "apps.backups.views.TestBackupView"),
    ("backups/<str:name>/restore/", "backup_restore", "apps.backups.views.RestoreView"),
    ("backups/<str:name>/download/", "backup_download", "apps.backups.views.DownloadView"),
    ("backups/<str:name>/delete/", "backup_delete", "apps.backups.views.DeleteBackupView"),
]
