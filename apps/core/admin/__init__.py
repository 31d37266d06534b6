from apps.core.admin.base import BaseAdmin, BaseTabularInline
from apps.core.admin.filters import ScopedSelectFilter
from apps.core.admin.jobs import JobAdmin
from apps.core.admin.paginator import BoundedPaginator
from apps.core.admin.people import GroupAdmin, UserAdmin
from apps.core.admin.sign_ins import SignInAdmin, WrongPasswordAdmin

__all__ = [
    "BaseAdmin",
    "BaseTabularInline",
    "BoundedPaginator",
    "GroupAdmin",
    "JobAdmin",
    "ScopedSelectFilter",
    "SignInAdmin",
    "UserAdmin",
    "WrongPasswordAdmin",
]
