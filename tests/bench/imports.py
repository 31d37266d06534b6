"""
How fast a journal comes in: python -m tests.bench.imports [--lines 100000]

The mapped import, as drafts with all history, against django-import-export doing the same job: entries and
contacts too, a preview and the import. Tuned (bulk, no comparison, history in bulk, keys cached), and as it comes
(2,000 rows). A peer that writes lines only, into drafts that exist and without a preview, is much closer to ours:
1.6 times slower when tuned, 30 times as it comes. Each is a process of its own on a new client, so that their
memory can be told apart.
"""

import argparse
import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.__main__ import ROOT, _environment, _manage, _name, _server, _sql

STOCK_ROWS = 2_000
LIMITS = [("tuned", 5), ("stock", 200)]


def write_journal(path: Path, lines: int) -> None:
    """Write entries of two or three lines on forty accounts, the same ones for the same number of lines."""
    chance = random.Random(lines)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["ref", "date", "description", "account", "amount", "memo", "contact"])
        written = reference = 0
        while written < lines:
            reference += 1
            day = f"2026-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
            parts = [chance.randint(100, 99_999) for _ in range(chance.choice([1, 2]))]
            for cents in [*parts, -sum(parts)]:
                account, contact = 1000 + chance.randrange(40), f"Contact {chance.randrange(500)}"
                amount = (
                    f"{cents // 100}.{cents % 100:02}" if cents > 0 else f"-{-cents // 100}.{-cents % 100:02}"
                )
                memo = f"Line {written} of {reference}"
                writer.writerow([reference, day, f"Entry {reference}", account, amount, memo, contact])
                written += 1


def probe(kind: str, path: Path) -> dict[str, float]:
    """Do one of them in this process, and say how long it took and how much memory."""
    import django

    django.setup()
    from django.core.files import File

    from apps.core.models import User
    from apps.ledger.models import Account
    from apps.ledger.services import open_fiscal_year
    from apps.ledger.services.imports import import_journal, look_through, upload_journal
    from apps.profiles.models import Client

    owner, _made = User.objects.get_or_create(username="bench", is_superuser=True)
    client = Client.objects.create(code=f"C{time.time_ns()}", name="Bench", legal_form="company")
    for code in range(1000, 1040):
        Account.objects.create(client=client, code=str(code), name=f"Account {code}", kind="asset")
    import datetime

    open_fiscal_year(client, start=datetime.date(2026, 1, 1), end=datetime.date(2026, 12, 31), by=owner)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    if kind in ("mapped", "posted"):
        with path.open("rb") as file:
            one = upload_journal(client, File(file, "bench.csv"), by=owner, posts=kind == "posted")
        one = look_through(one, by=owner)
        assert not one.preview["counts"]["wrong"], one.preview["wrong"][:3]
        one = import_journal(one, by=owner)
        rows = one.lines
    else:
        rows = _with_resource(kind, client, owner, path)
    return {
        "seconds": time.perf_counter() - start,
        "rows": rows,
        "memory": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }


