"""Closing, locking and reopening: order, reasons, rights, what stands in the way, and nothing slips in."""

import threading
import time
from datetime import date, timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, transaction

from apps.core.registry import close_checks
from apps.ledger.close_checks import Finding, findings, findings_of
from apps.ledger.models import ClosedPeriod, JournalEntry, Period, Review
from apps.ledger.queries.changes import changed_since, digest, is_intact
from apps.ledger.services import (
    InTheWay,
    close_through,
    lock_through,
    open_fiscal_year,
    post_entry,
    remove_fiscal_year,
    reopen_period,
    reverse_entry,
)
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

pytestmark = pytest.mark.django_db

SALE = (("1010", "50.00"), ("4000", "-50.00"))
END_OF_MARCH = date(2026, 3, 31)


@pytest.fixture
def books(owner):
    return make_books()[0]


@pytest.fixture
def owner(db):
    return make_owner()


def month(client, number, year=2026):
    return Period.objects.get(client=client, start=date(year, number, 1), is_adjusting=False)


def adjusting(client, year=2026):
    return Period.objects.get(client=client, is_adjusting=True, end__year=year)


def states(client):
    """The first letters of all states, in order: oooo… ; the adjusting period last in its year."""
    periods = Period.objects.filter(client=client).order_by("end", "is_adjusting")
    return "".join(period.state[0] for period in periods)


def refusal(attempt, *arguments, **options):
    with pytest.raises(ValidationError) as caught:
        attempt(*arguments, **options)
    return caught.value.code


# Order


def test_closing_through_a_day_takes_every_period_that_has_ended_by_then_in_order(books, owner):
    closed = close_through(books, date(2026, 4, 29), by=owner)
    assert [one.period.end.month for one in closed] == [1, 2, 3]
    assert states(books) == "sssoooooooooo"


def test_closing_again_takes_only_what_is_still_open(books, owner):
    close_through(books, END_OF_MARCH, by=owner)
    closed = close_through(books, date(2026, 5, 31), by=owner)
    assert [one.period.end.month for one in closed] == [4, 5]
    assert refusal(close_through, books, date(2026, 5, 31), by=owner) == "nothing_to_close"
    assert refusal(close_through, books, date(2025, 5, 31), by=owner) == "nothing_to_close"


def test_locking_takes_open_and_soft_closed_periods_alike(books, owner):
    close_through(books, END_OF_MARCH, by=owner)
    locked = lock_through(books, date(2026, 4, 30), by=owner)
    assert [one.state for one in locked] == ["locked"] * 4
    assert states(books) == "lllloooooooo" + "o"
    assert ClosedPeriod.objects.filter(period=month(books, 1)).count() == 2  # at the close, and at the lock


def test_the_adjusting_period_stays_open_unless_asked_for(books, owner):
    lock_through(books, date(2026, 12, 31), by=owner)
    assert adjusting(books).state == "open"
    make_posted(books, *SALE, day="2026-12-31", kind="adjusting")
    (closed,) = lock_through(books, date(2026, 12, 31), by=owner, adjusting=True)
    assert closed.period == adjusting(books)
    late = make_draft(books, *SALE, day="2026-12-31", kind="adjusting")
    assert refusal(post_entry, late, by=owner) == "ledger_entry_period_locked"


def test_two_years_close_in_one_step_with_their_adjusting_periods(books, owner):
    make_year(books, "2027-01-01", "2027-12-31")
    closed = close_through(books, date(2027, 12, 31), by=owner, adjusting=True)
    assert len(closed) == 26
    assert [one.period.is_adjusting for one in closed][12:14] == [True, False]


def test_reopening_takes_every_later_period_latest_first(books, owner):
    lock_through(books, date(2026, 5, 31), by=owner)
    opened = reopen_period(month(books, 3), by=owner, reason="The accountant's adjustments")
    assert [period.end.month for period in opened] == [5, 4, 3]
    assert states(books) == "llooooooooooo"
    closed = close_through(books, date(2026, 5, 31), by=owner)  # and closed again in one step
    assert [one.period.end.month for one in closed] == [3, 4, 5]


def test_reopening_december_opens_its_adjusting_period_and_the_years_after(books, owner):
    make_year(books, "2027-01-01", "2027-12-31")
    close_through(books, date(2026, 12, 31), by=owner, adjusting=True)
    close_through(books, date(2027, 1, 31), by=owner)
    opened = reopen_period(month(books, 12), by=owner, reason="A late bill")
    assert [str(period) for period in opened] == ["January 2027", "Adjusting, 31 Dec 2026", "December 2026"]


