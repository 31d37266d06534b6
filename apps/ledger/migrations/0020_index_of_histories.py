from django.db import migrations, models

INDEXES = {
    "historicalaccount": "ledger_account_history_by_time",
    "historicalattachment": "ledger_paper_history_by_time",
    "historicalcontact": "ledger_contact_history_by_time",
    "historicaljournalentry": "ledger_entry_history_by_time",
    "historicaljournalline": "ledger_line_history_by_time",
}


class Migration(migrations.Migration):
    """The audit report reads what was done to a client in a time, out of histories of many clients."""

    dependencies = [("ledger", "0010_guards_of_imports")]

    operations = [
        migrations.AddIndex(
            model_name=model, index=models.Index(fields=["client", "history_date"], name=name)
        )
        for model, name in INDEXES.items()
    ]
