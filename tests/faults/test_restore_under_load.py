"""
A restore, and its undoing, while people read and write: nothing that was acknowledged is lost, and nobody
sees more than one error.
"""

import json
import threading
import time
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from django.db import Error, connection

from apps.backups.catalogue import Reason, backups
from apps.backups.manifest import collect
from tests.conftest import _dbbackup_storage_options
from tests.factories import PASSWORD
from tests.faults.test_kills import SHOW_JOB
from tests.sign_in import Browser
from tests.stack import Stack, free_port

LONGEST_AWAY = 1
LONGEST_READ = 3  # seconds: a busy machine, and the change itself
LONGEST_WRITE = 20  # a writer waits while the backup before the restore is made
WORKER_BACK_WITHIN = 20
JOB_DONE_WITHIN = 30

TABLE = "CREATE TABLE load_written (writer int, number int, PRIMARY KEY (writer, number))"
WRITE = """
INSERT INTO load_written VALUES (%s, %s)
RETURNING (SELECT oid FROM pg_database WHERE datname = current_database())
"""
READ = "SELECT count(*) FROM ledger_journalline"
MAKE_JOB = """
from apps.core.jobs import start
from apps.core.models import User
from tests.tasks import slow
print(start(slow, by=User.objects.get(username="vera"), title="Slow", steps={steps}).pk)
"""
FILL = """
from tests.factories import PASSWORD, make_books, make_client, make_posted, make_user
vera = make_user("vera", is_superuser=True)
vera.set_password(PASSWORD)
vera.save()
client, _accounts = make_books(make_client("ACORN"))
make_posted(client, *[("6100", "1.00"), ("1010", "-1.00")] * 200)
"""


class Person:
    """Somebody who goes on doing one thing, again at once after an error."""

    def __init__(self, load):
        self.load, self.errors, self.longest = load, [], 0.0
        self.thread = threading.Thread(target=self._go_on)

    def _go_on(self):
        with closing(self.open()) as session:
            while not self.load.is_over.is_set():
                began = time.monotonic()
                self.do(session)
                self.longest = max(self.longest, time.monotonic() - began)
                time.sleep(0.01)

    def open(self):
        """Return a session as the application has it."""
        wrapper = connection.copy()
        named = self.load.stack.database
        wrapper.settings_dict = {
            **wrapper.settings_dict,
            "HOST": named["host"],
            "USER": named["user"],
            "NAME": named["dbname"],
        }
        return wrapper

    def ask(self, session, query, *values):
        """Return what a query answers, or None when it failed."""
        try:
            with session.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchone()[0]
        except Error as error:
            self.errors.append(str(error))
            session.close()
            return None


class Reader(Person):
    def do(self, session):
        self.ask(session, READ)


class Writer(Person):
    """Numbers its rows, and remembers which database has acknowledged which."""

    def __init__(self, load, number):
        super().__init__(load)
        self.number, self.last, self.acknowledged = number, 0, []

    def do(self, session):
        self.last += 1
        if database := self.ask(session, WRITE, self.number, self.last):
            self.acknowledged.append((database, (self.number, self.last)))


class Visitor(Person):
    """Somebody with a browser, signed in or not."""

    def __init__(self, load, port, path, signed_in=False):
        super().__init__(load)
        self.path, self.answers = path, []
        self.browser = Browser(f"http://127.0.0.1:{port}", https=False)
        if signed_in:
            _path, page = self.browser.get("/admin/login/")
            token = page.fields["csrfmiddlewaretoken"]
            form = {"csrfmiddlewaretoken": token, "username": "vera", "password": PASSWORD, "next": path}
            assert self.browser.post("/admin/login/", form)[0] == path

    def open(self):
        return open("/dev/null")  # noqa: SIM115  (it keeps no session)

    def do(self, session):
        _path, response, _body = self.browser._send("GET", self.path)
        self.answers.append(response.status)
        if response.status == 503:
            self.errors.append("503")


class Load:
    def __init__(self, stack, ports, first=0):
        self.stack, self.is_over = stack, threading.Event()
        self.writers = [Writer(self, first + number) for number in range(3)]
        self.readers = [Reader(self) for _ in range(2)]
        self.visitors = [Visitor(self, port, "/admin/login/") for port in ports]
        self.visitors += [Visitor(self, port, "/admin/", signed_in=True) for port in ports]
        self.everybody = [*self.writers, *self.readers, *self.visitors]

    def __enter__(self):
        for person in self.everybody:
            person.thread.start()
        return self

    def __exit__(self, *error):
        self.is_over.set()
        for person in self.everybody:
            person.thread.join()

    def acknowledged(self):
        """Return the rows acknowledged, by the number that a database keeps under any name."""
        rows = {}
        for writer in self.writers:
            for database, row in writer.acknowledged:
                rows.setdefault(database, set()).add(row)
        return rows


