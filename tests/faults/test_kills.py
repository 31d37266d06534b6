"""Web, worker and database killed in the middle of work: the next start serves, and the job finishes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest
from environ import Env

from ledgerflow import embedded

ROOT = Path(__file__).resolve().parent.parent.parent
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


class Stack:
    """A database, a web server and a worker of their own, all of which can be killed."""

    def __init__(self, folder):
        self.data = folder / "pg"
        self.processes = {}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self):
        server = embedded.start(self.data)
        self.environment = {
            **os.environ,
            "LEDGERFLOW_ENV": "test",
            "DATABASE_URL": server.url,
            "LEDGERFLOW_PG_BIN": str(server.bin_dir),
        }
        named = Env.db_url_config(server.url)
        self.database = {"host": named["HOST"], "user": named["USER"], "dbname": named["NAME"]}
        self.manage("migrate", "--verbosity=0")
        web = ["runserver", "--nothreading", "--noreload", f"127.0.0.1:{self.port}"]
        for name, arguments in {"web": web, "worker": ["worker"]}.items():
            self.processes[name] = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env=self.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self.until(lambda: self.get("/readyz") == 200, 30)

    def kill(self, *names):
        for name in names:
            if name == "database":
                os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            else:
                self.processes[name].kill()
                self.processes[name].wait()

    def stop(self):
        self.kill(*self.processes)
        embedded.stop(self.data)

    def manage(self, *arguments):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def until(self, true, seconds):
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"not within {seconds} seconds"
            time.sleep(0.5)


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
