"""What must be true before anything is served, and how the process says whether it is."""

import io
import threading
from contextlib import closing

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from apps.core import health, startup
from apps.core.management.commands.migrate_once import LOCK

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def newer_database():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('ledger', '0042_later', now())"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE name = '0042_later'")


@pytest.fixture
def worker_seen():
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")


@pytest.fixture
def database_away(monkeypatch):
    def refuse(*args, **kwargs):
        raise OperationalError("connection refused by secret-host")

    connection.close()
    monkeypatch.setattr("django.db.backends.postgresql.base.DatabaseWrapper.get_new_connection", refuse)


@pytest.mark.parametrize(
    "command", [["migrate_once"], ["migrate"], ["worker"], ["check", "--database", "default"]]
)
def test_a_database_newer_than_the_code_stops_every_start(newer_database, command):
    checks = {} if command[0] == "check" else {"skip_checks": False}  # call_command leaves them out
    with pytest.raises(
        (CommandError, SystemExit),
        match="The database is newer than this LedgerFlow: it has ledger.0042_later",
    ):
        call_command(*command, **checks, stdout=io.StringIO())


def test_the_web_server_does_not_start_on_a_newer_database(newer_database):
    with pytest.raises(ImproperlyConfigured, match="newer"):
        startup.refuse_unfit_database()


def test_a_superuser_role_is_refused_in_production_only(settings, monkeypatch):
    monkeypatch.setattr(startup, "_role_is_superuser", lambda: True)
    startup.refuse_unfit_database()
    settings.PRODUCTION = True
    with pytest.raises(ImproperlyConfigured, match="superuser"):
        startup.refuse_unfit_database()


def test_the_role_of_the_tests_is_no_superuser_unless_the_server_says_so():
    with connection.cursor() as cursor:
        cursor.execute("SELECT usesuper FROM pg_user WHERE usename = current_user")
        assert startup._role_is_superuser() == cursor.fetchone()[0]


def test_an_old_server_is_refused(monkeypatch):
    monkeypatch.setattr(startup, "OLDEST_POSTGRESQL", 99)
    with pytest.raises(ImproperlyConfigured, match="PostgreSQL 99 or newer is needed"):
        startup.refuse_unfit_database()


def test_alive_needs_no_database(client, database_away):
    assert client.get("/healthz", headers={"host": "anything.example"}).json() == {"alive": True}


def test_ready_when_database_migrations_and_worker_are(client, worker_seen, monkeypatch):
    monkeypatch.setattr("apps.backups.dashboard._remembered", (float("-inf"), []))
    answer = client.get("/readyz", headers={"host": "anything.example"})
    assert (answer.status_code, answer.json()["ready"], answer.json()["failures"]) == (200, True, [])
    assert "There is no backup yet." in answer.json()["warnings"]  # and people still come here


def test_not_ready_without_a_worker(client):
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["failures"] == ["No worker was seen in the last 60 seconds."]


def test_not_ready_on_a_newer_database(client, worker_seen, newer_database):
    assert client.get("/readyz").json()["failures"] == ["The database is newer than this LedgerFlow."]


def test_not_ready_while_migrations_wait(client, worker_seen, monkeypatch):
    monkeypatch.setattr(health, "migration_gaps", lambda: startup.MigrationGaps([], ["core.0009_new"]))
    assert client.get("/readyz").json()["failures"] == ["Migrations wait to be applied."]


def test_not_ready_and_no_secret_when_the_database_is_away(client, database_away):
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["failures"] == ["The database does not answer."]


def test_a_page_says_so_when_the_database_is_away(client, database_away):
    client.raise_request_exception = False
    client.cookies["sessionid"] = "x" * 32
    answer = client.get("/admin/")
    assert answer.status_code == 503
    assert "The database does not answer" in answer.content.decode()
    assert "secret-host" not in answer.content.decode()


def test_migrating_waits_for_whoever_migrates_already():
    """Two containers that start at once: the second waits for the first one's lock, then goes on."""

    def migrate():
        call_command("migrate_once", verbosity=0)
        connection.close()

    second = threading.Thread(target=migrate)
    with closing(connection.copy()) as first, first.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        second.start()
        second.join(2)
        assert second.is_alive()
    second.join(30)
    assert not second.is_alive()


def test_commands_say_that_the_database_is_away(database_away):
    for command in ("migrate_once", "worker_alive"):
        with pytest.raises(CommandError, match="The database does not answer"):
            call_command(command)


def test_the_workers_health_check_looks_at_its_reports(worker_seen):
    call_command("worker_alive")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'")
    with pytest.raises(CommandError, match="No worker has reported lately"):
        call_command("worker_alive")
