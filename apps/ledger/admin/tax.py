from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.decorators import display

from apps.core.admin import BaseTabularInline, ScopedSelectFilter
from apps.core.admin.imports import ImportMixin
from apps.ledger.admin.of_client import OfClientAdmin
from apps.ledger.models import Account, TaxCode, TaxRate
from apps.ledger.resources import TaxCodeResource


class TaxRateFormSet(forms.BaseInlineFormSet):
    """Rates are of the client of their code; nobody types it."""

    def _construct_form(self, i: int, **kwargs: Any) -> Any:
        form = super()._construct_form(i, **kwargs)
        form.instance.client_id = self.instance.client_id
        return form


class TaxRateInline(BaseTabularInline):
    model = TaxRate
    formset = TaxRateFormSet
    fields = ["valid_from", "rate"]
    ordering = ["valid_from"]
    verbose_name_plural = _("rates, each from its day until the next one begins")

    def get_extra(self, request: HttpRequest, obj: TaxCode | None = None, **kwargs: Any) -> int:
        return 0 if obj else 1


class TaxCodeForm(forms.ModelForm):
    def accounts_for(self, name: str, accounts: QuerySet[Account]) -> QuerySet[Account]:
        """Offer the accounts that can be posted to, and the one it has."""
        usable = accounts.filter(is_postable=True, is_active=True)
        return usable | accounts.filter(pk=self.instance.account_id) if self.instance.account_id else usable


@admin.register(TaxCode)
class TaxCodeAdmin(ImportMixin, OfClientAdmin):
    resource_class = TaxCodeResource

    list_display = ["code", "name", "client", "direction", "rate_now", "account", "state"]
    list_display_links = ["code", "name"]
    list_select_related = ["client", "account"]
    list_filter = [
        ("client", ScopedSelectFilter),
        ("direction", ChoicesDropdownFilter),
        ("is_active", BooleanRadioFilter),
    ]
    search_fields = ["code", "name"]

    form = TaxCodeForm
    fieldsets = [
        (None, {"fields": ["client", "code", "name", "direction", "is_active"]}),
        (_("Tax"), {"fields": ["account", "non_deductible", "is_reverse_charge", "box"]}),
    ]
    inlines = [TaxRateInline]
    export_paths = [
        ("client", "client"),
        ("code", "code"),
        ("name", "name"),
        ("direction", "direction"),
        ("tax account", "account"),
        ("not deductible", "non_deductible"),
        ("reverse charge", "is_reverse_charge"),
        ("box", "box"),
        ("active", "is_active"),
        ("from", "rates__valid_from"),
        ("rate", "rates__rate"),
    ]
    asks_reason = True

    empty_hint = _("VAT, GST or sales tax: entry lines name a code, the tax return adds them up.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaxCode]:
        begun = TaxRate.objects.filter(tax_code=OuterRef("pk"), valid_from__lte=timezone.localdate())
        newest = begun.order_by("-valid_from").values("rate")[:1]
        return super().get_queryset(request).annotate(current_rate=Subquery(newest))

    def why_kept(self, obj: TaxCode) -> Any:
        if obj.lines.exists():
            return _("This tax code is used by entries. Make it inactive instead.")
        return ""

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A code that nothing uses takes its rates along."""
        deleted, counts, permissions, _protected = super().get_deleted_objects(objs, request)
        return deleted, counts, permissions, []

    def delete_model(self, request: HttpRequest, obj: TaxCode) -> None:
        for rate in obj.rates.all():
            super().delete_model(request, rate)
        super().delete_model(request, obj)

    @display(description=_("rate today"), ordering="current_rate", formatting="price")
    def rate_now(self, tax_code: TaxCode) -> str:
        rate = tax_code.current_rate
        return "–" if rate is None else f"{rate.normalize():f} %"

    @display(description=_("state"), ordering="is_active", label={"active": "success", "inactive": "info"})
    def state(self, tax_code: TaxCode) -> tuple[str, Any]:
        return ("active", _("active")) if tax_code.is_active else ("inactive", _("inactive"))
