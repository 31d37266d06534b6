"""Copies off site: what comes back is what was tested, and nothing that is not whole is ever listed."""

import io
import json
import os
import shutil
import tracemalloc
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import pyrage
import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.urls import reverse
from procrastinate.contrib.django import app

from apps.backups import services
from apps.backups.catalogue import State, backup_named, backups, keep_test, newest_backup
from apps.backups.catalogue import Test as Tried
from apps.backups.health import health
from apps.backups.log import newest
from apps.backups.offsite import keys, records
from apps.backups.offsite.objects import bring, send
from apps.backups.services import archiving, copying
from apps.backups.storage import file_sha256, folder, hold
from apps.core.models import Job, JobState
from tests.backups import bucket as buckets
from tests.core.test_jobs import work
from tests.factories import make_client, make_user

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("offsite")]

numbers = count(1)


@pytest.fixture(scope="module")
def endpoint():
    with buckets.server() as address:
        yield address


@pytest.fixture
def point_to(settings):
    """Return what changes the settings of the bucket."""

    def change(options):
        backend = settings.STORAGES["offsite"]["BACKEND"]
        settings.STORAGES = {**settings.STORAGES, "offsite": {"BACKEND": backend, "OPTIONS": options}}

    return change


@pytest.fixture
def bucket(settings, endpoint, point_to):
    made = buckets.Bucket(endpoint, f"copies-{next(numbers)}")
    settings.OFFSITE_BUCKET, settings.BACKUP_RECIPIENTS = made.name, []
    point_to(made.options())
    return made


@pytest.fixture
def key(tmp_path, settings):
    """A key that copies are encrypted for; nobody has proven it yet."""
    file = tmp_path / "key.txt"
    settings.BACKUP_RECIPIENTS = [keys.new_key(file)]
    return str(file)


@pytest.fixture
def proven(bucket, key):
    keys.prove(key)
    return key


@pytest.fixture(scope="module")
def one_backup(tmp_path_factory):
    return tmp_path_factory.mktemp("pristine") / "backups"


@pytest.fixture
def tested(one_backup, backup_folder, settings):
    """A backup of a small database with two papers, which counts as tested; made once for all tests."""
    if not one_backup.exists():
        for name in ("a", "b"):
            path = Path(settings.MEDIA_ROOT) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"paper " + name.encode())
        made = services.back_up(by="Ben")
        count_as_tested(made.name)
        shutil.copytree(backup_folder, one_backup, ignore=shutil.ignore_patterns("offsite"))
    elif not backups():
        shutil.copytree(one_backup, backup_folder, dirs_exist_ok=True)
    return newest_backup()


def count_as_tested(name):
    keep_test(name, Tried(datetime.now(UTC), "Ben", 1.0, []))


def push(name=""):
    return services.push_backups(name, by="Ben")


def fetch(name="", key="", **options):
    return services.fetch_backup(name, identities=keys.identities(key) if key else [], by="Ben", **options)


def lose(backup_folder):
    shutil.rmtree(backup_folder)


@contextmanager
def refused(code, words):
    with pytest.raises(ValidationError) as error:
        yield
    assert words in " ".join(error.value.messages)
    codes = {one.code for one in error.value.error_list}
    assert codes == {code}


def left_over():
    return [path.name for path in (folder() / "incoming").glob("*")]


def contents(base):
    """Return what a backup consists of, by path."""
    parts = [path for path in base.rglob("*") if path.is_file() and "offsite" not in path.parts]
    kept = [path for path in parts if path.name != "log.jsonl" and not path.name.endswith(".lock")]
    return {path.relative_to(base).as_posix(): path.read_bytes() for path in kept}


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_what_is_lost_here_comes_back_and_restores(request, bucket, backup_folder, settings, is_encrypted):
    key = request.getfixturevalue("proven") if is_encrypted else ""
    make_client("ACORN", name="Acorn Bakery")
    paper = Path(settings.MEDIA_ROOT) / "paper.pdf"
    paper.parent.mkdir()
    paper.write_bytes(b"%PDF a paper")
    made = services.back_up(by="Ben")
    assert services.run_test(made.name, by="Ben").is_clean
    before = contents(backup_folder)
    assert push() == [made.name]
    stored = b"".join(bucket.read(name) for name in bucket.names)
    assert (b"a paper" in stored) is not is_encrypted
    assert all(name.endswith(".age") is is_encrypted for name in bucket.names if "metadata" not in name)
    lose(backup_folder)
    paper.unlink()
    assert copying.names_in_bucket() == [made.name]
    assert fetch(key=key).state == State.TESTED
    assert contents(backup_folder) == before
    assert services.run_test(made.name, by="Ben").is_clean
    services.restore_backup(made.name, by="Ben")
    assert paper.read_bytes() == b"%PDF a paper"


