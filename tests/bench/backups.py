"""
What backups cost: python -m tests.bench.backups [--lines 1000000] [--rounds 3]

A backup against plain pg_dump with the same compression, a test against plain pg_restore with as many
processes, each timed in turn. Ours do more: a manifest of every table, reading back, files that are on the
disk; a test also compares and checks the books. The live name's time away under load is measured by
tests/faults/test_restore_under_load.py.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import environ

from tests.bench.__main__ import ROOT, _environment, _exists, _manage, _name, _server, _sql

LIMITS = {"backup": 1.15, "test": 2.5}
MEGABYTES = 100


def probe(kind: str, name: str) -> dict[str, float]:
    """Do one of them in this process, and say how long it took and how much memory."""
    import django

    django.setup()
    from apps.backups import services
    from apps.backups.catalogue import newest_backup

    began = time.perf_counter()
    if kind == "backup":
        services.back_up(by="bench")
    else:
        services.run_test(name or newest_backup().name, by="bench")
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def measure(lines: int, rounds: int, keep: bool) -> None:
    server = _server()
    url, plain = f"{server}ledgerflow_bench_backup_{lines}", "ledgerflow_bench_plain"
    if not (keep and _exists(server, url)):
        _sql(server, f"DROP DATABASE IF EXISTS {_name(url)}", f"CREATE DATABASE {_name(url)}")
        _manage(url, "manage.py", "migrate", "-v0")
        _manage(url, "-c", f"from tests.bench.data import *; make_two({lines}, 50_000)")
        _manage(url, "-c", "from django.db import connection as c; c.cursor().execute('VACUUM ANALYZE')")
    with tempfile.TemporaryDirectory(dir=ROOT / "var") as folder:
        tools = Path(os.environ["LEDGERFLOW_PG_BIN"])
        dump = Path(folder) / "plain.dump"
        facts = environ.Env.db_url_config(url)
        target = ["-h", facts["HOST"], "-U", facts["USER"]]
        os.environ["BACKUP_DIR"] = f"{folder}/backups"
        os.environ["MEDIA_ROOT"] = f"{folder}/media"
        memory: dict[str, float] = {}

        def ours(kind: str) -> float:
            command = [sys.executable, "-m", "tests.bench.backups", "--probe", kind]
            told = subprocess.run(
                command, cwd=ROOT, env=_environment(url), check=True, capture_output=True, text=True
            )
            result = json.loads(told.stdout.splitlines()[-1])
            memory[kind] = max(memory.get(kind, 0), result["megabytes"])
            return result["seconds"]

        def pg_dump() -> float:
            return timed([tools / "pg_dump", *target, "-Fc", "--compress=1", "-f", dump, _name(url)])

        def pg_restore() -> float:
            _sql(server, f"DROP DATABASE IF EXISTS {plain}", f"CREATE DATABASE {plain} TEMPLATE template0")
            return timed([tools / "pg_restore", *target, "-j2", "--no-owner", "-d", plain, dump])

        print(f"| {lines:,} lines | ours, s | plain tool, s | ratio | limit | | our memory, MB |")
        print("|---|---:|---:|---:|---:|---|---:|", flush=True)
        for kind, other in (("backup", pg_dump), ("test", pg_restore)):
            report(kind, *in_turn(lambda kind=kind: ours(kind), other, rounds), memory)
        _sql(server, f"DROP DATABASE IF EXISTS {plain}")
    if not keep:
        _sql(server, f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)")


def timed(command: list[str | Path]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - began


def in_turn(
    one: Callable[[], float], other: Callable[[], float], rounds: int
) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        for index in (0, 1) if number % 2 else (1, 0):
            times[index].append((one, other)[index]())
    return times


def report(kind: str, one: list[float], other: list[float], memory: dict[str, float]) -> None:
    ratio = statistics.median(one) / statistics.median(other)
    met = ratio <= LIMITS[kind] and memory[kind] <= MEGABYTES
    figures = " | ".join(f"{statistics.median(t):.1f} ({min(t):.1f}–{max(t):.1f})" for t in (one, other))
    said = "met" if met else "MISSED"
    print(
        f"| {kind} | {figures} | {ratio:.2f} | ≤ {LIMITS[kind]} | {said} | {memory[kind]:.0f} |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="leave the databases for a second run")
    parser.add_argument("--probe")
    options = parser.parse_args()
    if options.probe:
        print(json.dumps(probe(options.probe, "")))
        return
    for lines in options.lines:
        measure(lines, options.rounds, options.keep)


if __name__ == "__main__":
    main()
