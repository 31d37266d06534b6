from axes.apps import AppConfig as AxesAppConfig
from django.apps import AppConfig
from django.contrib.auth.apps import AuthConfig
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy


class CoreConfig(AppConfig):
    name = "apps.core"
    verbose_name = _("Practice")

    def ready(self) -> None:
        from apps.core import checks, dashboard, guards  # noqa: F401  (registers the checks and core's cards)
        from apps.core.models import User
        from apps.core.registry import counted_in_backups

        guards.explain_model(User)
        counted_in_backups.register(
            lambda: (ngettext_lazy("%(count)s person", "%(count)s people", "count"), "core_user")
        )


class GroupsConfig(AuthConfig):
    """Django's own app, under the word people read above its pages."""

    verbose_name = _("Practice")


class SignInsConfig(AxesAppConfig):
    """django-axes, under the word people read above its pages."""

    verbose_name = _("Practice")
