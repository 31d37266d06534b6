"""What the archive leads back to, what is kept of it, and its pages; files stand in for clusters."""

import gzip
import json
import os
import shutil
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from apps.backups import services
from apps.backups.archive import client as asking
from apps.backups.archive import layout
from apps.backups.archive.moments import moment_of
from apps.backups.catalogue import Reason, backups
from apps.backups.services import going_back
from apps.backups.services.keeping import to_go
from apps.core.models import Job
from tests.backups.test_pages import keeper
from tests.factories import PASSWORD

SEGMENT = 16 * 2**20
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def archive(settings, tmp_path):
    settings.ARCHIVE_FOLDER = str(tmp_path / "archive")
    Path(settings.ARCHIVE_FOLDER).mkdir()
    return Path(settings.ARCHIVE_FOLDER)


def make_era(archive, name, *, segments, bases, ended="", major="15"):
    """Make an era of segments, the last being written, and of bases: when, and their first segment."""
    era = archive / name
    for folder in ("wal", "base"):
        (era / folder).mkdir(parents=True)
    (era / "era").write_text(f"system=1\nmajor={major}\nsegment=16\n" + (f"ended={ended}\n" if ended else ""))
    for number in segments:
        suffix = ".gz.partial" if number == segments[-1] else ".gz"
        (era / "wal" / f"00000001{number:016X}{suffix}").write_bytes(b"")
    for moment, start in bases:
        base = era / "base" / moment.strftime(layout.STAMP)
        base.mkdir()
        ranges = [{"Timeline": 1, "Start-LSN": layout.written(start * SEGMENT + 40), "End-LSN": "0/0"}]
        (base / "backup_manifest").write_text(json.dumps({"WAL-Ranges": ranges}))
    return era


def beat(archive, at, era, position, **newest):
    told = {
        "at": at.isoformat(),
        "until": (at + timedelta(milliseconds=20)).isoformat(),
        "era": era,
        "position": layout.written(position),
        "newest": newest,
    }
    (archive / "heartbeats").mkdir(exist_ok=True)
    with open(archive / "heartbeats" / f"{at.date()}.jsonl", "a") as file:
        file.write(json.dumps(told) + "\n")


def minutes(count):
    return NOW + timedelta(minutes=count)


def test_a_window_is_from_a_base_backup_to_the_last_heartbeat_without_a_gap(archive):
    make_era(archive, "A", segments=[5, 6, 7, 8], bases=[(minutes(0), 5)])
    beat(archive, minutes(-1), "A", 5 * SEGMENT)
    for number in range(1, 5):
        beat(archive, minutes(number), "A", (5 + number) * SEGMENT - 8)
    since = minutes(0) + timedelta(seconds=1)
    assert layout.windows() == [layout.Window(since, minutes(4))]
    assert layout.base_for(minutes(4)).name == minutes(0).strftime(layout.STAMP)
    assert layout.base_for(minutes(4) + timedelta(seconds=1)) is None
    assert layout.base_for(minutes(0)) is None

    (archive / "A" / "wal" / f"00000001{7:016X}.gz").unlink()
    assert layout.windows() == [layout.Window(since, minutes(2))]
    assert layout.eras()[0].gaps() == [f"{0:08X}{7:08X}"]


def test_a_base_backup_after_a_gap_leads_on_and_the_gap_is_shown(archive):
    make_era(archive, "A", segments=[5, 6, 8, 9], bases=[(minutes(0), 5), (minutes(10), 8)])
    for number, position in ((1, 6), (5, 7), (11, 8.5), (12, 9.5)):
        beat(archive, minutes(number), "A", int(position * SEGMENT))
    assert [one.until for one in layout.windows()] == [minutes(5), minutes(12)]


def test_a_heartbeat_of_another_era_proves_nothing(archive):
    make_era(archive, "A", segments=[5, 6], bases=[(minutes(0), 5)], ended="x")
    make_era(archive, "B", segments=[5, 6], bases=[])
    beat(archive, minutes(1), "B", 5 * SEGMENT)
    assert layout.windows() == []


