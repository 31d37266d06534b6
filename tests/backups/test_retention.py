"""Which backups are kept, over years of hourly ones, and what deleting the others leaves."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.backups import catalogue, media, services
from apps.backups.catalogue import Test as Tried
from apps.backups.catalogue import backups
from apps.backups.retention import Kept, Rules, to_keep
from apps.backups.services.keeping import rules

LONDON = ZoneInfo("Europe/London")
AUCKLAND = ZoneInfo("Pacific/Auckland")
BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
TESTS_A_NIGHT = 24
MOST_KEPT = 115  # files, at any moment of the 800 days


def make_kept(taken_at, worth="tested", **facts):
    if isinstance(taken_at, str):
        taken_at = datetime.fromisoformat(taken_at).replace(tzinfo=UTC)
    return Kept(f"{taken_at:%Y-%m-%d %H:%M}", taken_at, worth, **facts)


def kept_of(every, rules=None, zone=LONDON):
    return sorted(to_keep(every, rules or Rules(), zone))


class Practice:
    """A practice that backs up each hour and prunes, and tests at night and prunes, as the worker does."""

    def __init__(self, zone=LONDON):
        self.zone, self.every, self.most = zone, [], 0
        self.now, self.random = BEGAN, Random(17)

    def go_on(self, days, *, fails=0.05, tests=True):
        for _hour in range(days * 24):
            self.now += timedelta(hours=1)
            self.every.append(make_kept(self.now, "untested"))
            self.prune()
            if tests and self.now.hour == 1:
                self.test(fails)
                self.prune()

    def test(self, fails):
        waiting = [one for one in reversed(self.every) if one.worth == "untested"][:TESTS_A_NIGHT]
        for one in waiting:
            worth = "failed" if self.random.random() < fails else "tested"
            self.every[self.every.index(one)] = Kept(one.name, one.taken_at, worth)

    def prune(self):
        kept = to_keep(self.every, Rules(), self.zone)
        self.every = [one for one in self.every if one.name in kept]
        self.most = max(self.most, len(self.every))

    def tested(self):
        return [one for one in self.every if one.worth == "tested"]


@pytest.fixture(scope="module")
def after_800_days():
    practice = Practice()
    practice.go_on(800)
    return practice


@pytest.fixture
def practice(after_800_days):
    one = Practice()
    one.now, one.every, one.most = after_800_days.now, list(after_800_days.every), after_800_days.most
    return one


def test_800_days_of_hourly_backups_are_few_files(practice):
    assert practice.most == MOST_KEPT
    assert len(practice.tested()) > 85


@pytest.mark.parametrize(
    ("what", "back", "bucket"),
    [
        ("hour", 24, "%Y%m%d%H"),
        ("day", 13, "%Y%m%d"),
        ("week", 8 * 7 - 7, "%G%V"),
        ("month", 23 * 30, "%Y%m"),
        ("year", 799, "%Y"),
    ],
)
def test_after_800_days_there_is_one_of_each(practice, what, back, bucket):
    last = practice.tested()[-1].taken_at
    step = timedelta(hours=1) if what == "hour" else timedelta(days=1)
    moments = [last - n * step for n in range(back)]
    wanted = {moment.astimezone(LONDON).strftime(bucket) for moment in moments}
    there = {one.taken_at.astimezone(LONDON).strftime(bucket) for one in practice.tested()}
    assert wanted <= there


@pytest.mark.parametrize("how", [{"fails": 1.0}, {"tests": False}])
def test_ten_days_in_which_nothing_passes_leave_every_tested_backup(practice, how):
    before = practice.tested()
    practice.go_on(10, **how)
    assert practice.tested() == before
    assert len(practice.every) < MOST_KEPT + 50


def test_backups_that_nobody_tests_for_a_year_stay_few():
    practice = Practice()
    practice.go_on(365, tests=False)
    assert practice.most < 90


def test_one_that_waits_for_its_test_is_there_until_then():
    practice = Practice()
    practice.go_on(3)
    waiting = [one.taken_at for one in practice.every if one.worth == "untested"]
    assert waiting == [practice.now - timedelta(hours=n) for n in range(22, -1, -1)]


def test_never_fewer_than_two_tested():
    none = Rules(hours=0, days=0, weeks=0, months=0, years=0, pinned=0, fewest_tested=0, failed=0)
    every = [make_kept(f"2026-01-0{day} 12:00") for day in range(1, 6)]
    assert kept_of(every, none) == ["2026-01-04 12:00", "2026-01-05 12:00"]
    assert kept_of([*every, make_kept("2026-01-06 12:00", "failed")], none) == kept_of(every, none)


def test_nothing_to_keep():
    assert kept_of([]) == []


def test_the_newest_made_before_an_upgrade_or_restore_stay_and_failed_ones_do_not():
    none = Rules(hours=0, days=0, weeks=0, months=0, years=0, pinned=2, failed=0)
    pinned = [make_kept(f"2025-01-0{day} 12:00", is_pinned=True) for day in range(1, 5)]
    failed = make_kept("2025-01-05 12:00", "failed", is_pinned=True)
    newer = [make_kept(f"2026-01-0{day} 12:00") for day in range(1, 4)]
    assert kept_of([*pinned, failed, *newer], none) == [
        "2025-01-03 12:00",
        "2025-01-04 12:00",
        "2026-01-02 12:00",
        "2026-01-03 12:00",
    ]


def test_the_newest_failed_ones_stay_to_be_looked_into():
    failed = [make_kept(f"2026-01-0{day} 12:00", "failed") for day in range(1, 6)]
    assert kept_of(failed) == ["2026-01-03 12:00", "2026-01-04 12:00", "2026-01-05 12:00"]


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        (LONDON, "2026-10-25"),  # 25 hours
        (LONDON, "2026-03-29"),  # 23 hours
        (AUCKLAND, "2026-04-05"),
        (AUCKLAND, "2026-09-27"),
    ],
)
def test_every_hour_is_kept_on_the_days_the_clock_is_changed(zone, day):
    noon = datetime.fromisoformat(f"{day} 12:00").replace(tzinfo=zone).astimezone(UTC)
    every = [make_kept(noon + timedelta(hours=n)) for n in range(-20, 20)]
    only_hours = Rules(hours=40, days=0, weeks=0, months=0, years=0, pinned=0)
    assert len(kept_of(every, only_hours, zone)) == 40
    days = Rules(hours=0, days=30, weeks=0, months=0, years=0, pinned=0, fewest_tested=0)
    by_day = {}
    for one in every:
        by_day[one.taken_at.astimezone(zone).date()] = one.name
    assert set(by_day.values()) <= set(kept_of(every, days, zone)) <= {*by_day.values(), every[-2].name}


@pytest.mark.parametrize(
    ("zone", "last_of_january", "first_of_february"),
    [
        (LONDON, "2026-01-31 23:30", "2026-02-01 00:30"),
        (AUCKLAND, "2026-01-31 10:30", "2026-01-31 11:30"),  # 13 hours ahead
    ],
)
def test_a_month_ends_when_it_does_for_the_practice(zone, last_of_january, first_of_february):
    every = [make_kept(last_of_january), make_kept(first_of_february)]
    every += [make_kept("2026-02-10 12:00"), make_kept("2026-02-20 12:00"), make_kept("2026-02-21 12:00")]
    months = Rules(hours=0, days=0, weeks=0, months=9, years=0, pinned=0)
    assert kept_of(every, months, zone) == [last_of_january, "2026-02-20 12:00", "2026-02-21 12:00"]


def test_weeks_do_not_break_at_new_year():
    every = [make_kept(f"2026-12-{day} 12:00") for day in (28, 29, 30, 31)]
    every += [make_kept(f"2027-01-0{day} 12:00") for day in (1, 2, 3)]
    weeks = Rules(hours=0, days=0, weeks=9, months=0, years=0, pinned=0)
    assert kept_of(every, weeks) == ["2027-01-02 12:00", "2027-01-03 12:00"]  # the fewest: one week


moments = st.integers(0, 24 * 900).map(lambda hours: BEGAN + timedelta(hours=hours))
lists = st.lists(
    st.builds(make_kept, moments, st.sampled_from(["tested", "untested", "failed"]), is_pinned=st.booleans()),
    unique_by=lambda one: one.name,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(lists, lists, st.sampled_from([LONDON, AUCKLAND]))
def test_whatever_else_comes_in_no_tested_backup_goes_for_it(every, others, zone):
    def tested(some):
        return {one.name for one in some if one.worth == "tested"} & to_keep(some, Rules(pinned=0), zone)

    there = {one.name for one in every}
    worse = [one for one in others if one.worth != "tested" and one.name not in there]
    assert tested([*every, *worse]) == tested(every)


@settings(max_examples=100, deadline=None)
@given(lists)
def test_pruning_twice_deletes_no_more_and_two_tested_always_stay(every):
    kept = to_keep(every, Rules(), LONDON)
    assert to_keep([one for one in every if one.name in kept], Rules(), LONDON) == kept
    tested = [one.name for one in every if one.worth == "tested"]
    assert len(kept & set(tested)) >= min(2, len(tested))


def make_backups(folder, *days, media_of=None):
    """One real backup, and copies of it of other days; each has a media file of its own and a shared one."""
    shutil.rmtree(django_settings.MEDIA_ROOT, ignore_errors=True)
    Path(django_settings.MEDIA_ROOT).mkdir(parents=True)
    (Path(django_settings.MEDIA_ROOT) / "shared").write_text("of all")
    real = services.back_up(by="Ben").name
    names = []
    for day in days:
        name = f"default-ledgerflow-{day}-120000-000000.psql.bin"
        for path in [*folder.glob(f"{real}*"), *folder.glob(f"manifests/{real}.json.gz")]:
            shutil.copy(path, path.with_name(path.name.replace(real, name)))
        (Path(django_settings.MEDIA_ROOT) / "own").write_text(f"of {day}")
        media.back_up_media(name, None, lambda message: None)
        names.append(name)
    catalogue.delete_files(real)
    return names


def call_tested(*names):
    for name in names:
        catalogue.keep_test(name, Tried(datetime.now(UTC), "Ben", 1.0, []))


def files_of(folder, name):
    return [path for path in folder.rglob("*") if path.name.startswith(name)]


def contents(folder):
    return sorted(path.read_text() for path in (folder / "media").rglob("*") if path.is_file())


@pytest.mark.django_db(transaction=True)
def test_pruning_deletes_every_file_and_the_contents_that_only_those_needed(backup_folder, settings):
    settings.BACKUP_KEEP = {"hours": 0, "days": 0, "weeks": 0, "months": 0, "years": 0, "pinned": 0}
    days = ["2026-01-01", "2026-02-01", "2026-03-01"]
    oldest, *newer = make_backups(backup_folder, *days)
    call_tested(oldest, *newer)
    assert len(files_of(backup_folder, oldest)) == 5
    assert rules().hours == 0
    assert [one.name for one in services.prune(by="Ben")] == [oldest]
    assert files_of(backup_folder, oldest) == []
    assert [one.name for one in backups()] == newer[::-1]
    assert contents(backup_folder) == ["of 2026-02-01", "of 2026-03-01", "of all"]
    assert services.prune(by="Ben") == []


@pytest.mark.django_db(transaction=True)
def test_a_prune_that_is_ended_in_the_middle_leaves_nothing_half_listed(backup_folder, monkeypatch):
    (name,) = make_backups(backup_folder, "2026-01-01")
    unlink, gone = os.unlink, []

    def unlink_one(path, *args, **kwargs):
        if gone:
            raise KeyboardInterrupt
        gone.append(path)
        unlink(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink_one)
        with pytest.raises(KeyboardInterrupt):
            catalogue.delete_files(name)
    assert files_of(backup_folder, name)
    assert backups() == []


@pytest.mark.django_db(transaction=True)
def test_one_of_the_last_two_tested_is_not_deleted(backup_folder):
    first, second, third = make_backups(backup_folder, "2026-01-01", "2026-02-01", "2026-03-01")
    call_tested(first, third)
    for name in (first, third):
        with pytest.raises(ValidationError, match="one of the last two tested backups") as refused:
            services.delete_backup(name, by="Ben")
        assert refused.value.code == "last"
    call_tested(second)
    services.delete_backup(second, by="Ben")
    assert [one.name for one in backups()] == [third, first]
    assert contents(backup_folder) == ["of 2026-01-01", "of 2026-03-01", "of all"]
    with pytest.raises(ValidationError) as unknown:
        services.delete_backup(second, by="Ben")
    assert unknown.value.code == "unknown"
