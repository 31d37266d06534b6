"""What beancount and hledger make of our books: what we make of them, account by account."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models import Sum

from apps.ledger.books_file.formats import FORMATS
from apps.ledger.books_file.journals import account_names
from apps.ledger.models import Account, AccountKind, JournalEntry, JournalLine
from apps.ledger.queries.balances import trial_balance
from apps.ledger.services import Line, draft_entry, open_fiscal_year, post_entries
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client
from tests.factories import make_account, make_books, make_client, make_owner, make_posted
from tests.ledger.books_files import HOSTILE, make_full_books

pytestmark = pytest.mark.django_db

BEAN_CHECK = Path(sys.executable).with_name("bean-check")
SAMPLES = Path(os.environ.get("LEDGERFLOW_SAMPLES") or "../shared/samples")
JOURNAL = SAMPLES / "ledgers" / "derived_beancount_example_usd_journal.csv"
EXPECTED = SAMPLES / "expected" / "derived_beancount_example_usd_trial_balance.csv"
ZERO = Decimal(0)


def needed(there, what):
    """Skip where a program or the samples are missing; CI could have them, so it fails there."""
    if there:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, which CI has to have")
    pytest.skip(what)


@pytest.fixture
def hledger():
    program = os.environ.get("HLEDGER") or shutil.which("hledger")
    needed(program, "there is no hledger here")
    return program


def written(client, name, folder):
    path = folder / f"{client.code}.{FORMATS[name].ending}"
    with path.open("wb") as file:
        FORMATS[name].write(client, file, True)
    return path


def run(*command):
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def of_beancount(path, first, last):
    """Return what beancount has on each account within a time, at cost; what it cannot read fails."""
    from beancount import loader
    from beancount.core import convert
    from beancount.core.data import Transaction

    entries, errors, _options = loader.load_file(str(path))
    assert errors == []
    sums = defaultdict(Decimal)
    for entry in entries:
        if isinstance(entry, Transaction) and first <= entry.date <= last:
            for posting in entry.postings:
                sums[posting.account] += convert.get_weight(posting).number
    return {name: round(amount, 6) for name, amount in sums.items() if round(amount, 6)}


def of_hledger(program, path, first, last):
    """Return what hledger has on each account within a time, at cost."""
    told = run(
        program,
        "-f",
        path,
        "balance",
        "--flat",
        "-B",
        "-O",
        "csv",
        "-b",
        first,
        "-e",
        date.fromordinal(last.toordinal() + 1),
    )
    rows = list(csv.DictReader(io.StringIO(told)))
    amounts = {row["account"]: Decimal(row["balance"].split(" ")[0]) for row in rows}
    return {
        name: amount for name, amount in amounts.items() if amount and not name.lower().startswith("total")
    }


def of_ours(client, first, last):
    """Return what our lines say of each account within a time, by the name it has in the journals."""
    names = account_names(Account.objects.filter(client=client).order_by("code"))
    lines = JournalLine.objects.filter(client=client, is_posted=True, date__range=(first, last))
    sums = lines.values_list("account").annotate(Sum("amount")).order_by()
    return {names[pk]: amount for pk, amount in sums if amount}


def of_trial_balance(client, as_at, kinds):
    names = account_names(Account.objects.filter(client=client).order_by("code"))
    return {
        names[row.account.pk]: row.amount for row in trial_balance(client, as_at) if row.account.kind in kinds
    }


def assert_same_everywhere(client, folder, hledger):
    """Compare each program's figures with ours: for each fiscal year, and cumulated to its end."""
    bean, text = written(client, "beancount", folder), written(client, "hledger", folder)
    assert run(BEAN_CHECK, "-C", bean) == ""
    run(hledger, "-f", text, "check", "--strict", "ordereddates")
    years = list(client.fiscal_years.order_by("start"))
    ranges = [(year.start, year.end) for year in years] + [(years[0].start, year.end) for year in years]
    compared = 0
    for first, last in ranges:
        ours = of_ours(client, first, last)
        assert of_beancount(bean, first, last) == ours
        assert of_hledger(hledger, text, first, last) == ours
        compared += len(ours)
    assert compared > 0
    return bean, text


