"""The pages about backups: (address, name, view)."""

PAGES = [
    ("backups/", "backups", "apps.backups.views.backups.BackupsView"),
    ("backups/now/", "back_up_now", "apps.backups.views.backups.BackUpNowView"),
    ("backups/off-site/", "copy_off_site", "apps.backups.views.backups.CopyOffSiteView"),
    ("backups/go-back/", "go_back", "apps.backups.views.archive.GoBackView"),
    ("backups/go-back/look/", "look_back", "apps.backups.views.archive.LookView"),
    ("backups/go-back/base/", "make_base", "apps.backups.views.archive.MakeBaseView"),
    ("backups/go-back/drill/", "run_drill", "apps.backups.views.archive.DrillView"),
    ("backups/go-back/<str:moment>/", "go_back_to", "apps.backups.views.archive.GoBackToView"),
    ("backups/undo/", "undo_restore", "apps.backups.views.backups.UndoView"),
    ("backups/kept/<str:name>/drop/", "drop_kept_copy", "apps.backups.views.backups.DropCopyView"),
    ("backups/<str:name>/test/", "backup_test", "apps.backups.views.backups.TestBackupView"),
    ("backups/<str:name>/restore/", "backup_restore", "apps.backups.views.backups.RestoreView"),
    ("backups/<str:name>/download/", "backup_download", "apps.backups.views.backups.DownloadView"),
    ("backups/<str:name>/delete/", "backup_delete", "apps.backups.views.backups.DeleteBackupView"),
]
