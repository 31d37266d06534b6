"""Web, worker and database killed in the middle of work: the next start serves, and the job finishes."""

import threading
import time

import psycopg
import pytest

from tests.stack import Stack

NOTICED_WITHIN = 30 + 60 + 30  # no report for 30 s, looked for every 60 s, and some for the work itself

MAKE_JOB = """
from apps.core.jobs import start
from apps.core.models import User
from tests.tasks import slow
print(start(slow, by=User.objects.get(username="vera"), title="Slow", steps=40).pk)
"""
SHOW_JOB = """
SELECT run.status, job.done
  FROM core_job job JOIN procrastinate_jobs run ON run.id = job.run_id WHERE job.id = %s
"""


@pytest.fixture
def stack(tmp_path):
    stack = Stack(tmp_path)
    stack.start()
    stack.manage("shell", "--verbosity=0", "-c", "from tests.factories import make_user; make_user('vera')")
    yield stack
    stack.stop()


@pytest.fixture
def load(stack):
    """Readers that go on asking, whatever happens to the server."""
    over, answers = threading.Event(), []

    def ask():
        while not over.is_set():
            answers.append(stack.get("/admin/login/"))
            time.sleep(0.1)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield answers
    over.set()
    for thread in threads:
        thread.join()


def test_the_next_start_serves_and_the_job_finishes(stack, load):
    job = stack.manage("shell", "--verbosity=0", "-c", MAKE_JOB)

    def show():
        with psycopg.connect(**stack.database) as connection:
            return connection.execute(SHOW_JOB, [job]).fetchone()

    stack.until(lambda: show()[1] > 0, 20)
    stack.kill("database")
    time.sleep(1)
    stack.kill("web", "worker")
    stack.start()
    assert stack.get("/admin/login/") == 200
    stack.until(lambda: show()[0] == "succeeded", NOTICED_WITHIN)
    assert show()[1] == 40
    assert 200 in load
    assert not {500} & set(load)
