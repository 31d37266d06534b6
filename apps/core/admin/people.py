from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import Count, Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import BooleanRadioFilter
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.core.admin.base import BaseAdmin
from apps.core.models import User

admin.site.unregister(Group)


class SuperusersWriteMixin:
    """Whoever could change people or groups could hand themselves everything, so only superusers do."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_superuser


@admin.register(User)
class UserAdmin(SuperusersWriteMixin, BaseAdmin, DjangoUserAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    list_display = ["person", "username", "email", "state", "last_login"]
    list_display_links = ["person"]
    list_filter = [("is_active", BooleanRadioFilter), ("is_superuser", BooleanRadioFilter)]
    search_fields = ["username", "first_name", "last_name", "email"]

    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        (_("Person"), {"fields": ["first_name", "last_name", "email"]}),
        (
            _("Rights"),
            {
                "fields": ["is_active", "is_superuser", "groups"],
                "description": _(
                    "What a person may do for a client is set under Access, client by client. "
                    "Groups are for what concerns the whole practice."
                ),
            },
        ),
        (_("Dates"), {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"fields": ["username", "first_name", "last_name", "email", "password1", "password2"]}),
    ]
    readonly_fields = ["last_login", "date_joined"]
    autocomplete_fields = ["groups"]
    asks_reason = True

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # deactivated, never deleted

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        return _keeps_a_superuser(form) if obj else form

    @display(description=_("person"), header=True, ordering="first_name")
    def person(self, user: User) -> list[str]:
        return [str(user), "", (user.first_name[:1] + user.last_name[:1] or user.username[:2]).upper()]

    @display(description=_("state"), ordering="is_active", label={"active": "success", "inactive": "info"})
    def state(self, user: User) -> tuple[str, Any]:
        return ("active", _("Active")) if user.is_active else ("inactive", _("Deactivated"))


@admin.register(Group)
class GroupAdmin(SuperusersWriteMixin, BaseAdmin, DjangoGroupAdmin):
    """Practice-wide rights only; rights for a client come from Access."""

    list_display = ["name", "people"]

    asks_reason = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(people_count=Count("user"))

    @display(description=_("people"), ordering="people_count", formatting="price")
    def people(self, group: Any) -> int:
        return group.people_count


def _keeps_a_superuser(form: type[ModelForm]) -> type[ModelForm]:
    """Refuse to take away the last way in."""

    class KeepingForm(form):  # type: ignore[misc, valid-type]
        def clean(self) -> Any:
            cleaned = super().clean()
            others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=self.instance.pk)
            if not (cleaned.get("is_superuser") and cleaned.get("is_active")) and not others.exists():
                raise ValidationError(_("This is the last superuser: make another one first."), code="last")
            return cleaned

    return KeepingForm
