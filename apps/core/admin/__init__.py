from apps.core.admin.base import BaseAdmin, BaseTabularInline
from apps.core.admin.jobs import JobAdmin
from apps.core.admin.people import GroupAdmin, UserAdmin
from apps.core.admin.sign_ins import AccessAttemptAdmin, AccessLogAdmin

__all__ = [
    "AccessAttemptAdmin",
    "AccessLogAdmin",
    "BaseAdmin",
    "BaseTabularInline",
    "GroupAdmin",
    "JobAdmin",
    "UserAdmin",
]
