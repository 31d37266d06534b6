"""Which backups are kept: the newest tested one of each hour, day, week, month and year, so far back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Literal

#: A tested backup counts; one that failed never pushes it out; one not tested yet may still be good.
Worth = Literal["tested", "untested", "failed"]


@dataclass(frozen=True)
class Kept:
    """What retention needs to know of a backup. ``is_pinned``: made before an upgrade or a restore."""

    name: str
    taken_at: datetime
    worth: Worth
    is_pinned: bool = False


@dataclass(frozen=True)
class Rules:
    """How many hours, days, weeks, months and years have a backup each."""

    hours: int = 48
    days: int = 14
    weeks: int = 8
    months: int = 24
    years: int = 10
    pinned: int = 5  # the newest of those made before something
    fewest_tested: int = 2
    failed: int = 3  # to look into


def to_keep(backups: Iterable[Kept], rules: Rules, zone: tzinfo) -> set[str]:
    """
    Return the names to keep. Days, weeks, months and years are those of the practice; hours those of UTC,
    for an hour of local time comes twice a year.

    Whatever is asked of it, the two newest tested backups are kept, and no number of failures or of
    untested ones drops a tested one: each sort is thinned out among itself. An untested one is kept as long
    as it is newer than the newest tested, or within the hours that are kept; then a tested one stands for it.
    """
    newest_first = sorted(backups, key=lambda one: (one.taken_at, one.name), reverse=True)
    tested = [one for one in newest_first if one.worth == "tested"]
    recent = newest_first[0].taken_at - timedelta(hours=rules.hours) if newest_first else None
    since = min(tested[0].taken_at, recent) if tested and recent else None
    untested = [
        one for one in newest_first if one.worth == "untested" and (not since or one.taken_at > since)
    ]
    kept = _thinned(tested, rules, zone) + tested[: max(rules.fewest_tested, 2)]
    kept += _thinned(untested, rules, zone)
    kept += [one for one in newest_first if one.is_pinned and one.worth != "failed"][: rules.pinned]
    kept += [one for one in newest_first if one.worth == "failed"][: rules.failed]
    return {one.name for one in kept}


def _thinned(newest_first: Sequence[Kept], rules: Rules, zone: tzinfo) -> list[Kept]:
    local = [one.taken_at.astimezone(zone) for one in newest_first]
    buckets: list[tuple[int, list[Any]]] = [
        (rules.hours, [one.taken_at.timestamp() // 3600 for one in newest_first]),
        (rules.days, [moment.date() for moment in local]),
        (rules.weeks, [moment.isocalendar()[:2] for moment in local]),
        (rules.months, [(moment.year, moment.month) for moment in local]),
        (rules.years, [moment.year for moment in local]),
    ]
    kept = []
    for most, names in buckets:
        first_of: dict[Any, Kept] = {}
        for name, one in zip(names, newest_first, strict=True):
            first_of.setdefault(name, one)
        kept += list(first_of.values())[:most]
    return kept
