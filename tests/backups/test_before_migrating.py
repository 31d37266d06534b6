"""A backup before migrations, and none when there is nothing to lose; a failed one stops the migration."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from apps.backups import premigrate
from apps.backups.catalogue import newest_backup

pytestmark = pytest.mark.django_db(transaction=True)

GRAPH = MigrationLoader(None).graph
LAST = GRAPH.leaf_nodes("ledger")[0]  # nothing else is taken back with it
BEFORE = next(node.key for node in GRAPH.node_map[LAST].parents if node.key[0] == LAST[0])


@pytest.fixture(autouse=True)
def _on(settings):
    settings.BACKUP_BEFORE_MIGRATE = True
    premigrate._done_for.clear()


@pytest.fixture
def something_to_apply():
    """Take the last migration back; put it on again afterwards, however the test ended."""
    premigrate_was_on = premigrate.settings.BACKUP_BEFORE_MIGRATE
    premigrate.settings.BACKUP_BEFORE_MIGRATE = False
    call_command("migrate", *BEFORE, verbosity=0)
    assert not is_applied()
    premigrate.settings.BACKUP_BEFORE_MIGRATE = premigrate_was_on
    premigrate._done_for.clear()
    yield
    premigrate.settings.BACKUP_BEFORE_MIGRATE = False
    call_command("migrate", verbosity=0)


def is_applied():
    return LAST in MigrationRecorder(connection).applied_migrations()


def test_nothing_to_apply_needs_no_backup():
    call_command("migrate", verbosity=0)
    assert newest_backup() is None


def test_a_migration_is_preceded_by_exactly_one_backup(something_to_apply, backup_folder):
    call_command("migrate", verbosity=0)
    assert is_applied()
    backups = list(backup_folder.glob("*.psql.bin"))
    assert len(backups) == 1
    assert backups[0].stat().st_mode & 0o777 == 0o600
    assert newest_backup().size == backups[0].stat().st_size > 1000


@pytest.mark.parametrize("fault", ["no pg_dump", "storage is a file", "pg_dump fails"])
def test_a_failing_backup_stops_the_migration(
    something_to_apply, fault, settings, backup_folder, monkeypatch, tmp_path
):
    if fault == "no pg_dump":
        settings.PG_BIN = ""
        monkeypatch.setattr("apps.backups.connector.SYSTEM_FOLDERS", [])
        monkeypatch.setenv("PATH", str(tmp_path))
    elif fault == "storage is a file":
        backup_folder.write_text("in the way")
    else:
        monkeypatch.setattr("apps.backups.connector.DUMP_OPTIONS", "--no-such-option")
    with pytest.raises(CommandError, match="Nothing was migrated, because the backup before it failed: .+"):
        call_command("migrate", verbosity=0)
    assert not is_applied()


def test_it_can_be_switched_off_for_an_emergency(something_to_apply, settings, caplog):
    settings.BACKUP_BEFORE_MIGRATE = False
    call_command("migrate", verbosity=0)
    assert is_applied()
    assert newest_backup() is None
    assert "without a backup" in caplog.text


def test_a_new_database_has_nothing_to_lose():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_migrations RENAME TO hidden")
    try:
        premigrate.back_up_before_migrating(using="default", plan=[("any", False)])
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE hidden RENAME TO django_migrations")
    assert newest_backup() is None
