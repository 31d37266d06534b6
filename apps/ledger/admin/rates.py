from django.contrib import admin
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter
from unfold.decorators import display

from apps.core.admin import ScopedSelectFilter
from apps.core.admin.imports import ImportMixin
from apps.ledger.admin.of_client import OfClientAdmin
from apps.ledger.models import ExchangeRate
from apps.ledger.resources import ExchangeRateResource


class ExchangeRateForm(ModelForm):
    def clean_currency(self) -> str:
        currency = self.cleaned_data["currency"]
        if currency == self.instance.client.base_currency:
            raise ValidationError(
                _("The books are kept in %(currency)s: it needs no rate.") % {"currency": currency}
            )
        return currency


@admin.register(ExchangeRate)
class ExchangeRateAdmin(ImportMixin, OfClientAdmin):
    resource_class = ExchangeRateResource

    list_display = ["date", "client", "currency", "rate_shown", "source"]
    list_select_related = ["client"]
    list_filter = [
        ("client", ScopedSelectFilter),
        ("currency", ChoicesDropdownFilter),
        ("date", RangeDateFilter),
    ]
    search_fields = ["currency", "source"]

    form = ExchangeRateForm
    fields = ["client", "currency", "date", "rate", "source"]

    empty_hint = _(
        "What a foreign currency is worth on a day; imports take it where a file has no rate of its own."
    )

    @display(description=_("rate"), ordering="rate", formatting="price")
    def rate_shown(self, rate: ExchangeRate) -> str:
        return f"{rate.rate.normalize():f}"
