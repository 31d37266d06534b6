"""check_books finds what was changed behind the guards' back, and names the entry."""

import io
import json
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone
from procrastinate.contrib.django import app

from apps.ledger import checking, tasks
from apps.ledger.checking import check_books
from apps.ledger.checking.card import last_check
from apps.ledger.checking.chain import links
from apps.ledger.models import BookCheck, JournalEntry, TaxCode
from apps.ledger.services import Line, close_through, draft_entry, post_entry, recode, reverse_entry
from apps.profiles.roles import Role
from tests.factories import (
    make_account,
    make_books,
    make_client,
    make_draft,
    make_owner,
    make_posted,
    make_staff,
    make_year,
)
from tests.ledger.attempts import run_sql

pytestmark = pytest.mark.django_db

SALE = (("1010", "50.00"), ("4000", "-50.00"))
RENT = (("6100", "80.00"), ("1010", "-80.00"))


@pytest.fixture
def books():
    """ACORN with entries of each kind, numbers 1 to 10 in 2026 and 1 in 2027; another client beside it."""
    client, accounts = make_books(make_client("ACORN"))
    make_year(client, "2027-01-01", "2027-12-31")
    owner = make_owner()
    euros = make_account(client, "1090", "asset", currency="EUR", section="bank")
    code = TaxCode.objects.create(client=client, code="V20", name="VAT 20 %", direction="sales")
    make_posted(client, ("1010", "1000"), ("3000", "-1000"), kind="opening", day="2026-01-01")
    make_posted(client, *SALE, day="2026-01-10")
    rent = make_posted(client, *RENT, day="2026-01-15")
    wrong = make_posted(client, *SALE, day="2026-01-20")
    reverse_entry(wrong, by=owner)
    recode([rent.lines.get(account=accounts["6100"])], account=accounts["6200"], by=owner)
    foreign = draft_entry(
        client=client,
        by=owner,
        date=date(2026, 2, 3),
        lines=[
            Line(account=euros, amount=Decimal(110), currency="EUR", foreign_amount=Decimal(100)),
            Line(account=accounts["4000"], amount=Decimal(-110), tax_code=code, tax_base=Decimal(-110)),
        ],
    )
    post_entry(foreign, by=owner)
    make_posted(client, *SALE, day="2026-12-31", kind="adjusting")
    make_posted(client, *SALE, day="2026-02-10")
    make_posted(client, ("6200", "1"), ("6100", "2"), ("1010", "-3"), day="2026-02-11")
    make_posted(client, *SALE, day="2027-03-01")
    make_draft(client, ("1010", "7"))
    close_through(client, date(2026, 1, 31), by=owner, reason="Month end")
    other, _ = make_books(make_client("BLUEBELL"))
    make_posted(other, *SALE)
    return client, accounts


def entry(client, number, year=2026):
    return JournalEntry.objects.get(client=client, number=number, fiscal_year__start__year=year)


@contextmanager
def guards_off(*tables):
    """What the owner of the database can do."""
    run_sql("SET CONSTRAINTS ALL IMMEDIATE")
    for table in tables:
        run_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    yield
    for table in tables:
        run_sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def tamper(statement, *arguments, tables=("ledger_journalentry", "ledger_journalline")):
    with guards_off(*tables):
        run_sql(statement, *arguments)


def found(client=None):
    """Return what check_books says: {check: failure}."""
    return {failure.check: failure for failure in check_books(client and [client.pk])}


def test_books_that_were_kept_have_no_faults(books):
    assert check_books() == []


def test_python_and_the_database_agree_on_the_facts_of_each_entry(books):
    client, _ = books
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT e.id, ledger_entry_facts(e) FROM ledger_journalentry e WHERE position IS NOT NULL"
            " ORDER BY client_id, position"
        )
        theirs = cursor.fetchall()
    everyone = sorted({client.pk, *JournalEntry.objects.values_list("client_id", flat=True)})
    ours = [(link.entry_id, link.facts.decode()) for link in links(everyone)]
    assert ours == theirs
    assert len(ours) == 12
    for special in ("adjusting", "|EUR|100.0000|1.1000000000|", "#1"):
        assert any(special in facts for _pk, facts in ours), special