def test_the_copy_is_listed_without_the_network(bucket, tested, point_to):
    push()
    point_to(bucket.options(endpoint_url="http://127.0.0.1:9"))
    (copy,) = records.copies()
    assert (copy.name, copy.taken_at) == (tested.name, tested.taken_at)
    assert copy.objects == {name: len(bucket.read(name)) for name in bucket.names if "media/" not in name}


def test_the_metadata_tells_what_lies_in_the_bucket(proven, bucket, tested, settings):
    push()
    told = json.loads(bucket.read(f"{tested.name}.metadata"))
    assert told["offsite"]["recipients"] == settings.BACKUP_RECIPIENTS
    by_name = {one["name"]: one for one in told["offsite"]["objects"]}
    dump = by_name[f"{tested.name}.age"]
    assert dump["bytes"] == len(bucket.read(dump["name"]))
    assert (dump["plain_bytes"], dump["plain_sha256"]) == (tested.size, tested.facts["sha256"])


def test_a_copy_that_is_made_anew_can_be_fetched_at_any_moment(proven, bucket, tested, backup_folder):
    push()
    count_as_tested(tested.name)
    records.forget_copy(tested.name)

    def report(message):
        if message.startswith("Sending media"):
            raise KeyboardInterrupt

    (backup_folder / "offsite" / "media.jsonl").unlink()
    with pytest.raises(KeyboardInterrupt):
        services.push_backups(by="Ben", report=report)
    lose(backup_folder)
    assert fetch(key=proven).name == tested.name


def test_what_is_there_is_not_sent_again(bucket, tested, monkeypatch):
    assert push(tested.name) == [tested.name]
    assert [(one["what"], one["outcome"], one["name"]) for one in newest(1)] == [
        ("push", "done", tested.name)
    ]
    monkeypatch.setattr(copying, "send", None)
    assert push() == []
    assert push(tested.name) == []


def test_papers_are_sent_once_for_all_backups(bucket, tested, monkeypatch):
    push()
    second = services.back_up(by="Ben")
    count_as_tested(second.name)
    papers = [name for name in bucket.names if name.startswith("media/")]
    sent = []
    monkeypatch.setattr(
        copying, "send", lambda name, source, **options: sent.append(name) or send(name, source, **options)
    )
    assert push() == [second.name]
    assert len(papers) == 2
    assert not [name for name in sent if name.startswith("media/")]


def test_a_copy_that_somebody_deleted_in_the_bucket_is_made_again(bucket, tested):
    push()
    bucket.delete(tested.name)
    assert push() == [tested.name]
    assert tested.name in bucket.names


@pytest.mark.parametrize("how", ["never", "failed"])
def test_only_what_passed_its_test_is_copied(bucket, backup_folder, how):
    made = services.back_up(by="Ben")
    if how == "failed":
        keep_test(made.name, Tried(datetime.now(UTC), "Ben", 1.0, ["It is broken."]))
    assert push() == []
    with refused("untested", "only a backup that passed its test is"):
        push(made.name)
    assert bucket.names == []


def test_nothing_is_copied_for_a_key_that_nobody_has_proven(bucket, key, tested):
    with refused("unproven", "was proven: manage.py offsite prove FILE"):
        push()
    assert bucket.names == []
    keys.prove(key)
    assert push() == [tested.name]


