"""Books with an archive, and what is asked of both."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from apps.backups.archive import layout
from apps.backups.management.commands.archive import SCRIPT
from apps.backups.services.going_back import SIDE
from ledgerflow import embedded
from tests.faults.books import Books

DELETED = """
SET session_replication_role = replica;
DELETE FROM ledger_journalline; DELETE FROM ledger_journalentry; DELETE FROM ledger_accounttotal;
"""


class Archived(Books):
    """Books whose log is kept by a service of their own."""

    def __init__(self, path):
        super().__init__(path, archive=True)
        self.archive = self.stack.archive
        self.stack.start_archive()

    @property
    def era(self):
        return layout.eras()[-1]

    def have_base(self):
        """Have a base backup of the newest era: an archive that was put back may have begun another."""
        time.sleep(1.5)
        self.stack.until((self.archive / "receiving").exists, 30)
        if not self.era.bases:
            self.commands.run("archive", "base")
            time.sleep(1)  # from the next second on it leads back

    @property
    def wal(self):
        return self.era.path / "wal"

    def beat(self):
        """Return the moment that has surely arrived."""
        self.commands.run("archive", "beat")
        return layout.last_heartbeat()

    def forget_heartbeats(self, but):
        for path in (self.archive / "heartbeats").glob("*.jsonl"):
            path.write_text("".join(path.read_text().splitlines(keepends=True)[-but:]))

    def execute(self, *statements):
        """Do something behind the back of the books."""
        with self.session(user="postgres", autocommit=True) as session:
            return [session.execute(statement) for statement in statements]

    def restart(self):
        """Start the database again, and wait until its log is received."""
        embedded.stop(self.stack.data)
        embedded.start(self.stack.data)
        time.sleep(1.5)
        self.stack.until((self.archive / "receiving").exists, 30)

    def switch(self, times=1):
        """Finish a segment of the log, and wait until the archive has it whole."""
        for _time in range(times):
            before = set(self.finished())
            with self.server as server:
                server.execute("CREATE TABLE IF NOT EXISTS filler (t text)")
                server.execute("INSERT INTO filler SELECT md5(i::text) FROM generate_series(1, 1000) i")
                server.execute("SELECT pg_switch_wal()")
            self.stack.until(lambda seen=before: set(self.finished()) - seen, 20)

    def finished(self):
        return sorted(path.name for path in self.wal.iterdir() if ".partial" not in path.name)

    def restore_to(self, moment, *more):
        text = moment if isinstance(moment, str) else moment.isoformat()
        return self.commands.start("restore_to", text, "--noinput", *more)

    def refused(self, moment):
        """Go back in vain: return the sentence; the books are what they were and nothing is left."""
        live = self.manifest()
        command = self.restore_to(moment)
        assert command.wait(120) == 1, command.told
        assert self.is_same(live)
        assert "Traceback" not in command.told
        self.assert_nothing_up()
        self.assert_clean()
        return re.sub(r"^.*CommandError: ", "", command.told.strip().splitlines()[-1])

    def problems(self):
        command = self.commands.start("archive", "status")
        assert command.wait() == 1, command.told
        return command.told.splitlines()

    def assert_nothing_up(self):
        assert not (self.archive / "side").exists()
        assert not (self.archive / SIDE).exists()
        assert not self.side_processes()

    def side_processes(self):
        found, data = [], (self.archive / "side" / "data").resolve()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if Path(os.readlink(process / "cwd")) in (data, Path(f"{data} (deleted)")):
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def _programs(self):
        """Those that were started, but for the service: it goes on."""
        service = ("archive serve", "archiver.sh", "pg_receivewal")
        return [line for line in super()._programs() if not any(one in line for one in service)]

    def programs(self, name):
        """Return the processes of a program that work for this archive."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
                environment = (process / "environ").read_bytes()
            except OSError:
                continue
            if f"ARCHIVE={self.archive}".encode() in environment.split(b"\0") and any(
                Path(os.fsdecode(word)).name == name for word in words[:2]
            ):
                found.append(int(process.name))
        return sorted(found)

    def kill(self, name, which=signal.SIGKILL, seconds=30):
        """Kill a program of the archive as soon as it runs."""
        end = time.monotonic() + seconds
        while not (found := self.programs(name)):
            assert time.monotonic() < end, f"no {name} within {seconds} seconds"
            time.sleep(0.005)
        for pid in found:
            try:
                os.kill(pid, which)
            except ProcessLookupError:
                continue

    def stop_archive(self, which=signal.SIGKILL):
        """End the service, so that nothing arrives from now on."""
        process = self.stack.processes.pop("archive")
        os.kill(process.pid, which)
        process.wait(30)
        self.stack.until(lambda: not self.programs("pg_receivewal"), 10)

    def job(self, archive, *words):
        """Have archiver.sh do one thing in a copy of the archive, and return its answer."""
        (archive / "requests").mkdir(exist_ok=True)
        (archive / "answers").mkdir(exist_ok=True)
        (archive / "requests" / "one.begun").write_text("\n".join(words) + "\n")
        programs = Path(self.stack.environment["LEDGERFLOW_PG_BIN"])
        sockets = archive / "s"
        sockets.mkdir(mode=0o700, exist_ok=True)
        account = embedded.as_server_account(programs, [archive, sockets])
        environment = {
            **os.environ,
            "ARCHIVE": str(archive),
            "ARCHIVE_SOURCE": "host=/nowhere user=postgres",
            "SIDE_SOCKETS": str(sockets),
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
        subprocess.run([*account, "bash", SCRIPT, "job", "one"], env=environment, check=True, timeout=120)
        answer = archive / "answers" / "one"
        told = answer.read_text().split()
        answer.unlink()
        return told

    def copy_archive(self, name):
        target = self.archive.with_name(name)
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(mode=0o700)
        shutil.copytree(self.era.path, target / self.era.name)
        return target
