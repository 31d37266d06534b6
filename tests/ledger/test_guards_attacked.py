"""What a careful attacker of the guards tries: deferred keys, one statement for many rows, old snapshots."""

import uuid
from datetime import date

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.core import guards
from apps.ledger.models import Account, JournalEntry, JournalLine, TaxCode
from apps.ledger.services import post_entry, recode, reverse_entry
from tests.factories import make_account, make_books, make_client, make_draft, make_owner, make_posted

SALE = (("1010", "50.00"), ("4000", "-50.00"))
RENT = (("6100", "80.00"), ("1010", "-80.00"))


@pytest.fixture
def books(db):
    return make_books()


def sql(statement, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)


def refused(attempt):
    """Return the name of the guard or constraint that refuses an attempt, at once or at its end."""

    def to_its_end():
        with transaction.atomic():
            attempt()
            sql("SET CONSTRAINTS ALL IMMEDIATE")

    with pytest.raises(DatabaseError) as caught:
        to_its_end()
    if isinstance(caught.value, IntegrityError):
        assert "(rule" not in guards.sentence(caught.value)
    return guards.constraint_of(caught.value)


def post(*entries):
    return JournalEntry.objects.filter(pk__in=[entry.pk for entry in entries]).update(status="posted")


def recoding(line, account, day=None):
    """A draft that takes a posted line back and puts it on another account."""
    entry = make_draft(account.client, day=str(day or line.entry.date), kind="recode")
    for number, (target, amount, back) in enumerate(
        [(line.account, -line.amount, line), (account, line.amount, None)], start=1
    ):
        JournalLine.objects.create(
            client=account.client,
            entry=entry,
            line_number=number,
            account=target,
            amount=amount,
            recodes=back,
        )
    return entry


def mirror(entry):
    return make_draft(
        entry.client,
        *((line.account.code, str(-line.amount)) for line in entry.lines.order_by("line_number")),
        day=str(entry.date),
        kind="reversal",
        reverses=entry,
    )


# Foreign keys can be put off to the end of the transaction; the guards must not look away meanwhile.


def test_a_line_whose_account_comes_later_does_not_slip_past_the_sum(books):
    client, _ = books
    draft = make_draft(client, *SALE)

    def attempt():
        sql("SET CONSTRAINTS ALL DEFERRED")
        JournalLine.objects.create(client=client, entry=draft, line_number=3, account_id=987654, amount=7)
        post(draft)
        make_account(client, "9999", id=987654)

    assert refused(attempt) in ("ledger_line_account_same_client", "ledger_entry_balanced")


def test_a_line_that_comes_before_its_entry_is_not_born_posted(books):
    client, accounts = books

    def attempt():
        sql("SET CONSTRAINTS ALL DEFERRED")
        JournalLine.objects.create(
            client=client,
            entry_id=987654,
            line_number=1,
            account=accounts["1010"],
            amount=7,
            is_posted=True,
            date=date(2026, 1, 1),
            kind="manual",
        )
        JournalEntry.objects.create(id=987654, client=client, date=date(2026, 2, 2))

    assert refused(attempt) == "ledger_line_entry_same_client"


def test_books_of_a_client_who_comes_later_are_not_posted(db):
    owner = make_owner()

    def attempt():
        draft = JournalEntry.objects.create(client_id=987654, date=date(2026, 1, 15))
        for number, amount in enumerate(("0.50", "-0.50"), start=1):
            account = Account.objects.create(client_id=987654, code=str(number), name="x", kind="asset")
            JournalLine.objects.create(
                client_id=987654, entry=draft, line_number=number, account=account, amount=amount
            )
        post(draft)
        make_client("LATE", id=987654, base_currency="JPY")

    assert owner
    assert refused(attempt) == "ledger_client_exists"


def test_a_recoding_of_a_line_that_comes_later_is_refused(books):
    client, accounts = books
    draft = make_draft(client, *SALE)
    moved = make_draft(client, ("6100", "-7"), ("6200", "7"), kind="recode")

    def attempt():
        sql("SET CONSTRAINTS ALL DEFERRED")
        moved.lines.filter(line_number=1).update(recodes=987654)
        post(moved)
        JournalLine.objects.create(
            id=987654, client=client, entry=draft, line_number=9, account=accounts["6100"], amount=7
        )

    assert refused(attempt) == "ledger_entry_recode_mirrors"


# Accounts that stand under themselves from the start.


def test_an_account_is_not_born_under_itself(books):
    client, _ = books
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('ledger_account', 'id'))")
        (one,) = cursor.fetchone()
    assert refused(lambda: make_account(client, "7000", id=one, parent_id=one)) == "ledger_account_no_cycle"


def test_two_accounts_are_not_born_under_each_other(books):
    client, _ = books
    pair = [
        Account(id=a, client=client, code=str(a), name="x", kind="asset", section="bank", parent_id=b)
        for a, b in ((987654, 987655), (987655, 987654))
    ]
    assert refused(lambda: Account.objects.bulk_create(pair)) == "ledger_account_no_cycle"


# One statement for many rows: what the first rows changed must be seen by the guards of the next.


def test_many_drafts_posted_by_one_statement_are_numbered_and_chained(books):
    client, _ = books
    drafts = [make_draft(client, *SALE) for _ in range(5)]
    post(*drafts)
    posted = JournalEntry.objects.filter(client=client).order_by("position")
    assert list(posted.values_list("number", "position")) == [(n, n) for n in range(1, 6)]
    assert JournalLine.objects.filter(client=client, is_posted=True).count() == 10


