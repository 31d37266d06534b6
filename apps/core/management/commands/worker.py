import asyncio
import os
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, CommandParser
from django.core.management.base import BaseCommand
from django.db import OperationalError
from django.utils import autoreload
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException

from apps.core.startup import refuse_unfit_database
from apps.core.tasks import pick_up_lost_jobs

# What is nearly done may finish; after that each job is asked to stop at its next step and queued again.
SECONDS_TO_FINISH = 2
JOBS_AT_ONCE = 2


class Command(BaseCommand):
    help = "Run the jobs people ask for and the schedules, until told to stop."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reload", action="store_true", help="start again when the code changes")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["reload"]:
            autoreload.run_with_reloader(self._work_in_thread)
        else:
            self._work()

    def _work_in_thread(self) -> None:
        # The reloader would live on without its worker; ending it lets whoever started us start us again.
        try:
            self._work(install_signal_handlers=False)
        except CommandError as error:
            self.stderr.write(str(error))
        finally:
            os._exit(1)

    def _work(self, **options: Any) -> None:
        try:
            refuse_unfit_database()
            with app.replace_connector(app.connector.get_worker_connector()):  # type: ignore[attr-defined]
                asyncio.run(self._run(**options))
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        except (ConnectorException, OperationalError, psycopg.OperationalError) as error:
            raise CommandError("The database does not answer; the worker stops.") from error

    async def _run(self, **options: Any) -> None:
        async with app.open_async():
            await pick_up_lost_jobs.func(0)  # the minute's turn would come later
            await app.run_worker_async(
                concurrency=JOBS_AT_ONCE, shutdown_graceful_timeout=SECONDS_TO_FINISH, **options
            )
