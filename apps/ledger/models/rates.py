"""What foreign currencies were worth: never assumed, always somebody's word with a source."""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.core.history import history
from apps.profiles.codes import currencies
from apps.profiles.models import Client


class ExchangeRate(models.Model):
    """What one unit of a foreign currency was worth on a day, in the client's base currency."""

    client = models.ForeignKey(
        Client, models.PROTECT, verbose_name=_("client"), related_name="exchange_rates"
    )
    currency = models.CharField(_("currency"), max_length=3, choices=currencies)
    date = models.DateField(_("date"))
    rate = models.DecimalField(
        _("rate"), max_digits=20, decimal_places=10, help_text=_("Base currency for one unit of it.")
    )
    source = models.CharField(_("source"), max_length=100, blank=True, help_text=_("Where it was published."))

    history = history()

    class Meta:
        verbose_name = _("exchange rate")
        verbose_name_plural = _("exchange rates")
        ordering = ["client", "currency", "-date"]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "currency", "date"],
                name="ledger_exchangerate_one_a_day",
                violation_error_message=_("This client has a rate for this currency on this day."),
            ),
            models.CheckConstraint(
                name="ledger_exchangerate_positive",
                condition=Q(rate__gt=0, rate__lt=Decimal("1E10")),
                violation_error_message=_("A rate is a positive number."),
            ),
            models.CheckConstraint(
                name="ledger_exchangerate_currency_form",
                condition=Q(currency__regex=r"^[A-Z]{3}$"),
                violation_error_message=_("A currency is three capital letters, such as EUR."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.rate.normalize():f}"
