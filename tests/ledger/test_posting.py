"""Posting: what it asks, what it sets, and what it leaves behind."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from apps.ledger.models import AccountTotal, JournalEntry
from apps.ledger.services import post_entries, post_entry, recode, reverse_entry
from apps.profiles.roles import Role
from tests.factories import make_books, make_draft, make_owner, make_posted, make_staff

pytestmark = pytest.mark.django_db

SALE = (("1010", "50.00"), ("4000", "-50.00"))


@pytest.fixture
def books():
    return make_books()


def test_numbers_run_without_gaps_per_client(books):
    client, _ = books
    other, _ = make_books()
    assert [make_posted(client, *SALE).number for _ in range(3)] == [1, 2, 3]
    assert make_posted(other, *SALE).number == 1


def test_what_was_posted_is_copied_to_its_lines_and_totals(books):
    client, accounts = books
    entry = make_posted(client, *SALE, day="2026-03-31")
    assert set(entry.lines.values_list("is_posted", "kind", "date")) == {(True, "manual", entry.date)}
    total = AccountTotal.objects.get(account=accounts["1010"])
    assert (total.debit, total.credit, total.lines, str(total.month)) == (50, 0, 1, "2026-03-01")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((), "ledger_entry_two_lines"),
        ((("1010", "1"),), "ledger_entry_two_lines"),
        ((("1010", "50.00"), ("4000", "-49.99")), "ledger_entry_balanced"),
    ],
)
def test_an_entry_that_breaks_a_rule_is_refused(books, lines, code):
    client, _ = books
    draft = make_draft(client, *lines)
    with pytest.raises(ValidationError) as caught:
        post_entry(draft, by=make_owner())
    assert caught.value.code == code
    assert not JournalEntry.objects.get(pk=draft.pk).is_posted


def test_only_a_reviewer_posts(books):
    client, _ = books
    draft = make_draft(client, *SALE)
    with pytest.raises(PermissionDenied):
        post_entry(draft, by=make_staff(client, Role.PREPARER))
    assert post_entry(draft, by=make_staff(client, Role.REVIEWER)).number == 1


def test_posting_twice_is_refused_with_the_number(books):
    client, _ = books
    entry = make_posted(client, *SALE)
    with pytest.raises(ValidationError, match="as entry 1") as caught:
        post_entry(entry, by=make_owner())
    assert caught.value.code == "posted"


def test_bulk_posting_says_what_was_refused_and_why(books):
    client, _ = books
    good, bad = make_draft(client, *SALE), make_draft(client, ("1010", "1"))
    result = post_entries([bad, good], by=make_owner())
    assert str(result) == "1 posted, 1 refused: 1 × An entry has at least two lines."


def test_a_reversal_mirrors_and_happens_once(books):
    client, _ = books
    entry = make_posted(client, *SALE)
    reversal = reverse_entry(entry, by=make_owner(), reason="Keyed twice")
    assert (reversal.kind, reversal.reverses_id, reversal.date) == ("reversal", entry.pk, entry.date)
    assert [str(line.amount) for line in reversal.lines.all()] == ["-50.0000", "50.0000"]
    with pytest.raises(ValidationError) as caught:
        reverse_entry(entry, by=make_owner())
    assert caught.value.code == "reversed"


def test_recoding_moves_a_line_and_only_once(books):
    client, accounts = books
    entry = make_posted(client, ("6100", "80.00"), ("1010", "-80.00"))
    line = entry.lines.get(account=accounts["6100"])
    (moved,) = recode([line], account=accounts["6200"], by=make_owner())
    assert [(one.account.code, int(one.amount)) for one in moved.lines.all()] == [("6100", -80), ("6200", 80)]
    for attempt, code in [
        (lambda: recode([line], account=accounts["6200"], by=make_owner()), "recoded"),
        (lambda: reverse_entry(entry, by=make_owner()), "ledger_entry_reversal_recoded"),
    ]:
        with pytest.raises(ValidationError) as caught:
            attempt()
        assert caught.value.code == code
    reverse_entry(moved, by=make_owner())
    assert recode([line], account=accounts["6200"], by=make_owner())


def test_the_reversal_of_an_entry_with_a_long_description_fits(books):
    client, _ = books
    entry = make_posted(client, *SALE, description="x" * 500)
    assert len(reverse_entry(entry, by=make_owner()).description) == 500
