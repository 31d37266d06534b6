"""
make bench: the goals of speed, each a ratio of two things timed in turn in one run.

    python -m tests.bench [--lines 1000000] [--others 5000000] [--rounds 7]

It makes its databases on the server that DATABASE_URL names, else on an embedded one, and drops them at
the end; ``--keep`` leaves them for the next run. hledger and ledger are timed beside it where they are installed;
they read their text anew at every call, PostgreSQL has its pages in memory.
"""

import argparse
import datetime
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import environ
import psycopg

from ledgerflow import embedded

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "var" / "bench" / "pg"


@dataclass
class Probe:
    """One process on one database."""

    url: str
    process: subprocess.Popen = field(init=False)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.probe"],
            cwd=ROOT,
            env=_environment(self.url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout.readline() == "ready\n"

    def ask(self, name: str, argument: str = "-") -> float:
        self.process.stdin.write(f"{name} {argument}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()


@dataclass(frozen=True)
class Goal:
    """Two things timed in turn, and what their ratio must be."""

    number: str
    what: str
    one: Callable[[], float]
    other: Callable[[], float]
    limit: float
    at_most: bool = True  # else at least
    rounds: int | None = None

    def measure(self, rounds: int) -> str:
        times: tuple[list[float], list[float]] = ([], [])
        self.one(), self.other()  # warm
        for _ in range(self.rounds or rounds):
            for index in random.sample([0, 1], 2):
                times[index].append((self.one, self.other)[index]())
        ratio = statistics.median(times[0]) / statistics.median(times[1])
        met = ratio <= self.limit if self.at_most else ratio >= self.limit
        sign = "≤" if self.at_most else "≥"
        figures = " | ".join(
            f"{statistics.median(t) * 1000:,.1f} ({min(t) * 1000:,.1f}–{max(t) * 1000:,.1f})" for t in times
        )
        said = "met" if met else "MISSED"
        return f"| {self.number} | {self.what} | {figures} | {ratio:,.2f} | {sign} {self.limit:g} | {said} |"


def command(*arguments: str) -> Callable[[], float]:
    def run() -> float:
        start = time.perf_counter()
        subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    return run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=1_000_000, help="lines of the one large client")
    parser.add_argument("--others", type=int, default=5_000_000, help="lines of the thousand others")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=[], help="numbers of goals")
    parser.add_argument("--keep", action="store_true", help="leave the databases for a second run")
    options = parser.parse_args()
    server = _server()
    databases = [f"{server}ledgerflow_bench_{name}" for name in ("alone", "among", "small")]
    try:
        if not (options.keep and all(_exists(server, url) for url in databases)):
            prepare(server, *databases, options)
        with tempfile.TemporaryDirectory() as folder:
            run(*databases, options, Path(folder))
    finally:
        if not options.keep:
            _sql(server, *(f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)" for url in databases))
            if not os.environ.get("DATABASE_URL"):
                embedded.drop(DATA)


def run(alone: str, among: str, small: str, options: argparse.Namespace, folder: Path) -> None:
    probes = {"alone": Probe(alone), "among": Probe(among), "small": Probe(small)}

    def ask(database: str, name: str, argument: str = "-") -> Callable[[], float]:
        return lambda: probes[database].ask(name, argument)

    goals = [
        Goal("5", "trial balance, 50k lines, among 6M / alone", ask("among", "trial_balance_mid_month", "MID"),
             ask("alone", "trial_balance_mid_month", "MID"), 1.15),
        Goal("6", "trial balance, 1M / 50k lines", ask("among", "trial_balance_of", "BIG"),
             ask("among", "trial_balance_of", "MID"), 3),
        Goal("6", "the same in mid-month", ask("among", "trial_balance_mid_month", "BIG"),
             ask("among", "trial_balance_mid_month", "MID"), 3),
        Goal("7", "register, last page, 1M / 50k lines", ask("among", "register_of", "BIG"),
             ask("among", "register_of", "MID"), 3),
        Goal("8", "journal list, 1.2M / 1k entries", ask("among", "journal_list"), ask("small", "journal_list"),
             1.15),
        Goal("8", "journal search, 1.2M / 1k entries", ask("among", "journal_search"),
             ask("small", "journal_search"), 2),
        Goal("9", "raw SQL with history / posting through the service", ask("among", "post_by_sql", "MID"),
             ask("among", "post_by_service", "MID"), 0.4, at_most=False),
    ]  # fmt: skip
    goals += peers(alone, folder, ask)
    print("\n| goal | what | one, ms (range) | other, ms (range) | ratio | limit | |")
    print("|---|---|---:|---:|---:|---|---|", flush=True)
    for goal in goals:
        if options.only and goal.number not in options.only:
            continue
        try:
            print(goal.measure(options.rounds), flush=True)
        except (AssertionError, ValueError, subprocess.CalledProcessError) as error:
            print(f"| {goal.number} | {goal.what} | failed: {error!r} |", flush=True)
            raise
    print(
        f"\nSearch for an amount among 6M lines: {probes['among'].ask('palette') * 1000:,.0f} ms (goal: 300 ms)"
    )
    for probe in probes.values():
        probe.end()


def peers(url: str, folder: Path, ask: Callable[..., Callable[[], float]]) -> list[Goal]:
    """Return the comparisons with the plain-text programs that are installed."""
    if not any(map(shutil.which, ("hledger", "ledger"))):
        print("Left out: neither hledger nor ledger is installed.")
        return []
    files = {code: folder / f"{code}.journal" for code in ("BIG", "MID")}
    for code, path in files.items():
        _manage(url, "-c", f"from tests.bench.data import *; write_journal({code!r}, Path({str(path)!r}))")
    goals = []
    for program, code, lines, limit in (
        ("hledger", "MID", "50k", 10), ("hledger", "BIG", "1M", 100), ("ledger", "BIG", "1M", 15),
    ):  # fmt: skip
        if shutil.which(program):
            until = ["-e", "2026-01-01"]
            goals.append(
                Goal("4", f"{program} / trial balance, {lines} lines",
                     command(program, "-f", str(files[code]), "balance", *until),
                     ask("alone", "trial_balance_of", code), limit, at_most=False, rounds=3)
            )  # fmt: skip
    return goals


def prepare(server: str, alone: str, among: str, small: str, options: argparse.Namespace) -> None:
    start = time.monotonic()
    for url, two in ((alone, (options.lines, 50_000)), (small, (2_500, 2_500))):
        _sql(server, f"DROP DATABASE IF EXISTS {_name(url)}", f"CREATE DATABASE {_name(url)}")
        _manage(url, "manage.py", "migrate", "-v0")
        _manage(url, "-c", f"from tests.bench.data import *; make_two{two}")
    _sql(
        server,
        f"DROP DATABASE IF EXISTS {_name(among)}",
        f"CREATE DATABASE {_name(among)} TEMPLATE {_name(alone)}",
    )
    _manage(among, "-c", f"from tests.bench.data import *; make_others({options.others})")
    print(f"Data made in {time.monotonic() - start:,.0f} s, {datetime.date.today()}.", flush=True)


def _environment(url: str) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": url,
        "LEDGERFLOW_ENV": "test",
        "DJANGO_SETTINGS_MODULE": "ledgerflow.settings",
    }


