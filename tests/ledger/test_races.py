"""Two at once, on connections of their own: whoever comes second waits, and then sees what the first did."""

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from threading import Barrier, Event

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, connections, transaction

from apps.core import guards
from apps.ledger.checking import check_books
from apps.ledger.models import Account, ClosedPeriod, JournalEntry, JournalLine, Period
from apps.ledger.services import (
    close_fiscal_year,
    close_through,
    post_entries,
    post_entry,
    recode,
    reopen_period,
    reverse_entry,
)
from apps.profiles.models import Client
from tests.factories import make_books, make_draft, make_owner, make_posted

pytestmark = pytest.mark.django_db(transaction=True)

SALE = (("1010", "50.00"), ("4000", "-50.00"))
RENT = (("6100", "80.00"), ("1010", "-80.00"))
ROUNDS = 6
LONGEST = 20  # seconds; nothing here may wait longer for another


@pytest.fixture
def books():
    client, accounts = make_books()
    yield client, accounts
    assert check_books([client.pk]) == []


@pytest.fixture
def owner():
    return make_owner()


def outcome(verb):
    """Do it in a transaction on this thread's own connection; return "done" or the code of the refusal."""
    try:
        with transaction.atomic():
            verb()
    except ValidationError as error:
        return error.code
    except IntegrityError as error:
        return guards.constraint_of(error)
    return "done"


def on_own_connection(verb):
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{LONGEST}s'")
        return verb()
    finally:
        connections.close_all()


def at_once(*verbs):
    """Let all go at the same moment; return what became of each."""
    gate = Barrier(len(verbs))

    def go(verb):
        connection.ensure_connection()
        gate.wait(LONGEST)
        return outcome(verb)

    with ThreadPoolExecutor(len(verbs)) as pool:
        running = [pool.submit(on_own_connection, lambda verb=verb: go(verb)) for verb in verbs]
        return [one.result(2 * LONGEST) for one in running]


def in_turn(first, second):
    """Let the second begin when the first is done and not committed yet; return what became of both."""
    is_done, waits_or_ended = Event(), Event()

    def go_first():
        def and_hold():
            try:
                first()
            finally:
                is_done.set()
            waits_or_ended.wait(LONGEST)

        return outcome(and_hold)

    def go_second():
        is_done.wait(LONGEST)
        try:
            return outcome(second)
        finally:
            waits_or_ended.set()

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(on_own_connection, one) for one in (go_first, go_second)]
        is_done.wait(LONGEST)
        until = time.monotonic() + LONGEST
        while not waits_or_ended.is_set() and time.monotonic() < until:
            if somebody_waits():
                waits_or_ended.set()
            time.sleep(0.005)
        return [one.result(2 * LONGEST) for one in running]


def somebody_waits():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
            " WHERE NOT l.granted AND a.datname = current_database())"
        )
        return cursor.fetchone()[0]


def in_both_orders(test):
    """Run a test twice, on fresh books: with the first of its two going first, and with the second."""

    def run(owner):
        for swapped in (False, True):
            client, accounts = make_books()
            test(client, accounts, owner, swapped)
            assert check_books([client.pk]) == []

    run.__name__ = test.__name__
    return run


def both(first, second, swapped):
    """Return what became of the two, in the order given, whichever went first."""
    outcomes = in_turn(second, first) if swapped else in_turn(first, second)
    return list(reversed(outcomes)) if swapped else outcomes


@in_both_orders
def test_post_against_close(client, accounts, owner, swapped):
    make_posted(client, *SALE)
    draft = make_draft(client, *SALE, day="2026-01-31")
    posting, _closing = both(
        lambda: post_entry(draft, by=owner),
        lambda: close_through(client, date(2026, 1, 31), by=owner, reason="Month end"),
        swapped,
    )
    assert posting == ("ledger_entry_period_soft_closed" if swapped else "done")
    assert_the_snapshot_has_what_was_posted(client, accounts["1010"])


def assert_the_snapshot_has_what_was_posted(client, account):
    closed = ClosedPeriod.objects.filter(client=client).latest("pk")
    posted = JournalEntry.objects.posted().filter(client=client).count()
    (amount,) = [row[-1] for row in closed.trial_balance if row[0] == str(account.uuid)]
    assert Decimal(amount) == 50 * posted


