"""What each guard of the books means for the person it refuses."""

from django.utils.translation import gettext_lazy as _

SENTENCES = {
    "ledger_client_fixed": _("A record stays with its client."),
    "ledger_client_currency_frozen": _(
        "The base currency is fixed once an entry is posted: the books are kept in it."
    ),
    "ledger_client_exists": _("There is no such client."),
    "ledger_read_committed": _("The books are written in transactions of the level READ COMMITTED only."),
    # Accounts
    "ledger_account_used": _("This account is used by entries. Make it inactive instead."),
    "ledger_account_frozen": _(
        "This account is used by posted entries, so its kind, its currency and whether it can be posted to "
        "are fixed. Make it inactive and open another one."
    ),
    "ledger_account_no_cycle": _("An account cannot stand under itself, or under one that stands under it."),
    "ledger_taxcode_uuid_fixed": _("A tax code keeps its identity: posted entries name it."),
    # Years and periods
    "ledger_fiscalyear_length": _("A fiscal year has up to 18 months."),
    "ledger_fiscalyear_no_gap": _(
        "Fiscal years follow each other: a new one begins on the day after the last one ends, or ends on the "
        "day before the first one begins. Only the first or the last one can be removed."
    ),
    "ledger_fiscalyear_dates_fixed": _("The dates of a fiscal year are fixed. Remove it while it is unused."),
    "ledger_period_begins_open": _("A period begins open."),
    "ledger_period_in_year": _("A period lies in its fiscal year."),
    "ledger_period_dates_fixed": _("The dates of a period are fixed."),
    "ledger_period_order": _(
        "Periods close in order and reopen latest first; the adjusting period closes after the months "
        "of its year."
    ),
    "ledger_period_reopen_reason": _("Say why the period is reopened."),
    "ledger_period_closed_stays": _("A closed period cannot be removed. Reopen it first."),
    "ledger_period_used": _("This period has entries and cannot be removed."),
    "ledger_period_covers_year": _("The periods of a fiscal year cover each of its days once."),
    # Entries
    "ledger_entry_begins_as_draft": _("An entry is drafted first, then posted."),
    "ledger_entry_posted_stays": _("A posted entry cannot be deleted. Reverse it."),
    "ledger_entry_posted_frozen": _(
        "A posted entry cannot be changed: recode a wrong account, reverse everything else."
    ),
    "ledger_entry_two_lines": _("An entry has at least two lines."),
    "ledger_entry_balanced": _("Debits and credits are not equal."),
    "ledger_entry_postable_accounts": _("One of the accounts is a heading and cannot be posted to."),
    "ledger_entry_active_accounts": _("One of the accounts is inactive."),
    "ledger_entry_has_period": _("There is no period for this date. Open its fiscal year first."),
    "ledger_entry_period_locked": _(
        "This period is locked. Choose a later date, or ask a manager to reopen it."
    ),
    "ledger_entry_period_soft_closed": _(
        "This period is soft-closed. A reviewer posts into it with a reason."
    ),
    "ledger_entry_adjusting_kinds": _(
        "The adjusting period takes adjustments and year-end closing entries only."
    ),
    "ledger_entry_reverses_posted": _("A reversal is of a posted entry, and of its kind."),
    "ledger_entry_reversal_date": _("A reversal cannot be dated before the entry it reverses."),
    "ledger_entry_reversal_mirrors": _("A reversal mirrors its entry line by line."),
    "ledger_entry_reversal_recoded": _(
        "A line of this entry has been recoded. Reverse the recoding first, then this entry."
    ),
    "ledger_entry_reversal_final": _(
        "The reversal of an opening entry or of a recoding is not reversed: post the opening again, or "
        "recode the line again."
    ),
    "ledger_entry_recode_mirrors": _("A recoding takes posted lines back and puts each on another account."),
    "ledger_entry_recoded_once": _("One of these lines is recoded or reversed already."),
    "ledger_entry_one_opening": _(
        "This client has an opening entry. Reverse it first, or give a reason for a second one."
    ),
    "ledger_entry_number_follows": _("Entries are numbered by the database, without gaps."),
    "ledger_entry_hash_fits": _("The chain of posted entries is written by the database."),
    "ledger_entry_number_unique": _("Entries are numbered by the database, without gaps."),
    "ledger_entry_position_unique": _("The chain of posted entries is written by the database."),
    # Lines
    "ledger_line_posted_frozen": _(
        "The lines of a posted entry are fixed: recode a wrong account, reverse everything else."
    ),
    "ledger_line_account_currency": _(
        "This account is kept in another currency: give the currency of the account, its amount and the "
        "rate. A foreign currency is never the client's own."
    ),
    "ledger_line_decimals": _("An amount has more decimals than its currency."),
    **dict.fromkeys(  # so PostgreSQL calls the checks of columns that Django gives no name
        [
            "ledger_attachment_size_check",
            "ledger_bookcheck_clients_check",
            "ledger_bookcheck_lines_check",
            "ledger_journalentry_number_check",
            "ledger_journalentry_position_check",
            "ledger_journalline_line_number_check",
        ],
        _("Numbers and sizes count from zero up."),
    ),
    "ledger_line_number_unique": _("Two lines of this entry have the same number."),
    "ledger_accounttotal_derived": _("Totals are kept by the database alone."),
}
EMPTIED = _("The books cannot be emptied.")