def test_both_programs_agree_with_the_demo_practice(tmp_path, hledger):
    call_command("demo", passwords=tmp_path / "passwords.txt", verbosity=0)
    clients = list(Client.objects.order_by("code"))
    assert len(clients) == 3
    for client in clients:
        bean, text = assert_same_everywhere(client, tmp_path, hledger)
        year = client.fiscal_years.order_by("start").last()
        profit_and_loss = {AccountKind.INCOME, AccountKind.EXPENSE}
        ours = of_trial_balance(client, year.end, profit_and_loss)
        for told in (
            of_beancount(bean, year.start, year.end),
            of_hledger(hledger, text, year.start, year.end),
        ):
            assert {name: told[name] for name in told if name.startswith(("Income", "Expenses"))} == ours
        # The demo closes its earlier years, so what the programs have cumulated is our balance sheet.
        ours = of_trial_balance(client, year.end, set(AccountKind) - profit_and_loss)
        first = client.fiscal_years.order_by("start").first().start
        for told in (of_beancount(bean, first, year.end), of_hledger(hledger, text, first, year.end)):
            assert {name: told[name] for name in told if not name.startswith(("Income", "Expenses"))} == ours


def test_both_programs_agree_with_books_that_have_everything(tmp_path, hledger):
    client = make_full_books(make_owner())
    bean, text = assert_same_everywhere(client, tmp_path, hledger)
    assert run(hledger, "-f", text, "balance", "-N", "cur:EUR").split() == [
        "300.00",
        "EUR",
        "Assets:Bank:1020-Euro-account",
    ]
    assert bean.read_text().count("\n\n2025-") > 10
    assert "Printer paper" not in bean.read_text() + text.read_text()  # a draft


@pytest.mark.parametrize("place", ["description", "memo", "name", "document_number"])
def test_no_text_of_ours_is_anything_but_text_to_them(tmp_path, hledger, place):
    owner = make_owner()
    client, accounts = make_books(make_client("HOSTILE", name=HOSTILE[:100]))
    Account.objects.filter(pk=accounts["6200"].pk).update(name=HOSTILE if place == "name" else "Software")
    said = {"description": {"description": HOSTILE}, "document_number": {"document_number": HOSTILE[-100:]}}
    entry = draft_entry(
        client=client,
        by=owner,
        date=date(2026, 3, 4),
        lines=[
            Line(account=accounts[code], amount=Decimal(amount), memo=HOSTILE if place == "memo" else "")
            for code, amount in [("6200", "5"), ("1010", "-5")]
        ],
        **said.get(place, {}),
    )
    post_entries([entry], by=owner)
    bean, text = assert_same_everywhere(client, tmp_path, hledger)
    assert of_hledger(hledger, text, date(2026, 3, 4), date(2026, 3, 4)) == of_ours(
        client, date(2026, 3, 4), date(2026, 3, 4)
    )
    assert {line.split(":")[0] for line in run(hledger, "-f", text, "tags").split()} <= {
        *("uuid", "kind", "year", "code", "name", "memo", "document", "contact", "class", "due"),
    }
    said = run(hledger, "-f", text, "stats")
    assert re.search(r"^Transactions +: 2 ", said, re.MULTILINE)  # the entry, and the balances of the year
    assert "Ключ 会計 “ü” {brace} %s" in bean.read_text() + text.read_text()


@pytest.mark.parametrize(("base", "foreign"), [("JPY", "EUR"), ("TND", "JPY"), ("EUR", "TND")])
def test_currencies_keep_the_decimals_they_have(tmp_path, hledger, base, foreign):
    owner = make_owner()
    client, accounts = make_books(make_client(f"IN-{base}", base_currency=base))
    abroad = make_account(client, "1020", "asset", "Abroad", section="bank", currency=foreign)
    unit = Decimal(1).scaleb(-decimal_places(base))
    lines = [
        Line(account=abroad, amount=100 * unit, currency=foreign, foreign_amount=Decimal(3)),
        Line(account=accounts["1010"], amount=-100 * unit),
    ]
    entry = draft_entry(client=client, by=owner, date=date(2026, 3, 4), lines=lines)
    assert post_entries([entry], by=owner).refused == []
    assert_same_everywhere(client, tmp_path, hledger)


