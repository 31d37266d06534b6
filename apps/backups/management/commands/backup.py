from typing import Any

from django.core.management import CommandParser
from django.template.defaultfilters import filesizeformat

from apps.backups.catalogue import Reason
from apps.backups.losses import contents
from apps.backups.people import who_calls
from apps.backups.services import back_up
from apps.core.management.base import SayingCommand


class Command(SayingCommand):
    help = "Back up the database and the media files, read back before they are stored."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--as-of", default="", help="for restore_to: the moment that the database shows")
        parser.add_argument("--by", default="", help="who asks, for the log")

    def handle(self, *args: Any, as_of: str, by: str, **options: Any) -> None:
        reason = Reason.POINT_IN_TIME if as_of else Reason.MANUAL
        backup = back_up(by=by or who_calls(), reason=reason, as_of=as_of)
        self.stdout.write(f"{backup.name} is stored: {filesizeformat(backup.size)}, {contents(backup)}.")
        self.stdout.write("It counts once it has been tested: backup_test, or the schedule of the worker.")
