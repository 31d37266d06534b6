"""What a client's books rest on, as rows of a file: accounts, contacts, classes, tax codes, years, rates."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.history import sign
from apps.core.imports import (
    ChoiceWidget,
    DayWidget,
    NumberWidget,
    RecordResource,
    RecordWidget,
    YesWidget,
    client_column,
    column,
)
from apps.core.tables.values import date_of
from apps.core.tables.writing import unharmed
from apps.ledger.models import (
    Account,
    AccountKind,
    AccountRole,
    AccountSection,
    Contact,
    CostCentre,
    ExchangeRate,
    FiscalYear,
    TaxCode,
    TaxDirection,
    TaxRate,
)
from apps.ledger.services.contacts import change_tax_id
from apps.ledger.services.years import open_fiscal_year
from apps.profiles.codes import currencies

KINDS = {
    "assets": AccountKind.ASSET,
    "liabilities": AccountKind.LIABILITY,
    "revenue": AccountKind.INCOME,
    "expenses": AccountKind.EXPENSE,
}


class WithAccounts(RecordResource):
    """Records that name accounts of their client by code; also those that come with the same file."""

    def prepare(self, clients: list[Any]) -> None:
        found = Account.objects.filter(client__in=clients)
        self.accounts = {(one.client_id, one.code): one for one in found}

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        super().before_import_row(row, **kwargs)
        client = row["\0client"]
        row["\0account"] = lambda code: self.accounts.get((client.pk, code))


def account_column(title: str, attribute: str) -> Any:
    widget = RecordWidget(
        lambda row, code: row["\0account"](code), gettext_lazy("There is no account “%(text)s” in the chart.")
    )
    widget.render = lambda value, obj=None, **kwargs: value.code if value else ""  # type: ignore[method-assign]
    return column(title, attribute, widget)


class AccountResource(WithAccounts):
    needed = ("code", "name", "kind")
    known_as: ClassVar[dict[str, str]] = {
        **dict.fromkeys(["number", "no", "no.", "account", "account code", "account number"], "code"),
        **dict.fromkeys(["account name", "title"], "name"),
        **dict.fromkeys(["type", "account type"], "kind"),
        **dict.fromkeys(["parent", "parent code"], "under"),
        "postable": "can be posted to",
    }
    example: ClassVar[list[str]] = [
        "ACORN",
        "1010",
        "Checking",
        "asset",
        "bank",
        "",
        "",
        "1000",
        "yes",
        "yes",
    ]

    client_code = client_column()
    code = column("code", "code")
    name = column("name", "name")
    kind = column("kind", "kind", ChoiceWidget(AccountKind.choices, KINDS), keeps_when_empty=True)
    section = column("section", "section", ChoiceWidget(AccountSection.choices), keeps_when_empty=True)
    role = column("role", "role", ChoiceWidget(AccountRole.choices, {"": "", "none": ""}))
    currency = column("currency", "currency", ChoiceWidget(currencies, {"": ""}))
    parent = account_column("under", "parent")
    is_postable = column("can be posted to", "is_postable", YesWidget(), keeps_when_empty=True)
    is_active = column("active", "is_active", YesWidget(), keeps_when_empty=True)
    closes_into = account_column("closes into", "closes_into")
    share = column("share of the result", "share", NumberWidget())

    class Meta(RecordResource.Meta):
        model = Account

    def arrange(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Headings come before what stands under them, capital before what closes into it."""
        by_code = {(row.get("client"), row.get("code")): row for row in rows}
        placed: dict[int, dict[str, Any]] = {}

        def place(row: dict[str, Any], above: frozenset[int]) -> None:
            for name in ("under", "closes into"):
                needed = by_code.get((row.get("client"), row.get(name)))
                if needed is not None and id(needed) not in above | placed.keys():
                    place(needed, above | {id(row)})
            placed.setdefault(id(row), row)

        for row in rows:
            place(row, frozenset())
        return list(placed.values())

    def import_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        super().import_instance(instance, row, **kwargs)
        if instance.currency == instance.client.base_currency:
            instance.currency = ""
        parent = instance.parent
        if parent and instance.kind and parent.kind != instance.kind:
            raise ValidationError(
                {
                    "parent": _("An account stands under one of its own kind, and %(code)s is not.")
                    % {"code": parent.code}
                }
            )

    def store(self, instance: Any, is_new: bool) -> None:
        super().store(instance, is_new)
        self.accounts[(instance.client_id, instance.code)] = instance


