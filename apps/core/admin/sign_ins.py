from axes.models import AccessAttempt, AccessLog
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from apps.core.admin.base import ReadOnlyAdminMixin, ScopedAdminMixin


@admin.register(AccessLog)
class AccessLogAdmin(ReadOnlyAdminMixin, ScopedAdminMixin, ModelAdmin):
    """Who signed in, when, from where."""

    list_display = ["attempt_time", "username", "ip_address", "logout_time"]
    list_filter = [("attempt_time", RangeDateTimeFilter)]
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ["username", "ip_address"]
    show_full_result_count = False


@admin.register(AccessAttempt)
class AccessAttemptAdmin(ReadOnlyAdminMixin, ScopedAdminMixin, ModelAdmin):
    """Wrong passwords; deleting a line lets that person try again at once."""

    list_display = ["attempt_time", "username", "ip_address", "failures"]
    list_filter = [("attempt_time", RangeDateTimeFilter)]
    list_filter_submit = True
    list_fullwidth = True
    search_fields = ["username", "ip_address"]
    show_full_result_count = False
    exclude = ["get_data", "post_data", "http_accept"]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.has_perm("axes.delete_accessattempt")

    @display(description=_("wrong passwords"), ordering="failures_since_start", formatting="price")
    def failures(self, attempt: AccessAttempt) -> int:
        return attempt.failures_since_start
