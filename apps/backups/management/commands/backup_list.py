import json as json_format
from typing import Any

from django.core.management import CommandError, CommandParser
from django.core.management.base import BaseCommand
from django.template.defaultfilters import filesizeformat

from apps.backups.catalogue import Backup, backups
from apps.backups.databases import kept_copies
from apps.backups.losses import contents


class Command(BaseCommand):
    help = "List the backups, newest first, and the databases that restores have kept."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, json: bool, **options: Any) -> None:
        try:
            every = backups()
        except OSError as error:
            raise CommandError(f"The backup folder cannot be read: {error.strerror}.") from error
        if json:
            self.stdout.write(json_format.dumps([as_dict(one) for one in every], indent=1))
            return
        for one in every:
            facts = [one.name, str(one.state.label), filesizeformat(one.size), one.reason_label, one.by]
            self.stdout.write("  ".join(fact.replace("\xa0", " ") for fact in facts if fact))
        if not every:
            self.stdout.write("There is no backup yet.")
        for copy in kept_copies():
            size = filesizeformat(copy.size).replace("\xa0", " ")
            self.stdout.write(f"{copy.name}  kept by a restore, {copy.since:%Y-%m-%d %H:%M} UTC  {size}")


def as_dict(one: Backup) -> dict[str, Any]:
    return {
        "name": one.name,
        "taken_at": one.taken_at.isoformat(),
        "state": one.state.value,
        "bytes": one.size,
        "reason": one.reason,
        "by": one.by,
        "holds": contents(one),
        "findings": one.test.findings if one.test else [],
    }