def _with_resource(kind: str, client: Any, owner: Any, path: Path) -> int:
    """Import the same with import-export: entries and contacts made before their lines, all with history."""
    from import_export import fields, resources, widgets
    from simple_history.utils import bulk_create_with_history
    from tablib import Dataset

    from apps.ledger.models import Account, Contact, JournalEntry, JournalLine

    is_tuned = kind == "tuned"
    known: dict[str, dict[str, Any]] = {"account": {}, "contact": {}, "entry": {}}

    class Known(widgets.ForeignKeyWidget):
        """Looked up once for all rows."""

        def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
            return known[self.model._meta.model_name.removeprefix("journal")][str(value)]

    class Asked(widgets.ForeignKeyWidget):
        def get_queryset(self, value: Any, row: Any, *args: Any, **kwargs: Any) -> Any:
            return self.model.objects.filter(client=client)

    widget = Known if is_tuned else Asked

    class LineResource(resources.ModelResource):
        entry = fields.Field("entry", "ref", widget(JournalEntry, "document_number"))
        account = fields.Field("account", "account", widget(Account, "code"))
        contact = fields.Field("contact", "contact", widget(Contact, "name"))
        number = 0

        class Meta:
            model = JournalLine
            fields = ("entry", "account", "contact", "amount", "memo")
            import_id_fields = ("memo",)
            use_bulk = skip_diff = force_init_instance = is_tuned
            batch_size = 1000

        def get_queryset(self) -> Any:
            return JournalLine.objects.filter(client=client)

        def before_import(self, dataset: Any, **kwargs: Any) -> None:
            if not is_tuned:
                return
            said = {"batch_size": 1000, "default_user": owner}
            names = [Contact(client=client, name=name) for name in dict.fromkeys(dataset["contact"])]
            entries = {
                ref: JournalEntry(
                    client=client, date=day, description=text, document_number=ref, created_by=owner
                )
                for ref, day, text in zip(
                    dataset["ref"], dataset["date"], dataset["description"], strict=True
                )
            }
            made = bulk_create_with_history(list(entries.values()), JournalEntry, **said)
            known["account"] = {one.code: one for one in Account.objects.filter(client=client)}
            known["contact"] = {one.name: one for one in bulk_create_with_history(names, Contact, **said)}
            known["entry"] = {one.document_number: one for one in made}

        def before_import_row(self, row: Any, **kwargs: Any) -> None:
            if not is_tuned:
                facts = {"date": row["date"], "description": row["description"], "created_by": owner}
                JournalEntry.objects.get_or_create(client=client, document_number=row["ref"], defaults=facts)
                Contact.objects.get_or_create(client=client, name=row["contact"])

        def after_init_instance(self, instance: Any, new: bool, row: Any, **kwargs: Any) -> None:
            self.number += 1
            instance.client, instance.line_number = client, self.number

        def bulk_create(
            self, using_transactions: Any, dry_run: Any, raise_errors: Any, **kwargs: Any
        ) -> None:
            if self.create_instances:
                bulk_create_with_history(
                    self.create_instances, JournalLine, batch_size=1000, default_user=owner
                )
                self.create_instances.clear()

    with path.open(newline="", encoding="utf-8") as file:
        data = Dataset().load(file, format="csv")
    rows = Dataset(*(data if is_tuned else data[:STOCK_ROWS]), headers=data.headers)
    for dry_run in (True, False):  # its preview does the same, and rolls it back
        result = LineResource().import_data(rows, dry_run=dry_run, raise_errors=True, use_transactions=True)
    return result.total_rows


def measure(url: str, kind: str, path: Path) -> dict[str, float]:
    run = [sys.executable, "-m", "tests.bench.imports", "--probe", kind, "--file", str(path)]
    done = subprocess.run(run, cwd=ROOT, env=_environment(url), check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=100_000)
    parser.add_argument("--probe", default="")
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.probe:
        print(json.dumps(probe(options.probe, options.file)))
        return
    server = _server()
    url = f"{server}ledgerflow_bench_imports"
    _sql(server, f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)", f"CREATE DATABASE {_name(url)}")
    try:
        _manage(url, "manage.py", "migrate", "-v0")
        with tempfile.TemporaryDirectory() as folder:
            compare(url, Path(folder), options.lines)
    finally:
        _sql(server, f"DROP DATABASE IF EXISTS {_name(url)} WITH (FORCE)")


def compare(url: str, folder: Path, lines: int) -> None:
    large, small = folder / "large.csv", folder / "small.csv"
    write_journal(large, lines)
    write_journal(small, lines // 10)
    ours = measure(url, "mapped", large)
    print(f"\n| import of {lines:,} lines | rows/s | seconds | memory, MB | ours is faster | limit | |")
    print("|---|---:|---:|---:|---:|---:|---|")
    rate = ours["rows"] / ours["seconds"]
    print(
        f"| mapped, looked through and imported | {rate:,.0f} | {ours['seconds']:.1f} | {ours['memory']:.0f} | | | |"
    )
    for kind, limit in LIMITS:
        theirs = measure(url, kind, large)
        their_rate = theirs["rows"] / theirs["seconds"]
        ratio = rate / their_rate
        said = "met" if ratio >= limit else "MISSED"
        print(
            f"| import-export, {kind}, the same job with its preview: {theirs['rows']:,} lines | {their_rate:,.0f} | {theirs['seconds']:.1f}"
            f" | {theirs['memory']:.0f} | {ratio:,.1f} | ≥ {limit} | {said} |",
            flush=True,
        )
    posted = measure(url, "posted", large)
    print(
        f"| mapped, and posted | {posted['rows'] / posted['seconds']:,.0f} | {posted['seconds']:.1f}"
        f" | {posted['memory']:.0f} | | | |"
    )
    few = measure(url, "mapped", small)
    print(
        f"| mapped, {lines // 10:,} lines | {few['rows'] / few['seconds']:,.0f} | {few['seconds']:.1f}"
        f" | {few['memory']:.0f} | | | |"
    )


if __name__ == "__main__":
    main()
