import sys
from typing import Any

from django.core.management import CommandError, CommandParser

from apps.backups.databases import kept_copies
from apps.backups.management.options import add_run_options
from apps.backups.people import who_calls
from apps.backups.services import undo_restore
from apps.core.management.base import SayingCommand


class Command(SayingCommand):
    help = "Go back to the database from before the last restore; what it replaces is kept in turn."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_run_options(parser)

    def handle(self, *args: Any, interactive: bool, **options: Any) -> None:
        if interactive:
            self._ask()
        kept = undo_restore(by=options["by"] or who_calls(), identity=options["identity"], say=self.say)
        self.stdout.write(f"The database from before is back; what it replaced is kept as {kept}.")

    def _ask(self) -> None:
        copy = next(iter(kept_copies()), None)
        if copy is None:
            raise CommandError("There is no earlier database to go back to.")
        self.stdout.write(f"{copy.name} was set aside on {copy.since:%Y-%m-%d %H:%M} UTC and comes back.")
        if not sys.stdin.isatty():
            raise CommandError("Nothing was done; --noinput goes back without asking.")
        if input("Type yes to go back: ").strip() != "yes":
            raise CommandError("Nothing was done.")
