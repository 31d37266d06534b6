"""What the commands that people type share."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management import CommandError
from django.core.management.base import BaseCommand


class SayingCommand(BaseCommand):
    """A command that says a refusal in one sentence, and of long work each step once."""

    _step = ""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error

    def say(self, message: str) -> None:
        """Say a step; what follows its colon is how far it is, and is said once."""
        step = message.partition(":")[0]
        if step and step != self._step:
            self._step = step
            self.stdout.write(message)
