from apps.ledger.admin.accounts import AccountAdmin
from apps.ledger.admin.checks import BookCheckAdmin
from apps.ledger.admin.contacts import ContactAdmin, CostCentreAdmin, TaxIdAccessAdmin
from apps.ledger.admin.journal import JournalEntryAdmin
from apps.ledger.admin.rates import ExchangeRateAdmin
from apps.ledger.admin.tax import TaxCodeAdmin
from apps.ledger.admin.years import FiscalYearAdmin

__all__ = [
    "AccountAdmin",
    "BookCheckAdmin",
    "ContactAdmin",
    "CostCentreAdmin",
    "ExchangeRateAdmin",
    "FiscalYearAdmin",
    "JournalEntryAdmin",
    "TaxCodeAdmin",
    "TaxIdAccessAdmin",
]
