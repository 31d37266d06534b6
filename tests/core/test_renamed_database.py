"""A database that changes places with another, or ends our session: nobody sees a traceback of it."""

import threading
import time
from contextlib import closing

import psycopg
import pytest
from django.contrib import admin
from django.db import OperationalError, connection, transaction
from django.urls import reverse

from apps.backups import databases
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)

ONE, OTHER = "ledgerflow_place_one", "ledgerflow_place_other"


@pytest.fixture
def server():
    with databases.connect(databases.MAINTENANCE, autocommit=True) as server:
        for name in (ONE, OTHER):
            databases.drop(server, name)
        yield server
        for name in (ONE, OTHER, f"{ONE}_before"):
            databases.drop(server, name)


@pytest.fixture(autouse=True)
def _no_ended_session_stays():
    yield
    connection.close()


def open_session(name):
    """Return Django's own connection to another database."""
    wrapper = connection.copy()
    wrapper.settings_dict = {**wrapper.settings_dict, "NAME": name}
    return closing(wrapper)


def name_asked(name, told):
    with open_session(name) as wrapper, wrapper.cursor() as cursor:
        cursor.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
        )
        told.append(cursor.fetchone()[0])


def test_who_connects_during_the_change_is_connected_to_the_new_one(server):
    for name in (ONE, OTHER):
        server.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        server.execute(f"COMMENT ON DATABASE {name} IS '{name}'")
    told = []
    asking = [threading.Thread(target=name_asked, args=[ONE, told]) for _ in range(3)]
    with databases.connect(databases.MAINTENANCE) as changing:
        changing.execute(f"ALTER DATABASE {ONE} RENAME TO {ONE}_before")
        changing.execute(f"ALTER DATABASE {OTHER} RENAME TO {ONE}")
        for thread in asking:
            thread.start()
        until_waiting(server, len(asking))
    for thread in asking:
        thread.join()
    assert told == [OTHER] * 3


def until_waiting(server, count):
    """Return when so many sessions that are being opened wait for the lock of a database."""
    end = time.monotonic() + 5
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'object'"
        " AND classid = 'pg_database'::regclass"
    )
    while server.execute(waiting).fetchone()[0] < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_database_that_does_not_exist_is_still_an_error(server):
    with open_session(ONE) as wrapper, pytest.raises(OperationalError, match="does not exist"):
        wrapper.ensure_connection()


def test_a_server_that_is_away_is_asked_once(monkeypatch):
    asked = []

    def refuse(**parameters):
        asked.append(parameters)
        raise psycopg.OperationalError("connection to server on socket failed: No such file or directory")

    with open_session(ONE) as wrapper:
        monkeypatch.setattr(wrapper.Database, "connect", refuse)
        with pytest.raises(OperationalError):
            wrapper.ensure_connection()
    assert len(asked) == 1


def ended_session():
    """The session is ended while it is used, as a restore does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
        with databases.connect(databases.live_name(), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        cursor.execute("SELECT 1")


def read_only():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute("DELETE FROM django_session")


def raw_session():
    psycopg.connect(host="/nowhere", dbname="none")


@pytest.mark.parametrize("fault", [ended_session, read_only, raw_session])
def test_a_page_that_is_cut_off_says_that_the_database_is_away(client, monkeypatch, fault):
    assert_page(client, monkeypatch, fault, 503, "The database does not answer")


def test_a_mistake_of_ours_is_still_told_as_one(client, monkeypatch):
    def mistake():
        with connection.cursor() as cursor:
            cursor.execute("SELECT nonsense")

    assert_page(client, monkeypatch, mistake, 500, "")


def assert_page(client, monkeypatch, fault, status, text):
    client.force_login(make_user(is_superuser=True))
    client.raise_request_exception = False
    monkeypatch.setattr(admin.site, "each_context", lambda _request: fault())
    answer = client.get(reverse("admin:index"))
    assert answer.status_code == status
    assert text in answer.content.decode()