@pytest.fixture
def stack(tmp_path, monkeypatch, django_db_blocker):
    stack = Stack(tmp_path)
    stack.start()
    stack.manage("shell", "--verbosity=0", "-c", FILL)
    with psycopg.connect(**stack.database) as session:
        session.execute(TABLE)
    monkeypatch.setitem(_dbbackup_storage_options(), "location", stack.environment["BACKUP_DIR"])
    with django_db_blocker.unblock():  # people have sessions as the application has them, on this stack
        yield stack
    stack.stop()


@pytest.fixture
def ports(stack):
    """Two web servers: one opens a connection a request, and one keeps it, as in production."""
    other = free_port()
    stack.start_web("other web", other, LEDGERFLOW_ENV="development", DEBUG="off", BACKUP_SCHEDULE="off")
    stack.until(lambda: stack.get("/healthz", other) == 200, 30)
    return [stack.port, other]


def test_nothing_acknowledged_is_lost_and_nobody_sees_two_errors(stack, ports):
    stack.manage("backup")
    (backup,) = backups()
    stack.manage("shell", "--verbosity=0", "-c", MAKE_JOB.format(steps=3000))  # in the way of the worker
    before = number_of(stack)
    with Load(stack, ports) as load:
        time.sleep(2)
        stack.manage("restore_backup", backup.name, "--noinput")
        worker_was_away = until_worker_is_back(stack)
        time.sleep(1)
    kept, away = facts_of_the_run(stack)
    restored = number_of(stack)
    assert restored != before == number_of(stack, kept)
    assert rows_of(stack, kept) >= load.acknowledged()[before]
    assert rows_of(stack) >= load.acknowledged()[restored]
    assert load.acknowledged().keys() == {before, restored}
    safety = next(one for one in backups() if one.reason == Reason.BEFORE_RESTORE)
    assert safety.manifest()["tables"]["load_written"] == manifest_of(stack, kept)["load_written"]
    assert_bearable("restore", load, away, worker_was_away)
    assert_worker_works(stack)

    with Load(stack, ports, first=10) as load:
        time.sleep(1)
        stack.manage("undo_restore", "--noinput")
        worker_was_away = until_worker_is_back(stack)
        time.sleep(1)
    kept, away = facts_of_the_run(stack)
    assert (number_of(stack), number_of(stack, kept)) == (before, restored)
    assert rows_of(stack, kept) >= load.acknowledged()[restored]
    assert rows_of(stack) >= load.acknowledged()[before]
    assert load.acknowledged().keys() == {before, restored}
    assert_bearable("undo", load, away, worker_was_away)
    assert_worker_works(stack)


def facts_of_the_run(stack):
    told = json.loads((Path(stack.environment["BACKUP_DIR"]) / "restore.json").read_bytes())
    assert told["state"] == "done"
    return told["kept"], told["seconds_away"]


def assert_bearable(what, load, away, worker_was_away):
    people = {"reader": load.readers, "writer": load.writers, "visitor": load.visitors}
    stalls = {name: max(one.longest for one in group) for name, group in people.items()}
    told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in stalls.items())
    errors = [person.errors for person in load.everybody]
    print(f"{what}: away {away} s; longest wait: {told}; worker back after {worker_was_away:.1f} s; {errors}")
    assert max(len(one) for one in errors) <= 1, errors
    assert not {answer for one in load.visitors for answer in one.answers} - {200, 302, 503}
    assert all(one.answers.count(200) > 5 for one in load.visitors)
    assert away <= LONGEST_AWAY
    assert max(stalls["reader"], stalls["visitor"]) <= LONGEST_READ
    assert stalls["writer"] <= LONGEST_WRITE
    assert worker_was_away <= WORKER_BACK_WITHIN


def until_worker_is_back(stack):
    """Return after how many seconds /readyz has seen the worker again, which nobody starts."""
    began = time.monotonic()
    stack.until(lambda: stack.get("/readyz") == 200, 2 * WORKER_BACK_WITHIN)
    assert stack.processes["worker"].poll() is None
    return time.monotonic() - began


def assert_worker_works(stack):
    job = stack.manage("shell", "--verbosity=0", "-c", MAKE_JOB.format(steps=3))

    def is_done():
        with psycopg.connect(**stack.database) as session:
            return session.execute(SHOW_JOB, [job]).fetchone()[0] == "succeeded"

    stack.until(is_done, JOB_DONE_WITHIN)


def number_of(stack, name=""):
    """Return the number that the server keeps for a database whatever its name."""
    with psycopg.connect(**stack.database) as session:
        query = "SELECT oid FROM pg_database WHERE datname = %s"
        return session.execute(query, [name or stack.database["dbname"]]).fetchone()[0]


def rows_of(stack, name=""):
    with psycopg.connect(**{**stack.database, "dbname": name or stack.database["dbname"]}) as session:
        return set(session.execute("SELECT writer, number FROM load_written"))


def manifest_of(stack, name):
    with psycopg.connect(**{**stack.database, "dbname": name}) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        return collect(session.cursor())["tables"]
