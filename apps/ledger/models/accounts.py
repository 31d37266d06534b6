"""The chart of accounts of a client."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from apps.core.history import history
from apps.ledger.constraints import SameClient, target_key
from apps.profiles.codes import currencies
from apps.profiles.models import Client, by_time, one_of


class AccountKind(models.TextChoices):
    """On which statement an account stands, and on which side its balance usually is."""

    ASSET = "asset", _("Asset")
    LIABILITY = "liability", _("Liability")
    EQUITY = "equity", _("Equity")
    INCOME = "income", _("Income")
    EXPENSE = "expense", _("Expense")

    @property
    def is_on_balance_sheet(self) -> bool:
        return self in (AccountKind.ASSET, AccountKind.LIABILITY, AccountKind.EQUITY)


class AccountSection(models.TextChoices):
    """Under which heading of its statement an account is shown."""

    BANK = "bank", _("Bank and cash")
    RECEIVABLE = "receivable", _("Receivables")
    INVENTORY = "inventory", _("Inventory")
    CURRENT_ASSET = "current_asset", _("Other current assets")
    FIXED_ASSET = "fixed_asset", _("Fixed assets")
    OTHER_ASSET = "other_asset", _("Other assets")
    CARD = "card", _("Credit cards")
    PAYABLE = "payable", _("Payables")
    TAX_PAYABLE = "tax_payable", _("Taxes payable")
    CURRENT_LIABILITY = "current_liability", _("Other current liabilities")
    LONG_TERM_DEBT = "long_term_debt", _("Long-term debt")
    EQUITY = "equity", _("Equity")
    REVENUE = "revenue", _("Revenue")
    OTHER_INCOME = "other_income", _("Other income")
    COST_OF_SALES = "cost_of_sales", _("Cost of sales")
    OPERATING_EXPENSE = "operating_expense", _("Operating expenses")
    OTHER_EXPENSE = "other_expense", _("Other expenses")


SECTIONS: dict[str, list[str]] = {
    AccountKind.ASSET: ["bank", "receivable", "inventory", "current_asset", "fixed_asset", "other_asset"],
    AccountKind.LIABILITY: ["card", "payable", "tax_payable", "current_liability", "long_term_debt"],
    AccountKind.EQUITY: ["equity"],
    AccountKind.INCOME: ["revenue", "other_income"],
    AccountKind.EXPENSE: ["cost_of_sales", "operating_expense", "other_expense"],
}
#: Where an account of a kind goes when nobody says more.
USUAL_SECTION: dict[str, str] = {
    AccountKind.ASSET: AccountSection.CURRENT_ASSET,
    AccountKind.LIABILITY: AccountSection.CURRENT_LIABILITY,
    AccountKind.EQUITY: AccountSection.EQUITY,
    AccountKind.INCOME: AccountSection.REVENUE,
    AccountKind.EXPENSE: AccountSection.OPERATING_EXPENSE,
}


class AccountRole(models.TextChoices):
    """What the software itself needs an account for."""

    NONE = "", _("None")
    RETAINED_EARNINGS = "retained_earnings", _("Retained earnings")
    CAPITAL = "capital", _("Owner's or partner's capital")
    DRAW = "draw", _("Owner's draw")
    CONTRIBUTION = "contribution", _("Owner's contribution")
    SUSPENSE = "suspense", _("Suspense")
    IN_TRANSIT = "in_transit", _("Money in transit")
    FX_DIFFERENCE = "fx_difference", _("Exchange differences")


EQUITY_ROLES = ["retained_earnings", "capital", "draw", "contribution"]


class Account(models.Model):
    """An account of a client's chart. Once used, its kind, currency and postability are fixed."""

    client = models.ForeignKey(Client, models.PROTECT, verbose_name=_("client"), related_name="accounts")
    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)  # what the chain of hashes names
    code = models.CharField(_("code"), max_length=60)
    name = models.CharField(_("name"), max_length=200)
    kind = models.CharField(_("kind"), max_length=10, choices=AccountKind)
    section = models.CharField(
        _("section"),
        max_length=20,
        choices=AccountSection,
        blank=True,
        help_text=_("Where it stands on its statement. Left empty: the usual place for its kind."),
    )
    role = models.CharField(_("role"), max_length=20, choices=AccountRole, blank=True, default="")
    currency = models.CharField(
        _("currency"),
        max_length=3,
        choices=currencies,
        blank=True,
        default="",
        help_text=_("Only for an account kept in a foreign currency."),
    )
    parent = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        verbose_name=_("under"),
        related_name="children",
    )
    is_postable = models.BooleanField(
        _("can be posted to"), default=True, help_text=_("Off for a heading that only groups others.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    closes_into = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        db_constraint=False,
        verbose_name=_("closes into"),
        related_name="+",
        help_text=_("For a draw or a contribution: whose capital it changes at the year end."),
    )
    share = models.DecimalField(
        _("share of the result"),
        max_digits=9,
        decimal_places=4,
        null=True,
        blank=True,
        help_text=_("For a partner's capital: parts of the result, such as 60 and 40."),
    )

    history = history(indexes=[by_time("ledger_account_history_by_time")])

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["client", "code"]
        constraints = [
            models.UniqueConstraint(
                fields=["client", "code"],
                name="ledger_account_code_unique",
                violation_error_message=_("This client has an account with this code."),
            ),
            target_key("ledger_account_key"),
            target_key("ledger_account_key_kind", "kind"),
            models.UniqueConstraint(
                fields=["client"],
                condition=Q(role="retained_earnings"),
                name="ledger_account_one_retained_earnings",
                violation_error_message=_("This client has an account for retained earnings."),
            ),
            SameClient(field="parent", also=("kind",), name="ledger_account_parent_same_client_and_kind"),
            SameClient(field="closes_into", name="ledger_account_closes_into_same_client"),
            one_of("kind", AccountKind, "ledger_account_kind"),
            one_of("role", AccountRole, "ledger_account_role"),
            models.CheckConstraint(
                name="ledger_account_section_of_kind",
                condition=Q(
                    *(Q(kind=kind, section__in=sections) for kind, sections in SECTIONS.items()),
                    _connector=Q.OR,
                ),
                violation_error_message=_("This section is not one for accounts of this kind."),
            ),
            models.CheckConstraint(
                name="ledger_account_role_of_kind",
                condition=~Q(role__in=EQUITY_ROLES) | Q(kind=AccountKind.EQUITY),
                violation_error_message=_("Only an equity account can have this role."),
            ),
            models.CheckConstraint(
                name="ledger_account_code_form",
                condition=Q(code__regex=r"^\S(.*\S)?$"),
                violation_error_message=_("An account needs a code, without blanks at its ends."),
            ),
            models.CheckConstraint(
                name="ledger_account_named",
                condition=Q(name__regex=r"\S"),
                violation_error_message=_("An account needs a name."),
            ),
            models.CheckConstraint(
                name="ledger_account_currency_form",
                condition=Q(currency="") | Q(currency__regex=r"^[A-Z]{3}$"),
                violation_error_message=_("A currency is three capital letters, such as EUR."),
            ),
            models.CheckConstraint(
                name="ledger_account_share_positive",
                condition=Q(share=None) | Q(share__gt=0, share__lt=100000, role="capital"),
                violation_error_message=_("A share is a positive number, on a capital account."),
            ),
            models.CheckConstraint(
                name="ledger_account_closes_into_another",
                condition=Q(closes_into=None)
                | ~Q(closes_into=F("id")) & Q(role__in=["draw", "contribution"]),
                violation_error_message=_("Only a draw or a contribution closes into another account."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    def save(self, *args: object, **kwargs: object) -> None:
        """Save; an account without a section gets the usual one of its kind."""
        self.section = self.section or USUAL_SECTION.get(self.kind, "")
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def clean(self) -> None:
        self.section = self.section or USUAL_SECTION.get(self.kind, "")
