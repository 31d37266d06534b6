from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy


class ProfilesConfig(AppConfig):
    name = "apps.profiles"
    verbose_name = _("Practice")

    def ready(self) -> None:
        from apps.core import guards
        from apps.core.registry import counted_in_backups, scopes
        from apps.profiles import access, dashboard, groups, trail  # noqa: F401  (they register themselves)
        from apps.profiles.models import Client, StaffAccess

        scopes.register(access.scope_to_clients)
        counted_in_backups.register(
            lambda: (ngettext_lazy("%(count)s client", "%(count)s clients", "count"), "profiles_client")
        )
        guards.explain_model(Client)
        guards.explain_model(StaffAccess)
        with_models = [app for app in apps.get_app_configs() if app.models_module]
        post_migrate.connect(groups.make_groups, sender=with_models[-1])  # once, when all permissions exist
