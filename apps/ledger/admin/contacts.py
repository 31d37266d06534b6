from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from apps.core.admin import ScopedSelectFilter
from apps.core.admin.base import ReadOnlyAdminMixin, ScopedAdminMixin
from apps.core.admin.export import ExportForm
from apps.core.admin.imports import ImportMixin
from apps.core.exports import ExportColumn, columns_of
from apps.ledger.admin.of_client import OfClientAdmin
from apps.ledger.models import Contact, CostCentre, TaxIdAccess
from apps.ledger.models.contacts import masked
from apps.ledger.resources import ContactResource, CostCentreResource
from apps.ledger.services.contacts import REVEAL, change_tax_id, reveal_tax_id, reveal_tax_ids

ACTIVE = {"active": "success", "inactive": "info"}


def _state(record: Any) -> tuple[str, Any]:
    return ("active", _("active")) if record.is_active else ("inactive", _("inactive"))


class ContactForm(forms.ModelForm):
    """A contact without its tax id: another one can be typed, the one it has is not sent to the browser."""

    new_tax_id = forms.CharField(
        label=_("New tax id"),
        required=False,
        max_length=Contact._meta.get_field("tax_id").max_length,
        help_text=_("Left empty, the tax id stays as it is. Who changes it is written down."),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    without_tax_id = forms.BooleanField(
        label=_("Remove the tax id"), required=False, widget=UnfoldBooleanWidget
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("new_tax_id") and cleaned.get("without_tax_id"):
            self.add_error("without_tax_id", _("Either type a new tax id or remove it."))
        return cleaned


class ContactExportForm(ExportForm):
    with_tax_ids = forms.BooleanField(
        label=_("Tax ids in full: that you took them along is written down"), required=False
    )


def _asks_for_tax_ids(request: HttpRequest) -> bool:
    return "with_tax_ids" in request.POST and "tax id" in request.POST.getlist("columns")


@admin.register(Contact)
class ContactAdmin(ImportMixin, OfClientAdmin):
    resource_class = ContactResource

    list_display = ["name", "client", "deals", "masked", "email", "state"]
    list_select_related = ["client"]
    list_filter = [
        ("client", ScopedSelectFilter),
        ("is_customer", BooleanRadioFilter),
        ("is_vendor", BooleanRadioFilter),
        ("is_active", BooleanRadioFilter),
    ]
    search_fields = ["name"]

    form = ContactForm
    readonly_fields = ["masked"]

    actions_detail = ["reveal"]
    export_form_class = ContactExportForm

    empty_hint = _("Payees, customers and vendors; entry lines name them.")

    def get_fieldsets(self, request: HttpRequest, obj: Contact | None = None) -> Any:
        may_change = self.has_change_permission(request, obj) if obj else True
        tax = ["masked"] if obj else []
        if may_change:
            tax += ["new_tax_id", "without_tax_id"] if obj and obj.tax_id else ["new_tax_id"]
        return [
            (None, {"fields": ["client", "name", "is_customer", "is_vendor", "is_active"]}),
            (_("Tax id"), {"fields": tax}),
            (_("Address"), {"fields": ["email", "phone", "address"]}),
            (_("Notes"), {"fields": ["notes"]}),
        ]

    def save_model(self, request: HttpRequest, obj: Contact, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        typed, removed = form.cleaned_data.get("new_tax_id"), form.cleaned_data.get("without_tax_id")
        if typed or removed:
            change_tax_id(obj, typed or "", by=request.user)

    def why_kept(self, obj: Contact) -> Any:
        if obj.lines.exists():
            return _("This contact is used by entries. Make it inactive instead.")
        return ""

    def get_export_columns(self, request: HttpRequest) -> list[ExportColumn]:
        """Tax ids are masked, unless somebody asks for them who may reveal them."""
        columns = columns_of(Contact)
        if _asks_for_tax_ids(request):
            return columns
        return [replace(one, convert=masked) if one.path == "tax_id" else one for one in columns]

    def take_along(self, request: HttpRequest, records: QuerySet[Contact]) -> QuerySet[Contact]:
        """Whose tax ids leave the house in full may be revealed to the person, and that is written down."""
        return reveal_tax_ids(records, by=request.user) if _asks_for_tax_ids(request) else records

    def has_reveal_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        contact = self.get_object(request, unquote(object_id)) if object_id else None
        return contact is not None and bool(contact.tax_id) and request.user.has_perm(REVEAL, contact)

    @display(description=_("customer, vendor"))
    def deals(self, contact: Contact) -> str:
        kinds = [(contact.is_customer, _("customer")), (contact.is_vendor, _("vendor"))]
        return ", ".join(str(kind) for is_one, kind in kinds if is_one)

    @display(description=_("tax id"))
    def masked(self, contact: Contact) -> str:
        return contact.masked_tax_id or "–"

    @display(description=_("state"), ordering="is_active", label=ACTIVE)
    def state(self, contact: Contact) -> tuple[str, Any]:
        return _state(contact)

    @action(
        description=_("Reveal tax id"),
        icon="visibility",
        permissions=["reveal"],
        dialog={
            "title": _("Reveal the tax id?"),
            "description": _("That you saw it, and when, is written down for good."),
            "form_submit_text": _("Reveal"),
        },
    )
    def reveal(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        contact = self.get_object(request, unquote(object_id))
        if contact is None:
            raise Http404
        tax_id = reveal_tax_id(contact, by=request.user)
        return render(request, "ledger/tax_id.html", {"contact": contact, "tax_id": tax_id})


@admin.register(CostCentre)
class CostCentreAdmin(ImportMixin, OfClientAdmin):
    resource_class = CostCentreResource

    list_display = ["name", "client", "state"]
    list_select_related = ["client"]
    list_filter = [("client", ScopedSelectFilter), ("is_active", BooleanRadioFilter)]
    search_fields = ["name"]

    fields = ["client", "name", "is_active"]

    empty_hint = _("What a client sorts its lines by besides accounts: departments, projects, grants.")

    def why_kept(self, obj: CostCentre) -> Any:
        if obj.lines.exists():
            return _("This class is used by entries. Make it inactive instead.")
        return ""

    @display(description=_("state"), ordering="is_active", label=ACTIVE)
    def state(self, cost_centre: CostCentre) -> tuple[str, Any]:
        return _state(cost_centre)


@admin.register(TaxIdAccess)
class TaxIdAccessAdmin(ReadOnlyAdminMixin, ScopedAdminMixin, ModelAdmin):
    """Who saw or changed a contact's tax id."""

    list_display = ["at", "by", "what_label", "contact_name", "client"]
    list_display_links = ["at"]
    list_select_related = ["client", "by"]
    list_filter = [
        ("client", ScopedSelectFilter),
        ("what", ChoicesDropdownFilter),
        ("at", RangeDateTimeFilter),
    ]
    list_filter_submit = True
    list_fullwidth = True
    list_per_page = 50
    search_fields = ["contact_name", "by__username"]
    show_full_result_count = False

    fields = ["client", "contact_name", "what", "by", "at"]
    readonly_fields = fields

    actions = None

    empty_hint = _("Nobody has revealed or changed a tax id yet.")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("client", "by")

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        raise PermissionDenied  # what is written down never changes

    @display(description=_("what"), ordering="what", label={"revealed": "warning", "changed": "info"})
    def what_label(self, access: TaxIdAccess) -> tuple[str, str]:
        return access.what, access.get_what_display()
