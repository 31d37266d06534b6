"""
Short business stories whose every figure is known; the entries are in scenario_entries.csv.

The story is told by posting its entries in order. Kinds closing and reversal are made by the software,
so a test that tells them asks the service, and compares with the file.
"""

import csv
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

from apps.ledger.models import Account, JournalEntry
from apps.ledger.queries.balances import trial_balance
from apps.ledger.services import Line, draft_entry, post_entry
from tests.factories import make_client, make_year

ROLES = {  # what a chart says of its accounts besides their kind
    "Retained earnings": "retained_earnings",
    "Owner's capital": "capital",
    "Member's capital": "capital",
    "Owner's draw": "draw",
    "Owner's contribution": "contribution",
    "Net assets brought forward": "retained_earnings",
}


def read(scenario):
    """Return the entries of a story: number -> (day, kind, description, [(code, amount)]), and its chart."""
    entries, chart = {}, {}
    with (Path(__file__).parent / "scenario_entries.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["scenario"] != str(scenario):
                continue
            chart[row["account"]] = (row["account_name"], row["account_kind"])
            entry = entries.setdefault(
                int(row["entry"]),
                (date.fromisoformat(row["date"]), row["kind"], row["description"], []),
            )
            entry[3].append((row["account"], Decimal(row["amount"])))
    return entries, chart


class Story:
    """A client with the chart, the years and the entries of a story."""

    def __init__(self, scenario, by, *, years, **facts):
        self.by = by
        self.told, self.entries = {}, {}
        self.told, chart = read(scenario)
        self.client = make_client(**facts)
        self.accounts = {
            code: Account.objects.create(
                client=self.client, code=code, name=name, kind=kind, role=ROLES.get(name, "")
            )
            for code, (name, kind) in chart.items()
        }
        for start, end in years:
            make_year(self.client, start, end, by=by)

    def post(self, *numbers):
        """Post entries of the file, as drafts that are posted."""
        for number in numbers:
            self.entries[number] = post_entry(self.draft(number), by=self.by)

    def draft(self, number, **changed):
        day, kind, description, lines = self.told[number]
        facts = {"date": day, "kind": kind, "description": description, **changed}
        return draft_entry(client=self.client, by=self.by, lines=self.lines(lines), **facts)

    def lines(self, pairs):
        return [Line(account=self.accounts[code], amount=Decimal(amount)) for code, amount in pairs]

    def made(self, entry):
        """Return what an entry made by the software says, to be compared with the file."""
        lines = entry.lines.select_related("account").order_by("account__code", "amount")
        return (entry.date, entry.kind, sorted((line.account.code, line.amount) for line in lines))

    def expected(self, number):
        day, kind, _description, lines = self.told[number]
        return (day, kind, sorted(lines))

    def trial_balance(self, day, **options):
        balances = trial_balance(self.client, date.fromisoformat(day), **options)
        return {balance.account.code: f"{balance.amount:.2f}" for balance in balances}

    def closing_total(self, code):
        """Sum the lines of kind closing on an account."""
        entries = JournalEntry.objects.posted().filter(client=self.client, kind="closing")
        totals = defaultdict(Decimal)
        for entry in entries:
            for line in entry.lines.select_related("account"):
                totals[line.account.code] += line.amount
        return totals[code]
