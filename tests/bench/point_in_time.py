"""
What going back to a moment costs: python -m tests.bench.point_in_time [--lines 1000000]

On a cluster of its own with an archive: a base backup, verified; a tenth as many lines written after it; then
back to a moment, end to end, with the seconds of each step as the command tells it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from tests.bench.__main__ import ROOT
from tests.stack import Stack

LIMIT = 37.0  # seconds for going back over 0.8 GB, as the prototype was measured
OF_GIGABYTES = 0.8
REPLAYED_A_SECOND = 55  # MB of log
# The prototype did neither: every rule of the books is asked again, and what is live is backed up first.
NOT_IN_THE_MARK = ("Checking the books", "Waiting until", "Backing up", "Copying the database:")


def measure(lines: int) -> None:
    with tempfile.TemporaryDirectory(dir=ROOT / "var") as folder:
        stack = Stack(Path(folder), archive=True)
        try:
            stack.start_database()
            fill(stack, f"from tests.bench.data import *; make_two({lines}, 50_000); seal()")
            stack.start_archive()
            tell("base backup", steps(stack, "archive", "base"))
            log_at_base = written(stack)
            fill(stack, f"from tests.bench.data import *; make_others({lines // 10}, 50); seal()")
            stack.manage("archive", "beat")
            moment = datetime.now(UTC)
            stack.manage(
                "shell", "-v0", "-c", "from tests.factories import make_client; make_client('AFTER')"
            )
            stack.manage("archive", "beat")
            with psycopg.connect(**stack.database) as session:
                size = session.execute("SELECT pg_database_size(current_database())").fetchone()[0] / 10**9
            log = (written(stack) - log_at_base) / 10**6
            found = steps(stack, "restore_to", moment.isoformat(), "--noinput")
            tell("go back", found)
            replayed = sum(seconds for step, seconds in found if step.startswith("Replaying"))
            said = "met" if log >= REPLAYED_A_SECOND * replayed else "MISSED"
            print(
                f"| {log:.0f} MB of log | MB a second | {log / replayed:.0f} | ≥ {REPLAYED_A_SECOND} | {said} |"
            )
            mark = LIMIT * max(1, size / OF_GIGABYTES)
            alike = sum(seconds for step, seconds in found if not step.startswith(NOT_IN_THE_MARK))
            for what, seconds in (("whole", sum(one for _step, one in found)), ("what the mark did", alike)):
                said = "met" if seconds <= mark else "MISSED"
                print(
                    f"| {lines:,} lines, {size:.2f} GB | {what} | {seconds:.1f} | ≤ {mark:.0f} | {said} |",
                    flush=True,
                )
        finally:
            stack.stop()


def written(stack: Stack) -> int:
    """Return how many bytes of log the cluster has written in its life."""
    with psycopg.connect(**stack.database) as session:
        return int(session.execute("SELECT pg_current_wal_lsn() - '0/0'").fetchone()[0])


def fill(stack: Stack, code: str) -> None:
    stack.manage("shell", "-v0", "-c", code)


def steps(stack: Stack, *arguments: str) -> list[tuple[str, float]]:
    """Run a command and return each step it tells, with the seconds until the next."""
    command = [sys.executable, "-u", "manage.py", *arguments]
    began, told = time.perf_counter(), [("start", 0.0)]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **stack.environment}, stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            told.append((line.strip(), time.perf_counter() - began))
    assert process.returncode == 0, told
    told.append(("end", time.perf_counter() - began))
    return [(step, after - at) for (step, at), (_next, after) in zip(told, told[1:], strict=False)]


def tell(what: str, found: list[tuple[str, float]]) -> None:
    for step, seconds in found:
        if seconds >= 0.1:
            print(f"| {what} | {step} | {seconds:.1f} | | |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=1_000_000)
    options = parser.parse_args()
    print("| of | step | seconds | mark | |")
    print("|---|---|---:|---|---|", flush=True)
    measure(options.lines)


if __name__ == "__main__":
    main()
