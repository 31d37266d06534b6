from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy


class LedgerConfig(AppConfig):
    name = "apps.ledger"
    verbose_name = _("Books")

    def ready(self) -> None:
        from apps.core import guards
        from apps.core.registry import counted_in_backups, searches
        from apps.ledger import close_checks, dashboard, refusals, rights, search, trail  # noqa: F401
        from apps.ledger.checking import card, chain, rules  # noqa: F401

        for find in (search.find_pages, search.find_in_journal):  # after the clients that profiles finds
            searches.register(find)
        counted_in_backups.register(
            lambda: (ngettext_lazy("%(count)s entry", "%(count)s entries", "count"), "ledger_journalentry")
        )
        for model in self.get_models():
            guards.explain_model(model)
            guards.explain(f"{model._meta.db_table}_emptied", refusals.EMPTIED)
        for table in ("profiles_client", "profiles_staffaccess"):
            guards.explain(f"{table}_emptied", refusals.EMPTIED)
        for constraint, sentence in refusals.SENTENCES.items():
            guards.explain(constraint, sentence)
