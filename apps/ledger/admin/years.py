from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from apps.core.admin import ScopedSelectFilter
from apps.core.admin.imports import ImportMixin
from apps.ledger.admin.of_client import OfClientAdmin
from apps.ledger.models import FiscalYear
from apps.ledger.resources import FiscalYearResource
from apps.ledger.views.books import book_url


@admin.register(FiscalYear)
class FiscalYearAdmin(ImportMixin, OfClientAdmin):
    """All clients' fiscal years in one list; they are opened and closed in the books of their client."""

    resource_class = FiscalYearResource

    list_display = ["name", "client", "start", "end", "periods_link"]
    list_select_related = ["client"]
    list_filter = [("client", ScopedSelectFilter)]
    search_fields = ["name", "client__code", "client__name"]
    ordering = ["client__name", "-start"]

    fields = ["client", "name", "start", "end"]

    empty_hint = _("Fiscal years are opened under Close in the books of a client.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[FiscalYear]:
        return super().get_queryset(request).select_related("client")

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @display(description=_("periods"))
    def periods_link(self, year: FiscalYear) -> Any:
        return format_html('<a href="{}">{}</a>', book_url(year.client, "periods"), _("Close"))
