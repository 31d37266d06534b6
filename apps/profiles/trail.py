"""How the histories of clients, and of who may see them, are told."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from apps.core import trail
from apps.profiles.models import Client, StaffAccess


@trail.register(StaffAccess)
class StaffAccessTelling(trail.Telling):
    def name_of(self, record: Any) -> str:
        return _("%(person)s’s access") % {"person": record.user}

    def did(self, row: Any, record: Any, before: Any | None) -> tuple[str, Sequence[str]]:
        return super().did(row, record, before)[0], ("user",)  # who it is, is its name


@trail.register(Client)
class ClientTelling(trail.Telling):
    parts = (trail.Part(StaffAccess, "client"),)
