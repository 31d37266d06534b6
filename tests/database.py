"""Give a test run a PostgreSQL of its own, unless DATABASE_URL names one.

Loaded by `-p tests.database`, before pytest-django reads the settings. The server is thrown away at the
end; that of a run that was killed is thrown away by the next.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerflow import embedded

RUNS = embedded.DEFAULT_DATA_DIR.with_name("tests")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Iterator[None]:
    os.environ["LEDGERFLOW_ENV"] = "test"
    if not os.environ.get("DATABASE_URL"):
        try:
            drop_leftovers()
            start_server(early_config)
        except embedded.EmbeddedError as error:
            raise pytest.UsageError(str(error)) from None
    return (yield)


def start_server(config: pytest.Config) -> None:
    run = RUNS / str(os.getpid())
    config.add_cleanup(lambda: drop_run(run))
    server = embedded.start(run / "pg", durable=False)
    os.environ["DATABASE_URL"] = server.url
    os.environ["LEDGERFLOW_PG_BIN"] = str(server.bin_dir)


def drop_leftovers() -> None:
    for run in RUNS.glob("[0-9]*"):
        try:
            os.kill(int(run.name), 0)
        except ProcessLookupError:
            drop_run(run)
        except PermissionError:
            pass  # another account has that process now; a later run will find it gone


def drop_run(run: Path) -> None:
    embedded.drop(run / "pg")
    shutil.rmtree(run)
