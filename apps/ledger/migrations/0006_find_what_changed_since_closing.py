from django.db import migrations, models


class Migration(migrations.Migration):
    """The start page asks of every client what is due, and what was posted behind a close."""

    dependencies = [
        ("ledger", "0005_histories_only_grow"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="closedperiod",
            index=models.Index(fields=["client", "closed_at"], name="ledger_closedperiod_by_time"),
        ),
        migrations.AddIndex(
            model_name="journalentry",
            index=models.Index(
                condition=models.Q(("status", "posted")),
                fields=["client", "posted_at"],
                include=("date", "kind"),
                name="ledger_entry_by_posting",
            ),
        ),
        migrations.AddIndex(
            model_name="period",
            index=models.Index(
                condition=models.Q(("is_adjusting", False), ("state", "open")),
                fields=["client", "end"],
                name="ledger_period_open",
            ),
        ),
    ]
