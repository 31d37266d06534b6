import sys
from typing import Any

from django.core.management import CommandError, CommandParser

from apps.backups.catalogue import newest_backup
from apps.backups.people import who_calls
from apps.backups.services import run_test
from apps.core.management.base import SayingCommand


class Command(SayingCommand):
    """Exit code 0 when the backup gives back what it was made of, else 1."""

    help = "Restore a backup into a scratch database and compare it with what was backed up."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="a name out of backup_list; without one, the newest")

    def handle(self, *args: Any, name: str | None, **options: Any) -> None:
        newest = newest_backup()
        if not name and newest is None:
            raise CommandError("There is no backup.")
        test = run_test(name or newest.name, by=who_calls(), report=self.say)  # type: ignore[union-attr]
        for finding in test.findings:
            self.stderr.write(finding)
        if not test.is_clean:
            self.stderr.write(f"The backup failed its test, in {test.seconds} s.")
            sys.exit(1)
        self.stdout.write(f"Tested in {test.seconds} s: it gives back what went in, and its books check.")