def test_windows_that_meet_are_one(archive):
    make_era(archive, "A", segments=[5, 6, 7], bases=[(minutes(0), 5), (minutes(10), 6)])
    beat(archive, minutes(20), "A", 7 * SEGMENT)
    assert len(layout.windows()) == 1
    assert layout.base_for(minutes(15)).finished_at > minutes(10)


@pytest.mark.parametrize("line", ["{", '{"at": "x"}', '{"at": null}', "\x00\x00", ""])
def test_a_heartbeat_that_was_cut_off_is_left_out(archive, line):
    beat(archive, minutes(1), "A", 5 * SEGMENT)
    with open(archive / "heartbeats" / f"{NOW.date()}.jsonl", "a") as file:
        file.write(line + "\n")
    beat(archive, minutes(2), "A", 5 * SEGMENT)
    assert [one.at for one in layout.heartbeats()] == [minutes(1), minutes(2)]
    assert layout.last_heartbeat().at == minutes(2)


@pytest.mark.parametrize("position", ["0/0", "0/FFFFFFFF", "1/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"])
def test_a_position_is_the_same_both_ways(position):
    assert layout.written(layout.position(position)) == position


def test_segments_are_counted_across_the_end_of_a_log(archive):
    make_era(archive, "A", segments=[], bases=[(minutes(0), 255)])
    for name in ("0000000000000000FF", "000000000100000000"):
        (archive / "A" / "wal" / f"000001{name}.gz").write_bytes(b"")
    beat(archive, minutes(1), "A", 257 * SEGMENT - 8)
    assert layout.windows()[0].until == minutes(1)


def test_damage_is_found_and_ends_what_can_be_had(archive):
    make_era(archive, "A", segments=[5, 6, 7], bases=[(minutes(0), 5)])
    wal = archive / "A" / "wal"
    for number in (5, 6):
        (wal / f"00000001{number:016X}.gz").write_bytes(gzip.compress(bytes(SEGMENT), compresslevel=1))
    beat(archive, minutes(1), "A", int(5.5 * SEGMENT))
    beat(archive, minutes(2), "A", 7 * SEGMENT)
    assert layout.look_for_damage() == []
    assert layout.windows()[0].until == minutes(2)
    for content in (b"", gzip.compress(b"short"), gzip.compress(bytes(SEGMENT))[:-9]):
        (wal / f"00000001{6:016X}.gz").write_bytes(content)
        assert layout.look_for_damage() == [f"00000001{6:016X}"]
        assert layout.windows()[0].until == minutes(1)


def test_pruning_keeps_the_days_and_the_base_before_them_and_never_fewer_than_two(archive, settings):
    settings.ARCHIVE_KEEP_DAYS = 2
    bases = [(NOW - timedelta(days=age), 20 - age) for age in (10, 9, 3, 1)]
    make_era(archive, "A", segments=list(range(1, 25)), bases=bases)
    for age in range(11):
        beat(archive, NOW - timedelta(days=age), "A", (20 - age) * SEGMENT)
    gone = layout.prune_archive(NOW)
    assert gone == [moment.strftime(layout.STAMP) for moment, _start in bases[:2]]
    assert min(layout.eras()[0].segments) == 17
    assert [one.since for one in layout.windows()][0] == bases[2][0] + timedelta(seconds=1)
    assert (
        min(path.stem for path in (archive / "heartbeats").iterdir())
        == (NOW - timedelta(days=3)).date().isoformat()
    )
    assert layout.prune_archive(NOW + timedelta(days=100)) == []


