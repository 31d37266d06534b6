"""Times as people type them."""

from datetime import UTC, datetime, timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

LATEST = "latest"
YEARS = range(1970, 9999)


def moment_of(text: str) -> datetime | None:
    """
    Return the moment that a text names, or None for ``latest``.

    Without an offset it is in the practice's time zone. Raises ValidationError (code ``time``) for what is no
    time, and for one that the change of clocks makes twice or leaves out.
    """
    if text.strip() == LATEST:
        return None
    try:
        found = datetime.fromisoformat(text.strip())
        if found.year not in YEARS:
            raise ValueError(found.year)
    except ValueError:
        raise ValidationError(
            _('%(text)s is no time; write it like "2026-11-22 10:31".') % {"text": text}, code="time"
        ) from None
    return found.astimezone(UTC) if found.tzinfo else in_practice_time(found)


def in_practice_time(naive: datetime) -> datetime:
    """Return the moment that a clock of the practice showed so. Raises ValidationError as ``moment_of``."""
    zone = timezone.get_default_timezone()
    first, second = (naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    shown = {"time": f"{naive:%H:%M}", "zone": str(zone)}
    if first.astimezone(zone).replace(tzinfo=None) != naive:
        raise ValidationError(
            _("There was no %(time)s that night in %(zone)s: the clocks went forward.") % shown, code="time"
        )
    offsets = [offset_of(naive.replace(tzinfo=zone, fold=fold)) for fold in (0, 1)]
    raise ValidationError(
        _("%(time)s came twice that night in %(zone)s: write %(first)s or %(second)s after it.")
        % {**shown, "first": offsets[0], "second": offsets[1]},
        code="time",
    )


def is_twice(moment: datetime) -> bool:
    """Return whether the clock shows this again, before or after."""
    return moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset()


def offset_of(moment: datetime) -> str:
    """Return what a clock is ahead of UTC, such as ``+01:00``."""
    minutes = (moment.utcoffset() or timedelta()) // timedelta(minutes=1)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
