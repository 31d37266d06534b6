import asyncio
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import psycopg
from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, CommandParser
from django.core.management.base import BaseCommand
from django.db import OperationalError, close_old_connections
from django.utils import autoreload
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException
from procrastinate.worker import Worker

from apps.core.registry import every_minute
from apps.core.startup import refuse_unfit_database
from apps.core.tasks import pick_up_lost_jobs

logger = logging.getLogger(__name__)

# What is nearly done may finish; after that each job is asked to stop at its next step and queued again.
SECONDS_TO_FINISH = 2
JOBS_AT_ONCE = 2
SECONDS_BETWEEN_LOOKS = 1
MINUTE = 60


def without_dead_connection(go_on: Callable[[], Any], *about: Any) -> Any:
    """Let a job begin as a request does: a connection that was lost under the job before is replaced."""
    close_old_connections()
    return go_on()


async def without_dead_connection_async(go_on: Callable[[], Awaitable[Any]], *about: Any) -> Any:
    await sync_to_async(close_old_connections)()
    return await go_on()


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

    async def _run(self, *, install_signal_handlers: bool = True) -> None:
        """
        Work until told to stop; start over when a restore has put another database in the place of ours.

        There nothing knows this worker: no job can be handed to it, and nobody sees that it is alive.
        """
        told_to_stop = asyncio.Event()
        if install_signal_handlers:
            for which in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(which, told_to_stop.set)
        beside = asyncio.create_task(self._each_minute())
        try:
            while not told_to_stop.is_set():
                async with app.open_async():
                    await self._run_once(told_to_stop)
        finally:
            beside.cancel()

    async def _each_minute(self) -> None:
        """Do what must not wait for a free place among the jobs, in a thread of its own."""
        while True:
            for part in every_minute:
                try:
                    await sync_to_async(part, thread_sensitive=False)()
                except Exception:
                    logger.exception("What is done each minute failed.")
            await asyncio.sleep(MINUTE - time.time() % MINUTE)

    async def _run_once(self, told_to_stop: asyncio.Event) -> None:
        """Work until told to stop or cut off. Raises ConnectorException when the database is away."""
        await sync_to_async(close_old_connections)()
        await pick_up_lost_jobs.func(0)  # the minute's turn would come later
        app.perform_import_paths()
        worker = Worker(
            app=app,
            concurrency=JOBS_AT_ONCE,
            shutdown_graceful_timeout=SECONDS_TO_FINISH,
            install_signal_handlers=False,
            task_middleware=[without_dead_connection, without_dead_connection_async],
        )
        looking = asyncio.create_task(self._stop_in_time(worker, told_to_stop))
        try:
            await worker.run()
        except ConnectorException:
            if told_to_stop.is_set():
                raise
        finally:
            looking.cancel()
        if not told_to_stop.is_set():
            logger.warning("The database was changed over or restarted; the worker starts over.")
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)
            await app.check_connection_async()  # one that is still away ends us

    async def _stop_in_time(self, worker: Worker, told_to_stop: asyncio.Event) -> None:
        """Stop the worker when somebody says so, or the database no longer knows it."""
        is_known = True
        while is_known and not told_to_stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(told_to_stop.wait(), SECONDS_BETWEEN_LOOKS)
            with suppress(ConnectorException):  # the worker meets it as well
                is_known = worker.worker_id is None or await self._is_known(worker.worker_id)
        worker.stop()

    async def _is_known(self, worker_id: int) -> bool:
        found = await app.connector.execute_query_one_async(
            "SELECT EXISTS (SELECT FROM procrastinate_workers WHERE id = %(id)s) AS is_known", id=worker_id
        )
        return bool(found["is_known"])