def test_each_of_several_keys_is_proven_and_opens_the_copy(bucket, tested, tmp_path, backup_folder, settings):
    files = [str(tmp_path / name) for name in ("one", "two")]
    settings.BACKUP_RECIPIENTS = [keys.new_key(Path(file)) for file in files]
    assert keys.prove(files[0]) == settings.BACKUP_RECIPIENTS[:1]
    with refused("unproven", settings.BACKUP_RECIPIENTS[1]):
        push()
    keys.prove(files[1])
    push()
    for file in files:
        lose(backup_folder)
        assert fetch(key=file).name == tested.name


def test_another_key_is_told_and_leaves_nothing(proven, bucket, tested, backup_folder, tmp_path):
    push()
    lose(backup_folder)
    other = str(tmp_path / "other")
    keys.new_key(Path(other))
    with refused("key", "The key does not open"):
        fetch(key=other)
    with refused("key", "name the file of its private key with --identity"):
        fetch()
    assert (backups(), left_over()) == ([], [])
    assert fetch(key=proven).name == tested.name


def test_a_new_recipient_gets_copies_of_what_is_here(
    proven, bucket, tested, backup_folder, settings, tmp_path
):
    push()
    new = str(tmp_path / "new")
    settings.BACKUP_RECIPIENTS = [keys.new_key(Path(new))]
    keys.prove(new)
    assert push() == [tested.name]
    lose(backup_folder)
    assert fetch(key=new).name == tested.name


@pytest.mark.parametrize("part", ["dump", "manifest", "media", "test"])
@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_a_damaged_copy_is_told_by_name_and_leaves_nothing(proven, bucket, tested, backup_folder, part, harm):
    push()
    prefix = {"dump": tested.name, "manifest": "manifests", "media": "media", "test": "results"}[part]
    name = next(one for one in bucket.names if one.startswith(prefix) and "metadata" not in one)
    content = bucket.read(name)
    if harm == "gone":
        bucket.delete(name)
    else:
        bucket.write(name, content[:-40] if harm == "cut" else content[:-40] + b"X" * 40)
    lose(backup_folder)
    words = "is missing from the bucket" if harm == "gone" else "is damaged in the bucket"
    with refused("missing" if harm == "gone" else "damaged", f"{name} {words}"):
        fetch(key=proven)
    assert (backups(), left_over()) == ([], [])
    bucket.write(name, content, keep_facts=harm != "gone")
    assert fetch(key=proven).name == tested.name


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"offsite": {}}', b"\xff"])
def test_metadata_that_is_none_of_ours_is_refused(bucket, tested, backup_folder, content):
    push()
    bucket.write(f"{tested.name}.metadata", content)
    lose(backup_folder)
    with refused("damaged", f"{tested.name}.metadata is damaged in the bucket"):
        fetch()
    assert backups() == []


def test_a_copy_without_its_metadata_is_not_listed(bucket, tested, backup_folder):
    push()
    bucket.delete(f"{tested.name}.metadata")
    assert copying.names_in_bucket() == []
    lose(backup_folder)
    with refused("unknown", "There is no copy of a backup in the bucket"):
        fetch()


