from django.apps import AppConfig
from django.db.models.signals import pre_migrate
from django.utils.translation import gettext_lazy as _


class BackupsConfig(AppConfig):
    name = "apps.backups"
    verbose_name = _("Backups")

    def ready(self) -> None:
        from dbbackup.signals import post_backup

        from apps.backups import dashboard, premigrate  # noqa: F401  (registers the card)
        from apps.backups.services.backing_up import verify_stored

        pre_migrate.connect(premigrate.back_up_before_migrating)
        post_backup.connect(verify_stored)
