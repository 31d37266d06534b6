import sys
from typing import Any

from django.core.management import CommandError, CommandParser

from apps.backups.people import who_calls
from apps.backups.services import drop_kept_copy
from apps.core.management.base import SayingCommand


class Command(SayingCommand):
    help = "Drop a database that a restore has kept. There is no way back from this."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="a name out of backup_list")
        parser.add_argument("--typed", help="the name once more, where nobody can be asked")

    def handle(self, *args: Any, name: str, typed: str | None, **options: Any) -> None:
        if typed is None:
            if not sys.stdin.isatty():
                raise CommandError("Nothing was dropped: type the name once more with --typed.")
            typed = input(f"Type {name} to drop it: ")
        drop_kept_copy(name, typed=typed, by=who_calls())
        self.stdout.write(f"{name} is dropped.")