def test_what_does_not_arrive_whole_is_sent_again_by_the_next_push(proven, bucket, tested, monkeypatch):
    from apps.backups.offsite.bucket import OffsiteBucket

    put = OffsiteBucket.put

    def put_less(self, name, path, facts, tell):
        if name == f"{tested.name}.age":
            os.truncate(path, path.stat().st_size // 2)
        put(self, name, path, facts, tell)

    with monkeypatch.context() as patch:
        patch.setattr(OffsiteBucket, "put", put_less)
        with refused("damaged", "did not arrive whole; the next copy sends it again"):
            push()
    assert (records.copies(), copying.names_in_bucket(), left_over()) == ([], [], [])
    assert "arrive whole" in newest(1)[0]["message"]
    assert push() == [tested.name]
    assert backup_named(tested.name).state == State.TESTED


def test_a_line_that_is_cut_in_the_middle_leaves_nothing_half(
    bucket, tested, backup_folder, point_to, endpoint
):
    before = contents(backup_folder)
    with buckets.line_to(endpoint, cut_after=10_000) as address:
        point_to(bucket.options(endpoint_url=address))
        with refused("away", "does not answer"):
            push()
    assert (bucket.names, records.copies(), left_over()) == ([], [], [])
    assert contents(backup_folder) == before
    point_to(bucket.options())
    assert push() == [tested.name]


UNREACHABLE = {
    "nobody listens": ({"endpoint_url": "http://127.0.0.1:9"}, "away", "does not answer"),
    "no such bucket": ({"bucket_name": "not-there"}, "bucket", "There is no bucket not-there"),
}


@pytest.mark.parametrize("what", UNREACHABLE)
def test_a_bucket_out_of_reach_is_told_in_a_sentence(bucket, tested, backup_folder, point_to, what):
    options, code, words = UNREACHABLE[what]
    before = contents(backup_folder)
    point_to(bucket.options(**options))
    for verb in (push, fetch):
        with refused(code, words):
            verb()
    with refused(code, words):
        copying.names_in_bucket()
    assert contents(backup_folder) == before
    assert newest(1)[0]["outcome"] == "failed"


@pytest.mark.parametrize(
    "status", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "SlowDown"]
)
def test_a_refusal_is_told_in_a_sentence(bucket, tested, monkeypatch, status):
    from botocore.exceptions import ClientError

    from apps.backups.offsite.bucket import OffsiteBucket

    def refuse(self, name):
        raise ClientError({"Error": {"Code": status}}, "PutObject")

    monkeypatch.setattr(OffsiteBucket, "_object", refuse)
    is_away = status == "SlowDown"
    with refused("away" if is_away else "refused", f"({status})"):
        push()


def test_a_file_that_is_damaged_here_is_not_copied(bucket, tested, backup_folder):
    (backup_folder / tested.name).write_bytes(b"X" * tested.size)
    with refused("source", "it is damaged here"):
        push()
    assert bucket.names == []


def test_one_that_cannot_be_copied_does_not_keep_the_others(bucket, tested, backup_folder):
    second = services.back_up(by="Ben")
    count_as_tested(second.name)
    (backup_folder / second.name).write_bytes(b"X" * second.size)
    with refused("source", "it is damaged here"):
        push()
    assert [one.name for one in records.copies()] == [tested.name]


def test_one_that_is_let_go_meanwhile_is_no_failure(bucket, tested, backup_folder):
    def report(message):
        for name in (f"{tested.name}.metadata", tested.name, f"manifests/{tested.name}.json.gz"):
            (backup_folder / name).unlink(missing_ok=True)

    assert services.push_backups(by="Ben", report=report) == []
    assert copying.names_in_bucket() == []


def test_a_backup_that_cannot_be_copied_does_not_keep_the_archive(
    bucket, tested, backup_folder, archive, settings
):
    settings.OFFSITE_PRUNE = True
    (backup_folder / tested.name).write_bytes(b"X" * tested.size)
    with refused("source", "it is damaged here"):
        services.copy_off_site(by="Ben")
    assert [name for name in bucket.names if name.endswith(".tar")]


def test_the_schedule_copies_and_prunes(bucket, tested, archive, settings):
    def by_the_clock():
        app.tasks["apps.backups.tasks.copy_off_site_by_schedule"].defer(timestamp=0)
        work()

    by_the_clock()
    assert records.copy_of(tested.name)
    (archive / "wal" / f"{1:024X}.gz").unlink()
    with hold(copying.LOCK):
        by_the_clock()
    by_the_clock()
    assert f"archive/{archive.name}/wal/{1:024X}.gz" in bucket.names
    settings.OFFSITE_PRUNE = True
    by_the_clock()
    assert f"archive/{archive.name}/wal/{1:024X}.gz" not in bucket.names


