from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from apps.core.admin.base import ReadOnlyAdminMixin, ScopedAdminMixin
from apps.core.models import SignIn, WrongPassword


class SignInsBase(ReadOnlyAdminMixin, ScopedAdminMixin, ModelAdmin):
    list_filter = [("attempt_time", RangeDateTimeFilter)]
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ["username", "ip_address"]
    show_full_result_count = False

    @display(description=_("when"), ordering="attempt_time")
    def at(self, record: SignIn | WrongPassword) -> object:
        return record.attempt_time


@admin.register(SignIn)
class SignInAdmin(SignInsBase):
    """Who signed in, when, from where."""

    list_display = ["at", "username", "ip_address", "signed_out_at"]

    fields = ["at", "username", "ip_address", "user_agent", "signed_out_at"]

    @display(description=_("signed out"), ordering="logout_time")
    def signed_out_at(self, record: SignIn) -> object:
        return record.logout_time


@admin.register(WrongPassword)
class WrongPasswordAdmin(SignInsBase):
    """Who is kept out for a while; deleting a line lets them try again at once."""

    list_display = ["at", "username", "ip_address", "failures"]

    fields = ["at", "username", "ip_address", "user_agent", "failures"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may("delete", request, obj)

    @display(description=_("times"), ordering="failures_since_start", formatting="price")
    def failures(self, record: WrongPassword) -> int:
        return record.failures_since_start
