"""What the start page and the probes tell of backups."""

import time
from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from apps.backups.health import health
from apps.core.dashboard import Card
from apps.core.registry import dashboard_cards, health_warnings

SECONDS_REMEMBERED = 30  # a probe every few seconds need not read the storage each time

_remembered: tuple[float, list[str]] = (float("-inf"), [])


@dashboard_cards.register
def newest_tested(user: Any) -> Card | None:
    """How old the newest tested backup is, for those who can do something about it."""
    if not user.has_perm("backups.use_backups"):
        return None
    now = health()
    age = _("%(age)s old") % {"age": timesince(now.tested.taken_at, depth=1)} if now.tested else _("None yet")
    return Card(
        title=_("Newest tested backup"),
        value=age,
        url=reverse("admin:backups"),
        hint=now.problems[0] if now.problems else _("All is well with the backups."),
        icon="backup",
        tone="calm" if now.is_well else "alarm",
    )


@health_warnings.register
def problems() -> Iterable[str]:
    """Tell /readyz which limits are passed."""
    global _remembered
    if time.monotonic() - _remembered[0] > SECONDS_REMEMBERED:
        _remembered = (time.monotonic(), health().problems)
    return _remembered[1]