def test_an_era_that_is_over_goes_with_its_last_day(archive, settings):
    settings.ARCHIVE_KEEP_DAYS = 2
    over = NOW - timedelta(days=3)
    make_era(
        archive, "A", segments=[1, 2], bases=[(NOW - timedelta(days=9), 1)], ended=over.strftime(layout.STAMP)
    )
    make_era(archive, "B", segments=[1, 2], bases=[(NOW - timedelta(days=1), 1)])
    layout.prune_archive(NOW)
    assert [era.name for era in layout.eras()] == ["B"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-07-01 10:31", "2026-07-01T09:31:00+00:00"),
        ("2026-07-01T10:31:07", "2026-07-01T09:31:07+00:00"),
        ("2026-07-01 10:31+02:00", "2026-07-01T08:31:00+00:00"),
        ("2026-10-25 01:30+01:00", "2026-10-25T00:30:00+00:00"),
    ],
)
def test_a_time_is_the_practices(settings, text, moment):
    settings.TIME_ZONE = "Europe/London"
    assert moment_of(text).isoformat() == moment


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("yesterday", 'yesterday is no time; write it like "2026-11-22 10:31".'),
        ("", ' is no time; write it like "2026-11-22 10:31".'),
        ("0001-01-01T00:00", '0001-01-01T00:00 is no time; write it like "2026-11-22 10:31".'),
        (
            "9999-12-31T23:59-10:00",
            '9999-12-31T23:59-10:00 is no time; write it like "2026-11-22 10:31".',
        ),
        ("2026-13-01 10:00", '2026-13-01 10:00 is no time; write it like "2026-11-22 10:31".'),
        (
            "2026-10-25 01:30",
            "01:30 came twice that night in Europe/London: write +01:00 or +00:00 after it.",
        ),
        ("2026-03-29 01:30", "There was no 01:30 that night in Europe/London: the clocks went forward."),
    ],
)
def test_a_time_that_is_none_or_two_is_refused(settings, text, sentence):
    settings.TIME_ZONE = "Europe/London"
    with pytest.raises(ValidationError) as refused:
        moment_of(text)
    assert refused.value.messages == [sentence]


def test_the_last_moment_needs_no_time():
    assert moment_of("latest") is None


@contextmanager
def service(archive, answers):
    """Answer what is asked of archiver.sh by its first word, and yield what was asked."""
    for folder in ("requests", "answers"):
        (archive / folder).mkdir(exist_ok=True)
    asked, stop = [], threading.Event()

    def serve():
        while not stop.is_set():
            (archive / "alive").touch()
            for path in (archive / "requests").glob("*"):
                if path.suffix in (".new", ".stop"):
                    continue
                words = path.read_text().split("\n")[:-1]
                asked.append(words)
                answer = answers.get(words[0], "done\n")
                (archive / "answers" / f"{path.name}.new").write_text(answer)
                (archive / "answers" / f"{path.name}.new").rename(archive / "answers" / path.name)
                path.unlink()
            time.sleep(0.01)

    (archive / "alive").touch()
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("failed\nno-space 1234 5\n", "A copy needs 1,234 MB beside the archive, and 5 MB are free."),
        ("failed\nmissing 0001\n", "segment 0001 is missing"),
        ("failed\nother-version 15 16\n", "That moment was under PostgreSQL 15"),
        ("failed\nnot-made\n", "The base backup was not made: it gave no reason."),
        ("failed\nnot-made 100 % full\n", "The base backup was not made: 100 % full."),
        ("failed\nwhat 100 %s\n", "what 100 %s"),
        ("failed\ninterrupted\n", "was ended in the middle; try again."),
    ],
)
def test_what_the_service_says_is_a_sentence(archive, answer, sentence):
    with service(archive, {"base": answer}), pytest.raises(ValidationError) as refused:
        asking.ask("base")
    assert sentence in refused.value.messages[0]


def test_a_service_that_does_not_run_is_told_at_once(archive):
    with pytest.raises(ValidationError, match="The archive's service does not run."):
        asking.ask("base")


def test_who_stops_asking_stops_what_was_asked(archive):
    (archive / "requests").mkdir()
    (archive / "answers").mkdir()
    (archive / "alive").touch()

    def report(message):
        for path in (archive / "requests").iterdir():
            path.rename(f"{path}.begun")
        raise ValidationError("stop", code="stopped")

    with pytest.raises(ValidationError, match="stop"):
        asking.ask("base", report=report)
    assert [path.suffix for path in sorted((archive / "requests").iterdir())] == [".begun", ".stop"]