def test_the_adjusting_period_reopens_by_itself(books, owner):
    make_year(books, "2027-01-01", "2027-12-31")
    lock_through(books, date(2026, 12, 31), by=owner, adjusting=True)
    lock_through(books, date(2027, 2, 28), by=owner)
    assert reopen_period(adjusting(books), by=owner, reason="Tax came later") == [adjusting(books)]
    assert states(books) == "l" * 12 + "o" + "ll" + "o" * 11


# Reasons and rights


@pytest.mark.parametrize("reason", ["", "  "])
def test_reopening_needs_a_reason(books, owner, reason):
    close_through(books, END_OF_MARCH, by=owner)
    code = refusal(reopen_period, month(books, 3), by=owner, reason=reason)
    assert code == "ledger_period_reopen_reason"
    assert states(books).startswith("sss")


def test_an_open_period_is_not_reopened(books, owner):
    assert refusal(reopen_period, month(books, 3), by=owner, reason="Why not") == "open"


def test_who_closed_and_reopened_when_and_why_is_in_the_history(books, owner):
    close_through(books, END_OF_MARCH, by=owner)
    reopen_period(month(books, 2), by=owner, reason="A late bill")
    found = month(books, 2).history.order_by("history_id")
    assert [(one.state, one.history_user == owner, one.history_change_reason) for one in found][1:] == [
        ("soft_closed", True, ""),
        ("open", True, "A late bill"),
    ]
    assert month(books, 1).history.count() == 2


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        (Role.VIEWER, ""),
        (Role.PREPARER, ""),
        (Role.REVIEWER, "close"),
        (Role.MANAGER, "close lock reopen"),
    ],
)
def test_reviewers_close_and_managers_lock_and_reopen(books, owner, role, allowed):
    person = make_staff(books, role)
    close_through(books, date(2026, 1, 31), by=owner)
    attempts = {
        "close": lambda: close_through(books, date(2026, 2, 28), by=person),
        "lock": lambda: lock_through(books, date(2026, 2, 28), by=person),
        "reopen": lambda: reopen_period(month(books, 1), by=person, reason="Please"),
    }
    for verb, attempt in attempts.items():
        if verb in allowed:
            attempt()
        else:
            with pytest.raises(PermissionDenied):
                attempt()


def test_a_role_for_another_client_is_none_here(books):
    stranger = make_staff(make_client(), Role.MANAGER)
    with pytest.raises(PermissionDenied):
        close_through(books, END_OF_MARCH, by=stranger)
    with pytest.raises(PermissionDenied):
        reopen_period(month(books, 1), by=stranger, reason="Please")


# What stands in the way


def test_a_draft_dated_up_to_the_day_refuses_and_a_later_one_does_not(books, owner):
    make_draft(books, *SALE, day="2026-03-30")
    make_draft(books, *SALE, day="2026-04-01")
    with pytest.raises(InTheWay, match="1 draft up to 31 Mar 2026") as caught:
        close_through(books, END_OF_MARCH, by=owner)
    assert caught.value.code == "in_the_way"
    assert [(one.check, one.count) for one in caught.value.findings] == [("drafts", 1)]
    assert states(books) == "o" * 13
    assert not ClosedPeriod.objects.exists()
    close_through(books, date(2026, 2, 28), by=owner)


def test_money_in_suspense_refuses_until_it_is_cleared(books, owner):
    make_account(books, "1900", "asset", "Suspense", role="suspense")
    make_posted(books, ("1900", "1234.50"), ("1010", "-1234.50"), day="2026-01-10")
    (found,) = findings(books, END_OF_MARCH)
    assert (found.check, found.what) == ("suspense", "Not zero: 1900 Suspense 1,234.50")
    make_posted(books, ("6100", "1234.50"), ("1900", "-1234.50"), day="2026-03-31")
    assert findings(books, END_OF_MARCH) == []
    assert findings(books, date(2026, 2, 28)) != []


def test_a_draft_into_suspense_is_a_draft_and_no_balance(books):
    make_account(books, "1900", "asset", "Suspense", role="suspense")
    make_draft(books, ("1900", "5"), ("1010", "-5"))
    assert [one.check for one in findings(books, END_OF_MARCH)] == ["drafts"]


def test_an_open_question_refuses(books, owner):
    entry = make_posted(books, *SALE)
    JournalEntry.objects.filter(pk=entry.pk).update(review=Review.QUESTION)
    assert [one.check for one in findings(books, END_OF_MARCH)] == ["open_questions"]
    assert refusal(lock_through, books, END_OF_MARCH, by=owner) == "in_the_way"


