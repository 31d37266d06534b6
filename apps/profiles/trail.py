"""How the histories of clients, and of who may see them, are told."""

from typing import Any

from django.utils.translation import gettext as _

from apps.core import trail
from apps.profiles.models import Client, StaffAccess


@trail.register(StaffAccess)
class StaffAccessTelling(trail.Telling):
    def name_of(self, record: Any) -> str:
        return _("%(person)s’s access") % {"person": record.user}


@trail.register(Client)
class ClientTelling(trail.Telling):
    parts = (trail.Part(StaffAccess, "client"),)
