"""Media files belong to a backup: each content is kept once, and a restore brings back what is missing."""

import gzip
import os
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError

from apps.backups import media, services
from apps.backups.catalogue import State, backup_named, newest_backup
from tests.factories import make_client


def path_of(name):
    return Path(settings.MEDIA_ROOT) / os.fsdecode(name)


def write(name, content=b"a receipt"):
    target = path_of(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return target


def back_up(name="one", before=None):
    return media.back_up_media(name, before, lambda message: None)


def restore(name="one"):
    return media.restore_media(name, lambda message: None)


def problems(name="one"):
    return list(media.problems(name, lambda message: None))


def paths(name="one"):
    return [entry.path for entry in media.entries_of(name)]


def pool(folder):
    return sorted(path for path in (folder / "media").rglob("*") if path.is_file())


def test_there_may_be_no_files_at_all():
    assert back_up() == (0, 0)
    assert restore() == 0


def test_what_is_as_it_was_is_not_read_again(backup_folder):
    path = write("attachments/1", b"first")
    back_up("one")
    unchanged = path.stat().st_mtime_ns
    path.write_bytes(b"other")  # as long as before, and its time is put back: only reading would tell
    os.utime(path, ns=(unchanged, unchanged))
    back_up("two", before="one")
    assert list(media.entries_of("two")) == list(media.entries_of("one"))
    assert len(pool(backup_folder)) == 1


def test_what_changed_is_read_again(backup_folder):
    path = write("attachments/1", b"first")
    back_up("one")
    path.write_bytes(b"other")
    os.utime(path, ns=(1, 1))
    back_up("two", before="one")
    assert list(media.entries_of("two")) != list(media.entries_of("one"))
    assert {path.read_bytes() for path in pool(backup_folder)} == {b"other", b"first"}


def test_one_content_is_stored_once_under_however_many_names(backup_folder):
    for name in ("a", "b", "deep/er/c"):
        write(name, b"the same")
    assert back_up() == (3, 24)
    assert [path.read_bytes() for path in pool(backup_folder)] == [b"the same"]


def test_what_is_in_the_pool_is_not_written_a_second_time(backup_folder):
    write("a")
    back_up("one")
    (stored,) = pool(backup_folder)
    before = stored.stat()
    write("b")
    back_up("two", before="one")
    assert (stored.stat().st_ino, stored.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_content_that_left_the_pool_is_stored_again(backup_folder):
    write("a")
    back_up("one")
    pool(backup_folder)[0].unlink()
    back_up("two", before="one")
    assert problems("two") == []


def test_a_restore_brings_back_what_is_missing_or_changed_and_leaves_what_is_newer():
    missing, changed, same = write("x/missing", b"1"), write("changed", b"2"), write("same", b"3")
    back_up()
    times = {path: path.stat().st_mtime_ns for path in (missing, changed)}
    missing.unlink()
    missing.parent.rmdir()
    changed.write_bytes(b"Z")
    newer, untouched = write("newer", b"4"), same.stat()
    assert restore() == 2
    assert [path.read_bytes() for path in (missing, changed, same, newer)] == [b"1", b"2", b"3", b"4"]
    assert {path: path.stat().st_mtime_ns for path in times} == times  # so the next backup reads nothing
    assert same.stat().st_ino == untouched.st_ino
    assert restore() == 0


def test_uploads_that_wait_for_their_import_are_not_kept():
    write("imports/waiting.csv")
    write("imports/deep/waiting.csv")
    write("clients/imports/2026.csv")
    write(".unfinished")
    back_up()
    assert paths() == ["clients/imports/2026.csv"]


ODD = [
    b"two words",
    b" leading and trailing ",
    b"line\nbreak",
    b"folder\nwith\nbreaks/in it",
    b"back\\slash and \\n",
    b"return\r",
    b"not UTF-8 \xff\xfe",
    "Zürich – 収据 \u2028.pdf".encode(),
    b"a-b",
    b"a/b",
    b"a.b",
]


def test_every_name_comes_back(backup_folder):
    for number, name in enumerate(ODD):
        write(name, b"%d" % number)
    back_up("one")
    assert {os.fsencode(path) for path in paths("one")} == set(ODD)
    back_up("two", before="one")
    assert list(media.entries_of("two")) == list(media.entries_of("one"))
    for name in ODD:
        path_of(name).unlink()
    assert restore("two") == len(ODD)
    assert [path_of(name).read_bytes() for name in ODD] == [b"%d" % number for number in range(len(ODD))]


def test_names_of_every_order_are_known_again_without_reading(backup_folder, monkeypatch):
    for name in ODD:
        write(name)
    back_up("one")
    monkeypatch.setattr(media, "_pool", lambda path, status: pytest.fail(f"{path!r} is read again"))
    back_up("two", before="one")


def test_a_pipe_is_no_file_to_wait_for():
    write("file")
    os.mkfifo(path_of("pipe"))
    back_up()
    assert paths() == ["file"]


def test_a_linked_folder_is_looked_into(tmp_path):
    write("file")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "inside").write_bytes(b"linked")
    path_of("linked").symlink_to(tmp_path / "elsewhere")
    back_up()
    assert paths() == ["file", "linked/inside"]


def test_a_file_that_vanishes_while_it_is_read_is_left_out(monkeypatch, backup_folder):
    for name in ("a", "b", "c"):
        write(name, name.encode())
    at_the_first_look(monkeypatch, "b", lambda path: path.unlink())
    assert back_up() == (2, 2)
    assert paths() == ["a", "c"]
    assert list((backup_folder / "incoming").iterdir()) == []


def test_a_folder_that_vanishes_while_it_is_looked_through_is_left_out(monkeypatch):
    for name in ("a", "b/c", "d"):
        write(name)

    def remove(path):
        (path.parent / "b" / "c").unlink()
        (path.parent / "b").rmdir()

    at_the_first_look(monkeypatch, "a", remove)
    back_up()
    assert paths() == ["a", "d"]


def test_a_file_that_changes_while_it_is_read_is_kept_as_it_was_copied(monkeypatch, backup_folder):
    write("a", b"before")
    at_the_first_look(monkeypatch, "a", lambda path: path.write_bytes(b"afterwards"), after=True)
    back_up("one")
    assert problems("one") == []
    assert [path.read_bytes() for path in pool(backup_folder)] == [b"afterwards"]
    (entry,) = media.entries_of("one")
    assert entry.size == len(b"afterwards")
    write("a", b"spoilt")
    restore("one")
    assert path_of("a").read_bytes() == b"afterwards"


def at_the_first_look(monkeypatch, name, act, *, after=False):
    """Do something to a file of that name when its content is first looked at."""
    digest, done = media.file_sha256, []

    def looking(path):
        if path.name != name or done:
            return digest(path)
        done.append(name)
        found = digest(path) if after else None
        act(path)
        return found or digest(path)

    monkeypatch.setattr(media, "file_sha256", looking)


def test_a_damaged_or_missing_content_is_named_with_each_file_that_needs_it(backup_folder):
    write("damaged", b"1")
    write("missing", b"2")
    write("missing too", b"2")
    write("well", b"3")
    back_up()
    stored = {path.read_bytes(): path for path in pool(backup_folder)}
    stored[b"1"].write_bytes(b"X")
    stored[b"2"].unlink()
    assert problems() == [
        "The file damaged is damaged in the backup.",
        "The file missing is missing from the backup.",
        "The file missing too is missing from the backup.",
    ]


def test_a_damaged_content_does_not_spoil_the_backups_to_come(backup_folder):
    write("a", b"receipt")
    back_up("one")
    pool(backup_folder)[0].write_bytes(b"reXeipt")
    assert problems("one") == ["The file a is damaged in the backup."]
    back_up("two", before="one")
    assert problems("two") == []
    assert problems("one") == []  # it is the same content, and whole again


def damage_list(name, how):
    path = media.list_of(name)
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[:-9])
    elif how == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :])
    else:
        path.write_bytes(gzip.compress(b"nonsense\n"))


