"""Books out of other programs: every figure as their own tools have it."""

import csv
import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.files import File
from django.db.models import Sum

from apps.ledger.checking import check_books
from apps.ledger.importing.mapping import JournalFormat
from apps.ledger.models import JournalEntry
from apps.ledger.queries.balances import trial_balance
from apps.ledger.services.imports import import_journal, look_through, read_otherwise, upload_journal
from tests.factories import make_client, make_owner, make_year

pytestmark = pytest.mark.django_db
SAMPLES = Path(os.environ.get("LEDGERFLOW_SAMPLES", "../shared/samples"))
JOURNAL = SAMPLES / "ledgers/derived_beancount_example_usd_journal.csv"
FIGURES = SAMPLES / "expected/derived_beancount_example_usd_trial_balance.csv"
STORIES = Path(__file__).with_name("scenario_entries.csv")


def shown(path, client, by, **options):
    """Upload a file, have it read otherwise than guessed where asked, and return it with its preview."""
    with path.open("rb") as file:
        journal_import = upload_journal(client, File(file, path.name), by=by)
    if options:
        read_as = JournalFormat.from_json(journal_import.options | options)
        journal_import = read_otherwise(journal_import, read_as, by=by)
    return look_through(journal_import, by=by)


def balances(client, day):
    return {
        one.account.code if one.account else "earlier": one.amount
        for one in trial_balance(client, day)
        if one.amount
    }


@pytest.mark.skipif(not JOURNAL.exists(), reason="The sample ledgers are not part of the project")
def test_a_journal_of_three_years_comes_in_as_it_is_with_accounts_and_years():
    client, owner = make_client(), make_owner()
    import_journal(shown(JOURNAL, client, owner, posts=True), by=owner)
    assert JournalEntry.objects.posted().count() == 1062
    with FIGURES.open(encoding="utf-8") as file:
        figures = list(csv.DictReader(file))
    expected = {}
    for row in figures:
        on_balance_sheet = row["account"].split(":")[0] in ("Assets", "Liabilities", "Equity")
        amount = Decimal(row["balance_all"] if on_balance_sheet else row["movement_2015"])
        if amount:
            expected[row["account"]] = amount
    assert balances(client, date(2015, 12, 31)) == expected | {"earlier": Decimal("62274.59")}
    assert check_books([client.pk]) == []

    again = shown(JOURNAL, client, owner, posts=True)
    assert again.preview["counts"] == {"new": 0, "changed": 0, "same": 1062, "wrong": 0}


STORY = {"grouping": "reference", "only_column": "scenario", "posts": True}


def test_stories_come_in_as_they_are_one_client_after_the_other():
    owner = make_owner()
    harbor, marlow = make_client(), make_client(base_currency="GBP")
    make_year(marlow, "2026-01-01", "2026-03-31")  # the first one is short, the next is opened in its rhythm
    make_year(marlow, "2026-04-01", "2027-03-31")
    import_journal(shown(STORIES, harbor, owner, **STORY, only_value="1"), by=owner)
    assert balances(harbor, date(2026, 1, 31)) == {
        "1010": Decimal("29962.23"),
        "3000": Decimal("-20000"),
        "3900": Decimal("-3529.20"),
        "4000": Decimal("-6150"),
        "6300": Decimal("-315.40"),
        "6400": Decimal("32.37"),
    }
    second = shown(STORIES, marlow, owner, **STORY, only_value="2")
    import_journal(second, by=owner)
    assert balances(marlow, date(2026, 5, 31)) == {
        "1010": Decimal("12010"),
        "1500": Decimal("18000"),
        "1590": Decimal("-1125"),
        "2200": Decimal("-950"),
        "2300": Decimal("-1116.25"),
        "2500": Decimal("-15000"),
        "3000": Decimal("-5000"),
        "3900": Decimal("-4758.75"),
        "4000": Decimal("-3300"),
        "5000": Decimal("1240"),
    }
    assert check_books([harbor.pk, marlow.pk]) == []
    kinds = marlow.entries.values_list("kind", flat=True)
    assert sorted(set(kinds)) == ["adjusting", "closing", "manual"]


@pytest.mark.parametrize("story", ["1", "2", "6", "8", "10"])
def test_every_line_of_a_story_stands_on_its_account(story):
    owner, client = make_owner(), make_client()
    one = shown(STORIES, client, owner, **STORY, only_value=story)
    import_journal(one, by=owner)
    with STORIES.open(encoding="utf-8") as file:
        lines = [row for row in csv.DictReader(file) if row["scenario"] == story]
    expected: dict[str, Decimal] = {}
    for row in lines:
        expected[row["account"]] = expected.get(row["account"], Decimal(0)) + Decimal(row["amount"])
    totals = client.accounts.values_list("code").annotate(total=Sum("lines__amount"))
    assert dict(totals) == expected
    assert client.entries.count() == len({row["entry"] for row in lines})
    assert dict(client.accounts.values_list("code", "kind")) == {
        row["account"]: row["account_kind"] for row in lines
    }
    assert check_books([client.pk]) == []
