"""The processes behind `make run`: started together, started again when they end, ended together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from ledgerflow import embedded

SECONDS_TO_END = 5
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
STEADY_SECONDS = 60  # a process that lived this long is started again after the shortest pause
TICK_SECONDS = 0.25


@dataclass
class Child:
    """
    A command of manage.py that is to run all the time.

    It inherits the read end of a pipe, the lifeline, whose other end only this process holds. Should this
    process be killed, or the child and not the child's own child, that end closes, and manage.py ends
    whoever still reads: no orphan keeps the port.
    """

    name: str
    arguments: list[str]
    keeps_terminal: bool = False  # for breakpoint()
    process: subprocess.Popen[bytes] | None = None
    held: int = -1
    started: float = 0.0
    next_start: float = 0.0
    pause: float = SHORTEST_PAUSE

    def start(self) -> None:
        lifeline, self.held = os.pipe()
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, settings.BASE_DIR / "manage.py", *self.arguments],
            stdin=None if self.keeps_terminal else subprocess.DEVNULL,
            pass_fds=[lifeline],
            env=os.environ | {"LEDGERFLOW_LIFELINE": str(lifeline), "DJANGO_RUNSERVER_HIDE_WARNING": "true"},
        )
        os.close(lifeline)
        self.started = time.monotonic()

    def exit_code(self) -> int | None:
        """Return the exit code of a process that ended, once, and when the next may start."""
        code = self.process.poll() if self.process else None
        if code is not None:
            self._let_go()
            steady = time.monotonic() - self.started > STEADY_SECONDS
            self.pause = SHORTEST_PAUSE if steady else min(self.pause * 2, LONGEST_PAUSE)
            self.next_start = time.monotonic() + self.pause
        return code

    def end(self) -> None:
        if self.process:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(SECONDS_TO_END)
            self.process.kill()
            self.process.wait()
            self._let_go()

    def _let_go(self) -> None:
        self.process = None
        os.close(self.held)


@dataclass
class Supervisor:
    """Keeps children running until Ctrl-C, SIGTERM, a closed terminal, or `make stop`."""

    children: list[Child]
    data_dir: Path | None  # of the embedded database, where that is the one in use
    say: Callable[[str], object]

    def run(self, port: int, when_serving: Callable[[], None]) -> None:
        """Return when asked to end; call `when_serving` once something listens on the port."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup has SIGHUP ignored
                signal.signal(number, signal.default_int_handler)
        serving = False
        try:
            while self._has_database():
                self._tend()
                if not serving and listens(port):
                    serving = True
                    when_serving()
                time.sleep(TICK_SECONDS)
        except KeyboardInterrupt:
            self.say("")
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for child in self.children:
                child.end()

    def _has_database(self) -> bool:
        """Start an embedded server that was killed again; say no to one that was stopped on purpose."""
        if self.data_dir is None:
            return True
        state = embedded.state(self.data_dir)
        if state == "killed":
            self.say("The embedded database was killed; starting it again.")
            embedded.start(self.data_dir)
        elif state == "stopped":
            self.say("The embedded database was stopped; ending with it.")
        return state != "stopped"

    def _tend(self) -> None:
        for child in self.children:
            if (code := child.exit_code()) is not None:
                self.say(
                    f"The {child.name} ended (exit code {code}); starting it again in {child.pause:.0f} s."
                )
            if child.process is None and time.monotonic() >= child.next_start:
                child.start()


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
