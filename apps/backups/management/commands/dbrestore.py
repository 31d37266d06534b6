from typing import Any

from dbbackup.management.commands import dbrestore
from django.core.management import CommandError, call_command


class Command(dbrestore.Command):
    """
    The library's command, going the way of restore_backup.

    Its own way writes over the live database: it leaves tables that are newer than the backup, or fails on
    them, and goes on without its terminal.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        of_its_own = (
            "input_path",
            "servername",
            "decrypt",
            "uncompress",
            "passphrase",
            "schema",
            "no_drop",
            "pg_options",
        )
        for option in of_its_own:
            if options.get(option):
                raise CommandError(
                    f"--{option.replace('_', '-')} is not taken here: a backup is restored beside "
                    "the live database, tested, and put in its place. Use restore_backup NAME."
                )
        if (options.get("database") or "default") != "default":
            raise CommandError("There is one database here, named default.")
        name = [options["input_filename"]] if options.get("input_filename") else []
        extra = [] if options.get("interactive", True) else ["--noinput"]
        call_command("restore_backup", *name, *extra, stdout=self.stdout, stderr=self.stderr)