class ContactResource(RecordResource):
    key = ("name",)
    needed = ("name",)
    known_as: ClassVar[dict[str, str]] = {
        "is customer": "customer",
        "is vendor": "vendor",
        "supplier": "vendor",
    }
    example: ClassVar[list[str]] = [
        "ACORN",
        "Miller & Sons",
        "no",
        "yes",
        "12-3456789",
        "post@miller.example",
    ]

    client_code = client_column()
    name = column("name", "name")
    is_customer = column("customer", "is_customer", YesWidget(), keeps_when_empty=True)
    is_vendor = column("vendor", "is_vendor", YesWidget(), keeps_when_empty=True)
    masked_tax_id = column("tax id", "masked_tax_id")
    email = column("email", "email")
    phone = column("phone", "phone")
    address = column("address", "address")
    notes = column("notes", "notes")
    is_active = column("active", "is_active", YesWidget(), keeps_when_empty=True)

    class Meta(RecordResource.Meta):
        model = Contact

    def import_field(self, field: Any, instance: Any, row: Any, is_m2m: bool = False, **kwargs: Any) -> None:
        if field.column_name != "tax id":
            super().import_field(field, instance, row, is_m2m, **kwargs)
            return
        typed = unharmed(str(row.get("tax id", ""))).strip()
        instance._new_tax_id = "" if "•" in typed else typed  # a masked one leaves it as it is
        if instance._new_tax_id:
            instance.tax_id = instance._new_tax_id

    def store(self, instance: Any, is_new: bool) -> None:
        """The tax id is written by its own service, which writes down who changed it."""
        tax_id = getattr(instance, "_new_tax_id", "")
        stored = "" if is_new else Contact.objects.values_list("tax_id", flat=True).get(pk=instance.pk)
        instance.tax_id = stored
        super().store(instance, is_new)
        if tax_id and tax_id != stored:
            change_tax_id(instance, tax_id, by=self.user)


class CostCentreResource(RecordResource):
    key = ("name",)
    needed = ("name",)
    known_as: ClassVar[dict[str, str]] = {"class": "name"}
    example: ClassVar[list[str]] = ["ACORN", "Shop in the market", "yes"]

    client_code = client_column()
    name = column("name", "name")
    is_active = column("active", "is_active", YesWidget(), keeps_when_empty=True)

    class Meta(RecordResource.Meta):
        model = CostCentre


