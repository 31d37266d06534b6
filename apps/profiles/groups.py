"""The groups for what concerns the whole practice, kept in step with the models at every migrate."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import Q

AUDITORS = "Auditors"
BACKUPS = "Backups"


def make_groups(**kwargs: Any) -> None:
    """
    Make the groups and give them their rights.

    Auditors read and export everything, of every client, and change nothing. Permissions exist only after a
    migrate, so a migration could not do this.
    """
    reading = Q(codename__startswith="view_") | Q(codename="export_records")
    _set(AUDITORS, reading)
    _set(BACKUPS, Q(content_type__app_label="backups"))


def _set(name: str, permissions: Q) -> None:
    group, _created = Group.objects.get_or_create(name=name)
    group.permissions.set(Permission.objects.filter(permissions))
