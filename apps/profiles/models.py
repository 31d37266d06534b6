from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from apps.core.history import history
from apps.profiles.codes import countries, currencies
from apps.profiles.roles import Role


class LegalForm(models.TextChoices):
    """Decides how a year is closed: into whose capital the result goes."""

    SOLE_TRADER = "sole_trader", _("Sole trader")
    PARTNERSHIP = "partnership", _("Partnership")
    COMPANY = "company", _("Company")
    NON_PROFIT = "non_profit", _("Non-profit")


class Basis(models.TextChoices):
    ACCRUAL = "accrual", _("Accrual")
    CASH = "cash", _("Cash")


class TaxForm(models.TextChoices):
    NONE = "none", _("None of these")
    SCHEDULE_C = "schedule_c", _("Schedule C (Form 1040)")
    FORM_1065 = "1065", _("Form 1065")
    FORM_1120 = "1120", _("Form 1120")
    FORM_1120S = "1120s", _("Form 1120-S")
    FORM_990 = "990", _("Form 990")


class Numbering(models.TextChoices):
    """How the chart of accounts numbers its accounts."""

    US = "us", _("US (1000 assets, 4000 income)")
    EUROPEAN = "european", _("European (classes 0 to 9)")


class ClientStatus(models.TextChoices):
    ACTIVE = "active", _("Active")
    DORMANT = "dormant", _("Dormant")
    CLOSED = "closed", _("Closed")


def one_of(field: str, choices: type[models.TextChoices], name: str) -> models.CheckConstraint:
    """Return the database's half of a field's choices."""
    return models.CheckConstraint(
        name=name,
        condition=models.Q(**{f"{field}__in": choices.values}),
        violation_error_message=_("Choose one of the values offered."),
    )


def by_time(name: str) -> models.Index:
    """Return the index that finds what was done to a client's records in a time, in a long history."""
    return models.Index(fields=["client", "history_date"], name=name)


class Client(models.Model):
    """A client of the practice: the profile of a business whose books are kept here."""

    code = models.CharField(
        _("code"),
        max_length=20,
        help_text=_("Short and unique: ACORN. Capital letters, digits and hyphens."),
        validators=[
            RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9-]*$", _("Use letters, digits and hyphens only."))
        ],
    )
    name = models.CharField(_("name"), max_length=200)
    status = models.CharField(
        _("status"), max_length=10, choices=ClientStatus, default=ClientStatus.ACTIVE, db_index=True
    )
    legal_form = models.CharField(_("legal form"), max_length=20, choices=LegalForm)
    country = models.CharField(_("country"), max_length=2, choices=countries, default="US")
    base_currency = models.CharField(
        _("base currency"),
        max_length=3,
        choices=currencies,
        default="USD",
        help_text=_("The currency the books are kept in. Fixed once an entry is posted."),
    )
    basis = models.CharField(_("basis"), max_length=10, choices=Basis, default=Basis.ACCRUAL)
    tax_form = models.CharField(_("tax form"), max_length=20, choices=TaxForm, default=TaxForm.NONE)
    numbering = models.CharField(
        _("account numbering"), max_length=10, choices=Numbering, default=Numbering.US
    )
    contact_name = models.CharField(_("contact person"), max_length=200, blank=True)
    email = models.EmailField(_("email"), blank=True)
    phone = models.CharField(_("phone"), max_length=50, blank=True)
    address = models.TextField(_("address"), blank=True, max_length=500)
    notes = models.TextField(_("notes"), blank=True)

    history = history()

    class Meta:
        verbose_name = _("client")
        verbose_name_plural = _("clients")
        ordering = ["name", "pk"]
        permissions = [("view_every_client", _("Can see every client"))]
        constraints = [
            models.UniqueConstraint(
                Upper("code"),
                name="profiles_client_code_unique",
                violation_error_message=_("Another client has this code."),
            ),
            models.CheckConstraint(
                name="profiles_client_code_form",
                condition=models.Q(code__regex=r"^[A-Z0-9][A-Z0-9-]*$"),
                violation_error_message=_("A code is made of capital letters, digits and hyphens."),
            ),
            models.CheckConstraint(
                name="profiles_client_named",
                condition=models.Q(name__regex=r"\S"),
                violation_error_message=_("A client needs a name."),
            ),
            models.CheckConstraint(
                name="profiles_client_currency_form",
                condition=models.Q(base_currency__regex=r"^[A-Z]{3}$"),
                violation_error_message=_("A currency is three capital letters, such as EUR."),
            ),
            models.CheckConstraint(
                name="profiles_client_country_form",
                condition=models.Q(country__regex=r"^[A-Z]{2}$"),
                violation_error_message=_("A country is two capital letters, such as GB."),
            ),
            one_of("status", ClientStatus, "profiles_client_status"),
            one_of("legal_form", LegalForm, "profiles_client_legal_form"),
            one_of("basis", Basis, "profiles_client_basis"),
            one_of("tax_form", TaxForm, "profiles_client_tax_form"),
            one_of("numbering", Numbering, "profiles_client_numbering"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"

    def clean_fields(self, exclude: Any = None) -> None:
        self.code = self.code.upper()
        super().clean_fields(exclude)


class StaffAccess(models.Model):
    """What one person may do for one client: the only source of rights on a client's records."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name=_("person"), related_name="staff_access"
    )
    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="staff_access")
    role = models.CharField(
        _("role"),
        max_length=10,
        choices=Role,
        help_text=_(
            "Viewer reads. Preparer drafts, imports, matches. Reviewer posts and signs off. "
            "Manager locks, reopens, and gives access."
        ),
    )

    history = history()

    class Meta:
        verbose_name = _("access right")
        verbose_name_plural = _("access rights")
        ordering = ["client__name", "user__username"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "client"],
                name="profiles_staffaccess_one_role",
                violation_error_message=_("This person already has a role for this client."),
            ),
            one_of("role", Role, "profiles_staffaccess_role"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_role_display()}, {self.client}"