def test_without_a_key_to_the_bucket_it_says_so(bucket, tested, point_to, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    point_to(bucket.options(access_key=None, secret_key=None))
    with refused("refused", "OFFSITE_ACCESS_KEY and OFFSITE_SECRET_KEY are not set."):
        push()


def test_what_a_killed_copy_left_is_cleared_by_the_next(bucket, tested, backup_folder):
    for name in (".offsite.1.2.x", ".log.1.2"):
        (backup_folder / "incoming" / name).write_bytes(b"half")
    push()
    assert left_over() == [".log.1.2"]


def test_only_one_copies_at_a_time(bucket, tested):
    with hold(copying.LOCK), refused("busy", "This is being done already"):
        push()


def test_a_wish_to_stop_is_heard_while_something_is_sent(proven, bucket, tested):
    class Wish(Exception):
        pass

    for stage in ("Encrypting", "Sending", "Reading back"):

        def report(message, stage=stage):
            if message.startswith(stage):
                raise Wish

        with pytest.raises(Wish):
            services.push_backups(by="Ben", report=report)
        assert (records.copies(), copying.names_in_bucket(), left_over()) == ([], [], [])
        assert newest(1)[0]["outcome"] == "stopped"


def test_a_fetch_never_writes_over_what_is_here(bucket, tested, backup_folder):
    push()
    with refused("here", "is here already"):
        fetch()
    (backup_folder / f"{tested.name}.metadata").unlink()
    (backup_folder / tested.name).write_bytes(b"another")
    with refused("here", "nothing was written over"):
        fetch(tested.name)
    assert (backup_folder / tested.name).read_bytes() == b"another"


def test_a_fetch_goes_on_where_it_was_cut_off(bucket, tested, backup_folder, monkeypatch):
    push()
    lose(backup_folder)
    manifest = f"manifests/{tested.name}.json.gz"
    content = bucket.read(manifest)
    bucket.delete(manifest)
    with refused("missing", manifest):
        fetch()
    bucket.write(manifest, content, keep_facts=False)
    brought = []
    monkeypatch.setattr(
        copying, "bring", lambda name, *args, **options: brought.append(name) or bring(name, *args, **options)
    )
    assert fetch().name == tested.name
    assert tested.name not in brought


@pytest.mark.parametrize("path", ["../outside", "/etc/outside", "a/../../outside"])
def test_a_forged_list_of_papers_leads_nowhere(path):
    with refused("damaged", "was not made by a backup"):
        copying._refuse_to_leave(path)


def test_a_big_object_takes_little_memory(proven, point_to, tmp_path):
    big, back = 120 * 2**20, tmp_path / "back"
    source = tmp_path / "big"
    with open(source, "wb") as file:
        for _number in range(big // 2**20):
            file.write(os.urandom(2**20))
    with buckets.server_of_its_own() as address:
        point_to(buckets.Bucket(address, "copies").options())
        tracemalloc.start()
        try:
            opened = partial(open, source, "rb")
            stored = send("big", opened, recipients=keys.recipients(), report=copying.quiet)
            bring(stored.name, back, keys=keys.identities(proven), report=copying.quiet)
            _now, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert file_sha256(back) == file_sha256(source) == stored.plain_sha256
    assert peak < big / 2


def make_archive(base, era="20260101T000000Z"):
    (base / era / "wal").mkdir(parents=True)
    (base / era / "era").write_text("system=1\nmajor=15\nsegment=16\n")
    for number in (1, 2):
        (base / era / "wal" / f"{number:024X}.gz").write_bytes(b"segment %d" % number)
    (base / era / "wal" / f"{3:024X}.gz.partial").write_bytes(b"being written")
    (base / era / "wal" / "00000002.history").write_bytes(b"1\t0/3000000\tno recovery target\n")
    (base / era / "base" / "20260101T010000Z" / "pg_wal").mkdir(parents=True, mode=0o700)
    (base / era / "base" / "20260101T010000Z" / "backup_label").write_bytes(b"START WAL LOCATION")
    (base / era / "incoming" / "half").mkdir(parents=True)
    (base / era / "incoming" / "half" / "backup_label").write_bytes(b"not whole")
    (base / "heartbeats").mkdir()
    (base / "heartbeats" / "2026-01-01.jsonl").write_bytes(b'{"at": 1}\n')
    return base / era


@pytest.fixture
def archive(tmp_path, settings):
    settings.ARCHIVE_FOLDER = str(tmp_path / "archive")
    return make_archive(tmp_path / "archive")


def push_archive():
    return archiving.push_archive(by="Ben")


def fetch_archive(into, key=""):
    return archiving.fetch_archive(into, identities=keys.identities(key) if key else [], by="Ben")


def files(base):
    return {
        path.relative_to(base).as_posix(): path.read_bytes() for path in base.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("is_encrypted", [False, True])
def test_the_archive_comes_back_without_what_was_being_written(
    request, bucket, archive, tmp_path, is_encrypted
):
    key = request.getfixturevalue("proven") if is_encrypted else ""
    assert push_archive() == 6
    assert not [name for name in bucket.names if "partial" in name or "incoming" in name]
    back = tmp_path / "back"
    assert fetch_archive(back, key) == 6
    wanted = {
        name: content
        for name, content in files(archive.parent).items()
        if "partial" not in name and "incoming" not in name
    }
    assert files(back) == wanted
    assert (back / archive.name / "base" / "20260101T010000Z").stat().st_mode & 0o777 == 0o700
    assert (back / archive.name / "base" / "20260101T010000Z" / "pg_wal").is_dir()
    assert fetch_archive(back, key) == 0


def test_the_archive_costs_what_is_new(bucket, archive):
    assert push_archive() == 6
    assert push_archive() == 0
    with open(archive.parent / "heartbeats" / "2026-01-01.jsonl", "ab") as file:
        file.write(b'{"at": 2}\n')
    (archive / "wal" / f"{3:024X}.gz.partial").rename(archive / "wal" / f"{3:024X}.gz")
    assert push_archive() == 2
    assert bucket.read("archive/heartbeats/2026-01-01.jsonl").endswith(b'{"at": 2}\n')


def test_heartbeats_come_after_the_segments_they_tell_of(archive):
    order = [piece.path for piece in archiving.pieces(archive.parent)]
    segments = [path for path in order if path.endswith(".gz")]
    assert segments == sorted(segments)
    assert order[-1].startswith("heartbeats/")


@pytest.mark.parametrize("harm", ["cut", "gone"])
def test_a_damaged_piece_of_the_archive_is_told_and_gets_no_name(bucket, archive, tmp_path, harm):
    push_archive()
    base = next(name for name in bucket.names if name.endswith(".tar"))
    bucket.write(base, bucket.read(base)[:-600] if harm == "cut" else b"")
    back = tmp_path / "back"
    with refused("damaged", "is damaged in the bucket"):
        fetch_archive(back)
    assert not list(back.glob("*/base/*"))
    assert not (back / archiving.BEING_FETCHED).exists()


def test_a_base_backup_that_cannot_be_read_is_not_copied(bucket, archive, monkeypatch):
    import tarfile

    def fail(*args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tarfile.TarFile, "add", fail)
    with refused("failed", "Permission denied"):
        push_archive()
    assert not [name for name in bucket.names if name.endswith(".tar")]


def test_an_archive_that_is_off_or_away_is_left_alone(bucket, archive, settings, tmp_path):
    push_archive()
    before = bucket.names
    for place in ("", str(tmp_path / "not mounted")):
        settings.ARCHIVE_FOLDER = place
        assert push_archive() == 0
        assert archiving.prune_archive(by="Ben") == 0
    assert bucket.names == before
    settings.ARCHIVE_FOLDER = ""
    with refused("here", "nothing was written over"):
        (archive / "era").write_text("another")
        fetch_archive(archive.parent)


def test_the_archive_off_site_follows_the_one_here(bucket, archive):
    push_archive()
    (archive / "wal" / f"{1:024X}.gz").unlink()
    assert archiving.prune_archive(by="Ben") == 1
    assert f"archive/{archive.name}/wal/{1:024X}.gz" not in bucket.names
    shutil.rmtree(archive)
    assert archiving.prune_archive(by="Ben") == 0


def test_copies_follow_the_backups_that_are_kept(bucket, tested, backup_folder):
    Path(backup_folder.parent / "media").mkdir(exist_ok=True)
    later = []
    for _number in range(2):
        later.append(services.back_up(by="Ben").name)
        count_as_tested(later[-1])
    push()
    assert services.prune_copies(by="Ben") == []
    services.delete_backup(tested.name, by="Ben")
    assert services.prune_copies(by="Ben") == [tested.name]
    assert not [name for name in bucket.names if tested.name in name]
    assert {one.name for one in records.copies()} == set(later)


def test_the_last_two_copies_stay_whatever_goes_here(bucket, tested, backup_folder):
    second = services.back_up(by="Ben")
    count_as_tested(second.name)
    push()
    before = bucket.names
    (backup_folder / f"{tested.name}.metadata").unlink()
    assert services.prune_copies(by="Ben") == []
    assert bucket.names == before


def test_health_tells_of_copies(bucket, tested, settings):
    assert "No backup has been copied off site yet." in health().problems
    push()
    assert not [one for one in health().problems if "off site" in one]
    late = tested.taken_at + timedelta(hours=27)
    assert any("newest copy off site is 1" in one and "26 hours" in one for one in health(late).problems)
    settings.BACKUP_RECIPIENTS = [str(pyrage.x25519.Identity.generate().to_public())]
    assert any("was proven" in one for one in health().problems)
    settings.OFFSITE_BUCKET = ""
    assert not [one for one in health(late).problems if "off site" in one or "proven" in one]


def test_health_tells_of_the_archive(bucket, tested, archive):
    push()
    assert "The archive has not been copied off site yet." in health().problems
    push_archive()
    assert not [one for one in health().problems if "off site" in one]
    late = datetime.now(UTC) + timedelta(hours=27)
    assert any("archive was copied off site" in one for one in health(late).problems)


def test_the_screen_copies_only_where_there_is_a_bucket(client, bucket, tested, settings):
    owner = make_user(is_superuser=True)
    client.force_login(owner)
    page = client.get(reverse("admin:backups")).content.decode()
    assert "Copy off site now" in page
    assert "Off site" not in page
    client.post(reverse("admin:copy_off_site"))
    work()
    assert (last_job().state, last_job().message) == (JobState.DONE, "1 backup was copied off site.")
    assert "Off site" in client.get(reverse("admin:backups")).content.decode()
    settings.OFFSITE_BUCKET = ""
    assert "Copy off site now" not in client.get(reverse("admin:backups")).content.decode()
    client.post(reverse("admin:copy_off_site"))
    work()
    assert last_job().message == "OFFSITE_BUCKET is not set: there is no place off site."


def last_job():
    return Job.objects.latest("pk")


def run(*arguments):
    said = io.StringIO()
    call_command("offsite", *arguments, stdout=said)
    return said.getvalue()


def test_the_commands_make_a_key_prove_it_copy_list_and_fetch(
    bucket, tested, archive, tmp_path, settings, backup_folder
):
    file = str(tmp_path / "new.key")
    public = run("new-key", file).splitlines()[0]
    assert public.startswith("age1")
    assert Path(file).stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="never written over"):
        run("new-key", file)
    settings.BACKUP_RECIPIENTS = [public]
    with pytest.raises(CommandError, match="was proven"):
        run("push")
    assert "is proven" in run("prove", file)
    said = run("push")
    assert f"{tested.name} is copied off site." in said
    assert "6 pieces of the archive" in said
    assert "off site already" in run("push")
    assert f"{tested.name}  copied" in run("list")
    lose(backup_folder)
    assert "There is no copy" in run("list")
    assert run("list", "--bucket").strip() == tested.name
    assert f"{tested.name} is here again: Tested." in run("fetch", "--identity", file)
    assert "6 pieces" in run("fetch-archive", "--into", str(tmp_path / "back"), "--identity", file)


@pytest.mark.parametrize("content", ["", "# only a comment\n", "nonsense", "AGE-SECRET-KEY-1QQ", "\udcff"])
def test_a_file_without_a_key_is_told(bucket, key, tmp_path, content):
    file = tmp_path / "no.key"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(CommandError, match="private key"):
        run("prove", str(file))
    with pytest.raises(CommandError, match="No such file"):
        run("prove", str(tmp_path / "nowhere"))


def test_a_key_of_nobody_proves_nothing(bucket, key, tmp_path):
    other = tmp_path / "other"
    keys.new_key(other)
    with refused("key", "belongs to a recipient"):
        keys.prove(str(other))
    assert keys.unproven()


def test_without_a_bucket_everything_says_so(settings, backup_folder):
    settings.OFFSITE_BUCKET = ""
    for verb in (push, fetch, copying.names_in_bucket, partial(services.prune_copies, by="Ben")):
        with refused("off", "OFFSITE_BUCKET is not set"):
            verb()
