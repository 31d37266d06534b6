"""The web server's entry looks at the database before it serves anything from it."""

import os
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

pytestmark = pytest.mark.django_db(transaction=True)


def url_of_this_database():
    """Return DATABASE_URL, which names the server, with the name of the database these tests run in."""
    url = urlsplit(os.environ["DATABASE_URL"])
    folder, _slash, _name = url.path.rpartition("/")
    return url._replace(path=f"{folder}/{connection.settings_dict['NAME']}").geturl()


def load_entry():
    """Import it as gunicorn does, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", "from ledgerflow.wsgi import application; print('It serves.')"],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": url_of_this_database()},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def newer_database():
    recorder = MigrationRecorder(connection)
    recorder.record_applied("ledger", "0042_later")
    yield
    recorder.record_unapplied("ledger", "0042_later")


def test_the_entry_does_not_load_on_a_newer_database(newer_database):
    loaded = load_entry()
    assert loaded.returncode != 0
    assert "The database is newer than this LedgerFlow: it has ledger.0042_later" in loaded.stderr
    assert "It serves." not in loaded.stdout


def test_the_entry_loads_on_a_database_that_fits():
    loaded = load_entry()
    assert (loaded.returncode, loaded.stdout) == (0, "It serves.\n"), loaded.stderr
