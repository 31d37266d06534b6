"""The whole of LedgerFlow as processes of their own, for what cannot be tested inside one."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from environ import Env

from ledgerflow import embedded

ROOT = Path(__file__).resolve().parent.parent


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Stack:
    """A database, a web server and a worker of their own, all of which can be killed."""

    def __init__(self, folder, kind="test", *, archive=False):
        self.data, self.kind = folder / "pg", kind
        self.archive = folder / "archive" if archive else None
        self.processes = {}
        self.port = free_port()

    def start_database(self):
        self.start_server()
        self.manage("migrate", "--verbosity=0")

    def start_server(self):
        """Start a server with an empty database in it, where there is none yet."""
        server = embedded.start(self.data)
        self.environment = {
            **os.environ,
            "LEDGERFLOW_ENV": self.kind,
            "DATABASE_URL": server.url,
            "LEDGERFLOW_PG_BIN": str(server.bin_dir),
            "BACKUP_DIR": str(self.data.parent / "backups"),
            "MEDIA_ROOT": str(self.data.parent / "media"),
        }
        if self.archive:
            self.environment["ARCHIVE_FOLDER"] = str(self.archive)
        named = Env.db_url_config(server.url)
        self.database = {"host": named["HOST"], "user": named["USER"], "dbname": named["NAME"]}

    def start(self):
        self.start_database()
        self.start_web("web", self.port)
        self.start_process("worker", "worker")
        self.until(lambda: self.get("/readyz") == 200, 30)

    def start_archive(self, **environment):
        """Start the service that keeps the archive, and wait until it receives."""
        (self.archive / "receiving").unlink(missing_ok=True)  # of one that was killed
        self.start_process("archive", "archive", "serve", **environment)
        self.until((self.archive / "receiving").exists, 30)

    def start_web(self, name, port, **environment):
        options = ["--nothreading", "--noreload", "--insecure"]
        self.start_process(name, "runserver", *options, f"127.0.0.1:{port}", **environment)

    def start_process(self, name, *arguments, **environment):
        with open(self.data.with_name(f"{name}.log"), "ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "manage.py", *arguments],
                cwd=ROOT,
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
            )

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

    def get(self, path, port=0):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=5) as answer:
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
