"""A backup that stored nothing, or an empty file, is a failure and is told as one."""

import pytest
from django.core.management import CommandError

from apps.backups import services

EARLIER = "default-ledgerflow-2026-01-01-000000-000000.psql.bin"
LATER = "default-ledgerflow-2026-01-02-000000-000000.psql.bin"


@pytest.fixture
def dump_leaves(backup_folder, monkeypatch):
    """Let the dump succeed and leave this content, or no file at all, in the storage."""

    def leave(content):
        def dump(*arguments, **options):
            if content is not None:
                (backup_folder / LATER).write_bytes(content)

        backup_folder.mkdir()
        monkeypatch.setattr(services, "call_command", dump)

    return leave


@pytest.mark.parametrize("content", [None, b""], ids=["nothing", "an empty file"])
@pytest.mark.parametrize("earlier", [False, True], ids=["the first backup", "a later one"])
def test_what_was_not_stored_is_no_backup(dump_leaves, backup_folder, content, earlier):
    dump_leaves(content)
    if earlier:
        (backup_folder / EARLIER).write_bytes(b"rows of yesterday")
    with pytest.raises(CommandError, match="Nothing was stored, or what was stored is empty"):
        services.back_up()


def test_what_was_stored_is_told_and_not_the_one_before(dump_leaves, backup_folder):
    dump_leaves(b"rows")
    (backup_folder / EARLIER).write_bytes(b"rows of yesterday")
    backup = services.back_up()
    assert (backup.name, backup.size) == (LATER, 4)
