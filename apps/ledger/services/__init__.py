"""Writes to the books. Each verb checks, does and logs in one transaction, for whoever calls it."""

from apps.ledger.services.annotations import annotate
from apps.ledger.services.closing import InTheWay, close_through, lock_through, reopen_period
from apps.ledger.services.corrections import first_open_day, recode, reverse_entry
from apps.ledger.services.drafts import Line, delete_draft, draft_entry, save_draft
from apps.ledger.services.entering import enter
from apps.ledger.services.posting import BulkPosting, post_entries, post_entry
from apps.ledger.services.year_end import close_fiscal_year, closing_entries
from apps.ledger.services.years import open_fiscal_year, remove_fiscal_year

__all__ = [
    "BulkPosting",
    "InTheWay",
    "Line",
    "annotate",
    "close_fiscal_year",
    "close_through",
    "closing_entries",
    "delete_draft",
    "draft_entry",
    "enter",
    "first_open_day",
    "lock_through",
    "open_fiscal_year",
    "post_entries",
    "post_entry",
    "recode",
    "remove_fiscal_year",
    "reopen_period",
    "reverse_entry",
    "save_draft",
]
