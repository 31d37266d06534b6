"""The journal: entries, their lines, and the papers that prove them."""

import uuid
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Sum
from django.db.models.functions import Greatest
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from apps.core.history import history
from apps.ledger.constraints import SameClient, target_key
from apps.ledger.models.accounts import Account
from apps.ledger.models.contacts import Contact, CostCentre
from apps.ledger.models.tax import TaxCode
from apps.ledger.models.years import FiscalYear, Period
from apps.profiles.models import Client, by_time, one_of

ZERO = Decimal(0)
MOST = Decimal("1E15")  # what numeric(19,4) holds


class EntryStatus(models.TextChoices):
    DRAFT = "draft", _("Draft")
    POSTED = "posted", _("Posted")


class EntryKind(models.TextChoices):
    MANUAL = "manual", _("Manual")
    BANK = "bank", _("Bank")
    OPENING = "opening", _("Opening")
    ADJUSTING = "adjusting", _("Adjusting")
    CLOSING = "closing", _("Closing")
    REVERSAL = "reversal", _("Reversal")
    RECODE = "recode", _("Recode")
    FX = "fx", _("Exchange difference")


class Review(models.TextChoices):
    NONE = "", _("Not reviewed")
    QUESTION = "question", _("Open question")
    REVIEWED = "reviewed", _("Reviewed")


class JournalEntryQuerySet(models.QuerySet["JournalEntry"]):
    def posted(self) -> "JournalEntryQuerySet":
        return self.filter(status=EntryStatus.POSTED)

    def drafts(self) -> "JournalEntryQuerySet":
        return self.filter(status=EntryStatus.DRAFT)


class JournalEntry(models.Model):
    """
    A dated set of lines in one client's books. Posted, it balances and its accounting facts never change.

    ``period``, ``fiscal_year``, ``number``, ``position``, ``posted_at`` and ``hash`` are set by the
    database when the entry is posted; ``number`` runs without gaps per client and fiscal year,
    ``position`` per client.
    """

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="entries")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    date = models.DateField(_("date"))
    kind = models.CharField(_("kind"), max_length=10, choices=EntryKind, default=EntryKind.MANUAL)
    status = models.CharField(
        _("status"), max_length=6, choices=EntryStatus, default=EntryStatus.DRAFT, editable=False
    )
    description = models.CharField(_("description"), max_length=500, blank=True)
    document_number = models.CharField(_("document no."), max_length=100, blank=True)
    document_date = models.DateField(_("document date"), null=True, blank=True)
    review = models.CharField(_("review"), max_length=10, choices=Review, blank=True, default="")
    review_note = models.TextField(_("note or question"), blank=True, max_length=2000)
    reverses = models.OneToOneField(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        editable=False,
        verbose_name=_("reverses"),
        related_name="reversed_by",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        editable=False,
        verbose_name=_("drafted by"),
        related_name="+",
    )
    created_at = models.DateTimeField(_("drafted at"), auto_now_add=True)
    idempotency_key = models.UUIDField(null=True, editable=False)

    fiscal_year = models.ForeignKey(
        FiscalYear,
        models.PROTECT,
        null=True,
        db_constraint=False,
        editable=False,
        verbose_name=_("fiscal year"),
        related_name="entries",
    )
    period = models.ForeignKey(
        Period,
        models.PROTECT,
        null=True,
        db_constraint=False,
        editable=False,
        verbose_name=_("period"),
        related_name="entries",
    )
    number = models.PositiveBigIntegerField(_("number"), null=True, editable=False)
    position = models.PositiveBigIntegerField(null=True, editable=False)
    posted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        null=True,
        editable=False,
        verbose_name=_("posted by"),
        related_name="+",
    )
    posted_at = models.DateTimeField(_("posted at"), null=True, editable=False)
    hash = models.BinaryField(max_length=32, null=True, editable=False)

    objects = JournalEntryQuerySet.as_manager()
    history = history(
        excluded_fields=["hash"],
        indexes=[by_time("ledger_entry_history_by_time")],
        no_db_index=["uuid", "client", "created_by", "fiscal_year", "period", "posted_by", "reverses"],
    )

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        ordering = ["-date", "-pk"]
        permissions = [
            ("post_journalentry", "Can post and reverse entries"),
            ("recode_journalline", "Can recode posted lines"),
        ]
        indexes = [
            models.Index(fields=["client", "date", "id"], name="ledger_entry_by_date"),
            models.Index(fields=["date", "id"], name="ledger_entry_of_all_by_date"),
            models.Index(fields=["client", "date"], condition=Q(status="draft"), name="ledger_entry_drafts"),
            models.Index(
                fields=["client", "date"], condition=Q(review="question"), name="ledger_entry_questions"
            ),
            models.Index(fields=["client", "document_number"], name="ledger_entry_by_document"),
            models.Index(
                fields=["client", "posted_at"],
                include=["date", "kind"],
                condition=Q(status="posted"),
                name="ledger_entry_by_posting",
            ),
        ]
        constraints = [
            target_key("ledger_entry_key"),
            models.UniqueConstraint(
                fields=["client", "fiscal_year", "number"], name="ledger_entry_number_unique"
            ),
            models.UniqueConstraint(fields=["client", "position"], name="ledger_entry_position_unique"),
            models.UniqueConstraint(
                fields=["client", "idempotency_key"],
                name="ledger_entry_once",
                violation_error_message=_("This entry was saved a moment ago: it is in the list."),
            ),
            SameClient(field="reverses", name="ledger_entry_reverses_same_client"),
            SameClient(field="fiscal_year", name="ledger_entry_year_same_client"),
            SameClient(field="period", name="ledger_entry_period_same_client"),
            one_of("kind", EntryKind, "ledger_entry_kind"),
            one_of("status", EntryStatus, "ledger_entry_status"),
            one_of("review", Review, "ledger_entry_review"),
            models.CheckConstraint(
                name="ledger_entry_numbered_when_posted",
                condition=Q(
                    status="draft",
                    fiscal_year=None,
                    period=None,
                    number=None,
                    position=None,
                    posted_at=None,
                    posted_by=None,
                    hash=None,
                )
                | Q(
                    status="posted",
                    fiscal_year__isnull=False,
                    period__isnull=False,
                    number__isnull=False,
                    position__isnull=False,
                    posted_at__isnull=False,
                    hash__isnull=False,
                ),
                violation_error_message=_("An entry gets its number when it is posted, and not before."),
            ),
        ]

    def __str__(self) -> str:
        if self.number is None:
            return _now("Draft %(pk)s") % {"pk": self.pk} if self.pk else _now("New entry")
        return _now("Entry %(number)s") % {"number": self.number}

    @property
    def is_posted(self) -> bool:
        return self.status == EntryStatus.POSTED

    def imbalance(self) -> Decimal:
        """Debits minus credits, in base currency; zero for an entry that can be posted."""
        return self.lines.aggregate(total=Sum("amount"))["total"] or ZERO


