from django.apps import AppConfig
from django.db.models.signals import pre_migrate
from django.utils.translation import gettext_lazy as _


class BackupsConfig(AppConfig):
    name = "apps.backups"
    verbose_name = _("Backups")

    def ready(self) -> None:
        from apps.backups import dashboard, premigrate  # noqa: F401  (registers the card)

        pre_migrate.connect(premigrate.back_up_before_migrating)
