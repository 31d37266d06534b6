"""VAT, GST and sales tax: what a line says about the tax it belongs to."""

import datetime
import uuid
from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from apps.core.history import history
from apps.ledger.constraints import SameClient, target_key
from apps.profiles.models import Client, one_of


class TaxDirection(models.TextChoices):
    SALES = "sales", _("On sales")
    PURCHASES = "purchases", _("On purchases")


class TaxCode(models.Model):
    """A kind of VAT, GST or sales tax; its rates have dates of their own."""

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="tax_codes")
    code = models.CharField(_("code"), max_length=20)
    name = models.CharField(_("name"), max_length=200)
    direction = models.CharField(_("direction"), max_length=10, choices=TaxDirection)
    account = models.ForeignKey(
        "ledger.Account",
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        verbose_name=_("tax account"),
        related_name="+",
    )
    non_deductible = models.DecimalField(
        _("not deductible"),
        max_digits=5,
        decimal_places=2,
        default=Decimal(0),
        help_text=_("Per cent of the tax that stays with the cost."),
    )
    is_reverse_charge = models.BooleanField(_("reverse charge"), default=False)
    box = models.CharField(
        _("box"), max_length=20, blank=True, help_text=_("Where it stands on the tax return.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    history = history()

    class Meta:
        verbose_name = _("tax code")
        verbose_name_plural = _("tax codes")
        ordering = ["client", "code"]
        constraints = [
            models.UniqueConstraint(
                "client",
                Upper("code"),
                name="ledger_taxcode_code_unique",
                violation_error_message=_("This client has a tax code with this code."),
            ),
            target_key("ledger_taxcode_key"),
            SameClient(field="account", name="ledger_taxcode_account_same_client"),
            one_of("direction", TaxDirection, "ledger_taxcode_direction"),
            models.CheckConstraint(
                name="ledger_taxcode_non_deductible_share",
                condition=Q(non_deductible__gte=0, non_deductible__lte=100),
                violation_error_message=_("What is not deductible lies between 0 and 100 per cent."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    def rate_on(self, day: datetime.date) -> Decimal | None:
        """Return the rate in per cent that applies on a day; None before the first one."""
        rates = self.rates.filter(valid_from__lte=day).order_by("-valid_from")
        return rates.values_list("rate", flat=True).first()


class TaxRate(models.Model):
    """The rate of a tax code from a day on, until the next one begins: so rates cannot overlap."""

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="+")
    tax_code = models.ForeignKey(
        TaxCode, models.PROTECT, db_constraint=False, verbose_name=_("tax code"), related_name="rates"
    )
    valid_from = models.DateField(_("from"))
    rate = models.DecimalField(_("rate"), max_digits=7, decimal_places=4, help_text=_("Per cent."))

    history = history()

    class Meta:
        verbose_name = _("tax rate")
        verbose_name_plural = _("tax rates")
        ordering = ["tax_code", "valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["tax_code", "valid_from"],
                name="ledger_taxrate_one_a_day",
                violation_error_message=_("This tax code has a rate from this day on."),
            ),
            SameClient(field="tax_code", name="ledger_taxrate_code_same_client"),
            models.CheckConstraint(
                name="ledger_taxrate_range",
                condition=Q(rate__gte=0, rate__lte=100),
                violation_error_message=_("A rate lies between 0 and 100 per cent."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rate.normalize():f} %"
