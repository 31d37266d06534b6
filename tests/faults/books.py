"""Books on a server of their own, and what must be true of them whatever was killed."""

import hashlib
import time
from pathlib import Path

import psycopg

from apps.backups import media
from apps.backups.catalogue import backups
from apps.backups.manifest import collect, differences
from apps.backups.services.restoring import OF_THE_MOMENT
from apps.backups.storage import INCOMING, folder
from tests.faults.forks import Commands
from tests.stack import Stack

MOMENT = (*OF_THE_MOMENT, "procrastinate_events", "backups_heartbeat")
SECONDS_TO_WRITE = 2
FILL = """
from django.db import transaction
from tests.factories import make_books, make_client, make_owner, make_posted
with transaction.atomic():
    by = make_owner()
    client, _accounts = make_books(make_client("ACORN"))
    for _entry in range(10):
        make_posted(client, *[("6100", "1.00"), ("1010", "-1.00")] * 200, by=by)
"""


class Books:
    """A few thousand lines, three files, and commands that can be killed."""

    def __init__(self, path, *, archive=False):
        self.stack = Stack(path, archive=archive)
        self.stack.start_database()
        for number in range(3):
            (path / "media").mkdir(exist_ok=True)
            (path / "media" / f"paper{number}.txt").write_text(f"paper {number}" * 1000)
        self.commands = Commands(self.stack.environment, path)
        self.others = Commands(self.stack.environment, path)
        self.commands.run("shell", "--verbosity=0", "-c", FILL)

    def stop(self):
        self.commands.stop()
        self.others.stop()
        self.stack.stop()

    def session(self, database="", **options):
        facts = {**self.stack.database, "dbname": database or self.stack.database["dbname"], **options}
        try:
            return psycopg.connect(**facts, connect_timeout=5)
        except (
            psycopg.OperationalError
        ) as error:  # who comes in the moment of a change-over is told to come again
            if "just been dropped or renamed" not in str(error):
                raise
            return psycopg.connect(**facts, connect_timeout=5)

    @property
    def server(self):
        return self.session("postgres", user="postgres", autocommit=True)

    @property
    def live(self):
        return self.stack.database["dbname"]

    def databases(self):
        """Return the names of all databases but the live one and those of the server, oldest first."""
        with self.server as server:
            names = server.execute("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname")
            return [name for (name,) in names if name not in ("postgres", self.live)]

    def kept(self):
        return [name for name in self.databases() if "_old_" in name]

    def manifest(self, database=""):
        """Return what a database holds, without what belongs to the moment."""
        with self.session(database) as session:
            session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            found = collect(session.cursor())
        found["tables"] = {name: facts for name, facts in found["tables"].items() if name not in MOMENT}
        return found

    def is_same(self, wanted, database=""):
        return not differences(wanted, self.manifest(database))

    def restored(self, manifest=None):
        """Return the tables as a restore gives them back: it notes that it has checked the books."""
        tables = (manifest or self.manifest())["tables"]
        return {name: facts for name, facts in tables.items() if name not in (*MOMENT, "ledger_bookcheck")}

    def add_client(self, code):
        """Write something that no backup of before has."""
        self.commands.run(
            "shell", "--verbosity=0", "-c", f"from tests.factories import make_client; make_client('{code}')"
        )

    def assert_writable(self):
        """Every table takes rows, at once."""
        began = time.monotonic()
        with self.session() as session:
            session.execute(f"SET statement_timeout = '{SECONDS_TO_WRITE}s'")
            tables = session.execute(
                "SELECT quote_ident(relname) FROM pg_class"
                " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            ).fetchall()
            session.execute(f"LOCK TABLE {', '.join(name for (name,) in tables)} IN ROW EXCLUSIVE MODE")
            session.execute("INSERT INTO django_session VALUES (%s, '', now())", [str(began)])
        assert time.monotonic() - began < SECONDS_TO_WRITE

    def assert_no_orphans(self, seconds=5):
        """What a command has started ends with it."""
        end = time.monotonic() + seconds
        while found := self._programs():
            assert time.monotonic() < end, f"go on: {found}"
            time.sleep(0.02)

    def _programs(self):
        """Return the command lines of the programs that were started for these books."""
        mark, ours = f"BACKUP_DIR={folder()}".encode(), (self.commands.process.pid, self.others.process.pid)
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if int(process.name) not in ours and mark in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:  # it has ended meanwhile, or is another account's
                continue
        return [line for line in found if line]

    def assert_backups_whole(self):
        """Each that is listed has the content, the manifest and the files it says."""
        for backup in backups():
            content = (folder() / backup.name).read_bytes()
            assert hashlib.sha256(content).hexdigest() == backup.facts["sha256"], backup.name
            assert backup.manifest()["tables"]["ledger_journalline"][0] == 4000
            entries = list(media.entries_of(backup.name))
            assert len(entries) == backup.facts["media"]["files"] == 3
            assert all(media.pooled(entry.sha256).exists() for entry in entries)

    def assert_clean(self):
        """Nothing is left of runs that were killed; a status file's last part may be, for a day."""
        assert not [name for name in self.databases() if "_try_" in name]
        assert not [path for path in (folder() / INCOMING).glob("*") if not path.name.startswith(".")]

    def drop_kept(self, but=()):
        with self.server as server:
            for name in self.kept():
                if name not in but:
                    server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
