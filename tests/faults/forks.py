"""
Commands of manage.py, each in a process of its own that is forked from one with Django loaded.

What is killed a hundred times must not spend its time on starting. Run as ``python -m tests.faults.forks``
it reads a command a line, tells the process it runs in, and then how that ended.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.stack import ROOT


def main():
    import django
    from django.core.management import execute_from_command_line

    django.setup()
    for line in sys.stdin:
        told, *arguments = json.loads(line)
        pid = os.fork()
        if not pid:
            for handle, path, how in ((0, "/dev/null", os.O_RDONLY), (1, told, os.O_WRONLY | os.O_CREAT)):
                os.dup2(os.open(path, how, 0o600), handle)
            os.dup2(1, 2)
            sys.stdout.reconfigure(line_buffering=True)
            execute_from_command_line(["manage.py", *arguments])
            sys.exit(0)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


class Commands:
    """Starts commands, one at a time."""

    def __init__(self, environment, folder):
        self.folder, self.count = folder, 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.forks"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def start(self, *arguments):
        self.count += 1
        told = self.folder / f"{self.process.pid}-{self.count}.txt"
        self.process.stdin.write(json.dumps([str(told), *arguments]).encode() + b"\n")
        self.process.stdin.flush()
        return Command(self, told)

    def run(self, *arguments):
        """Run a command to its end and return what it said."""
        command = self.start(*arguments)
        assert command.wait() == 0, command.told
        return command.told

    def line(self, seconds):
        assert select.select([self.process.stdout], [], [], seconds)[0], f"no answer in {seconds} seconds"
        return int(os.read(self.process.stdout.fileno(), 1) + self._rest())

    def _rest(self):
        rest = b""
        while (byte := os.read(self.process.stdout.fileno(), 1)) != b"\n":
            rest += byte
        return rest

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)
        self.process.stdout.close()


class Command:
    """A command that runs, or has ended."""

    def __init__(self, commands, path):
        self.commands, self.path, self.code = commands, Path(path), None
        self.pid = commands.line(20)

    @property
    def told(self):
        return self.path.read_text() if self.path.exists() else ""

    @property
    def has_ended(self):
        if self.code is None and select.select([self.commands.process.stdout], [], [], 0)[0]:
            self.code = self.commands.line(1)
        return self.code is not None

    def until(self, step, seconds=60):
        """Return once it has said something, or has ended; say whether it runs."""
        end = time.monotonic() + seconds
        while step not in self.told and not self.has_ended:
            assert time.monotonic() < end, f"{step!r} did not come in {seconds} seconds: {self.told}"
            time.sleep(0.002)
        return not self.has_ended

    def kill(self, which):
        """Send it a signal, unless it has ended, and wait for its end."""
        if not self.has_ended:
            os.kill(self.pid, which)
        return self.wait()

    def wait(self, seconds=60):
        if self.code is None:
            self.code = self.commands.line(seconds)
        return self.code

    def children(self, name):
        """Return the processes it has started and that run a program."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                program, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            except OSError:  # it has ended meanwhile
                continue
            if int(rest.split()[1]) == self.pid and program.startswith(name):
                found.append(int(stat.parent.name))
        return found

    def kill_child(self, name, which=signal.SIGKILL):
        """Kill a program that it has started, as soon as it runs; return 0 when it ended before that."""
        end = time.monotonic() + 30
        while not self.has_ended:
            for pid in self.children(name):
                try:
                    os.kill(pid, which)
                    return pid
                except ProcessLookupError:  # between the look and the kill
                    continue
            assert time.monotonic() < end, f"no {name} in 30 seconds: {self.told}"
            time.sleep(0.002)
        return 0


if __name__ == "__main__":
    main()
