from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.core.management.base import BaseCommand
from django.template.defaultfilters import filesizeformat

from apps.backups.losses import contents
from apps.backups.people import who_calls
from apps.backups.services import back_up


class Command(BaseCommand):
    help = "Back up the database and the media files, read back before they are stored."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            backup = back_up(by=who_calls())
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"{backup.name} is stored: {filesizeformat(backup.size)}, {contents(backup)}.")
        self.stdout.write("It counts once it has been tested: backup_test, or the schedule of the worker.")
