"""A machine of its own, on which the runbooks of docs/operations.md are executed as they stand."""

import re
import shlex
import subprocess
import sys

import psycopg

from tests.stack import ROOT, Stack

PAGE = (ROOT / "docs" / "operations.md").read_text()

BOOKS = """
from pathlib import Path
from django.conf import settings
from tests.factories import make_books, make_client, make_draft, make_owner, make_user
from apps.ledger.services import post_entry
client, accounts = make_books(make_client("ACORN"))
owner = make_owner()
for number in range(3):
    draft = make_draft(client, ("1010", 100), ("4000", -100), day=f"2026-0{number + 1}-10")
    post_entry(draft, by=owner)
Path(settings.MEDIA_ROOT).mkdir(exist_ok=True)
(Path(settings.MEDIA_ROOT) / "paper.pdf").write_bytes(b"a paper")
"""
LATER = """
from tests.factories import make_client
make_client("LATER")
"""
RUINED = """
SET session_replication_role = replica;
DELETE FROM ledger_journalline; DELETE FROM ledger_journalentry; DELETE FROM ledger_accounttotal;
"""


def commands(title):
    """Return the commands of a runbook, in their order; tests/containers.sh does those with containers."""
    section = PAGE.partition(f"### {title}\n")[2].partition("\n#")[0]
    found = [line for block in re.findall(r"```sh\n(.*?)```", section, re.S) for line in block.splitlines()]
    assert found, f"no runbook is headed {title}"
    return [line for line in found if line.strip() and not line.startswith("docker ")]


class Machine:
    """A machine with a database, the code, and the folders; commands are run as somebody types them."""

    def __init__(self, folder, *, archive=False):
        self.stack = Stack(folder, archive=archive)
        self.stack.start_server()
        self.stack.environment["BACKUP_BEFORE_MIGRATE"] = "on"  # as it is outside tests

    def run(self, line, *, code=ROOT, succeeds=True, **names):
        for word, name in names.items():
            line = line.replace(word, name)
        words = shlex.split(line)
        assert words[:2] == ["python", "manage.py"], line
        if words[2] in ("restore_backup", "restore_to", "undo_restore") and "--look" not in words:
            words.append("--noinput")
        if words[2] == "drop_kept_copy":
            words.append(f"--typed={words[3]}")
        done = subprocess.run(
            [sys.executable, *words[1:]],
            cwd=code, env=self.stack.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
        return done.stdout + done.stderr

    def shell(self, code):
        self.stack.manage("shell", "--verbosity=0", "-c", code)

    def query(self, query, **options):
        with psycopg.connect(**{**self.stack.database, **options}, autocommit=True) as session:
            cursor = session.execute(query)
            return cursor.fetchall() if cursor.description else []

    @property
    def entries(self):
        return self.query("SELECT count(*) FROM ledger_journalentry")[0][0]

    @property
    def clients(self):
        return [code for (code,) in self.query("SELECT code FROM profiles_client ORDER BY 1")]
