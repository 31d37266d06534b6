"""django-dbbackup's PostgreSQL connector, with client tools that match the server."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from dbbackup.db.exceptions import CommandConnectorError
from dbbackup.db.postgresql import PgDumpBinaryConnector
from django.conf import settings
from django.utils.translation import gettext as _

SYSTEM_FOLDERS = ["/usr/lib/postgresql/{major}/bin", "/usr/pgsql-{major}/bin"]
DUMP_OPTIONS = "--no-privileges --lock-wait-timeout=15s --compress=1"


class MatchingPgDumpConnector(PgDumpBinaryConnector):
    """
    Dumps in PostgreSQL's custom format, compressed: each block carries a checksum, so that a
    damaged file is refused and never restored in part.
    """

    restore_suffix = "--no-owner --no-privileges"

    def _create_dump(self) -> Any:
        self.dump_suffix = DUMP_OPTIONS
        self.dump_cmd = str(client_tool("pg_dump", self._server_major()))
        return super()._create_dump()

    def _restore_dump(self, dump: Any) -> Any:
        self.restore_cmd = str(client_tool("pg_restore", self._server_major()))
        return super()._restore_dump(dump)

    def _server_major(self) -> int:
        self.connection.ensure_connection()
        return int(self.connection.pg_version) // 10_000


def client_tool(name: str, major: int) -> Path:
    """
    Return the path of a PostgreSQL client tool of the server's major version.

    An older pg_dump refuses a newer server, and what a newer one writes an older pg_restore cannot
    read, so nothing but the same major will do. Raises CommandConnectorError naming what to install.
    """
    folders = [settings.PG_BIN, *(folder.format(major=major) for folder in SYSTEM_FOLDERS)]
    candidates = [Path(folder) / name for folder in folders if folder]
    if on_path := shutil.which(name):
        candidates.append(Path(on_path))
    for candidate in candidates:
        if candidate.is_file() and _major_of(candidate) == major:
            return candidate
    raise CommandConnectorError(
        _(
            "The database is PostgreSQL %(major)s, and %(tool)s %(major)s was not found. "
            "Install postgresql-client-%(major)s or name its folder in LEDGERFLOW_PG_BIN."
        )
        % {"major": major, "tool": name}
    )


def _major_of(tool: Path) -> int | None:
    answer = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    return int(found[1]) if found else None
