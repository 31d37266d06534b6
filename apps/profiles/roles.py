"""
What each role may do for a client.

Roles build on each other: a preparer may do what a viewer may. Apps that add records say with
``grant`` which role may do what with them.
"""

from collections import defaultdict

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """From reading to running a client's books."""

    VIEWER = "viewer", _("Viewer")
    PREPARER = "preparer", _("Preparer")
    REVIEWER = "reviewer", _("Reviewer")
    MANAGER = "manager", _("Manager")


_grants: dict[Role, set[str]] = defaultdict(set)


def grant(role: Role, *permissions: str) -> None:
    """Give a role, and every role above it, permissions such as ``profiles.view_client``."""
    _grants[role].update(permissions)


def permissions_of(role: str) -> set[str]:
    """Return all a role may do, what it inherits included."""
    ladder = list(Role)
    return set().union(*(_grants[step] for step in ladder[: ladder.index(Role(role)) + 1]))


def roles_with(permission: str) -> list[Role]:
    """Return the roles that hold a permission."""
    return [role for role in Role if permission in permissions_of(role)]


grant(Role.VIEWER, "profiles.view_client", "profiles.view_staffaccess")
grant(Role.PREPARER, "core.export_records")  # a viewer reads; whoever works with the books takes files along
grant(
    Role.MANAGER,
    "profiles.change_client",
    "profiles.add_staffaccess",
    "profiles.change_staffaccess",
    "profiles.delete_staffaccess",
)