def test_one_statement_does_not_recode_a_line_twice(books):
    client, accounts = books
    line = make_posted(client, *RENT).lines.get(account=accounts["6100"])
    pair = [recoding(line, accounts["6200"]) for _ in range(2)]
    assert refused(lambda: post(*pair)) == "ledger_entry_recoded_once"


def test_one_statement_does_not_recode_and_reverse(books):
    client, accounts = books
    entry = make_posted(client, *RENT)
    drafts = recoding(entry.lines.get(account=accounts["6100"]), accounts["6200"]), mirror(entry)
    assert refused(lambda: post(*drafts)) in ("ledger_entry_recoded_once", "ledger_entry_reversal_recoded")


def test_one_statement_does_not_post_and_change_the_account(books):
    client, accounts = books
    draft = make_draft(client, *SALE)
    statement = """
        WITH posted AS (UPDATE ledger_journalentry SET status = 'posted' WHERE id = %s RETURNING client_id)
        UPDATE ledger_account SET is_postable = false FROM posted WHERE id = %s
    """
    name = refused(lambda: sql(statement, draft.pk, accounts["1010"].pk))
    assert name in ("ledger_account_frozen", "ledger_entry_postable_accounts")


# Corrections of corrections.


def test_the_reversal_of_a_recoding_is_not_reversed(books):
    """Else the line would be recoded twice, or its entry recoded after it was reversed."""
    client, accounts = books
    owner = make_owner()
    line = make_posted(client, *RENT).lines.get(account=accounts["6100"])
    (moved,) = recode([line], account=accounts["6200"], by=owner)
    undone = reverse_entry(moved, by=owner)
    assert refused(lambda: post(mirror(undone))) == "ledger_entry_reversal_final"
    assert recode([line], account=accounts["6200"], by=owner)


def test_the_reversal_of_an_opening_entry_is_not_reversed(books):
    client, _ = books
    opening = make_posted(client, ("1010", "9"), ("3000", "-9"), kind="opening")
    undone = reverse_entry(opening, by=make_owner())
    assert make_posted(client, ("1010", "8"), ("3000", "-8"), kind="opening")
    assert refused(lambda: post(mirror(undone))) == "ledger_entry_reversal_final"


def test_a_recoding_keeps_each_amount(books):
    client, accounts = books
    lines = [
        make_posted(client, ("6100", amount), ("1010", f"-{amount}")).lines.get(account=accounts["6100"])
        for amount in ("80", "20")
    ]
    moved = make_draft(
        client, ("6100", "-80"), ("6200", "50"), ("6100", "-20"), ("6200", "50"), kind="recode"
    )
    for number, line in zip((1, 3), lines, strict=True):
        moved.lines.filter(line_number=number).update(recodes=line)
    assert refused(lambda: post(moved)) == "ledger_entry_recode_mirrors"


def test_an_entry_whose_line_numbers_have_gaps_can_be_reversed(books):
    client, _ = books
    draft = make_draft(client, ("1010", "5"), ("6200", "3"), ("6100", "-5"))
    draft.lines.get(line_number=2).delete()
    entry = post_entry(draft, by=make_owner())
    assert reverse_entry(entry, by=make_owner()).is_posted


# What the chain rests on.


def test_the_uuid_of_a_tax_code_stays(books):
    client, _ = books
    code = TaxCode.objects.create(client=client, code="V20", name="VAT", direction="sales")
    attempt = TaxCode.objects.filter(pk=code.pk)
    assert refused(lambda: attempt.update(uuid=uuid.uuid4())) == "ledger_taxcode_uuid_fixed"


def test_the_database_says_when_an_entry_was_posted(books):
    client, _ = books
    draft = make_draft(client, *SALE)
    JournalEntry.objects.filter(pk=draft.pk).update(status="posted", posted_at="1999-01-01T00:00Z")
    draft.refresh_from_db()
    assert draft.posted_at.year > 1999


def test_a_reason_of_blanks_is_none(books):
    client, _ = books
    period = client.periods.get(start="2026-01-01")
    client.periods.filter(pk=period.pk).update(state="soft_closed")

    def attempt():
        sql("SELECT set_config('ledgerflow.reason', E' \t\n', true)")
        client.periods.filter(pk=period.pk).update(state="open")

    assert refused(attempt) == "ledger_period_reopen_reason"


# An old snapshot does not see what was committed since; so the books are written without one.


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_posting_from_an_old_snapshot_is_refused(level):
    client, _ = make_books()
    draft = make_draft(client, *SALE)

    def attempt():
        sql(f"SET TRANSACTION ISOLATION LEVEL {level}")
        post(draft)

    assert refused(attempt) == "ledger_read_committed"
    assert (
        refused(
            lambda: [
                sql(f"SET TRANSACTION ISOLATION LEVEL {level}"),
                sql("UPDATE profiles_client SET base_currency = 'EUR' WHERE id = %s", client.pk),
            ]
        )
        == "ledger_read_committed"
    )


@pytest.mark.parametrize("amount", ["1E20", "-1E20", "NaN", "Infinity"])
def test_what_is_no_amount_is_a_sentence_of_the_service(books, amount):
    client, _ = books
    with pytest.raises(ValidationError) as caught:
        make_draft(client, ("1010", amount), *SALE)
    assert caught.value.messages[0].endswith(".")
    assert not JournalEntry.objects.filter(client=client).exists()
