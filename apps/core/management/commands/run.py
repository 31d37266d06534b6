import errno
import os
import re
import shutil
import socket
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import CommandError, CommandParser, call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, OperationalError, connection

from apps.core.models import User
from apps.core.startup import migration_gaps, refuse_unfit_database
from apps.core.supervisor import Child, Supervisor
from ledgerflow import embedded

HOST = "127.0.0.1"
PASSWORDS = Path("var/demo-passwords.txt")


class Command(BaseCommand):
    """
    What `make run` does: from a fresh clone to a back office that reloads, in one command.

    Whatever can be wrong is asked first, so that it is one sentence here and not the output of three
    processes.
    """

    help = "Serve for development: migrate, then run web server and worker until Ctrl-C."
    requires_system_checks = ()  # runserver runs them again at each change of the code

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=9000)

    def handle(self, *args: Any, **options: Any) -> None:
        port, embedded_in = options["port"], os.environ.get("LEDGERFLOW_EMBEDDED")
        refuse_busy_port(port)
        refuse_silent_database()
        self._prepare(is_embedded=bool(embedded_in))
        children = [
            Child("web server", ["runserver", "--nothreading", f"{HOST}:{port}"], keeps_terminal=True),
            Child("worker", ["worker", "--reload"]),
            *([Child("archive", ["archive", "serve"])] if settings.ARCHIVE_FOLDER else []),
        ]
        supervisor = Supervisor(children, Path(embedded_in) if embedded_in else None, self.stdout.write)
        supervisor.run(port, when_serving=lambda: self._welcome(port, is_embedded=bool(embedded_in)))

    def _prepare(self, *, is_embedded: bool) -> None:
        refuse_unfit_database()
        try:
            if waiting := migration_gaps().unapplied:
                self.stdout.write(f"Applying {len(waiting)} migrations …")
                call_command("migrate_once", verbosity=0)
            if is_embedded and not User.objects.exists():
                self.stdout.write("Loading the demo …")
                call_command("demo")
        except (DatabaseError, OSError) as error:
            raise CommandError(why_not_prepared(error, is_embedded=is_embedded)) from error
        finally:
            connection.close()

    def _welcome(self, port: int, *, is_embedded: bool) -> None:
        self.stdout.write(f"\nLedgerFlow is at http://{HOST}:{port}/")
        if is_embedded and (settings.BASE_DIR / PASSWORDS).exists():
            names = [line.split()[0] for line in (settings.BASE_DIR / PASSWORDS).read_text().splitlines()]
            self.stdout.write(f"Sign in as {', '.join(names)}; the passwords are in {PASSWORDS}.")
        else:
            self.stdout.write(
                "Sign in with an account of this database (manage.py createsuperuser makes one)."
            )
        self.stdout.write("Ctrl-C ends it; the data are kept.\n")


def refuse_busy_port(port: int) -> None:
    """Raise CommandError where the web server could not listen."""
    if not 0 < port < 2**16:
        raise CommandError(f"{port} is no port; take one from 1 to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen()
        except OSError as error:
            problem = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
            raise CommandError(f"Port {port} {problem}; take another: make run PORT={port + 1}.") from error


def refuse_silent_database() -> None:
    """
    Raise CommandError when the database does not answer within the connect timeout.

    Only what follows the address is repeated: a mistyped DATABASE_URL may have its password anywhere.
    """
    try:
        connection.ensure_connection()
    except OperationalError as error:
        lines = str(error).strip().splitlines() or [""]
        reason = re.sub(r"^.*(failed|FATAL|error): +", "", lines[0])
        raise CommandError(f"The database that DATABASE_URL names does not answer: {reason}.") from error


def why_not_prepared(error: Exception, *, is_embedded: bool) -> str:
    """Return one sentence; a server that met a full disk may only have said that it is gone."""
    full = is_embedded and shutil.disk_usage(embedded.DEFAULT_DATA_DIR).free < embedded.LEAST_SPACE
    if full or "No space left" in str(error):
        return "No space left on the disk; make room and try again."
    return f"The database could not be prepared: {str(error).strip().splitlines()[0]}."
