import pytest
from django.db import OperationalError, connection
from django.db.backends.postgresql.creation import DatabaseCreation
from django.db.backends.postgresql.operations import DatabaseOperations

TRUNCATE_GUARDS = """
    SELECT format('ALTER TABLE %%s %s TRIGGER %%I', tgrelid::regclass, tgname)
      FROM pg_trigger WHERE NOT tgisinternal AND tgtype & 32 = 32
"""


@pytest.fixture(autouse=True)
def _settings_for_tests(settings, tmp_path):
    """Fast password checks, and never the real storage."""
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    ]
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture(autouse=True)
def backup_folder(monkeypatch, tmp_path):
    """A storage for this test's backups; dbbackup reads its settings once, at import."""
    folder = tmp_path / "backups"
    monkeypatch.setitem(_dbbackup_storage_options(), "location", str(folder))
    return folder


def _dbbackup_storage_options():
    from dbbackup import settings as dbbackup_settings

    return dbbackup_settings.STORAGE_OPTIONS


def pytest_configure():
    """Let the flush between transactional tests pass the guards that refuse TRUNCATE, and clear the queue."""
    flush = DatabaseOperations.execute_sql_flush

    def flush_past_guards(self, sql_list):
        if not sql_list:
            return
        with connection.cursor() as cursor:
            switch_guards(cursor, "DISABLE")
            try:
                flush(self, sql_list)
                cursor.execute("TRUNCATE procrastinate_jobs, procrastinate_workers RESTART IDENTITY CASCADE")
            finally:
                switch_guards(cursor, "ENABLE")

    DatabaseOperations.execute_sql_flush = flush_past_guards
    DatabaseCreation._destroy_test_db = destroy_or_say_who_is_there


def destroy_or_say_who_is_there(creation, name, verbosity):
    """PostgreSQL waits five seconds for its own vacuum to leave; what stays longer, a test has left open."""
    with creation._nodb_cursor() as cursor:
        for _try in range(4):
            cursor.execute(
                "SELECT backend_type, usename, application_name, state, query FROM pg_stat_activity"
                " WHERE datname = %s",
                [name],
            )
            there = cursor.fetchall()
            try:
                return cursor.execute(f"DROP DATABASE {creation.connection.ops.quote_name(name)}")
            except OperationalError as error:
                why = error
        raise OperationalError(f"{why} {there}")


def switch_guards(cursor, verb):
    cursor.execute(TRUNCATE_GUARDS % verb)
    cursor.execute("; ".join(statement for (statement,) in cursor.fetchall()))  # one commit, not forty
