"""Whom a client deals with, and what its lines are sorted by."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from apps.core.history import history
from apps.ledger.constraints import target_key
from apps.profiles.models import Client, by_time, one_of


class Contact(models.Model):
    """A payee, customer or vendor of a client."""

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="contacts")
    name = models.CharField(_("name"), max_length=200)
    is_customer = models.BooleanField(_("customer"), default=False)
    is_vendor = models.BooleanField(_("vendor"), default=False)
    tax_id = models.CharField(
        _("tax id"),
        max_length=50,
        blank=True,
        help_text=_("Shown masked; who reveals it is written down."),
    )
    email = models.EmailField(_("email"), blank=True)
    phone = models.CharField(_("phone"), max_length=50, blank=True)
    address = models.TextField(_("address"), blank=True, max_length=500)
    notes = models.TextField(_("notes"), blank=True, max_length=2000)
    is_active = models.BooleanField(_("active"), default=True)

    # A tax id in the history would be there for everyone to read: changes of it are in TaxIdAccess.
    history = history(excluded_fields=["tax_id"], indexes=[by_time("ledger_contact_history_by_time")])

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        ordering = ["client", "name"]
        constraints = [
            models.UniqueConstraint(
                "client",
                Upper("name"),
                name="ledger_contact_name_unique",
                violation_error_message=_("This client has a contact with this name."),
            ),
            target_key("ledger_contact_key"),
            models.CheckConstraint(
                name="ledger_contact_named",
                condition=Q(name__regex=r"\S"),
                violation_error_message=_("A contact needs a name."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def masked_tax_id(self) -> str:
        return masked(self.tax_id)


def masked(tax_id: str) -> str:
    """Return a tax id with all but its last three characters hidden; a short one is hidden whole."""
    if not tax_id:
        return ""
    shown = tax_id[-3:] if len(tax_id) >= 7 else ""
    return "•" * (max(len(tax_id), 6) - len(shown)) + shown


class TaxIdEvent(models.TextChoices):
    REVEALED = "revealed", _("Revealed")
    CHANGED = "changed", _("Changed")


class TaxIdAccess(models.Model):
    """Who saw or changed a contact's tax id, and when. Only grows."""

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="+")
    contact_name = models.CharField(_("contact"), max_length=200)
    contact_id = models.BigIntegerField()  # no foreign key: the record of it outlives the contact
    what = models.CharField(_("what"), max_length=10, choices=TaxIdEvent)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("by"), related_name="+")
    at = models.DateTimeField(_("at"), auto_now_add=True)

    class Meta:
        verbose_name = _("tax id access")
        verbose_name_plural = _("tax id accesses")
        ordering = ["-at", "-pk"]
        constraints = [one_of("what", TaxIdEvent, "ledger_taxidaccess_what")]

    def __str__(self) -> str:
        return f"{self.contact_name}: {self.get_what_display()}"


class CostCentre(models.Model):
    """A class: what a client sorts its lines by, besides accounts."""

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="cost_centres")
    name = models.CharField(_("name"), max_length=100)
    is_active = models.BooleanField(_("active"), default=True)

    history = history()

    class Meta:
        verbose_name = _("class")
        verbose_name_plural = _("classes")
        ordering = ["client", "name"]
        constraints = [
            models.UniqueConstraint(
                "client",
                Upper("name"),
                name="ledger_costcentre_name_unique",
                violation_error_message=_("This client has a class with this name."),
            ),
            target_key("ledger_costcentre_key"),
            models.CheckConstraint(
                name="ledger_costcentre_named",
                condition=Q(name__regex=r"\S"),
                violation_error_message=_("A class needs a name."),
            ),
        ]

    def __str__(self) -> str:
        return self.name