LINES_OF = "(SELECT id FROM ledger_journalline WHERE entry_id = %s ORDER BY line_number {} LIMIT 1)"
FIRST, LAST = LINES_OF.format(""), LINES_OF.format("DESC")


def move_a_cent(client, accounts, one):
    tamper(f"UPDATE ledger_journalline SET amount = amount + 0.01 WHERE id = {FIRST}", one.pk)
    tamper(f"UPDATE ledger_journalline SET amount = amount - 0.01 WHERE id = {LAST}", one.pk)


def swap_an_account(client, accounts, one):
    tamper(f"UPDATE ledger_journalline SET account_id = %s WHERE id = {FIRST}", accounts["6200"].pk, one.pk)


def change_the_date(client, accounts, one):
    tamper("UPDATE ledger_journalentry SET date = date + 1 WHERE id = %s", one.pk)
    tamper("UPDATE ledger_journalline SET date = date + 1 WHERE entry_id = %s", one.pk)


def renumber(client, accounts, one):
    tamper("UPDATE ledger_journalentry SET number = 99 WHERE id = %s", one.pk)


def change_the_rate(client, accounts, one):
    tamper(f"UPDATE ledger_journalline SET rate = 1.2 WHERE id = {FIRST}", one.pk)


def change_the_tax_base(client, accounts, one):
    tamper(f"UPDATE ledger_journalline SET tax_base = -100 WHERE id = {LAST}", one.pk)


def change_the_kind(client, accounts, one):
    tamper("UPDATE ledger_journalentry SET kind = 'bank' WHERE id = %s", one.pk)


def add_lines(client, accounts, one):
    statement = """
        INSERT INTO ledger_journalline (client_id, entry_id, line_number, account_id, amount, memo, currency,
                                        date, kind, is_posted)
        SELECT client_id, entry_id, line_number + 10, account_id, amount, '', '', date, kind, true
          FROM ledger_journalline WHERE entry_id = %s
    """
    tamper(statement, one.pk)


def write_another_hash(client, accounts, one):
    tamper("UPDATE ledger_journalentry SET hash = sha256('x') WHERE id = %s", one.pk)


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (move_a_cent, 2),
        (swap_an_account, 2),
        (change_the_date, 9),
        (renumber, 9),
        (change_the_rate, 7),
        (change_the_tax_base, 7),
        (change_the_kind, 2),
        (add_lines, 9),
        (write_another_hash, 4),
    ],
)
def test_a_changed_entry_is_named(books, change, number):
    client, accounts = books
    one = entry(client, number)
    change(client, accounts, one)
    one.refresh_from_db()
    failure = found()["chain"]
    assert (failure.client, failure.entry, failure.date) == ("ACORN", one.number, one.date)
    assert f"Entry {one.number} of {one.date}" in failure.what
    # The entry after one with another hash does not fit either; else one change is one failure.
    assert failure.count == (2 if change is write_another_hash else 1)


@pytest.mark.parametrize("number", [1, 5, 9])
def test_a_deleted_entry_is_named(books, number):
    client, _ = books
    one = entry(client, number)
    tamper("DELETE FROM ledger_journalline WHERE entry_id = %s", one.pk)
    tamper("DELETE FROM ledger_journalentry WHERE id = %s", one.pk)
    failures = found()
    assert (failures["missing"].entry, failures["missing"].date) == (number, one.date)
    assert failures["numbers"].count >= 1
    assert "totals" in failures


def test_the_last_entry_deleted_is_named_though_the_chain_ends_well(books):
    client, _ = books
    one = entry(client, 1, 2027)
    tamper("DELETE FROM ledger_journalline WHERE entry_id = %s", one.pk)
    tamper("DELETE FROM ledger_journalentry WHERE id = %s", one.pk)
    failures = found()
    assert set(failures) == {"missing", "totals"}
    assert failures["missing"].what == "Entry 1 of 2027-03-01 was posted, by its history, and is gone."


