import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

import apps.ledger.constraints


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0008_checks_of_the_books"),
        ("profiles", "0002_guards"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="JournalImport",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("file_name", models.CharField(max_length=200, verbose_name="file")),
                ("file_sha256", models.CharField(editable=False, max_length=64)),
                ("file_size", models.BigIntegerField(editable=False, verbose_name="size")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("uploaded", "Uploaded"),
                            ("ready", "Looked through"),
                            ("imported", "Imported"),
                            ("undone", "Undone"),
                        ],
                        default="uploaded",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("options", models.JSONField(default=dict, verbose_name="how it is read")),
                ("preview", models.JSONField(default=dict, editable=False)),
                ("plan_hash", models.CharField(blank=True, editable=False, max_length=64)),
                ("job_id", models.BigIntegerField(editable=False, null=True)),
                ("uploaded_at", models.DateTimeField(auto_now_add=True, verbose_name="uploaded at")),
                ("imported_at", models.DateTimeField(editable=False, null=True, verbose_name="imported at")),
                ("entries", models.BigIntegerField(default=0, editable=False, verbose_name="entries")),
                ("lines", models.BigIntegerField(default=0, editable=False, verbose_name="lines")),
                ("is_posted", models.BooleanField(default=False, editable=False, verbose_name="posted")),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="profiles.client",
                        verbose_name="client",
                    ),
                ),
                (
                    "imported_by",
                    models.ForeignKey(
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="imported by",
                    ),
                ),
                (
                    "uploaded_by",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="uploaded by",
                    ),
                ),
            ],
            options={
                "verbose_name": "journal import",
                "verbose_name_plural": "journal imports",
                "ordering": ["-uploaded_at", "-pk"],
            },
        ),
        migrations.CreateModel(
            name="ImportedEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("entry_uuid", models.UUIDField(unique=True)),
                ("line", models.BigIntegerField()),
                ("reference", models.CharField(blank=True, max_length=200)),
                ("date", models.DateField()),
                ("facts_key", models.BinaryField(max_length=32)),
                ("lines_key", models.BinaryField(max_length=32)),
                (
                    "client",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="profiles.client",
                    ),
                ),
                (
                    "journal_import",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="imported",
                        to="ledger.journalimport",
                    ),
                ),
            ],
            options={
                "verbose_name": "imported entry",
                "verbose_name_plural": "imported entries",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="JournalMapping",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("headers", models.JSONField(verbose_name="columns of the file")),
                ("signature", models.CharField(editable=False, max_length=64)),
                ("options", models.JSONField(verbose_name="how they are read")),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="profiles.client",
                        verbose_name="client",
                    ),
                ),
            ],
            options={
                "verbose_name": "journal mapping",
                "verbose_name_plural": "journal mappings",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="HistoricalJournalImport",
            fields=[
                (
                    "id",
                    models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID"),
                ),
                ("file_name", models.CharField(max_length=200, verbose_name="file")),
                ("file_sha256", models.CharField(editable=False, max_length=64)),
                ("file_size", models.BigIntegerField(editable=False, verbose_name="size")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("uploaded", "Uploaded"),
                            ("ready", "Looked through"),
                            ("imported", "Imported"),
                            ("undone", "Undone"),
                        ],
                        default="uploaded",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("options", models.JSONField(default=dict, verbose_name="how it is read")),
                ("uploaded_at", models.DateTimeField(blank=True, editable=False, verbose_name="uploaded at")),
                ("imported_at", models.DateTimeField(editable=False, null=True, verbose_name="imported at")),
                ("entries", models.BigIntegerField(default=0, editable=False, verbose_name="entries")),
                ("lines", models.BigIntegerField(default=0, editable=False, verbose_name="lines")),
                ("is_posted", models.BooleanField(default=False, editable=False, verbose_name="posted")),
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
                (
                    "imported_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="imported by",
                    ),
                ),
                (
                    "uploaded_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="uploaded by",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical journal import",
                "verbose_name_plural": "historical journal imports",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
                "indexes": [
                    models.Index(fields=["history_date", "id"], name="ledger_hist_history_dbb2a8_idx")
                ],
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name="HistoricalJournalMapping",
            fields=[
                (
                    "id",
                    models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID"),
                ),
                ("headers", models.JSONField(verbose_name="columns of the file")),
                ("signature", models.CharField(editable=False, max_length=64)),
                ("options", models.JSONField(verbose_name="how they are read")),
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
                "verbose_name": "historical journal mapping",
                "verbose_name_plural": "historical journal mappings",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
                "indexes": [
                    models.Index(fields=["history_date", "id"], name="ledger_hist_history_4a7709_idx")
                ],
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.AddIndex(
            model_name="journalimport",
            index=models.Index(fields=["client", "-uploaded_at"], name="ledger_import_by_time"),
        ),
        migrations.AddConstraint(
            model_name="journalimport",
            constraint=models.UniqueConstraint(fields=("client", "id"), name="ledger_import_key"),
        ),
        migrations.AddConstraint(
            model_name="journalimport",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["uploaded", "ready", "imported", "undone"])),
                name="ledger_import_state",
                violation_error_message="Choose one of the values offered.",
            ),
        ),
        migrations.AddConstraint(
            model_name="journalimport",
            constraint=models.CheckConstraint(
                condition=models.Q(("file_sha256__regex", "^[0-9a-f]{64}$")),
                name="ledger_import_hash_form",
                violation_error_message="A file is known by the SHA-256 of its content.",
            ),
        ),
        migrations.AddIndex(
            model_name="importedentry",
            index=models.Index(fields=["client", "facts_key"], name="ledger_imported_by_facts"),
        ),
        migrations.AddIndex(
            model_name="importedentry",
            index=models.Index(
                condition=models.Q(("reference", ""), _negated=True),
                fields=["client", "reference"],
                name="ledger_imported_by_reference",
            ),
        ),
        migrations.AddConstraint(
            model_name="importedentry",
            constraint=apps.ledger.constraints.SameClient(
                field="journal_import", name="ledger_importedentry_import_same_client"
            ),
        ),
        migrations.AddConstraint(
            model_name="journalmapping",
            constraint=models.UniqueConstraint(
                fields=("client", "signature"),
                name="ledger_journalmapping_unique",
                violation_error_message="The columns of this kind of file are remembered already.",
            ),
        ),
    ]
