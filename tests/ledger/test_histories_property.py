"""Random histories of two clients' books: whatever was accepted, the books hold and add up."""

import datetime
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from apps.ledger.checking import check_books
from apps.ledger.models import JournalEntry, JournalLine, Period
from apps.ledger.queries.balances import trial_balance
from apps.ledger.services import (
    close_fiscal_year,
    close_through,
    lock_through,
    post_entries,
    post_entry,
    recode,
    reopen_period,
    reverse_entry,
)
from apps.profiles.models import LegalForm
from tests.factories import make_account, make_books, make_client, make_draft, make_owner, make_year

IS_LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES") or 300) if IS_LONG else 12
STEPS = 60 if IS_LONG else 30

FIRST, LAST = datetime.date(2025, 1, 1), datetime.date(2026, 12, 31)
NO_PERIOD = datetime.date(2027, 1, 1)
PROFIT_AND_LOSS = {"4000", "6100", "6200"}
OWNERS = {"3100"}  # draws, which a sole trader closes into capital
CODES = ["1010", "2010", "3000", "4000", "6100", "6200", "3100"]

who = st.integers(0, 1)
days = st.dates(FIRST, NO_PERIOD) | st.sampled_from([FIRST, datetime.date(2025, 12, 31), LAST])
cents = st.integers(1, 100_000).map(lambda n: Decimal(n) / 100)
codes = st.sampled_from(CODES)
reasons = st.sampled_from(["", "Late bill"])
which = st.integers(0, 10_000)
legs = st.lists(st.tuples(codes, cents), min_size=1, max_size=4)
mostly = st.sampled_from([True, True, True, False])
kinds = st.sampled_from(["manual", "manual", "manual", "bank", "adjusting", "opening"])


@dataclass
class Books:
    """A client, and what a bookkeeper with pencil and paper would know of its books."""

    client: object
    accounts: dict
    result_to: str
    drafts: list = field(default_factory=list)  # ids
    posted: list = field(default_factory=list)  # ids
    accepted: list = field(default_factory=list)  # (date, kind, ((code, amount), …)) of every entry posted


def make_world():
    owner = make_owner()
    world = []
    for legal_form, result_to in [(LegalForm.COMPANY, "3900"), (LegalForm.SOLE_TRADER, "3000")]:
        client, accounts = make_books(make_client(legal_form=legal_form), "2025-01-01", "2025-12-31")
        accounts["3100"] = make_account(client, "3100", "equity", role="draw", closes_into=accounts["3000"])
        make_year(client, "2026-01-01", "2026-12-31")
        world.append((client, accounts, result_to))
    return owner, world


def a_transaction_that_is_taken_back():
    atomic = transaction.atomic()
    atomic.__enter__()

    def take_back():
        transaction.set_rollback(True)
        atomic.__exit__(None, None, None)

    return take_back


