from django.db import migrations, models

from apps.core.guards import append_only


class Migration(migrations.Migration):
    """Keep what came of checking the books."""

    dependencies = [("ledger", "0007_index_of_words")]

    operations = [
        migrations.CreateModel(
            name="BookCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(auto_now_add=True, db_index=True, verbose_name="checked at")),
                ("duration", models.DurationField(verbose_name="took")),
                ("clients", models.PositiveIntegerField(verbose_name="clients")),
                ("lines", models.PositiveBigIntegerField(verbose_name="lines")),
                ("failures", models.JSONField(default=list, verbose_name="failures")),
            ],
            options={
                "verbose_name": "check of the books",
                "verbose_name_plural": "checks of the books",
                "ordering": ["-at", "-pk"],
                "default_permissions": ("view",),
            },
        ),
        *append_only("ledger_bookcheck"),
    ]