def test_accounts_of_like_names_stay_apart():
    client = make_client("NAMES")
    twins = [
        ("6.1", "Café, bar"),
        ("6-1", "Cafe bar"),
        ("6 1", "CAFÉ BAR"),
        ("Ä", "会計"),
        ("会", "計"),
        ("7", "7"),
    ]
    for code, name in twins:
        make_account(client, code, "expense", name)
    names = account_names(Account.objects.filter(client=client).order_by("pk"))
    assert list(names.values()) == [
        "Expenses:Operating-Expense:6-1-Cafe-bar",
        "Expenses:Operating-Expense:6-1-Cafe-bar-2",
        "Expenses:Operating-Expense:6-1-CAFE-BAR-3",
        "Expenses:Operating-Expense:A",
        "Expenses:Operating-Expense:X",
        "Expenses:Operating-Expense:7",
    ]


@pytest.mark.parametrize("name", ["beancount", "hledger"])
def test_the_balances_in_a_journal_are_checked_by_the_program(tmp_path, hledger, name):
    client, _accounts = make_books(make_client("WRONG"))
    make_posted(client, ("1010", "50"), ("4000", "-50"))
    path = written(client, name, tmp_path)
    text = path.read_text()
    wrong, count = re.subn(r"(balance \S+Checking  |Checking  0.00 USD = )50.00", r"\g<1>50.01", text)
    assert count == 1
    path.write_text(wrong)
    command = [BEAN_CHECK, "-C", path] if name == "beancount" else [hledger, "-f", path, "check"]
    assert subprocess.run([str(one) for one in command], capture_output=True, check=False).returncode != 0


def test_books_without_entries_and_years_are_a_journal_too(tmp_path, hledger):
    client = make_client("NEW")
    make_account(client, "1010", "asset", "Checking")
    assert run(BEAN_CHECK, "-C", written(client, "beancount", tmp_path)) == ""
    run(hledger, "-f", written(client, "hledger", tmp_path), "check", "--strict")


def post_sample(client, owner):
    """Post the sample, an account for each it names and its fiscal years opened, by the services alone."""
    with JOURNAL.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kinds = {
        root: kind
        for kind, root in zip(
            AccountKind, ["Assets", "Liabilities", "Equity", "Income", "Expenses"], strict=True
        )
    }
    accounts = {
        name: make_account(client, name[:60], kinds[name.partition(":")[0]], name)
        for name in sorted({row["account"] for row in rows})
    }
    days = [date.fromisoformat(row["date"]) for row in rows]
    for year in range(min(days).year, max(days).year + 1):
        open_fiscal_year(client, start=date(year, 1, 1), end=date(year, 12, 31), by=owner)
    by_entry = defaultdict(list)
    for row in rows:
        by_entry[row["entry_no"]].append(row)
    drafts = [
        draft_entry(
            client=client,
            by=owner,
            date=date.fromisoformat(group[0]["date"]),
            description=" ".join(filter(None, [group[0]["payee"], group[0]["narration"]])),
            lines=[
                Line(account=accounts[row["account"]], amount=Decimal(row["amount_usd"])) for row in group
            ],
        )
        for group in by_entry.values()
    ]
    assert post_entries(drafts, by=owner).refused == []
    return accounts


def test_both_programs_agree_with_the_sample_and_so_does_what_it_says_itself(tmp_path, hledger):
    needed(JOURNAL.exists() and EXPECTED.exists(), "the sample ledgers are not here")
    client, owner = make_client("SAMPLE"), make_owner()
    accounts = post_sample(client, owner)
    assert JournalEntry.objects.posted().filter(client=client).count() == 1062
    bean, text = assert_same_everywhere(client, tmp_path, hledger)
    names = account_names(Account.objects.filter(client=client).order_by("code"))
    first, last = date(2013, 1, 1), date(2015, 12, 31)
    told = [
        (of_beancount(bean, first, last), of_beancount(bean, date(2015, 1, 1), last)),
        (of_hledger(hledger, text, first, last), of_hledger(hledger, text, date(2015, 1, 1), last)),
    ]
    with EXPECTED.open(newline="", encoding="utf-8") as file:
        expected = list(csv.DictReader(file))
    assert len(expected) > 20
    for row in expected:
        name = names[accounts[row["account"]].pk]
        for cumulated, of_2015 in told:
            assert cumulated.get(name, ZERO) == Decimal(row["balance_all"])
            assert of_2015.get(name, ZERO) == Decimal(row["movement_2015"])