class JournalLine(models.Model):
    """
    One line of an entry. ``amount`` is in base currency, debit positive.

    ``date``, ``kind`` and ``is_posted`` are the entry's, copied by the database, so that a report reads
    one table. For a foreign currency ``foreign_amount`` has the sign of ``amount``, and ``rate`` is
    base currency for one unit of it.
    """

    client = models.ForeignKey(  # its constraint is that of the entry
        Client, models.PROTECT, editable=False, related_name="+", db_index=False, db_constraint=False
    )
    entry = models.ForeignKey(
        JournalEntry,
        models.PROTECT,
        db_constraint=False,
        db_index=False,
        verbose_name=_("entry"),
        related_name="lines",
    )
    line_number = models.PositiveIntegerField(_("line"), default=0, editable=False)
    account = models.ForeignKey(
        Account,
        models.PROTECT,
        db_constraint=False,
        db_index=False,
        verbose_name=_("account"),
        related_name="lines",
    )
    amount = models.DecimalField(_("amount"), max_digits=19, decimal_places=4)
    debit = models.GeneratedField(
        expression=Greatest(F("amount"), ZERO),
        output_field=models.DecimalField(max_digits=19, decimal_places=4),
        db_persist=True,
    )
    credit = models.GeneratedField(
        expression=Greatest(-F("amount"), ZERO),
        output_field=models.DecimalField(max_digits=19, decimal_places=4),
        db_persist=True,
    )
    memo = models.CharField(_("memo"), max_length=500, blank=True)
    contact = models.ForeignKey(
        Contact,
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        verbose_name=_("contact"),
        related_name="lines",
    )
    cost_centre = models.ForeignKey(
        CostCentre,
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        verbose_name=_("class"),
        related_name="lines",
    )
    due_date = models.DateField(_("due"), null=True, blank=True)
    tax_code = models.ForeignKey(
        TaxCode,
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        verbose_name=_("tax code"),
        related_name="lines",
    )
    tax_base = models.DecimalField(_("tax base"), max_digits=19, decimal_places=4, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    foreign_amount = models.DecimalField(
        _("foreign amount"), max_digits=19, decimal_places=4, null=True, blank=True
    )
    rate = models.DecimalField(_("rate"), max_digits=20, decimal_places=10, null=True, blank=True)
    recodes = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        editable=False,
        verbose_name=_("recodes"),
        related_name="recoded_by",
    )

    date = models.DateField(_("date"), editable=False, null=True)
    kind = models.CharField(max_length=10, editable=False, default="")
    is_posted = models.BooleanField(_("posted"), editable=False, default=False)

    history = history(
        excluded_fields=["debit", "credit", "date", "kind", "is_posted"],
        indexes=[by_time("ledger_line_history_by_time")],
        no_db_index=["client", "account", "contact", "cost_centre", "tax_code", "recodes"],
    )

    class Meta:
        verbose_name = _("entry line")
        verbose_name_plural = _("entry lines")
        ordering = ["entry", "line_number"]
        indexes = [
            models.Index(
                fields=["client", "account", "date", "id"],
                include=["amount", "kind", "is_posted"],
                name="ledger_line_register",
            ),
            models.Index(
                fields=["client", "date"],
                include=["account", "amount", "kind"],
                condition=Q(is_posted=True),
                name="ledger_line_by_date",
            ),
            models.Index(fields=["amount"], name="ledger_line_by_amount"),
            models.Index(
                fields=["contact", "date"], condition=Q(contact__isnull=False), name="ledger_line_by_contact"
            ),
            models.Index(
                fields=["tax_code", "date"],
                condition=Q(tax_code__isnull=False),
                name="ledger_line_by_tax_code",
            ),
            models.Index(
                fields=["cost_centre", "date"],
                condition=Q(cost_centre__isnull=False),
                name="ledger_line_by_class",
            ),
            models.Index(
                fields=["recodes"], condition=Q(recodes__isnull=False), name="ledger_line_by_recodes"
            ),
        ]
        constraints = [
            target_key("ledger_line_key"),
            models.UniqueConstraint(
                fields=["entry", "line_number"],
                name="ledger_line_number_unique",
                deferrable=models.Deferrable.DEFERRED,
            ),
            SameClient(field="entry", name="ledger_line_entry_same_client"),
            SameClient(field="account", name="ledger_line_account_same_client"),
            SameClient(field="contact", name="ledger_line_contact_same_client"),
            SameClient(field="cost_centre", name="ledger_line_class_same_client"),
            SameClient(field="tax_code", name="ledger_line_tax_code_same_client"),
            SameClient(field="recodes", name="ledger_line_recodes_same_client"),
            models.CheckConstraint(
                name="ledger_line_amount_is_one",
                condition=~Q(amount=0) | (Q(foreign_amount__isnull=False) & ~Q(foreign_amount=0)),
                violation_error_message=_("A line needs an amount that is not zero."),
            ),
            models.CheckConstraint(  # PostgreSQL holds NaN for greater than every number
                name="ledger_line_numbers",
                condition=Q(amount__lt=MOST)
                & (Q(foreign_amount=None) | Q(foreign_amount__lt=MOST))
                & (Q(tax_base=None) | Q(tax_base__lt=MOST)),
                violation_error_message=_("An amount is a number below 1,000,000,000,000,000."),
            ),
            models.CheckConstraint(
                name="ledger_line_foreign_complete",
                condition=Q(currency="", foreign_amount=None, rate=None)
                | Q(currency__regex=r"^[A-Z]{3}$", foreign_amount__isnull=False),
                violation_error_message=_("A foreign currency and a foreign amount go together."),
            ),
            models.CheckConstraint(
                name="ledger_line_foreign_sign",
                condition=Q(foreign_amount=None)
                | Q(foreign_amount__gte=0, amount__gte=0)
                | Q(foreign_amount__lte=0, amount__lte=0),
                violation_error_message=_("A foreign amount is on the same side as the amount."),
            ),
            models.CheckConstraint(
                name="ledger_line_rate_positive",
                condition=Q(rate=None) | Q(rate__gt=0, rate__lt=Decimal("1E10")),
                violation_error_message=_("A rate is a positive number."),
            ),
            models.CheckConstraint(
                name="ledger_line_tax_base_has_code",
                condition=Q(tax_base=None) | Q(tax_code__isnull=False),
                violation_error_message=_("A tax base needs a tax code."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.amount}"


class Attachment(models.Model):
    """A paper that proves an entry. The file is stored once, under the SHA-256 of its content."""

    client = models.ForeignKey(Client, models.PROTECT, editable=False, related_name="+")
    entry = models.ForeignKey(
        JournalEntry,
        models.PROTECT,
        db_constraint=False,
        verbose_name=_("entry"),
        related_name="attachments",
    )
    name = models.CharField(_("file name"), max_length=200)
    content_type = models.CharField(_("type"), max_length=50, editable=False)
    size = models.PositiveBigIntegerField(_("size"), editable=False)
    sha256 = models.CharField(max_length=64, editable=False, db_index=True)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        editable=False,
        verbose_name=_("added by"),
        related_name="+",
    )
    added_at = models.DateTimeField(_("added at"), auto_now_add=True)

    history = history(indexes=[by_time("ledger_paper_history_by_time")])

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        ordering = ["entry", "added_at"]
        constraints = [
            SameClient(field="entry", name="ledger_attachment_entry_same_client"),
            models.CheckConstraint(
                name="ledger_attachment_hash_form",
                condition=Q(sha256__regex=r"^[0-9a-f]{64}$"),
                violation_error_message=_("An attachment is known by the SHA-256 of its content."),
            ),
        ]

    def __str__(self) -> str:
        return self.name
