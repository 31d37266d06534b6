"""Totals the database keeps, so that a report over years does not read every line."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.ledger.models.accounts import Account
from apps.profiles.models import Client


class AccountTotal(models.Model):
    """
    What was posted to an account in a calendar month, by kind of entry. Written by a trigger alone.

    ``debit`` and ``credit`` are both positive, in base currency; ``foreign_amount`` is the signed sum in
    the account's own currency, where it has one.
    """

    client = models.ForeignKey(Client, models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    account = models.ForeignKey(
        Account, models.PROTECT, db_constraint=False, related_name="+", db_index=False
    )
    month = models.DateField()
    kind = models.CharField(max_length=10)
    debit = models.DecimalField(max_digits=24, decimal_places=4)
    credit = models.DecimalField(max_digits=24, decimal_places=4)
    foreign_amount = models.DecimalField(max_digits=24, decimal_places=4)
    lines = models.BigIntegerField()

    class Meta:
        verbose_name = _("account total")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["client", "account", "month", "kind"], name="ledger_accounttotal_unique"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.month:%Y-%m} {self.kind}"
