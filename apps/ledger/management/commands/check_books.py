import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management import CommandError, CommandParser
from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from apps.ledger.checking import Progress, check_books
from apps.ledger.services.checking import check_all_books
from apps.profiles.models import Client

WIDTH = 40


class Command(BaseCommand):
    """Exit code 0 when every rule holds, 1 when one does not."""

    help = "Ask every rule of the books again, and name the first record of each client that breaks one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--client", metavar="CODE", help="the books of this client only")
        parser.add_argument("--json", action="store_true", help="write what fails as JSON")

    def handle(self, *args: Any, client: str | None, json: bool, **options: Any) -> None:
        progress = bar if sys.stderr.isatty() else None
        faults = self._one(client, progress) if client else check_all_books(progress).failures
        if progress:
            sys.stderr.write("\n")
        self.stdout.write(as_json(faults) if json else as_text(faults))
        if faults:
            sys.exit(1)

    def _one(self, code: str, progress: Progress | None) -> list[dict[str, Any]]:
        one = Client.objects.filter(code=code.upper()).first()
        if one is None:
            raise CommandError(f"There is no client {code}.", returncode=2)
        return [asdict(failure) for failure in check_books([one.pk], progress)]


def as_json(faults: list[dict[str, Any]]) -> str:
    return json.dumps({"clean": not faults, "failures": faults}, cls=DjangoJSONEncoder, indent=2)


def as_text(faults: list[dict[str, Any]]) -> str:
    if not faults:
        return "Every rule of the books holds."
    lines = [
        f"{fault['client'] + ': ' if fault['client'] else ''}{fault['what']}"
        + (f" ({fault['count']} such)" if fault["count"] > 1 else "")
        for fault in faults
    ]
    return "\n".join([*lines, f"{len(faults)} rules are broken; of each, the first record is named."])


def bar(done: int, total: int) -> None:
    share = done / total if total else 1
    filled = "#" * round(share * WIDTH)
    sys.stderr.write(f"\r[{filled:<{WIDTH}}] {share:4.0%} {done:,} of {total:,} lines")
    sys.stderr.flush()