HOWS = ["missing", "cut", "flipped", "nonsense"]


@pytest.mark.parametrize("how", HOWS)
def test_a_damaged_list_does_not_stop_the_next_backup(how):
    write("a")
    back_up("one")
    damage_list("one", how)
    assert back_up("two", before="one") == (1, 9)
    assert problems("two") == []


@pytest.mark.django_db(transaction=True)
def test_a_damaged_list_is_found_and_costs_no_content(backup_folder):
    write("a")
    backup = services.back_up(by="Ben")
    whole = media.list_of(backup.name).read_bytes()
    for how in HOWS:
        media.list_of(backup.name).write_bytes(whole)
        damage_list(backup.name, how)
        services.prune(by="Ben")
        assert len(pool(backup_folder)) == 1, how
    test = services.run_test(backup.name, by="Ben")
    assert test.findings == ["The list of its media files is missing or damaged."]
    media.list_of(backup.name).unlink()
    test = services.run_test(backup.name, by="Ben")
    assert test.findings == ["The list of its media files is missing or damaged."]


@pytest.mark.django_db(transaction=True)
def test_files_go_with_the_backup_through_test_and_restore(backup_folder):
    make_client("ACORN")
    path = write("attachments/ab/receipt", b"a receipt")
    backup = services.back_up(by="Ben")
    assert backup.facts["media"]["files"] == 1
    path.unlink()
    services.restore_backup(backup.name, by="Ben")
    assert path.read_bytes() == b"a receipt"
    pool(backup_folder)[0].unlink()
    assert services.run_test(backup.name, by="Ben").findings == [
        "The file attachments/ab/receipt is missing from the backup."
    ]
    assert backup_named(backup.name).state == State.FAILED
    path.unlink()
    with pytest.raises(ValidationError, match="receipt is missing from the backup") as refused:
        services.restore_backup(backup.name, by="Ben")
    assert refused.value.code == "test"
    assert newest_backup().reason == "before restore"
