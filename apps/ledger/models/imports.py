"""Journals imported from files: what came from where, and how their columns were read."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.core.history import history
from apps.ledger.constraints import SameClient, target_key
from apps.profiles.models import Client, one_of


class JournalMapping(models.Model):
    """
    How the columns of one kind of file are read for a client, remembered for the next such file.

    ``headers`` are the names of the file's columns in order; ``options`` is a Mapping of
    ``apps.ledger.importing.mapping`` as JSON.
    """

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="+")
    headers = models.JSONField(_("columns of the file"))
    signature = models.CharField(max_length=64, editable=False)
    options = models.JSONField(_("how they are read"))

    history = history()

    class Meta:
        verbose_name = _("journal mapping")
        verbose_name_plural = _("journal mappings")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["client", "signature"],
                name="ledger_journalmapping_unique",
                violation_error_message=_("The columns of this kind of file are remembered already."),
            ),
        ]

    def __str__(self) -> str:
        return ", ".join(self.headers)[:100]


class ImportState(models.TextChoices):
    """How far an import is; whether a job works on it is the queue's knowledge."""

    UPLOADED = "uploaded", _("Uploaded")
    READY = "ready", _("Looked through")
    IMPORTED = "imported", _("Imported")
    UNDONE = "undone", _("Undone")


class JournalImport(models.Model):
    """
    A file of journal entries on its way into a client's books.

    ``preview`` has what a person is shown of what would be done, and ``plan_hash`` the SHA-256 of all of
    it: what is imported is what was shown, or nothing.
    """

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="+")
    file_name = models.CharField(_("file"), max_length=200)
    file_sha256 = models.CharField(max_length=64, editable=False)
    file_size = models.BigIntegerField(_("size"), editable=False)
    state = models.CharField(_("state"), max_length=10, choices=ImportState, default=ImportState.UPLOADED)
    options = models.JSONField(_("how it is read"), default=dict)
    preview = models.JSONField(default=dict, editable=False)
    plan_hash = models.CharField(max_length=64, blank=True, editable=False)
    job_id = models.BigIntegerField(null=True, editable=False)  # the one that looks through it or imports it
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        editable=False,
        verbose_name=_("uploaded by"),
        related_name="+",
    )
    uploaded_at = models.DateTimeField(_("uploaded at"), auto_now_add=True)
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        editable=False,
        verbose_name=_("imported by"),
        related_name="+",
    )
    imported_at = models.DateTimeField(_("imported at"), null=True, editable=False)
    entries = models.BigIntegerField(_("entries"), default=0, editable=False)
    lines = models.BigIntegerField(_("lines"), default=0, editable=False)
    is_posted = models.BooleanField(_("posted"), default=False, editable=False)

    history = history(excluded_fields=["preview", "plan_hash", "job_id"])

    class Meta:
        verbose_name = _("journal import")
        verbose_name_plural = _("journal imports")
        ordering = ["-uploaded_at", "-pk"]
        indexes = [models.Index(fields=["client", "-uploaded_at"], name="ledger_import_by_time")]
        constraints = [
            target_key("ledger_import_key"),
            one_of("state", ImportState, "ledger_import_state"),
            models.CheckConstraint(
                name="ledger_import_hash_form",
                condition=Q(file_sha256__regex=r"^[0-9a-f]{64}$"),
                violation_error_message=_("A file is known by the SHA-256 of its content."),
            ),
        ]

    def __str__(self) -> str:
        return self.file_name


class ImportedEntry(models.Model):
    """
    Which entry came out of which import: so the same file brings nothing twice, and an import can be undone.

    The entry is named by its uuid, for a draft may be deleted since. ``facts_key`` is the SHA-256 of what the
    file says of it, ``lines_key`` that of its lines alone.
    """

    client = models.ForeignKey(Client, models.PROTECT, related_name="+", db_index=False)
    journal_import = models.ForeignKey(
        JournalImport, models.PROTECT, db_constraint=False, related_name="imported"
    )
    entry_uuid = models.UUIDField(unique=True)
    line = models.BigIntegerField()
    reference = models.CharField(max_length=200, blank=True)
    date = models.DateField()
    facts_key = models.BinaryField(max_length=32)
    lines_key = models.BinaryField(max_length=32)

    class Meta:
        verbose_name = _("imported entry")
        verbose_name_plural = _("imported entries")
        default_permissions = ()
        indexes = [
            models.Index(fields=["client", "facts_key"], name="ledger_imported_by_facts"),
            models.Index(
                fields=["client", "reference"],
                condition=~Q(reference=""),
                name="ledger_imported_by_reference",
            ),
        ]
        constraints = [
            SameClient(field="journal_import", name="ledger_importedentry_import_same_client"),
        ]

    def __str__(self) -> str:
        return f"{self.journal_import_id}: {self.line}"
