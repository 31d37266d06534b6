from decimal import Decimal

import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import apps.profiles.codes


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0040_tax_codes_by_upper"),
        ("profiles", "0002_guards"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ExchangeRate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "currency",
                    models.CharField(
                        choices=apps.profiles.codes.currencies, max_length=3, verbose_name="currency"
                    ),
                ),
                ("date", models.DateField(verbose_name="date")),
                (
                    "rate",
                    models.DecimalField(
                        decimal_places=10,
                        help_text="Base currency for one unit of it.",
                        max_digits=20,
                        verbose_name="rate",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        blank=True, help_text="Where it was published.", max_length=100, verbose_name="source"
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="exchange_rates",
                        to="profiles.client",
                        verbose_name="client",
                    ),
                ),
            ],
            options={
                "verbose_name": "exchange rate",
                "verbose_name_plural": "exchange rates",
                "ordering": ["client", "currency", "-date"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("client", "currency", "date"),
                        name="ledger_exchangerate_one_a_day",
                        violation_error_message="This client has a rate for this currency on this day.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("rate__gt", 0), ("rate__lt", Decimal("1E+10"))),
                        name="ledger_exchangerate_positive",
                        violation_error_message="A rate is a positive number.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                        name="ledger_exchangerate_currency_form",
                        violation_error_message="A currency is three capital letters, such as EUR.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HistoricalExchangeRate",
            fields=[
                (
                    "id",
                    models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID"),
                ),
                (
                    "currency",
                    models.CharField(
                        choices=apps.profiles.codes.currencies, max_length=3, verbose_name="currency"
                    ),
                ),
                ("date", models.DateField(verbose_name="date")),
                (
                    "rate",
                    models.DecimalField(
                        decimal_places=10,
                        help_text="Base currency for one unit of it.",
                        max_digits=20,
                        verbose_name="rate",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        blank=True, help_text="Where it was published.", max_length=100, verbose_name="source"
                    ),
                ),
                ("history_id", models.BigAutoField(editable=False, primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField()),
                ("history_change_reason", models.TextField(null=True)),
                (
                    "history_type",
                    models.CharField(
                        choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1
                    ),
                ),
                (
                    "client",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="profiles.client",
                        verbose_name="client",
                    ),
                ),
                (
                    "history_user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "historical exchange rate",
                "verbose_name_plural": "historical exchange rates",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
                "indexes": [
                    models.Index(fields=["history_date", "id"], name="ledger_hist_history_3bddd3_idx")
                ],
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
    ]
