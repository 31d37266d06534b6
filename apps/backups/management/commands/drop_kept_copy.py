import sys
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import CommandError, CommandParser
from django.core.management.base import BaseCommand

from apps.backups.people import who_calls
from apps.backups.services import drop_kept_copy


class Command(BaseCommand):
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
        try:
            drop_kept_copy(name, typed=typed, by=who_calls())
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{name} is dropped.")