OTHERS = [
    (
        "balanced",
        9,
        lambda one, accounts: tamper(
            f"UPDATE ledger_journalline SET amount = amount + 0.01 WHERE id = {FIRST}", one.pk
        ),
    ),
    (
        "two_lines",
        9,
        lambda one, accounts: tamper(f"DELETE FROM ledger_journalline WHERE id = {FIRST}", one.pk),
    ),
    (
        "copies",
        9,
        lambda one, accounts: tamper(
            "UPDATE ledger_journalline SET date = date + 1 WHERE entry_id = %s", one.pk
        ),
    ),
    (
        "decimals",
        10,
        lambda one, accounts: (
            tamper(f"UPDATE ledger_journalline SET amount = amount + 0.001 WHERE id = {FIRST}", one.pk),
            tamper(f"UPDATE ledger_journalline SET amount = amount - 0.001 WHERE id = {LAST}", one.pk),
        ),
    ),
    (
        "currency",
        1,
        lambda one, accounts: tamper(
            "UPDATE ledger_account SET currency = 'EUR' WHERE id = %s",
            accounts["1010"].pk,
            tables=["ledger_account"],
        ),
    ),
    (
        "postable",
        1,
        lambda one, accounts: tamper(
            "UPDATE ledger_account SET is_postable = false WHERE id = %s",
            accounts["1010"].pk,
            tables=["ledger_account"],
        ),
    ),
    (
        "numbers",
        1000,
        lambda one, accounts: tamper(
            "UPDATE ledger_journalentry SET number = 1000 WHERE client_id = %s AND number = 4", one.client_id
        ),
    ),
    (
        "period",
        9,
        lambda one, accounts: tamper(
            "UPDATE ledger_journalentry SET period_id = (SELECT id FROM ledger_period WHERE client_id = %s"
            " AND start = '2026-03-01') WHERE id = %s",
            one.client_id,
            one.pk,
        ),
    ),
    (
        "reversals",
        5,
        lambda one, accounts: tamper(
            "UPDATE ledger_journalline SET amount = amount * 2 WHERE entry_id = %s", one.pk
        ),
    ),
    (
        "recodings",
        6,
        lambda one, accounts: tamper(
            "UPDATE ledger_journalline SET amount = amount * 2 WHERE entry_id = %s", one.pk
        ),
    ),
    (
        "history",
        9,
        lambda one, accounts: tamper(
            "DELETE FROM ledger_historicaljournalentry WHERE id = %s",
            one.pk,
            tables=["ledger_historicaljournalentry"],
        ),
    ),
    (
        "totals",
        None,
        lambda one, accounts: tamper(
            "UPDATE ledger_accounttotal SET debit = debit + 1 WHERE account_id = %s",
            accounts["1010"].pk,
            tables=["ledger_accounttotal"],
        ),
    ),
    (
        "snapshots",
        None,
        lambda one, accounts: tamper(
            "UPDATE ledger_closedperiod SET trial_balance = '[]' WHERE client_id = %s",
            one.client_id,
            tables=["ledger_closedperiod"],
        ),
    ),
    (
        "states",
        None,
        lambda one, accounts: tamper(
            "UPDATE ledger_period SET state = 'locked' WHERE client_id = %s AND start = '2026-05-01'",
            one.client_id,
            tables=["ledger_period"],
        ),
    ),
    (
        "periods",
        None,
        lambda one, accounts: tamper(
            "DELETE FROM ledger_period WHERE client_id = %s AND start = '2026-05-01'",
            one.client_id,
            tables=["ledger_period"],
        ),
    ),
    (
        "years",
        None,
        lambda one, accounts: tamper(
            "UPDATE ledger_fiscalyear SET start = '2027-01-02' WHERE client_id = %s AND start = '2027-01-01'",
            one.client_id,
            tables=["ledger_fiscalyear"],
        ),
    ),
    (
        "chart",
        None,
        lambda one, accounts: tamper(
            "UPDATE ledger_account SET parent_id = CASE WHEN id = %s THEN %s ELSE %s END"
            " WHERE id IN (%s, %s)",
            *[accounts[code].pk for code in ("6100", "6200", "6100", "6100", "6200")],
            tables=["ledger_account"],
        ),
    ),
]


