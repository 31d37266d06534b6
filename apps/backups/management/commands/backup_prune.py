from typing import Any

from django.core.management import CommandParser
from django.core.management.base import BaseCommand

from apps.backups.people import who_calls
from apps.backups.services import prune
from apps.backups.services.keeping import to_go


class Command(BaseCommand):
    help = "Delete the backups that the rules of keeping let go; tested ones stand for the others."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say which")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        gone = to_go() if dry_run else prune(by=who_calls())
        for one in gone:
            self.stdout.write(f"{one.name}  {one.state.label}")
        self.stdout.write(f"{len(gone)} {'would go' if dry_run else 'deleted'}.")
