from contextlib import closing
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import OperationalError, connection

from apps.core.startup import refuse_unfit_database

LOCK = 0x6C656467  # "ledg": one number for all who migrate this database


class Command(BaseCommand):
    help = "Migrate while nobody else does: several containers may start at once."

    def handle(self, *args: Any, **options: Any) -> None:
        # A connection of its own: the backup before the migration closes the usual one.
        with closing(connection.copy()) as lock:
            try:
                lock.ensure_connection()
                refuse_unfit_database()
            except OperationalError as error:
                raise CommandError("The database does not answer: nothing was migrated.") from error
            except ImproperlyConfigured as error:
                raise CommandError(str(error)) from error
            with lock.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
                call_command("migrate", interactive=False, verbosity=options["verbosity"])