class TaxCodeResource(WithAccounts):
    """A row for each rate; a code stands on as many rows as it has rates."""

    is_repeatable = True
    needed = ("code", "name", "direction")
    known_as: ClassVar[dict[str, str]] = {"tax code": "code", "account": "tax account", "valid from": "from"}
    example: ClassVar[list[str]] = [
        "ACORN",
        "V20",
        "VAT 20 %",
        "purchases",
        "2300",
        "0",
        "no",
        "4",
        "yes",
        "2026-01-01",
        "20",
    ]

    client_code = client_column()
    code = column("code", "code")
    name = column("name", "name")
    direction = column("direction", "direction", ChoiceWidget(TaxDirection.choices), keeps_when_empty=True)
    account = account_column("tax account", "account")
    non_deductible = column("not deductible", "non_deductible", NumberWidget(), keeps_when_empty=True)
    is_reverse_charge = column("reverse charge", "is_reverse_charge", YesWidget(), keeps_when_empty=True)
    box = column("box", "box")
    is_active = column("active", "is_active", YesWidget(), keeps_when_empty=True)
    valid_from = column("from", "row_from", DayWidget())
    rate = column("rate", "row_rate", NumberWidget())

    class Meta(RecordResource.Meta):
        model = TaxCode

    def get_queryset(self) -> Any:
        return super().get_queryset().prefetch_related("rates")

    def get_or_init_instance(self, instance_loader: Any, row: Any) -> tuple[Any, bool]:
        """Return the code, with the rate it has had since the day of the row."""
        instance, is_new = super().get_or_init_instance(instance_loader, row)
        rates = {} if is_new else getattr(instance, "_rates", None)
        if rates is None:
            rates = {one.valid_from: one for one in instance.rates.all()}
        instance._rates = rates
        try:
            day = date_of(row.get("from") or None)
        except ValueError:
            day = None
        before = rates.get(day)
        instance.row_from, instance.row_rate = (day, before.rate) if before else (None, None)
        return instance, is_new

    def import_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        super().import_instance(instance, row, **kwargs)
        if (instance.row_from is None) != (instance.row_rate is None):
            raise ValidationError({"row_rate": _("A rate has the day it begins on beside it.")})

    def store(self, instance: Any, is_new: bool) -> None:
        super().store(instance, is_new)
        if instance.row_from is None:
            return
        rate = instance._rates.get(instance.row_from) or TaxRate(
            client=instance.client, tax_code=instance, valid_from=instance.row_from
        )
        if rate.pk is None or rate.rate != instance.row_rate:
            rate.rate = instance.row_rate
            sign(rate, by=self.user, reason=self.reason)
            rate.save()
            instance._rates[rate.valid_from] = rate


class FiscalYearResource(RecordResource):
    key = ("start",)
    needed = ("start", "end")
    known_as: ClassVar[dict[str, str]] = {"start": "first day", "end": "last day"}
    example: ClassVar[list[str]] = ["ACORN", "2026", "2026-01-01", "2026-12-31"]

    client_code = client_column()
    name = column("name", "name", keeps_when_empty=True)
    start = column("first day", "start", DayWidget(), keeps_when_empty=True)
    end = column("last day", "end", DayWidget(), keeps_when_empty=True)

    class Meta(RecordResource.Meta):
        model = FiscalYear

    def arrange(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(rows, key=lambda row: (str(row.get("client")), str(row.get("first day"))))

    def validate_instance(
        self, instance: Any, import_validation_errors: Any = None, validate_unique: bool = True
    ) -> None:
        instance.name = instance.name or str(getattr(instance.start, "year", ""))
        super().validate_instance(instance, import_validation_errors, validate_unique)

    def store(self, instance: Any, is_new: bool) -> None:
        """A new year comes with its periods."""
        if not is_new:
            super().store(instance, is_new)
            return
        opened = open_fiscal_year(
            instance.client, start=instance.start, end=instance.end, by=self.user, name=instance.name
        )
        instance.pk = opened.pk


class ExchangeRateResource(RecordResource):
    key = ("currency", "date")
    needed = ("currency", "date", "rate")
    example: ClassVar[list[str]] = ["ACORN", "EUR", "2026-01-31", "1.0825", "ECB"]

    client_code = client_column()
    currency = column("currency", "currency", ChoiceWidget(currencies), keeps_when_empty=True)
    date = column("date", "date", DayWidget(), keeps_when_empty=True)
    rate = column("rate", "rate", NumberWidget(), keeps_when_empty=True)
    source = column("source", "source")

    class Meta(RecordResource.Meta):
        model = ExchangeRate

    def import_instance(self, instance: Any, row: Any, **kwargs: Any) -> None:
        super().import_instance(instance, row, **kwargs)
        if instance.currency == instance.client.base_currency:
            raise ValidationError(
                {
                    "currency": _("The books are kept in %(code)s: it needs no rate.")
                    % {"code": instance.currency}
                }
            )