def test_many_post_while_the_month_is_closed(books, owner):
    client, accounts = books
    make_posted(client, *SALE)
    for _ in range(3):
        drafts = [make_draft(client, *SALE, day="2026-01-31") for _ in range(4)]
        post_all = [lambda draft=draft: post_entry(draft, by=owner) for draft in drafts]
        at_once(
            *post_all[:2],
            lambda: close_through(client, date(2026, 1, 31), by=owner, reason="Month end"),
            *post_all[2:],
        )
        assert_the_snapshot_has_what_was_posted(client, accounts["1010"])
        JournalEntry.objects.drafts().filter(client=client).update(date="2026-02-01")
        reopen_period(Period.objects.get(client=client, start="2026-01-01"), by=owner, reason="Once more")


@in_both_orders
def test_post_against_edit_of_a_line(client, accounts, owner, swapped):
    draft = make_draft(client, *SALE)
    line = draft.lines.first()
    posting, editing = both(
        lambda: post_entry(draft, by=owner),
        lambda: JournalLine.objects.filter(pk=line.pk).update(amount=49),
        swapped,
    )
    expected = ("ledger_entry_balanced", "done") if swapped else ("done", "ledger_line_posted_frozen")
    assert (posting, editing) == expected


@in_both_orders
def test_post_against_a_line_removed(client, accounts, owner, swapped):
    draft = make_draft(client, *SALE)
    posting, removing = both(
        lambda: post_entry(draft, by=owner), lambda: draft.lines.first().delete(), swapped
    )
    expected = ("ledger_entry_two_lines", "done") if swapped else ("done", "ledger_line_posted_frozen")
    assert (posting, removing) == expected


@in_both_orders
def test_post_against_the_draft_deleted(client, accounts, owner, swapped):
    draft = make_draft(client, *SALE)

    def delete():
        draft.lines.all().delete()
        JournalEntry.objects.filter(pk=draft.pk).delete()

    posting, deleting = both(lambda: post_entry(draft, by=owner), delete, swapped)
    assert (posting, deleting) == (("gone", "done") if swapped else ("done", "ledger_line_posted_frozen"))


def test_two_posts_of_one_entry(books, owner):
    client, _ = books
    for _ in range(ROUNDS):
        draft = make_draft(client, *SALE)
        assert sorted(at_once(*[lambda draft=draft: post_entry(draft, by=owner)] * 2)) == ["done", "posted"]


def test_many_numbers_at_once(books, owner):
    client, _ = books
    drafts = iter([make_draft(client, *SALE) for _ in range(48)])
    for batch in itertools.batched(drafts, 8):
        assert at_once(*(lambda draft=draft: post_entry(draft, by=owner) for draft in batch)) == ["done"] * 8
    numbers = JournalEntry.objects.filter(client=client).order_by("position").values_list("number", flat=True)
    assert list(numbers) == list(range(1, 49))


def test_two_clients_do_not_wait_for_each_other(books, owner):
    client, _ = books
    other, _ = make_books()
    mine, theirs = make_draft(client, *SALE), make_draft(other, *SALE)
    ended = Event()

    def second():
        post_entry(theirs, by=owner)
        ended.set()

    assert in_turn(lambda: post_entry(mine, by=owner), second) == ["done", "done"]
    assert ended.is_set()


def test_two_add_lines_to_one_draft_and_both_post(books, owner):
    client, accounts = books
    for _ in range(ROUNDS):
        draft = make_draft(client, *SALE)

        def add_and_post(draft=draft):
            for code, amount in RENT:
                JournalLine.objects.create(client=client, entry=draft, account=accounts[code], amount=amount)
            post_entry(draft, by=owner)

        assert sorted(at_once(add_and_post, add_and_post)) == ["done", "ledger_line_posted_frozen"]
        assert draft.lines.count() == 4


@in_both_orders
def test_bulk_posting_against_single_posting_in_other_order(client, accounts, owner, swapped):
    one, two = make_draft(client, *SALE), make_draft(client, *SALE)

    def single():
        post_entry(two, by=owner)

    assert both(lambda: post_entries([one, two], by=owner), single, swapped) in (
        ["done", "done"],
        ["done", "posted"],
    )
    assert JournalEntry.objects.posted().filter(client=client).count() == 2


def test_bulk_posting_against_bulk_and_single_posting(books, owner):
    client, _ = books
    for _ in range(ROUNDS):
        drafts = [make_draft(client, *SALE) for _ in range(6)]
        outcomes = at_once(
            lambda drafts=drafts: post_entries(drafts, by=owner),
            lambda drafts=drafts: post_entries(reversed(drafts), by=owner),
            *(lambda draft=draft: post_entry(draft, by=owner) for draft in reversed(drafts)),
        )
        assert outcomes[:2] == ["done", "done"]
        assert set(outcomes[2:]) <= {"done", "posted"}
        assert not JournalEntry.objects.drafts().filter(client=client).exists()


