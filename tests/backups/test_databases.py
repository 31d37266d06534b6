"""Databases that go: whoever is in them is ended, waited for, or named."""

import threading

import psycopg
import pytest
from django.core.exceptions import ValidationError

from apps.backups import databases
from tests.backups.conftest import copies_left, superuser

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server():
    with databases.connect(databases.MAINTENANCE, autocommit=True) as session:
        yield session


@pytest.fixture
def scratch(server):
    return databases.create_scratch(server)


def test_our_own_sessions_are_ended(server, scratch):
    with databases.connect(scratch):
        databases.drop(server, scratch)
    assert scratch not in copies_left()


def test_the_server_s_own_work_is_waited_for(server, scratch):
    """A vacuum is nobody's whom our role may end, and neither is a superuser; both go soon."""
    session = psycopg.connect(**superuser(scratch))
    threading.Timer(1, session.close).start()
    databases.drop(server, scratch)
    assert scratch not in copies_left()


def test_who_stays_is_told(server, scratch):
    stays = pytest.raises(ValidationError, match="stays connected to the database")
    with psycopg.connect(**superuser(scratch)), stays as refused:
        databases.drop(server, scratch)
    assert refused.value.code == "busy"
    databases.drop(server, scratch)
