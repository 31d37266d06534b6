from typing import Any

from django.contrib import admin
from django.db.models import Field, Model, Prefetch, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from apps.core.admin import BaseAdmin, BaseTabularInline, ScopedSelectFilter
from apps.core.admin.imports import ImportMixin
from apps.core.models import User
from apps.profiles.models import Client, ClientStatus, StaffAccess
from apps.profiles.resources import ClientResource, StaffAccessResource

STATUS_LABELS = {ClientStatus.ACTIVE: "success", ClientStatus.DORMANT: "warning", ClientStatus.CLOSED: "info"}


class AccessForm(ModelForm):
    """Whose right it is, and for which client, is fixed once it is given: only the role changes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and (user := self.fields.get("user")):
            user.disabled = True
            user.queryset = User.objects.filter(pk=self.instance.user_id)
            user.choices = [(self.instance.user_id, str(self.instance.user))]


class ActivePeopleMixin:
    """Access is given to people who still work here."""

    form = AccessForm

    def formfield_for_foreignkey(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            kwargs["queryset"] = User.objects.filter(is_active=True)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)  # type: ignore[misc]
        if db_field.name in ("user", "client"):  # no menu to add people or clients from here
            for link in ("add", "change", "delete", "view"):
                setattr(formfield.widget, f"can_{link}_related", False)
        if db_field.name == "user":
            formfield.choices = list(formfield.choices)  # asked once, not once for each row of an inline
        return formfield


class StaffAccessInline(ActivePeopleMixin, BaseTabularInline):
    model = StaffAccess
    fields = ["user", "role"]
    verbose_name = _("person with access")
    verbose_name_plural = _("who may see this client")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StaffAccess]:
        return super().get_queryset(request).select_related("user", "client")


class PeopleFilter(RelatedDropdownFilter):
    """The people on the rows one may see, not everyone of the practice."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[int, str]]:
        rows = model_admin.get_queryset(request).order_by()
        people = User.objects.filter(pk__in=rows.values("user"))
        return [(user.pk, str(user)) for user in people]


class StaffedFilter(admin.SimpleListFilter):
    title = _("staff")
    parameter_name = "staffed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("no", _("Nobody has access")), ("mine", _("I have access"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "no":
                return queryset.filter(staff_access=None)
            case "mine":
                return queryset.filter(staff_access__user=request.user)
        return queryset


@admin.register(Client)
class ClientAdmin(ImportMixin, BaseAdmin):
    resource_class = ClientResource

    list_display = ["name", "code", "state", "legal_form", "base_currency", "staff"]
    list_filter = [
        ("status", ChoicesDropdownFilter),
        ("legal_form", ChoicesDropdownFilter),
        StaffedFilter,
    ]
    search_fields = ["code", "name", "contact_name", "email"]

    fieldsets = [
        (None, {"fields": ["name", "code", "status"]}),
        (
            _("Books"),
            {"fields": ["legal_form", "country", "base_currency", "basis", "tax_form", "numbering"]},
        ),
        (_("Contact"), {"fields": ["contact_name", "email", "phone", "address"]}),
        (_("Notes"), {"fields": ["notes"]}),
    ]
    inlines = [StaffAccessInline]
    asks_reason = True

    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # a client that left is closed: its books stay

    def get_queryset(self, request: HttpRequest) -> QuerySet[Client]:
        access = StaffAccess.objects.select_related("user").order_by("user__username")
        return super().get_queryset(request).prefetch_related(Prefetch("staff_access", access))

    @display(description=_("status"), ordering="status", label=STATUS_LABELS)
    def state(self, client: Client) -> tuple[str, str]:
        return client.status, client.get_status_display()

    @display(description=_("staff"))
    def staff(self, client: Client) -> str:
        rows = client.staff_access.all()
        if not rows:
            return _("Nobody yet")
        return format_html_join(
            ", ", '<span title="{}">{}</span>', ((a.get_role_display(), a.user) for a in rows)
        )


@admin.register(StaffAccess)
class StaffAccessAdmin(ImportMixin, ActivePeopleMixin, BaseAdmin):
    resource_class = StaffAccessResource

    list_display = ["client", "user", "role"]
    list_display_links = ["client", "user"]
    list_select_related = ["client", "user"]
    list_filter = [
        ("client", ScopedSelectFilter),
        ("user", PeopleFilter),
        ("role", ChoicesDropdownFilter),
    ]
    search_fields = ["client__code", "client__name", "user__username", "user__first_name", "user__last_name"]
    autocomplete_fields = ["client"]

    fields = ["client", "user", "role"]
    asks_reason = True

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["client", "user"] if obj else []
