from pathlib import Path
from typing import Any

from django.core.management import CommandParser
from django.template.defaultfilters import filesizeformat

from apps.backups.offsite import keys, records
from apps.backups.people import who_calls
from apps.backups.services import copy_off_site, fetch_archive, fetch_backup, push_backups
from apps.backups.services.copying import names_in_bucket
from apps.backups.services.off_site import Copied
from apps.core.management.base import SayingCommand


class Command(SayingCommand):
    """Everything about copies off site; each verb says what it did, or in one sentence why not."""

    help = (
        "Copy tested backups and the archive off site, list the copies, bring them back; make and prove keys."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        push = verbs.add_parser("push", help="copy what is not there yet")
        push.add_argument("name", nargs="?", default="", help="only this backup")
        listing = verbs.add_parser("list", help="list the copies, newest first")
        listing.add_argument("--bucket", action="store_true", help="ask the bucket, as on a new machine")
        fetch = verbs.add_parser("fetch", help="bring a copy back among the backups here")
        fetch.add_argument("name", nargs="?", default="", help="a name out of list; without one, the newest")
        archive = verbs.add_parser("fetch-archive", help="bring the archive back")
        archive.add_argument("--into", required=True, type=Path, help="the folder it is put into")
        for one in (fetch, archive):
            one.add_argument("--identity", default="", help="file of the private key; - reads it as input")
        new_key = verbs.add_parser("new-key", help="make a private key in a new file, print the public one")
        prove = verbs.add_parser("prove", help="prove that a private key opens what is encrypted here")
        for one in (new_key, prove):
            one.add_argument(
                "file", help="file of the private key" + ("; - reads it" if one is prove else "")
            )

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        getattr(self, verb.replace("-", "_"))(**options)

    def push(self, name: str, **options: Any) -> None:
        by = who_calls()
        if name:
            done = Copied(push_backups(name, by=by, report=self.say))
        else:
            done = copy_off_site(by=by, report=self.say)
        for one in done.backups:
            self.stdout.write(f"{one} is copied off site.")
        if done.pieces:
            self.stdout.write(f"{done.pieces} pieces of the archive are copied off site.")
        if not done.backups and not done.pieces:
            self.stdout.write("Everything that was tested is off site already.")

    def list(self, bucket: bool, **options: Any) -> None:
        lines = names_in_bucket() if bucket else [self._line(one) for one in records.copies()]
        self.stdout.write("\n".join(lines) or "There is no copy off site.")

    def fetch(self, name: str, identity: str, **options: Any) -> None:
        opened_by = keys.identities(identity) if identity else []
        backup = fetch_backup(name, identities=opened_by, by=who_calls(), report=self.say)
        self.stdout.write(f"{backup.name} is here again: {backup.state.label}.")
        self.stdout.write("restore_backup restores it; it is tested again before anything changes.")

    def fetch_archive(self, into: Path, identity: str, **options: Any) -> None:
        opened_by = keys.identities(identity) if identity else []
        count = fetch_archive(into, identities=opened_by, by=who_calls(), report=self.say)
        self.stdout.write(f"{count} pieces of the archive are in {into}.")

    def new_key(self, file: str, **options: Any) -> None:
        public = keys.new_key(Path(file))
        self.stdout.write(f"{public}\nThis is the public key, for BACKUP_RECIPIENTS.")
        self.stdout.write(f"Without {file} nobody can open a copy: keep it elsewhere, twice, and not here.")

    def prove(self, file: str, **options: Any) -> None:
        for one in keys.prove(file):
            self.stdout.write(f"{one} is proven: its key opens what is encrypted here.")
        for one in keys.unproven():
            self.stdout.write(f"{one} is not proven yet.")

    def _line(self, copy: records.Copy) -> str:
        kind = "encrypted" if copy.recipients else "not encrypted"
        size = filesizeformat(copy.size).replace("\xa0", " ")
        return f"{copy.name}  copied {copy.pushed_at:%Y-%m-%d %H:%M} UTC  {size}  {kind}"