@pytest.mark.parametrize(("check", "number", "change"), OTHERS, ids=[one[0] for one in OTHERS])
def test_each_rule_is_asked_again(books, check, number, change):
    client, accounts = books
    change(entry(client, number if number in range(1, 11) else 2), accounts)
    failure = found()[check]
    assert (failure.client, failure.entry) == ("ACORN", number)
    assert failure.what.endswith(".")
    assert "%(" not in failure.what
    assert "?" not in failure.what


def test_a_line_recoded_twice_and_an_entry_reversed_twice_are_found(books):
    client, accounts = books
    again = make_draft(client, ("6100", "-80"), ("6200", "80"), kind="recode", day="2026-02-20")
    line = entry(client, 3).lines.get(account=accounts["6100"])
    tamper("UPDATE ledger_journalline SET recodes_id = %s WHERE id = " + FIRST, line.pk, again.pk)
    reversed_again = make_posted(client, ("1010", "-50"), ("4000", "50"), day="2026-02-21")
    post = """
        UPDATE ledger_journalentry
           SET status = 'posted', number = 12, position = 13, hash = '', posted_at = now(),
               period_id = %s, fiscal_year_id = %s
         WHERE id = %s
    """
    run_sql("ALTER TABLE ledger_journalentry DROP CONSTRAINT ledger_journalentry_reverses_id_key")
    one, undone = entry(client, 9), entry(client, 4)
    tamper(post, one.period_id, one.fiscal_year_id, again.pk)
    set_reverses = "UPDATE ledger_journalentry SET reverses_id = %s WHERE id = %s"
    tamper(set_reverses, undone.pk, reversed_again.pk)
    failures = found(client)
    assert failures["recoded_once"].entry == 12
    assert failures["reversed_once"].entry == reversed_again.number


def test_a_reference_into_other_books_is_found(books):
    client, _ = books
    run_sql("SET CONSTRAINTS ALL IMMEDIATE")
    run_sql("ALTER TABLE ledger_journalline DROP CONSTRAINT ledger_line_account_same_client")
    theirs = make_account(make_client(), "1010", "asset")
    tamper(
        f"UPDATE ledger_journalline SET account_id = %s WHERE id = {FIRST}", theirs.pk, entry(client, 9).pk
    )
    failures = check_books()
    assert {"guards", "references", "chain"} <= {failure.check for failure in failures}
    (reference,) = [failure for failure in failures if failure.check == "references"]
    assert (reference.client, reference.entry) == ("ACORN", 9)


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (
            "ALTER TABLE ledger_journalline DISABLE TRIGGER ledger_guard_line",
            "The guard ledger_guard_line of the table ledger_journalline is switched off.",
        ),
        (
            "DROP TRIGGER ledger_period_covers ON ledger_period",
            "The guard ledger_period_covers of the table ledger_period is missing.",
        ),
        (
            "CREATE OR REPLACE FUNCTION ledger_check_recode(e ledger_journalentry) RETURNS void"
            " LANGUAGE sql AS ''",
            "The function ledger_check_recode, which guards use, is not what the migrations made.",
        ),
        (
            "ALTER TABLE ledger_journalline DROP CONSTRAINT ledger_line_numbers",
            "The rule ledger_line_numbers of the table ledger_journalline is missing or was never checked.",
        ),
        (
            "DROP INDEX ledger_period_one_adjusting",
            "The rule ledger_period_one_adjusting of the table ledger_period is missing or was never "
            "checked.",
        ),
        (
            "ALTER TABLE core_user DISABLE TRIGGER core_user_never_deleted",
            "The guard core_user_never_deleted of the table core_user is switched off.",
        ),
    ],
)
def test_a_guard_that_is_gone_is_named(books, statement, what):
    run_sql("SET CONSTRAINTS ALL IMMEDIATE")
    run_sql(statement)
    assert [failure.what for failure in check_books()] == [what]


def test_every_guard_of_the_migrations_is_known():
    functions, triggers = checking.guards_in_place.guards_of_migrations()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE NOT tgisinternal AND relname ~ '^(core|profiles|ledger)_'"
        )
        assert set(cursor.fetchall()) == triggers
        cursor.execute("SELECT proname FROM pg_proc WHERE proname ~ '^(core|ledger)_'")
        assert {name for (name,) in cursor.fetchall()} == set(functions)


