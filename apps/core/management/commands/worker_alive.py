from typing import Any

from django.core.management import CommandError
from django.core.management.base import BaseCommand
from django.db import DatabaseError

from apps.core.health import worker_is_alive


class Command(BaseCommand):
    help = "Exit with 0 when a worker has reported lately: the container's health check."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            alive = worker_is_alive()
        except DatabaseError as error:
            raise CommandError("The database does not answer.") from error
        if not alive:
            raise CommandError("No worker has reported lately.")
