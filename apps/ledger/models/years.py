"""Fiscal years, their periods, and what the books said when a period was closed."""

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import formats
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from apps.core.history import history
from apps.ledger.constraints import SameClient, target_key
from apps.profiles.models import Client, one_of


class FiscalYear(models.Model):
    """A client's fiscal year, of up to 18 months; years follow each other without a gap."""

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="fiscal_years")
    name = models.CharField(_("name"), max_length=50)
    start = models.DateField(_("first day"))
    end = models.DateField(_("last day"))

    history = history()

    class Meta:
        verbose_name = _("fiscal year")
        verbose_name_plural = _("fiscal years")
        ordering = ["client", "start"]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "name"],
                name="ledger_fiscalyear_name_unique",
                violation_error_message=_("This client has a fiscal year with this name."),
            ),
            models.UniqueConstraint(
                fields=["client", "start"],
                name="ledger_fiscalyear_start_unique",
                violation_error_message=_("This client has a fiscal year that begins on this day."),
            ),
            target_key("ledger_fiscalyear_key"),
            models.CheckConstraint(
                name="ledger_fiscalyear_order",
                condition=Q(end__gt=F("start")),
                violation_error_message=_("A fiscal year ends after it begins."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class PeriodState(models.TextChoices):
    """How closed a period is; each state refuses more than the one before."""

    OPEN = "open", _("Open")
    SOFT_CLOSED = "soft_closed", _("Soft-closed")
    LOCKED = "locked", _("Locked")


class Period(models.Model):
    """
    A part of a fiscal year that is closed as one, usually a month.

    The adjusting period on the year's last day takes an accountant's late entries while the months
    stay locked.
    """

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="periods")
    fiscal_year = models.ForeignKey(
        FiscalYear, models.PROTECT, db_constraint=False, verbose_name=_("fiscal year"), related_name="periods"
    )
    start = models.DateField(_("first day"))
    end = models.DateField(_("last day"))
    is_adjusting = models.BooleanField(_("adjusting period"), default=False, editable=False)
    state = models.CharField(_("state"), max_length=12, choices=PeriodState, default=PeriodState.OPEN)

    history = history()

    class Meta:
        verbose_name = _("period")
        verbose_name_plural = _("periods")
        ordering = ["client", "start", "is_adjusting"]
        permissions = [
            ("close_period", "Can soft-close periods"),
            ("lock_period", "Can lock and reopen periods"),
        ]
        indexes = [
            models.Index(
                fields=["client", "end"],
                condition=Q(state="open", is_adjusting=False),
                name="ledger_period_open",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "start"],
                condition=Q(is_adjusting=False),
                name="ledger_period_start_unique",
                violation_error_message=_("This client has a period that begins on this day."),
            ),
            models.UniqueConstraint(
                fields=["fiscal_year"],
                condition=Q(is_adjusting=True),
                name="ledger_period_one_adjusting",
                violation_error_message=_("This fiscal year has its adjusting period."),
            ),
            target_key("ledger_period_key"),
            SameClient(field="fiscal_year", name="ledger_period_year_same_client"),
            one_of("state", PeriodState, "ledger_period_state"),
            models.CheckConstraint(
                name="ledger_period_order",
                condition=Q(end__gte=F("start")),
                violation_error_message=_("A period ends on or after its first day."),
            ),
        ]

    def __str__(self) -> str:
        if self.is_adjusting:
            return _now("Adjusting, %(day)s") % {"day": formats.date_format(self.end, "j M Y")}
        if self.start.day == 1 and (self.end - self.start).days in range(27, 31):
            return formats.date_format(self.end, "F Y")
        return f"{formats.date_format(self.start, 'j M Y')} – {formats.date_format(self.end, 'j M Y')}"

    @property
    def is_open(self) -> bool:
        return self.state == PeriodState.OPEN


class ClosedPeriod(models.Model):
    """
    What the books said when a period was closed: its trial balance, with a hash. Only grows.

    ``trial_balance`` is a list of ``[account uuid, code, name, amount]``, debit positive, before
    closing entries; ``hash`` is the SHA-256 of its canonical JSON.
    """

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="+")
    period = models.ForeignKey(
        Period, models.PROTECT, db_constraint=False, verbose_name=_("period"), related_name="closings"
    )
    state = models.CharField(_("state"), max_length=12, choices=PeriodState)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("closed by"), related_name="+"
    )
    closed_at = models.DateTimeField(_("closed at"), auto_now_add=True)
    reason = models.TextField(_("reason"), blank=True)
    overridden = models.JSONField(_("overridden checks"), default=list)
    trial_balance = models.JSONField(_("trial balance"))
    hash = models.CharField(_("hash"), max_length=64)

    class Meta:
        verbose_name = _("closed period")
        verbose_name_plural = _("closed periods")
        ordering = ["-closed_at", "-pk"]
        indexes = [models.Index(fields=["client", "closed_at"], name="ledger_closedperiod_by_time")]
        constraints = [SameClient(field="period", name="ledger_closedperiod_period_same_client")]

    def __str__(self) -> str:
        return f"{self.period}: {self.get_state_display()}"
