import json as json_format
import sys
from typing import Any

from django.core.management import CommandParser
from django.core.management.base import BaseCommand

from apps.backups.health import health


class Command(BaseCommand):
    """Exit code 0 when the backups are well, 1 when a limit is passed."""

    help = "Say whether the backups are well, for people and for monitoring."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, json: bool, **options: Any) -> None:
        now = health()
        if json:
            told = {
                "well": now.is_well,
                "problems": now.problems,
                "newest": now.newest and now.newest.taken_at.isoformat(),
                "newest_tested": now.tested and now.tested.taken_at.isoformat(),
            }
            self.stdout.write(json_format.dumps(told, indent=1))
        else:
            self.stdout.write("\n".join([now.sentence.replace("\xa0", " "), *now.problems]))
        if not now.is_well:
            sys.exit(1)
