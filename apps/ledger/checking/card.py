"""The last check of the books on the start page."""

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.core.dashboard import Card
from apps.core.registry import dashboard_cards
from apps.ledger.models import BookCheck

OLDEST = timedelta(days=2)


@dashboard_cards.register
def last_check(user: Any) -> Card | None:
    """Whether the books hold what they promise, for those who look after the whole practice."""
    if not user.has_perm("ledger.view_bookcheck"):
        return None
    last = BookCheck.objects.first()
    is_good = last is not None and last.is_clean and timezone.now() - last.at <= OLDEST
    return Card(
        title=_("Books checked"),
        value=faults_in(last) if last else _("Never"),
        url=reverse("admin:ledger_bookcheck_changelist"),
        hint=_("%(age)s ago.") % {"age": timesince(last.at, depth=1)} if last else _("No check has run."),
        icon="verified",
        tone="calm" if is_good else "alarm",
    )


def faults_in(check: BookCheck) -> str:
    """Return how many rules a check found broken, in words."""
    if check.is_clean:
        return _("No fault")
    count = len(check.failures)
    return ngettext("%(count)s fault", "%(count)s faults", count) % {"count": count}