def machine_for(owner, world, tally):
    class Histories(RuleBasedStateMachine):
        """One history; the database is as before after it."""

        def __init__(self):
            super().__init__()
            self.take_back = a_transaction_that_is_taken_back()
            self.books = [Books(*one) for one in world]

        def teardown(self):
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                assert check_books([books.client.pk for books in self.books]) == []
                for books in self.books:
                    assert_adds_up(books)
            finally:
                self.take_back()

        def accept(self, books, *entries):
            for entry in entries:
                books.posted.append(entry.pk)
                lines = entry.lines.values_list("account__code", "amount")
                books.accepted.append((entry.date, entry.kind, tuple(lines)))

        @rule(n=who, day=days, kind=kinds, legs=legs, is_balanced=mostly)
        def draft(self, n, day, kind, legs, is_balanced):
            self.draft_one(n, day, kind, legs, is_balanced)

        def draft_one(self, n, day, kind, legs, is_balanced=True):
            lines = [(code, str(amount)) for code, amount in legs]
            if is_balanced:
                lines.append(("1010", str(-sum(amount for _code, amount in legs))))
            entry = make_draft(self.books[n].client, *lines, day=str(day), kind=kind, by=owner)
            self.books[n].drafts.append(entry.pk)
            return entry

        @rule(n=who, day=days, kind=kinds, legs=legs, reason=reasons)
        def enter(self, n, day, kind, legs, reason):
            """Draft and post at once, as a bookkeeper mostly does."""
            self.post_one(n, self.draft_one(n, day, kind, legs), reason)

        @rule(n=who, day=days, legs=legs)
        def enter_late(self, n, day, legs):
            self.post_one(n, self.draft_one(n, day, "manual", legs), "Late bill")

        @precondition(lambda self: any(books.drafts for books in self.books))
        @rule(
            n=who, pick=which, amount=cents, day=days, how=st.sampled_from(["amount", "day", "add", "remove"])
        )
        def edit(self, n, pick, amount, day, how):
            if (entry := self.pick(n, "drafts", pick)) is None:
                return
            lines = list(entry.lines.all())
            if how == "day":
                entry.date = day
                entry.save()
            elif how == "add":
                account = self.books[n].accounts["6200"]
                JournalLine.objects.create(
                    client_id=entry.client_id, entry=entry, account=account, amount=amount
                )
            elif lines and how == "remove":
                lines[0].delete()
            elif lines:
                lines[0].amount = amount
                lines[0].save()

        @precondition(lambda self: any(books.drafts for books in self.books))
        @rule(n=who, pick=which, reason=reasons)
        def post(self, n, pick, reason):
            if (entry := self.pick(n, "drafts", pick)) is None:
                return
            self.post_one(n, entry, reason)

        def post_one(self, n, entry, reason):
            expected = self.refusal_of(entry, reason)
            posted = self.attempt("post", lambda: post_entry(entry, by=owner, reason=reason), expected)
            if posted:
                self.books[n].drafts.remove(entry.pk)
                self.accept(self.books[n], posted)

        @rule(n=who, reason=reasons)
        def post_all(self, n, reason):
            books = self.books[n]
            result = post_entries(JournalEntry.objects.filter(pk__in=books.drafts), by=owner, reason=reason)
            for entry in result.posted:
                books.drafts.remove(entry.pk)
            self.accept(books, *result.posted)

        def refusal_of(self, entry, reason):
            """What a bookkeeper expects of posting this; an opening entry is left open."""
            amounts = list(entry.lines.values_list("amount", flat=True))
            if len(amounts) < 2:
                return {"ledger_entry_two_lines"}
            if sum(amounts):
                return {"ledger_entry_balanced"}
            periods = Period.objects.filter(client=entry.client, start__lte=entry.date, end__gte=entry.date)
            if entry.kind != "adjusting":
                periods = periods.filter(is_adjusting=False)
            states = set(periods.values_list("state", flat=True))
            if not states:
                return {"ledger_entry_has_period"}
            if states == {"locked"}:
                return {"ledger_entry_period_locked"}
            if "open" not in states and not reason:
                return {"ledger_entry_period_soft_closed"}
            return {None, "ledger_entry_one_opening"} if entry.kind == "opening" else {None}

        @precondition(lambda self: any(books.posted for books in self.books))
        @rule(n=who, pick=which, day=st.none() | days, reason=reasons)
        def reverse(self, n, pick, day, reason):
            if entry := self.pick(n, "posted", pick):
                made = self.attempt(
                    "reverse", lambda: reverse_entry(entry, by=owner, date=day, reason=reason)
                )
                self.accept(self.books[n], *([made] if made else []))

        @precondition(lambda self: any(books.posted for books in self.books))
        @rule(n=who, picks=st.lists(which, min_size=1, max_size=3), code=codes)
        def recode_lines(self, n, picks, code):
            entries = [entry for pick in picks if (entry := self.pick(n, "posted", pick))]
            lines = {line.pk: line for entry in entries for line in entry.lines.all()[:1]}
            if lines:
                account = self.books[n].accounts[code]
                made = self.attempt(
                    "recode",
                    lambda: recode(list(lines.values()), account=account, by=owner, reason="Wrong one"),
                )
                self.accept(self.books[n], *(made or []))

        @rule(n=who, day=days, reason=reasons, lock=st.booleans(), adjusting=st.booleans())
        def close(self, n, day, reason, lock, adjusting):
            verb = lock_through if lock else close_through
            client = self.books[n].client
            self.attempt("close", lambda: verb(client, day, by=owner, reason=reason, adjusting=adjusting))

        @rule(n=who, day=days, reason=reasons)
        def reopen(self, n, day, reason):
            client = self.books[n].client
            closed = client.periods.exclude(state="open").filter(end__gte=day)
            if period := closed.order_by("start").first():
                self.attempt("reopen", lambda: reopen_period(period, by=owner, reason=reason))

        @rule(n=who, pick=which, reason=reasons)
        def year_end(self, n, pick, reason):
            if pick % 3:
                return  # once in a while
            years = self.books[n].client.fiscal_years.order_by("start")
            made = self.attempt(
                "year end", lambda: close_fiscal_year(years[pick % 2], by=owner, reason=reason)
            )
            self.accept(self.books[n], *(made or []))

        @precondition(lambda self: any(books.posted for books in self.books))
        @rule(n=who, pick=which, amount=cents)
        def tamper(self, n, pick, amount):
            if entry := self.pick(n, "posted", pick):
                with pytest.raises(IntegrityError), transaction.atomic():
                    entry.lines.update(amount=amount, line_number=9)

        @rule(n=who, pick=which)
        def delete_a_draft(self, n, pick):
            if entry := self.pick(n, "drafts", pick):
                self.books[n].drafts.remove(entry.pk)
                entry.lines.all().delete()
                entry.delete()

        @invariant()
        def numbers_are_as_many_as_were_accepted(self):
            for books in self.books:
                assert JournalEntry.objects.posted().filter(client=books.client).count() == len(
                    books.accepted
                )

        def pick(self, n, what, number):
            ids = getattr(self.books[n], what)
            return JournalEntry.objects.get(pk=ids[number % len(ids)]) if ids else None

        def attempt(self, what, verb, expected=None):
            """Return what the verb makes, or None where it is refused, as expected where that is known."""
            try:
                with transaction.atomic():
                    made = verb()
            except ValidationError as error:
                made, code = None, error.code
            else:
                code = None
            tally[what, code or "done"] += 1
            assert expected is None or code in expected, f"{what}: {code}, and not {expected}"
            return made

    return Histories


