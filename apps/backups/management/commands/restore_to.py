import sys
from datetime import datetime
from typing import Any

from django.core.management import CommandError, CommandParser

from apps.backups.archive.moments import moment_of
from apps.backups.look import Look
from apps.backups.management.options import add_run_options, add_safety_option
from apps.backups.people import who_calls
from apps.backups.services import look_at, look_away, restore_to
from apps.backups.services.going_back import said, target_at
from apps.core.management.base import SayingCommand


class Command(SayingCommand):
    """
    Brings up the cluster as it was, beside the live one, and puts its database in the live one's place.

    It can be stopped or killed at any moment; until the last step the live database is not touched.
    """

    help = "Go back to a moment. The database of before is kept, and undo_restore goes back to it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "moment",
            nargs="?",
            help='such as "2026-11-22 10:31", in the time zone of the practice, or latest',
        )
        parser.add_argument("--look", action="store_true", help="only compare that moment with now")
        parser.add_argument("--drop", action="store_true", help="drop what was brought up to look at")
        add_run_options(parser)
        add_safety_option(parser)

    def handle(self, *args: Any, moment: str | None, look: bool, drop: bool, **options: Any) -> None:
        who = {
            "by": options["by"] or who_calls(),
            "identity": options["identity"],
            "say": self.say,
        }
        if drop:
            look_away(by=who["by"])
            self.stdout.write("It is dropped.")
            return
        if moment is None:
            raise CommandError('Say which moment, such as "2026-11-22 10:31", or latest.')
        wanted = moment_of(moment)
        if look:
            self._tell(look_at(wanted, **who))
            return
        if options["interactive"]:
            self._ask(wanted)
        kept = restore_to(wanted, safety=options["safety"], **who)
        self.stdout.write(f"The database is as it was. The one of before is kept as {kept}.")
        self.stdout.write("undo_restore goes back to it; drop_kept_copy gives its space back.")

    def _ask(self, wanted: datetime | None) -> None:
        target = target_at(wanted)
        self.stdout.write(f"What was done after {said(target.moment)} goes; --look shows it first.")
        if not sys.stdin.isatty():
            raise CommandError("Nothing was done; --noinput goes back without asking.")
        if input("Type yes to go back: ").strip() != "yes":
            raise CommandError("Nothing was done.")

    def _tell(self, look: Look) -> None:
        self.stdout.write(f"{said(look.moment)}, and now:")
        for count in look.counts:
            self.stdout.write(f"  {count.then}, now {count.now}")
        for client, lines in look.by_client.items():
            self.stdout.write(f"{client}:")
            for line in lines:
                self.stdout.write(f"  {line.what}: {line.then or 'none'}, now {line.now or 'none'}")
        self.stdout.write(f"The balances of {look.same} of {look.clients} clients are the same.")
        self.stdout.write("restore_to with the same moment goes back to it; restore_to --drop drops it.")