@pytest.mark.django_db(transaction=True)
def test_a_backup_out_of_the_archive_counts_by_its_moment_and_stays_a_day(monkeypatch):
    moment = timezone.now() - timedelta(days=40)
    ordinary = services.back_up(by="Ben")
    made = services.back_up(reason=Reason.POINT_IN_TIME, by="Ben", as_of=moment.isoformat())
    assert made.taken_at == moment
    assert timezone.now() - made.made_at < timedelta(minutes=1)
    assert [one.name for one in backups()] == [ordinary.name, made.name]
    assert to_go() == []


PAGES = ["go_back", "look_back", "make_base", "run_drill"]


@pytest.fixture
def person(client, db):
    user = keeper()
    client.force_login(user)
    return client


@pytest.mark.parametrize("page", PAGES)
def test_without_an_archive_there_are_no_pages_of_it(person, page):
    assert person.get(reverse(f"admin:{page}")).status_code == 404
    assert "Go back to…" not in person.get(reverse("admin:backups")).content.decode()


def test_an_archive_that_leads_nowhere_says_what_it_needs(person, archive):
    told = person.get(reverse("admin:go_back")).content.decode()
    assert "it needs a base backup, and a minute after it" in told
    assert "The archive&#x27;s service does not run" in told
    assert "Go back to…" in person.get(reverse("admin:backups")).content.decode()


@pytest.fixture
def offered(archive):
    since = timezone.now() - timedelta(hours=1)
    make_era(archive, "A", segments=[5, 6], bases=[(since, 5)])
    for number in range(3):
        beat(archive, since + timedelta(minutes=10 * (1 + number)), "A", 6 * SEGMENT)
    return layout.windows()[0]


def shown(moment):
    return timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M:%S")


def test_a_moment_leads_to_the_deed_or_to_a_look(person, offered, monkeypatch):
    asked = []
    monkeypatch.setattr(services, "start_look", lambda moment, by: asked.append(moment) or "one")
    moment = offered.until.replace(microsecond=0)
    answer = person.post(reverse("admin:go_back"), {"moment": shown(moment), "go": ""})
    assert answer.status_code == 302
    assert "What was done after" in person.get(answer.url).content.decode()
    answer = person.post(reverse("admin:go_back"), {"moment": shown(moment), "look": ""})
    assert answer.url.startswith("/restore/")
    assert asked == [moment]


@pytest.mark.parametrize(
    ("moment", "sentence"),
    [
        ("", "Say which moment."),
        ("2020-01-01T10:00", "The archive leads back to"),
        ("2100-01-01T10:00", "is after that."),
        ("soon", "soon is no time"),
    ],
)
def test_a_moment_that_cannot_be_had_is_a_sentence_on_the_form(person, offered, moment, sentence):
    answer = person.post(reverse("admin:go_back"), {"moment": moment, "look": ""})
    assert answer.status_code == 200
    assert sentence in answer.content.decode()


def test_the_deed_asks_for_the_password(person, offered, monkeypatch):
    asked = []
    monkeypatch.setattr(services, "start_restore_to", lambda moment, by: asked.append(moment) or "one")
    address = reverse("admin:go_back_to", args=[offered.until.isoformat()])
    assert "This is not your password." in person.post(address, {"password": "x"}).content.decode()
    assert not asked
    assert person.post(address, {"password": PASSWORD}).url.startswith("/restore/")
    assert asked == [offered.until]
    latest = reverse("admin:go_back_to", args=["latest"])
    assert person.post(latest, {"password": PASSWORD}).url.startswith("/restore/")
    assert asked == [offered.until, None]


@pytest.mark.parametrize("moment", ["x", "2026-99-01", "..%2f..%2fetc", "2026-11-22 10:31; DROP"])
def test_an_address_that_is_no_moment_is_not_found(person, offered, moment):
    assert person.get(f"/admin/backups/go-back/{moment}/").status_code == 404


@pytest.mark.parametrize("page", ["make_base", "run_drill"])
def test_work_on_the_archive_is_a_job(person, archive, page):
    assert person.post(reverse(f"admin:{page}")).status_code == 302
    assert Job.objects.count() == 1


