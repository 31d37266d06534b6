"""Django's PostgreSQL backend, for a database that may change places with another while it is asked for."""

from typing import Any

import psycopg
from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """
    Connects once more when the server says that there is no such database.

    A restore renames two databases in one transaction. Who connects meanwhile waits for it, and is then told
    that the database was just renamed, although another has its name by now.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            return super().get_new_connection(conn_params)
        except psycopg.OperationalError as error:
            # The server says it in its own language and libpq passes no code on; the name is in it in all.
            refusal = str(error).rpartition("failed: ")[2]
            if str(conn_params["dbname"]) not in refusal:
                raise
            return super().get_new_connection(conn_params)