def test_a_reason_overrides_and_both_are_kept(books, owner):
    make_draft(books, *SALE, day="2026-02-10")
    make_draft(books, *SALE, day="2026-03-10")
    closed = close_through(books, END_OF_MARCH, by=owner, reason="The client is away")
    assert {one.reason for one in closed} == {"The client is away"}
    (overridden,) = closed[0].overridden
    assert overridden == {"check": "drafts", "count": 2, "what": "2 drafts up to 31 Mar 2026"}
    assert month(books, 3).history.first().history_change_reason == "The client is away"


def test_blanks_are_no_reason(books, owner):
    make_draft(books, *SALE)
    assert refusal(close_through, books, END_OF_MARCH, by=owner, reason="  ") == "in_the_way"


def test_a_check_of_another_app_may_be_one_that_no_reason_overrides(books, owner, monkeypatch):
    def unposted(asked):
        for client, through in asked:
            yield Finding("unposted", client.pk, through, 3, "3 bank lines", "/", can_be_overridden=False)

    monkeypatch.setattr(close_checks, "_parts", [unposted])
    with pytest.raises(InTheWay, match=r"Clear this first\.'"):
        close_through(books, END_OF_MARCH, by=owner, reason="Never mind")


def test_what_stands_in_the_way_of_many_clients_costs_as_many_queries_as_checks(
    books, django_assert_num_queries
):
    asked = [(books, END_OF_MARCH), (books, date(2026, 1, 31))]
    make_draft(books, *SALE, day="2026-02-10")
    for _ in range(5):
        client, _accounts = make_books()
        make_draft(client, *SALE)
        asked.append((client, END_OF_MARCH))
    with django_assert_num_queries(3):
        found = findings_of(asked)
    assert [len(found[client.pk, day]) for client, day in asked] == [1, 0, 1, 1, 1, 1, 1]


def test_another_clients_drafts_are_not_in_the_way(books, owner):
    make_draft(make_books()[0], *SALE)
    assert close_through(books, END_OF_MARCH, by=owner)


# What closing leaves behind


def test_what_the_books_said_is_stored_with_a_hash_that_can_be_checked(books, owner):
    make_posted(books, *SALE, day="2026-01-10")
    january, february = close_through(books, date(2026, 2, 28), by=owner)
    assert [row[1:] for row in january.trial_balance] == [
        ["1010", "Checking", "50.00"],
        ["4000", "Sales", "-50.00"],
    ]
    assert january.hash == february.hash == digest(january.trial_balance)
    stored = ClosedPeriod.objects.get(pk=january.pk)
    assert is_intact(stored)
    stored.trial_balance[0][3] = "51.00"
    assert not is_intact(stored)


def test_amounts_are_stored_with_the_decimals_of_the_currency(owner):
    yen = make_books(make_client(base_currency="JPY"))[0]
    make_posted(yen, ("1010", "500"), ("4000", "-500"))
    dinar = make_books(make_client(base_currency="TND"))[0]
    make_posted(dinar, ("1010", "5.125"), ("4000", "-5.125"))
    for client, amount in ((yen, "500"), (dinar, "5.125")):
        (closed,) = close_through(client, date(2026, 1, 31), by=owner)
        assert closed.trial_balance[0][3] == amount


def test_the_books_say_the_same_of_a_closed_month_whatever_is_posted_later(books, owner):
    make_posted(books, *SALE)
    (closed,) = close_through(books, date(2026, 1, 31), by=owner)
    make_posted(books, *SALE, day="2026-02-10")
    assert changed_since(closed) == []


def test_a_soft_closed_month_takes_an_entry_with_a_reason_and_a_locked_one_none(books, owner):
    close_through(books, END_OF_MARCH, by=owner)
    draft = make_draft(books, *SALE, day="2026-03-31")
    assert refusal(post_entry, draft, by=owner) == "ledger_entry_period_soft_closed"
    entry = post_entry(draft, by=owner, reason="Found in a drawer")
    lock_through(books, END_OF_MARCH, by=owner)
    code = refusal(reverse_entry, entry, by=owner, date=END_OF_MARCH, reason="Please")
    assert code == "ledger_entry_period_locked"


# Years of every length