def test_what_is_looked_at_is_dropped_by_whoever_asks_and_after_half_a_day(person, archive):
    told = {
        "side": {},
        "since": timezone.now().isoformat(),
        "look": {
            "moment": NOW.isoformat(),
            "compared_at": NOW.isoformat(),
            "counts": [{"then": "1 entry", "now": "2 entries"}],
            "lines": [{"client": "ACORN", "what": "1010 <b>Bank</b>", "then": "1.00", "now": None}],
            "clients": 1,
            "same": 0,
            "left_out": 0,
        },
    }
    (archive / going_back.SIDE).write_text(json.dumps(told))
    page = person.get(reverse("admin:look_back")).content.decode()
    assert "1010 &lt;b&gt;Bank&lt;/b&gt;" in page
    with service(archive, {}) as asked:
        services.drop_forgotten()
        assert asked == []
        person.post(reverse("admin:look_back"))
        assert asked == [["drop"]]
        assert "No earlier moment is up now" in person.get(reverse("admin:look_back")).content.decode()
        told["since"] = (timezone.now() - timedelta(hours=13)).isoformat()
        (archive / going_back.SIDE).write_text(json.dumps(told))
        services.drop_forgotten()
        assert asked == [["drop"], ["drop"]]


def test_the_health_says_what_is_wrong_with_the_archive(archive, db):
    from apps.backups.archive.watch import problems

    assert "The archive's service does not run: nothing is archived." in problems()
    (archive / "alive").touch()
    (archive / "receiver.why").write_text("connection refused\n")
    assert "The archive receives nothing: connection refused." in problems()
    make_era(archive, "A", segments=[5, 6], bases=[(timezone.now() - timedelta(hours=30), 5)])
    beat(archive, timezone.now() - timedelta(minutes=3), "A", 6 * SEGMENT)
    (archive / "receiving").write_text("A\n")
    assert problems()[0] == "The archive is not connected to the database."
    assert any(one.startswith("What was written since 3\xa0minutes ago") for one in problems())
    assert any("hours are the limit" in one for one in problems())
    os.utime(archive / "alive", (0, 0))
    assert problems()[0] == "The archive's service does not run: nothing is archived."


def test_the_last_moment_is_the_old_clusters_until_the_new_one_leads_anywhere(archive):
    make_era(archive, "A", segments=[5, 6], bases=[(minutes(0), 5)], ended="x")
    beat(archive, minutes(1), "A", 5 * SEGMENT)
    new = make_era(archive, "B", segments=[5, 6], bases=[])
    beat(archive, minutes(10), "B", 5 * SEGMENT)
    with service(archive, {"last": "failed\nnothing-after\n"}) as asked:
        assert going_back.target_at(None).moment == minutes(1)
        (new / "base" / minutes(11).strftime(layout.STAMP)).mkdir()
        assert going_back.target_at(None).moment == minutes(1)
    assert [words[1] for words in asked] == ["A", "A"]


def test_a_new_cluster_that_leads_somewhere_has_the_last_moment(archive):
    make_era(archive, "A", segments=[5, 6], bases=[(minutes(0), 5)], ended="x")
    beat(archive, minutes(1), "A", 5 * SEGMENT)
    make_era(archive, "B", segments=[5, 6], bases=[(minutes(10), 5)])
    beat(archive, minutes(11), "B", 5 * SEGMENT)
    with service(archive, {"last": "done\n0/5000028 2026-11-22 12:11:30\n"}) as asked:
        assert going_back.target_at(None).moment == minutes(11) + timedelta(seconds=30)
    assert [words[1] for words in asked] == ["B"]


def test_a_drill_takes_no_moment_of_an_older_postgresql(archive):
    make_era(archive, "A", segments=[5, 6], bases=[(minutes(0), 5)], ended="x", major="15")
    make_era(archive, "B", segments=[5, 6], bases=[(minutes(10), 5)], major="16")
    for number, era in ((1, "A"), (2, "A"), (11, "B"), (12, "B"), (13, "B")):
        beat(archive, minutes(number), era, 5 * SEGMENT)
    assert [one.at for one in going_back.drillable()] == [minutes(11), minutes(12)]


