from django.db import migrations

from apps.core.guards import append_only

TABLES = [
    "ledger_historicalaccount",
    "ledger_historicalattachment",
    "ledger_historicalcontact",
    "ledger_historicalcostcentre",
    "ledger_historicalfiscalyear",
    "ledger_historicaljournalentry",
    "ledger_historicaljournalline",
    "ledger_historicalperiod",
    "ledger_historicaltaxcode",
    "ledger_historicaltaxrate",
    "ledger_closedperiod",
    "ledger_taxidaccess",
]


class Migration(migrations.Migration):
    """What was recorded of the books is never rewritten."""

    dependencies = [("ledger", "0004_guards_of_the_journal")]

    operations = [operation for table in TABLES for operation in append_only(table)]
