"""Commands of manage.py on a database that is not the live one."""

import json
import subprocess
import sys

from dbbackup.db.exceptions import ConnectorError
from django.conf import settings
from django.utils.translation import gettext as _

from apps.backups.connector import Report, child_environment, ends_with_us

# A tool, the server or the disk went away meanwhile: of the backup itself nothing is known then.
NOT_THE_BACKUPS_FAULT = (
    "signal",
    "worker process",
    "No space left",
    "out of memory",
    "server closed the connection",
    "terminating connection",
    "connection to server",
    "connection is",
    "the database system is",
)


def on_database(name: str) -> dict[str, str]:
    """Return what makes a command work on another database of the live one's server."""
    return {"LEDGERFLOW_DATABASE_NAME": name}


def manage_elsewhere(arguments: list[str], overrides: dict[str, str], report: Report) -> tuple[int, str, str]:
    """
    Run a command of manage.py on another database, in a process that cannot touch the live one.

    Return its exit code, and what it wrote to both outputs. Raises ConnectorError when it was killed or
    could not reach the database.
    """
    environment = child_environment() | {
        "LEDGERFLOW_ENV": settings.ENVIRONMENT,
        "BACKUP_BEFORE_MIGRATE": "off",
        "LOG_LEVEL": "ERROR",
        **overrides,
    }
    command = [*ends_with_us(), sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    process = subprocess.Popen(  # noqa: S603
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while True:
            try:
                told, errors = process.communicate(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                report("")
    finally:
        process.kill()
        process.wait()
    if process.returncode < 0:
        raise ConnectorError(
            _("%(command)s was ended by signal %(signal)s.")
            % {"command": arguments[0], "signal": -process.returncode}
        )
    why = last_line(errors)
    if process.returncode and _is_no_fault_of_the_backup(why):
        raise ConnectorError(why)
    return process.returncode, told, errors


def check_books(overrides: dict[str, str], report: Report) -> list[str]:
    """Return a sentence for each rule that the books of another database break. Raises as the above."""
    report(_("Checking the books in it."))
    code, told, errors = manage_elsewhere(["check_books", "--json"], overrides, report)
    try:
        failures = json.loads(told)["failures"]
    except (ValueError, KeyError, TypeError):
        return [_("The books could not be checked: %(why)s") % {"why": last_line(errors) or code}]
    return [f"{one['client']}: {one['what']}" if one["client"] else one["what"] for one in failures]


def _is_no_fault_of_the_backup(why: str) -> bool:
    return any(words in why for words in NOT_THE_BACKUPS_FAULT)


def last_line(text: str) -> str:
    """Return what a program said last."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