def test_a_drill_chooses_among_two_weeks_at_once(archive):
    since = NOW - timedelta(days=14)
    bases = [(since + timedelta(days=day), 5 + day) for day in range(14)]
    make_era(archive, "A", segments=list(range(5, 30)), bases=bases)
    for number in range(14 * 24 * 60):
        beat(archive, since + timedelta(minutes=number), "A", 5 * SEGMENT + number * 16_000)
    began = time.monotonic()
    assert len(going_back.drillable()) > 20_000
    assert time.monotonic() - began < 10


def test_only_the_days_that_are_needed_are_read(archive, monkeypatch):
    """Probes ask which moments can be had, and a year has half a million heartbeats."""
    make_era(archive, "A", segments=[5, 6], bases=[(NOW - timedelta(days=9), 5)], ended="x")
    make_era(archive, "B", segments=[5, 6], bases=[(NOW - timedelta(days=age), 5) for age in (5, 4, 0)])
    for age in range(400, 0, -1):
        beat(archive, NOW - timedelta(days=age), "A" if age > 6 else "B", 5 * SEGMENT)
    read = []
    kept = layout._heartbeats
    monkeypatch.setattr(layout, "_heartbeats", lambda path: read.append(path) or kept(path))
    assert [(one.base.name[:8], one.until) for one in layout.reaches()] == [
        ("20261113", NOW - timedelta(days=7)),
        ("20261117", NOW - timedelta(days=1)),
        ("20261118", NOW - timedelta(days=1)),
    ]
    assert len(read) == 7


def test_a_service_that_cannot_answer_is_told(archive):
    for folder in ("requests", "answers"):
        (archive / folder).mkdir()
    (archive / "alive").touch()

    def report(message):
        for path in (archive / "requests").iterdir():
            path.unlink()

    with pytest.raises(ValidationError, match="its disk may be full"):
        asking.ask("base", report=report)


@pytest.mark.parametrize(("free", "is_told"), [(163, True), (165, False)])
def test_a_disk_with_no_room_for_a_base_backup_is_told(archive, db, monkeypatch, free, is_told):
    from apps.backups.archive import watch

    make_era(archive, "A", segments=[5, 6], bases=[(NOW, 5)])
    manifest = next((archive / "A" / "base").rglob("backup_manifest"))
    ranges = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**ranges, "Files": [{"Size": 60 * 2**20}, {"Size": 40 * 2**20}]}))
    usage = shutil.disk_usage(archive)._replace(free=free * 2**20)
    monkeypatch.setattr(watch.shutil, "disk_usage", lambda folder: usage)
    told = f"The archive's disk is nearly full: {free} MB are free, a base backup takes 100 MB."
    assert (told in watch.problems()) is is_told


def test_a_cluster_that_was_brought_up_is_never_taken_for_another_moment(archive, db):
    """Who asks for another is killed before it is there: what was looked at before is forgotten first."""
    (archive / going_back.SIDE).write_text(json.dumps({"side": {}, "look": {}, "since": NOW.isoformat()}))
    make_era(archive, "A", segments=[5, 6], bases=[(minutes(0), 5)])
    target = going_back.Target(minutes(1), layout.eras()[0].bases[0], "time", "x")
    with service(archive, {"recover": "failed\ninterrupted\n"}), pytest.raises(ValidationError):
        going_back._bring_up(target, lambda message: None)
    assert not (archive / going_back.SIDE).exists()


def test_what_is_no_base_backup_is_none(archive):
    era = make_era(archive, "A", segments=[5, 6], bases=[(minutes(0), 5)])
    (era / "base" / "lost+found").mkdir()
    assert len(layout.eras()[0].bases) == 1


def test_an_hour_that_comes_twice_is_told_apart(settings):
    settings.TIME_ZONE = "Europe/Athens"
    with timezone.override("Europe/Athens"):
        told = [going_back.said(datetime(2026, 10, 25, hour, 30, tzinfo=UTC)) for hour in (0, 1, 2)]
    assert [one.partition(" 2026 ")[2] for one in told] == ["03:30:00+03:00", "03:30:00+02:00", "04:30:00"]