def assert_adds_up(books):
    for day in (FIRST, datetime.date(2025, 12, 31), datetime.date(2026, 6, 15), LAST):
        shown = {balance.account.code: balance.amount for balance in trial_balance(books.client, day)}
        assert shown == summed(books, day), day


def summed(books, day):
    """The trial balance of a day, from what was accepted and nothing else."""
    balances = defaultdict(Decimal)
    for date, kind, lines in books.accepted:
        if date > day or kind == "closing":
            continue
        for code, amount in lines:
            is_earlier = date.year < day.year
            if is_earlier and code in PROFIT_AND_LOSS:
                code = books.result_to
            elif is_earlier and code in OWNERS and books.result_to == "3000":
                code = "3000"
            balances[code] += amount
    return {code: amount for code, amount in balances.items() if amount}


@pytest.mark.django_db
def test_random_histories():
    tally = Counter()
    machine = machine_for(*make_world(), tally)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not IS_LONG,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
            print_blob=True,
        ),
    )
    for (what, how), count in sorted(tally.items()):
        print(f"{what:10} {how:35} {count:7,}")  # noqa: T201  (make fuzz shows it)
    assert tally["post", "done"]
    assert tally["reverse", "done"]
    assert tally["recode", "done"]
    assert tally["close", "done"]
    assert tally["year end", "done"]
