"""Which role may do what with a client's books."""

from apps.profiles.roles import Role, grant


def _all(verbs: str, *models: str) -> list[str]:
    return [f"ledger.{verb}_{model}" for verb in verbs.split() for model in models]


grant(
    Role.VIEWER,
    *_all(
        "view",
        "account",
        "attachment",
        "closedperiod",
        "contact",
        "costcentre",
        "exchangerate",
        "fiscalyear",
        "journalentry",
        "journalline",
        "period",
        "taxcode",
        "taxrate",
    ),
)
grant(
    Role.PREPARER,
    *_all("add change delete", "contact", "costcentre", "journalentry", "journalline", "attachment"),
    *_all("add change", "account", "exchangerate"),
    "ledger.reveal_contact",  # a tax id in full: whoever prepares a return needs it
)
grant(
    Role.REVIEWER,
    *_all("add change delete", "account", "exchangerate", "taxcode", "taxrate"),
    "ledger.post_journalentry",
    "ledger.recode_journalline",
    "ledger.close_period",
    "ledger.view_taxidaccess",
)
grant(Role.MANAGER, "ledger.lock_period", *_all("add change delete", "fiscalyear"))
