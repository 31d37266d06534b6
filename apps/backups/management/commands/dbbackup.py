from typing import Any

from dbbackup.management.commands import dbbackup
from django.core.exceptions import ValidationError
from django.core.management import CommandError

from apps.backups.connector import being_made
from apps.backups.people import who_calls
from apps.backups.services import back_up

REFUSED = {
    "compress": "it is compressed already",
    "encrypt": "it could not be tested",
    "output_filename": "a name without its time is not listed",
    "output_path": "copy the stored file and what lies beside it",
    "exclude_tables": "a part of the books is no backup",
    "schema": "a part of the books is no backup",
    "clean": "backup_prune keeps what has been tested",
}


class Command(dbbackup.Command):
    """The library's command, making the same testable backups as every other way."""

    def handle(self, **options: Any) -> None:
        for option, why in REFUSED.items():
            if options.get(option):
                raise CommandError(f"--{option.replace('_', '-')} is not taken here: {why}.")
        if (options.get("database") or "default") != "default":
            raise CommandError("There is one database here, named default.")
        if being_made():
            super().handle(**options)
            return
        try:
            back_up(by=who_calls())
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
