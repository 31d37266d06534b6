from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CoreConfig(AppConfig):
    name = "apps.core"
    verbose_name = _("Set-up")

    def ready(self) -> None:
        from apps.core import checks, dashboard  # noqa: F401  (registers the checks and core's cards)
