"""What the books said at a close, against what they say now."""

from datetime import date

import pytest

from apps.ledger.models import ClosedPeriod
from apps.ledger.queries.changes import changed_since, entries_since
from apps.ledger.services import close_fiscal_year, close_through, lock_through, reopen_period, reverse_entry
from tests.factories import make_account, make_books, make_owner, make_posted, make_year

pytestmark = pytest.mark.django_db

SALE = (("1010", "50.00"), ("4000", "-50.00"))
RENT = (("6100", "20.00"), ("1010", "-20.00"))


@pytest.fixture
def owner():
    return make_owner()


@pytest.fixture
def books(owner):
    """A client with two years, the first of them earned 50.00 and closed."""
    client, accounts = make_books()
    make_year(client, "2027-01-01", "2027-12-31")
    make_posted(client, *SALE, day="2026-06-30")
    close_through(client, date(2027, 1, 31), by=owner)
    return client, accounts


def changes(client, end):
    closed = ClosedPeriod.objects.filter(period__end=end, period__client=client).last()
    return {
        change.code: (f"{change.then:.2f}", f"{change.now:.2f}", f"{change.difference:+.2f}")
        for change in changed_since(closed)
    }


def test_books_that_did_not_change_say_nothing(books):
    client, _accounts = books
    assert changes(client, date(2026, 12, 31)) == changes(client, date(2027, 1, 31)) == {}


def test_a_late_adjustment_shows_in_its_year_and_as_earlier_result_after(books):
    client, _accounts = books
    make_posted(client, *RENT, day="2026-12-31", kind="adjusting")
    assert changes(client, date(2026, 11, 30)) == {}
    assert changes(client, date(2026, 12, 31)) == {
        "1010": ("50.00", "30.00", "-20.00"),
        "6100": ("0.00", "20.00", "+20.00"),
    }
    assert changes(client, date(2027, 1, 31)) == {
        "1010": ("50.00", "30.00", "-20.00"),
        "3900": ("-50.00", "-30.00", "+20.00"),
    }


def test_the_year_end_close_changes_nothing(books, owner):
    client, _accounts = books
    close_fiscal_year(client.fiscal_years.first(), by=owner)
    assert not any(changed_since(one) for one in ClosedPeriod.objects.all())
    assert not any(entries_since(one) for one in ClosedPeriod.objects.all())


def test_an_account_that_came_to_nothing_is_a_change_too(books, owner):
    client, _accounts = books
    entry = client.entries.get(kind="manual")
    reopen_period(client.periods.get(start=date(2026, 6, 1)), by=owner, reason="Keyed twice")
    reverse_entry(entry, by=owner)
    assert changes(client, date(2026, 6, 30)) == {
        "1010": ("50.00", "0.00", "-50.00"),
        "4000": ("-50.00", "0.00", "+50.00"),
    }
    close_through(client, date(2026, 6, 30), by=owner)
    closings = ClosedPeriod.objects.filter(period__end=date(2026, 6, 30))
    assert [len(changed_since(one)) for one in closings.order_by("pk")] == [2, 0]  # each stays for itself


def test_a_renamed_account_is_no_change(books):
    client, accounts = books
    accounts["4000"].name, accounts["4000"].code = "Turnover", "4001"
    accounts["4000"].save()
    assert changes(client, date(2026, 12, 31)) == {}
    make_posted(client, ("6100", "1"), ("4001", "-1"), day="2026-12-31", kind="adjusting")
    assert set(changes(client, date(2026, 12, 31))) == {"4001", "6100"}


def test_the_entries_that_made_the_difference_are_named(books, owner):
    client, _accounts = books
    late = make_posted(client, *RENT, day="2026-12-31", kind="adjusting")
    make_posted(client, *SALE, day="2027-02-01")
    by_end = {one.period.end: list(entries_since(one)) for one in ClosedPeriod.objects.all()}
    assert by_end[date(2026, 11, 30)] == []
    assert by_end[date(2026, 12, 31)] == by_end[date(2027, 1, 31)] == [late]


def test_the_result_of_a_client_without_an_account_for_it_is_compared_as_well(owner):
    client, accounts = make_books()
    for code in ("3000", "3900"):
        accounts[code].role = ""
        accounts[code].save()
    make_year(client, "2027-01-01", "2027-12-31")
    make_posted(client, *SALE, day="2026-06-30")
    lock_through(client, date(2027, 1, 31), by=owner)
    make_posted(client, *RENT, day="2026-12-31", kind="adjusting")
    assert changes(client, date(2027, 1, 31)) == {
        "1010": ("50.00", "30.00", "-20.00"),
        "": ("-50.00", "-30.00", "+20.00"),
    }
    make_account(client, "3950", "equity", role="retained_earnings")
    assert "3950" in changes(client, date(2027, 1, 31))
