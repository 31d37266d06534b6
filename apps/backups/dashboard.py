from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from apps.backups.storage import newest_backup
from apps.core.dashboard import Card
from apps.core.registry import dashboard_cards

OLDEST_NEWEST = timedelta(hours=26)


@dashboard_cards.register
def newest(user: Any) -> Card | None:
    """How old the newest backup is, for those who can do something about it."""
    if not user.has_perm("backups.use_backups"):
        return None
    try:
        backup = newest_backup()
    except OSError:
        backup, age = None, _("Not readable")
    else:
        age = _("%(age)s old") % {"age": timesince(backup.taken_at, depth=1)} if backup else _("None yet")
    late = backup is None or timezone.now() - backup.taken_at > OLDEST_NEWEST
    return Card(
        title=_("Newest backup"),
        value=age,
        url=reverse("admin:back_up_now"),
        hint=_("Back up now.") if late else _("Back up again."),
        icon="backup",
        tone="alarm" if late else "calm",
    )
