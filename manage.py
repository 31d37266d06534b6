#!/usr/bin/env python
"""Django's command line. Where no database is named, it brings its own."""

import os
import signal
import stat
import sys
import threading
import time
from contextlib import suppress

from ledgerflow import embedded


def main() -> None:
    os.environ.setdefault("LEDGERFLOW_ENV", "development")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ledgerflow.settings")
    end_with_supervisor()
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
        from django.db import OperationalError
    except ModuleNotFoundError:
        sys.exit("Django is not installed for this Python; start with `make run`, or use .venv/bin/python.")
    try:
        provide_database()
        execute_from_command_line(sys.argv)
    except (embedded.EmbeddedError, ImproperlyConfigured) as error:
        sys.exit(str(error))
    except OperationalError as error:
        if "connection" not in str(error):
            raise
        sys.exit("The database that DATABASE_URL names does not answer; nothing was done.")
    except KeyboardInterrupt:
        sys.exit(130)


def provide_database() -> None:
    """Start the embedded PostgreSQL unless a database is named; production has to name one.

    The variables are inherited by all processes started from here, so that only the first one asks, and
    pg_dump and pg_restore are taken from the server's own version.
    """
    if os.environ.get("DATABASE_URL") or os.environ.get("DATABASE_URL_FILE"):
        return
    if os.environ["LEDGERFLOW_ENV"] == "production":
        raise embedded.EmbeddedError("DATABASE_URL is not set; production must name its database.")
    server = embedded.start(embedded.DEFAULT_DATA_DIR)
    os.environ["DATABASE_URL"] = server.url
    os.environ["LEDGERFLOW_PG_BIN"] = str(server.bin_dir)
    os.environ["LEDGERFLOW_EMBEDDED"] = str(server.data_dir)


def end_with_supervisor() -> None:
    """End this process when the one behind `make run` is gone, even by kill -9, and so free the port.

    LEDGERFLOW_LIFELINE names the read end of a pipe whose other end only the supervisor holds: reading it
    ends when the supervisor does. A process further down inherits the variable but maybe not the pipe.
    """
    lifeline = int(os.environ.get("LEDGERFLOW_LIFELINE", "-1"))
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(lifeline).st_mode)
    except OSError:
        return
    if is_pipe:
        threading.Thread(target=wait_for_end, args=[lifeline], daemon=True).start()


def wait_for_end(lifeline: int) -> None:
    with suppress(OSError):
        os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    os._exit(1)


if __name__ == "__main__":
    main()