def test_reverse_against_reverse(books, owner):
    client, _ = books
    for _ in range(ROUNDS):
        entry = make_posted(client, *SALE)
        verbs = [lambda entry=entry: reverse_entry(entry, by=owner)] * 2
        assert sorted(at_once(*verbs)) == ["done", "reversed"]


@in_both_orders
def test_reverse_against_recode(client, accounts, owner, swapped):
    entry = make_posted(client, *RENT)
    line = entry.lines.get(account=accounts["6100"])
    reversing, recoding = both(
        lambda: reverse_entry(entry, by=owner),
        lambda: recode([line], account=accounts["6200"], by=owner),
        swapped,
    )
    expected = ("ledger_entry_reversal_recoded", "done") if swapped else ("done", "ledger_entry_recoded_once")
    assert (reversing, recoding) == expected


def test_recode_against_recode(books, owner):
    client, accounts = books
    for _ in range(ROUNDS):
        line = make_posted(client, *RENT).lines.get(account=accounts["6100"])
        verbs = [lambda line=line: recode([line], account=accounts["6200"], by=owner)] * 2
        assert sorted(at_once(*verbs)) == ["done", "recoded"]


def test_bulk_recodings_that_overlap(books, owner):
    client, accounts = books
    for _ in range(ROUNDS):
        lines = [make_posted(client, *RENT).lines.get(account=accounts["6100"]) for _ in range(4)]
        outcomes = at_once(
            lambda lines=lines: recode(lines[:3], account=accounts["6200"], by=owner),
            lambda lines=lines: recode(lines[:0:-1], account=accounts["6200"], by=owner),
        )
        assert sorted(outcomes) == ["done", "recoded"]


@in_both_orders
def test_an_account_made_a_heading_while_posting(client, accounts, owner, swapped):
    draft = make_draft(client, *SALE)
    posting, changing = both(
        lambda: post_entry(draft, by=owner),
        lambda: Account.objects.filter(pk=accounts["1010"].pk).update(is_postable=False),
        swapped,
    )
    expected = ("ledger_entry_postable_accounts", "done") if swapped else ("done", "ledger_account_frozen")
    assert (posting, changing) == expected


@in_both_orders
def test_the_base_currency_changed_while_the_first_entry_is_posted(client, accounts, owner, swapped):
    draft = make_draft(client, ("1010", "0.50"), ("4000", "-0.50"))
    posting, changing = both(
        lambda: post_entry(draft, by=owner),
        lambda: Client.objects.filter(pk=client.pk).update(base_currency="JPY"),
        swapped,
    )
    expected = ("ledger_line_decimals", "done") if swapped else ("done", "ledger_client_currency_frozen")
    assert (posting, changing) == expected


@in_both_orders
def test_a_cycle_of_accounts_made_by_two(client, accounts, owner, swapped):
    one, two = accounts["6100"], accounts["6200"]
    outcomes = both(
        lambda: Account.objects.filter(pk=one.pk).update(parent=two),
        lambda: Account.objects.filter(pk=two.pk).update(parent=one),
        swapped,
    )
    assert sorted(outcomes) == ["done", "ledger_account_no_cycle"]


@in_both_orders
def test_close_against_the_year_end(client, accounts, owner, swapped):
    make_posted(client, *SALE, day="2026-12-31")
    year = client.fiscal_years.get()
    closing, ending = both(
        lambda: close_through(client, date(2026, 12, 31), by=owner, reason="Year end"),
        lambda: close_fiscal_year(year, by=owner),
        swapped,
    )
    assert (closing, ending) == ("done", "done")  # the adjusting period takes it
    assert close_fiscal_year(year, by=owner) == []


def test_two_close_a_year_at_once(books, owner):
    client, _ = books
    make_posted(client, *SALE, day="2026-12-31")
    year = client.fiscal_years.get()
    assert at_once(*[lambda: close_fiscal_year(year, by=owner)] * 3) == ["done"] * 3
    assert JournalEntry.objects.filter(client=client, kind="closing").count() == 1


@in_both_orders
def test_a_period_removed_while_it_is_posted_into(client, accounts, owner, swapped):
    draft = make_draft(client, *SALE, day="2026-12-31")
    year = client.fiscal_years.get()

    def remove():
        Period.objects.filter(client=client)._raw_delete("default")
        client.fiscal_years.filter(pk=year.pk)._raw_delete("default")

    posting, removing = both(lambda: post_entry(draft, by=owner), remove, swapped)
    expected = ("ledger_entry_has_period", "done") if swapped else ("done", "ledger_period_used")
    assert (posting, removing) == expected
