from apps.ledger.models.accounts import Account, AccountKind, AccountRole, AccountSection
from apps.ledger.models.checks import BookCheck
from apps.ledger.models.contacts import Contact, CostCentre, TaxIdAccess, TaxIdEvent
from apps.ledger.models.imports import ImportedEntry, ImportState, JournalImport, JournalMapping
from apps.ledger.models.journal import Attachment, EntryKind, EntryStatus, JournalEntry, JournalLine, Review
from apps.ledger.models.rates import ExchangeRate
from apps.ledger.models.tax import TaxCode, TaxDirection, TaxRate
from apps.ledger.models.totals import AccountTotal
from apps.ledger.models.years import ClosedPeriod, FiscalYear, Period, PeriodState

__all__ = [
    "Account",
    "AccountKind",
    "AccountRole",
    "AccountSection",
    "AccountTotal",
    "Attachment",
    "BookCheck",
    "ClosedPeriod",
    "Contact",
    "CostCentre",
    "EntryKind",
    "EntryStatus",
    "ExchangeRate",
    "FiscalYear",
    "ImportState",
    "ImportedEntry",
    "JournalEntry",
    "JournalImport",
    "JournalLine",
    "JournalMapping",
    "Period",
    "PeriodState",
    "Review",
    "TaxCode",
    "TaxDirection",
    "TaxIdAccess",
    "TaxIdEvent",
    "TaxRate",
]