@pytest.mark.parametrize(
    ("start", "end", "day", "ends"),
    [
        ("2024-01-01", "2024-12-31", "2024-02-29", ["2024-01-31", "2024-02-29"]),
        ("2023-01-01", "2023-12-31", "2023-02-28", ["2023-01-31", "2023-02-28"]),
        ("2025-11-15", "2025-12-31", "2025-12-30", ["2025-11-30"]),  # short
        ("2026-01-01", "2027-06-30", "2026-02-01", ["2026-01-31"]),  # 18 months
        ("2026-04-06", "2027-04-05", "2026-06-05", ["2026-05-05", "2026-06-05"]),  # 6 April
        ("2026-02-01", "2027-01-30", "2026-03-31", ["2026-02-28", "2026-03-31"]),  # 52 weeks
        ("2025-12-28", "2027-01-02", "2026-01-31", ["2025-12-31", "2026-01-31"]),  # 53 weeks
    ],
)
def test_years_of_every_length_close_at_their_month_ends(owner, start, end, day, ends):
    client, _accounts = make_books(start=start, end=end)
    closed = close_through(client, date.fromisoformat(day), by=owner)
    assert [str(one.period.end) for one in closed] == ends
    everything = close_through(client, date.fromisoformat(end), by=owner, adjusting=True)
    assert {str(everything[-1].period.end), str(everything[-2].period.end)} == {end}
    assert "o" not in states(client)


def test_a_year_that_was_closed_once_is_not_removed(books, owner):
    close_through(books, date(2026, 1, 31), by=owner)
    reopen_period(month(books, 1), by=owner, reason="Too early")
    assert refusal(remove_fiscal_year, books.fiscal_years.get(), by=owner) == "was_closed"


def test_the_years_on_both_sides_can_be_opened_while_the_books_are_closed_in_between(books, owner):
    lock_through(books, date(2026, 12, 31), by=owner, adjusting=True)
    make_year(books, "2027-01-01", "2027-12-31")
    code = refusal(open_fiscal_year, books, start=date(2025, 1, 1), end=date(2025, 12, 31), by=owner)
    assert code == "ledger_period_order"  # what is closed has nothing open before it


# Nothing slips in: two connections


def in_another_connection(attempt):
    """Start an attempt in a thread; returns the thread, and a list that will hold what came of it."""
    result = []

    def run():
        try:
            result.append(attempt())
        except ValidationError as error:
            result.append(error.code)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, result


def wait_until_blocked():
    """Wait until another connection waits for a lock that this one holds."""
    waiting = """
        SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))
    """
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("Nobody waits.")


@pytest.mark.django_db(transaction=True)
def test_an_entry_posted_while_the_month_is_being_closed_is_refused(owner):
    client, _accounts = make_books()
    draft = make_draft(client, *SALE, day="2026-05-31")
    with transaction.atomic():
        *_earlier, may = close_through(client, date(2026, 5, 31), by=owner, reason="It can wait")
        thread, result = in_another_connection(lambda: post_entry(draft, by=owner))
        wait_until_blocked()
    thread.join()
    assert result == ["ledger_entry_period_soft_closed"]
    assert may.trial_balance == []
    assert changed_since(may) == []


@pytest.mark.django_db(transaction=True)
def test_an_entry_being_posted_while_the_month_is_closed_is_in_what_is_stored(owner):
    client, _accounts = make_books()
    draft = make_draft(client, *SALE, day="2026-05-31")
    with transaction.atomic():
        post_entry(draft, by=owner)
        thread, result = in_another_connection(lambda: close_through(client, date(2026, 5, 31), by=owner))
        wait_until_blocked()
    thread.join()
    *_earlier, may = result[0]
    assert [row[3] for row in may.trial_balance] == ["50.00", "-50.00"]
    assert changed_since(may) == []


@pytest.mark.django_db(transaction=True)
def test_two_who_close_the_same_month_close_it_once(owner):
    client, _accounts = make_books()
    with transaction.atomic():
        close_through(client, date(2026, 1, 31), by=owner)
        thread, result = in_another_connection(lambda: close_through(client, date(2026, 1, 31), by=owner))
        wait_until_blocked()
    thread.join()
    assert result == ["nothing_to_close"]
    assert ClosedPeriod.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_closing_and_reopening_at_once_leaves_no_hole(owner):
    client, _accounts = make_books()
    close_through(client, END_OF_MARCH, by=owner)
    with transaction.atomic():
        close_through(client, date(2026, 4, 30), by=owner)
        march = month(client, 3)
        thread, _result = in_another_connection(lambda: reopen_period(march, by=owner, reason="Late"))
        wait_until_blocked()
    thread.join()
    assert states(client) == "ss" + "o" * 11


def test_the_day_after_a_month_end_is_the_next_month(books, owner):
    close_through(books, END_OF_MARCH + timedelta(days=1), by=owner)
    assert states(books) == "sss" + "o" * 10