def _manage(url: str, *arguments: str) -> None:
    if arguments[0] == "-c":
        arguments = ("-c", f"import django; django.setup(); {arguments[1]}")
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=_environment(url), check=True)


def _sql(server: str, *statements: str) -> list[tuple]:
    facts = environ.Env.db_url_config(server + "postgres")
    with psycopg.connect(
        host=facts["HOST"] or None,
        port=facts["PORT"] or None,
        user=facts["USER"],
        password=facts["PASSWORD"],
        dbname="postgres",
        autocommit=True,
    ) as connection:
        rows = []
        for statement in statements:
            cursor = connection.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        return rows


def _exists(server: str, url: str) -> bool:
    return bool(_sql(server, f"SELECT 1 FROM pg_database WHERE datname = '{_name(url)}'"))


def _name(url: str) -> str:
    return url.rsplit("/", 1)[1]


def _server() -> str:
    """Return the address of a server, up to the name of a database."""
    if named := os.environ.get("DATABASE_URL"):
        return named.rsplit("/", 1)[0] + "/"
    server = embedded.start(DATA, durable=False)
    os.environ["LEDGERFLOW_PG_BIN"] = str(server.bin_dir)
    return server.url.rsplit("/", 1)[0] + "/"


if __name__ == "__main__":
    main()
