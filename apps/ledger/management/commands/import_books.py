import sys
from pathlib import Path
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, CommandParser

from apps.core.management.base import SayingCommand
from apps.core.models import User
from apps.ledger.services.books_file import import_books


class Command(SayingCommand):
    help = "Bring the books of a client, as export_books wrote them, into this database: all or nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--code", default="", metavar="CODE", help="another code for the client")
        parser.add_argument(
            "--by",
            metavar="USERNAME",
            help="who imports, and stands in for people who are not here; else the first superuser",
        )

    def handle(self, *args: Any, file: Path, code: str, by: str | None, **options: Any) -> None:
        try:
            with file.open("rb") as opened:
                imported = import_books(opened, by=_person(by), code=code, progress=_progress())
        except OSError as error:
            raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
        except PermissionDenied as error:
            raise CommandError(f"{by} may not add clients.") from error
        rows = imported.rows
        self.stdout.write(
            f"{imported.client}: {rows['entries.csv']} entries with {rows['lines.csv']} lines imported, "
            "the same trial balance, numbers and chain. Nobody has access yet: give it in the admin."
        )


def _person(username: str | None) -> User:
    people = User.objects.filter(is_active=True)
    if username:
        found = people.filter(username__iexact=username).first()
        if found is None:
            raise CommandError(f"There is nobody with the username {username}.")
        return found
    found = people.filter(is_superuser=True).order_by("pk").first()
    if found is None:
        raise CommandError("Say with --by who imports: there is no superuser.")
    return found


def _progress() -> Any:
    if not sys.stderr.isatty():
        return lambda done, total: None
    return lambda done, total: sys.stderr.write(
        f"\r{done:,} of {total:,} entries" + ("\n" if done == total else "")
    )
