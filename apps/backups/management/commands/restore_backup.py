import sys
from typing import Any

from django.core.management import CommandError, CommandParser

from apps.backups.catalogue import backup_named, newest_backup
from apps.backups.losses import losses
from apps.backups.management.options import add_run_options, add_safety_option
from apps.backups.people import who_calls
from apps.backups.services import restore_backup
from apps.core.management.base import SayingCommand


class Command(SayingCommand):
    """
    Says what would be lost, asks, restores beside the live database, tests, and changes the two over.

    It can be stopped or killed at any moment; until the last step the live database is not touched.
    """

    help = "Restore a backup. The database of before is kept, and undo_restore goes back to it."
    requires_system_checks: list[str] = []  # the live database may be what is broken

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", help="a name out of backup_list; without one, the newest")
        add_run_options(parser)
        add_safety_option(parser)

    def handle(self, *args: Any, name: str | None, interactive: bool, **options: Any) -> None:
        backup = backup_named(name) if name else newest_backup()
        if backup is None:
            raise CommandError("There is no backup.")
        if interactive:
            self._ask(backup)
        kept = restore_backup(
            backup.name,
            by=options["by"] or who_calls(),
            safety=options["safety"],
            identity=options["identity"],
            say=self.say,
        )
        self.stdout.write(f"{backup.name} is restored. The database of before is kept as {kept}.")
        self.stdout.write("undo_restore goes back to it; drop_kept_copy gives its space back.")

    def _ask(self, backup: Any) -> None:
        self.stdout.write(f"{backup.name}, {backup.state.label}.")
        for sentence in losses(backup):
            self.stdout.write(sentence)
        if not sys.stdin.isatty():
            raise CommandError("Nothing was done; --noinput restores without asking.")
        if input("Type yes to restore it: ").strip() != "yes":
            raise CommandError("Nothing was done.")
