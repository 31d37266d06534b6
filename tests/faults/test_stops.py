"""A worker told to stop, and a database restarted, in the middle of a job: the job is done in the end."""

import signal
import subprocess
import sys

import psycopg
import pytest

from apps.core.management.commands.worker import SECONDS_TO_FINISH
from ledgerflow import embedded
from tests.faults.test_kills import NOTICED_WITHIN, SHOW_JOB
from tests.stack import ROOT, Stack

STEPS = 10 * (SECONDS_TO_FINISH + 6)  # ten a second: longer than a stopping worker waits for it

MAKE_JOB = f"""
from apps.core.jobs import start
from tests.factories import make_user
from tests.tasks import slow
print(start(slow, by=make_user(), title="Slow", steps={STEPS}).pk)
"""


@pytest.fixture
def stack(tmp_path):
    stack = Stack(tmp_path)
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
def show(stack):
    """Return how to look at a job that a worker has begun."""
    job = stack.manage("shell", "--verbosity=0", "-c", MAKE_JOB)

    def show():
        with psycopg.connect(**stack.database) as connection:
            return connection.execute(SHOW_JOB, [job]).fetchone()

    stack.until(lambda: show()[1] > 0, 20)
    return show


def start_worker(stack):
    stack.processes["worker"] = subprocess.Popen(
        [sys.executable, "manage.py", "worker"],
        cwd=ROOT,
        env=stack.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_a_job_that_a_stopping_worker_leaves_is_finished_by_the_next(stack, show):
    worker = stack.processes["worker"]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(SECONDS_TO_FINISH + 10) == 0
    status, done = show()
    assert status == "todo"
    assert 0 < done < STEPS
    start_worker(stack)
    stack.until(lambda: show()[0] != "todo", 20)  # at once: nobody has to notice that a worker is gone
    stack.until(lambda: show()[0] == "succeeded", STEPS / 10 + 20)
    assert show()[1] == STEPS


def test_a_job_outlives_a_restart_of_the_database(stack, show):
    embedded.stop(stack.data)
    embedded.start(stack.data)
    assert show()[1] < STEPS

    def is_over():
        if stack.processes["worker"].poll() is not None:
            start_worker(stack)  # as docker or make run would
        return show()[0] not in ("todo", "doing")

    stack.until(is_over, NOTICED_WITHIN)
    assert show() == ("succeeded", STEPS)
