import asyncio
import logging
import os
from contextlib import suppress
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, CommandParser
from django.core.management.base import BaseCommand
from django.db import OperationalError
from django.utils import autoreload
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

from apps.core.startup import refuse_unfit_database
from apps.core.tasks import pick_up_lost_jobs

logger = logging.getLogger(__name__)

# What is nearly done may finish; after that each job is asked to stop at its next step and queued again.
SECONDS_TO_FINISH = 2
JOBS_AT_ONCE = 2
SECONDS_BETWEEN_LOOKS = 1


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
        """
        Work until told to stop, and start over when a restore has put another database in the place of ours.

        Nothing there knows this worker: no job can be handed to it, and nobody sees that it is alive.
        """
        while await self._run_once(**options):
            logger.warning("The database was changed over or restarted; the worker starts over.")

    async def _run_once(self, **options: Any) -> bool:
        """Work, and return whether to start over. Raises ConnectorException when the database is away."""
        async with app.open_async():
            await pick_up_lost_jobs.func(0)  # the minute's turn would come later
            app.perform_import_paths()
            worker = Worker(
                app=app, concurrency=JOBS_AT_ONCE, shutdown_graceful_timeout=SECONDS_TO_FINISH, **options
            )
            looking = asyncio.create_task(self._stop_once_unknown(worker))
            try:
                await worker.run()
            except ConnectorException:
                # Cut off by a change of databases, or by a restart; one that is still away ends us.
                await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
                await app.check_connection_async()
                return True
            finally:
                looking.cancel()
            return looking.done() and not looking.cancelled()

    async def _stop_once_unknown(self, worker: Worker) -> None:
        while True:
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            with suppress(ConnectorException):  # the worker meets it as well
                if await self._is_unknown(worker):
                    worker.stop()
                    return

    async def _is_unknown(self, worker: Worker) -> bool:
        """Return whether the worker has registered, and the database knows nothing of it."""
        if worker.worker_id is None:
            return False
        found = await app.connector.execute_query_one_async(
            "SELECT EXISTS (SELECT FROM procrastinate_workers WHERE id = %(id)s) AS is_known",
            id=worker.worker_id,
        )
        return not found["is_known"]
