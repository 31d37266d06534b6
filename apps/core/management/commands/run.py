import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, CommandParser, call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, OperationalError, connection, connections

from apps.core.startup import migration_gaps, refuse_unfit_database
from ledgerflow import embedded

HOST = "127.0.0.1"
PASSWORDS = Path("var/demo-passwords.txt")
SECONDS_TO_END = 5
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
STEADY_SECONDS = 60  # a process that lived this long starts again without a growing pause


class Command(BaseCommand):
    """
    What `make run` does: one command from a fresh clone to a back office that reloads.

    Everything that can be wrong is asked first, so that it is said in one sentence instead of in the
    output of three processes.
    """

    help = "Serve for development: migrate, then web server and worker, until Ctrl-C."
    requires_system_checks = ()  # runserver has them, and starting twice as late helps nobody

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=9000)

    def handle(self, *args: Any, port: int, **options: Any) -> None:
        data_dir = os.environ.get("LEDGERFLOW_EMBEDDED")
        refuse_busy_port(port)
        refuse_silent_database()
        try:
            self._migrate()
            if data_dir and not get_user_model().objects.exists():
                self.stdout.write("Loading the demo …")
                call_command("demo")
        except (DatabaseError, OSError) as error:
            raise CommandError(preparation_failed(error)) from error
        connections.close_all()
        Supervisor(self, port, Path(data_dir) if data_dir else None).run()

    def _migrate(self) -> None:
        refuse_unfit_database()
        if waiting := migration_gaps().unapplied:
            self.stdout.write(f"Applying {len(waiting)} migrations …")
            call_command("migrate_once", verbosity=0)
