import hashlib
import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from django.core.management import CommandError, CommandParser
from django.db import connection
from django.utils import timezone

from apps.backups.archive import layout
from apps.backups.archive.heartbeat import beat
from apps.backups.archive.watch import problems
from apps.backups.connector import CommandConnectorError, client_tool, ends_with_us
from apps.backups.people import who_calls
from apps.backups.services import drill, make_base
from apps.backups.services.backing_up import reason_of
from apps.backups.services.going_back import prune_archive, said
from apps.core.management.base import SayingCommand
from ledgerflow import embedded

SCRIPT = Path(layout.__file__).with_name("archiver.sh")
LONGEST_SOCKETS = 90  # bytes of a path, so that the socket's own name fits behind it


class Command(SayingCommand):
    """
    What the sidecar and the worker do for the archive, by hand.

    ``serve`` is the sidecar where there are no containers: it runs archiver.sh until it is ended.
    """

    help = "The archive that leads back to any minute: serve, beat, base, drill, verify, prune, status."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "action", choices=["serve", "beat", "base", "drill", "verify", "prune", "status"], nargs="?",
            default="status",
        )  # fmt: skip

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        if not layout.is_on():
            raise CommandError("There is no archive: ARCHIVE_FOLDER names none.")
        try:
            getattr(self, f"_{action}")()
        except OSError as error:
            raise CommandError(f"The archive: {error.strerror}.") from error
        except psycopg.Error as error:
            raise CommandError(reason_of(error)) from error

    def _serve(self) -> None:
        folder = layout.archive().resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            programs = client_tool("postgres", connection.pg_version // 10_000).parent  # type: ignore[attr-defined]
            sockets = _sockets(folder)
            account = embedded.as_server_account(programs, [folder, sockets])
        except (CommandConnectorError, embedded.EmbeddedError) as error:
            raise CommandError(str(error)) from error
        where = connection.settings_dict
        source = f"host={where['HOST']} port={where['PORT'] or 5432} user=postgres"
        connection.close()
        environment = os.environ | {
            "ARCHIVE": str(folder),
            "ARCHIVE_SOURCE": os.environ.get("ARCHIVE_SOURCE") or source,
            "SIDE_SOCKETS": str(sockets),
            "PATH": f"{programs}:{os.environ['PATH']}",
        }
        command = [*map(str, account), *ends_with_us(), "bash", str(SCRIPT), "serve"]
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603
        for which in (signal.SIGINT, signal.SIGTERM):
            signal.signal(which, lambda *_: process.terminate())
        sys.exit(process.wait())

    def _beat(self) -> None:
        self.stdout.write(f"{said(beat().at)} has arrived in the archive.")

    def _base(self) -> None:
        self.stdout.write(f"{make_base(by=who_calls(), report=self.say)} is verified.")

    def _drill(self) -> None:
        found = drill(by=who_calls(), report=self.say)
        self.stdout.write(f"{said(found.moment)} came back as it was noted, in {found.seconds} s.")

    def _verify(self) -> None:
        damaged = layout.look_for_damage()
        gaps = [name for era in layout.eras() for name in era.gaps()]
        for name in sorted({*damaged, *gaps}):
            self.stdout.write(f"{name} is {'damaged' if name in damaged else 'missing'}.")
        if damaged or gaps:
            raise CommandError("The log has gaps: make a base backup now.")
        self.stdout.write("Every segment can be read, and none is missing.")

    def _prune(self) -> None:
        gone = prune_archive()
        self.stdout.write(f"{len(gone)} base backups went." if gone else "Nothing had to go.")

    def _status(self) -> None:
        found = layout.reaches()
        for era in layout.eras():
            why = era.facts.get("why")
            about = f"PostgreSQL {era.facts.get('major')}" + (f"; ended: {why}" if why else "")
            for window in layout.windows([one for one in found if one.base.era.name == era.name]):
                self.stdout.write(f"From {_typed(window.since)} to {_typed(window.until)} ({about})")
        wrong = problems()
        self.stdout.write("\n".join(wrong) or "The archive is well.")
        if wrong:
            raise SystemExit(1)


def _typed(moment: datetime) -> str:
    """Return a moment as restore_to takes it, whatever the clocks did."""
    return timezone.localtime(moment).isoformat(" ", "seconds")


def _sockets(archive: Path) -> Path:
    near = archive / "sockets"
    if len(os.fsencode(near)) <= LONGEST_SOCKETS:
        found = near
    else:
        found = Path("/tmp", f"ledgerflow-side-{hashlib.sha256(os.fsencode(archive)).hexdigest()[:16]}")  # noqa: S108
    found.mkdir(mode=0o700, exist_ok=True)
    return found