def test_one_client_is_checked_alone(books):
    client, _ = books
    bluebell = JournalEntry.objects.get(client__code="BLUEBELL")
    tamper("UPDATE ledger_journalentry SET kind = 'bank' WHERE id = %s", bluebell.pk)
    assert check_books([client.pk]) == []
    assert {failure.client for failure in check_books()} == {"BLUEBELL"}


def test_progress_is_told_to_the_end_in_batches(books, monkeypatch):
    monkeypatch.setattr(checking, "LINES_AT_ONCE", 1)
    told = []
    check_books(progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (25, 25)


def run_command(*arguments):
    """Return the exit code and what was written."""
    out = io.StringIO()
    try:
        call_command("check_books", *arguments, stdout=out)
    except SystemExit as end:
        return end.code, out.getvalue()
    return 0, out.getvalue()


def test_the_command_says_and_stores_that_all_is_well(books):
    assert run_command() == (0, "Every rule of the books holds.\n")
    check = BookCheck.objects.get()
    assert (check.is_clean, check.clients, check.lines) == (True, 2, 25)


def test_the_command_names_faults_and_exits_with_1(books):
    client, accounts = books
    move_a_cent(client, accounts, entry(client, 2))
    code, text = run_command()
    assert code == 1
    assert "ACORN: Entry 2 of 2026-01-10 is not what was posted" in text
    assert BookCheck.objects.get().failures[0]["entry"] == 2
    code, text = run_command("--json")
    told = json.loads(text)
    assert (code, told["clean"]) == (1, False)
    assert {
        "check": "chain",
        "client": "ACORN",
        "entry": 2,
        "date": "2026-01-10",
        "count": 1,
        "what": "Entry 2 of 2026-01-10 is not what was posted: its facts, or the entry before it, "
        "were changed.",
    } in told["failures"]


def test_the_command_checks_one_client_and_stores_nothing_of_it(books):
    client, accounts = books
    move_a_cent(client, accounts, entry(client, 2))
    assert run_command("--client", "bluebell", "--json") == (0, '{\n  "clean": true,\n  "failures": []\n}\n')
    assert run_command("--client", "acorn")[0] == 1
    assert not BookCheck.objects.exists()
    with pytest.raises(CommandError, match="There is no client NOBODY"):
        call_command("check_books", client="NOBODY")


def test_the_start_page_tells_those_who_look_after_the_practice(client):
    owner = make_owner()
    assert last_check(make_staff(make_client(), Role.MANAGER)) is None
    assert (last_check(owner).tone, last_check(owner).value) == ("alarm", "Never")
    BookCheck.objects.create(duration=timedelta(seconds=2), clients=1, lines=10)
    assert (last_check(owner).tone, last_check(owner).value) == ("calm", "No fault")
    BookCheck.objects.create(
        duration=timedelta(seconds=2),
        clients=1,
        lines=10,
        failures=[{"check": "chain", "client": "ACORN", "what": "Entry <2>", "count": 1}],
    )
    assert (last_check(owner).tone, last_check(owner).value) == ("alarm", "1 fault")
    client.force_login(owner)
    assert "1 fault" in client.get(reverse("admin:index")).content.decode()
    page = client.get(reverse("admin:ledger_bookcheck_change", args=[BookCheck.objects.first().pk]))
    assert "Entry &lt;2&gt;" in page.content.decode()


def test_an_old_check_is_as_bad_as_none():
    with transaction.atomic(), guards_off("ledger_bookcheck"):
        check = BookCheck.objects.create(duration=timedelta(seconds=2), clients=1, lines=10)
        BookCheck.objects.filter(pk=check.pk).update(at=timezone.now() - timedelta(days=2, minutes=1))
    assert last_check(make_owner()).tone == "alarm"


def test_the_nightly_task_is_known_to_the_worker():
    assert tasks.check_books_nightly.queueing_lock == "check_books"
    assert "apps.ledger.tasks.check_books_nightly" in {
        task.task.name for task in app.periodic_registry.periodic_tasks.values()
    }
