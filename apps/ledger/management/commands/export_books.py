import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from django.core.management import CommandError, CommandParser
from django.core.management.base import BaseCommand
from django.utils import timezone

from apps.ledger.books_file.formats import FORMATS, Written
from apps.ledger.books_file.writing import name_of_file
from apps.profiles.models import Client


class Command(BaseCommand):
    help = "Write the books of one client into a file: a zip that import_books reads, or a text journal."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("code", help="the client's code")
        parser.add_argument("--format", choices=list(FORMATS), default="zip")
        parser.add_argument("-o", "--output", metavar="FILE", help="a file, or - for standard output")

    def handle(self, *args: Any, code: str, format: str, output: str | None, **options: Any) -> None:
        client = Client.objects.filter(code=code.upper()).first()
        if client is None:
            raise CommandError(f"There is no client {code}.")
        chosen = FORMATS[format]
        if output == "-":
            self._tell(chosen.write(client, sys.stdout.buffer, True), to=self.stderr)
            return
        path = Path(output or name_of_file(client, chosen.ending, timezone.localtime()))
        # Whole or not at all, and readable by its owner only: these are a client's books.
        try:
            handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(handle, "wb") as file:
                    written = chosen.write(client, file, True)
                os.replace(unfinished, path)
            except BaseException:
                os.unlink(unfinished)
                raise
        except OSError as error:
            raise CommandError(f"{path} could not be written: {error.strerror}.") from error
        self._tell(written, to=self.stdout, of=f"{path}: ")

    def _tell(self, written: Written, *, to: Any, of: str = "") -> None:
        to.write(of + written.said)
        if written.left_out:
            self.stderr.write(written.left_out)
