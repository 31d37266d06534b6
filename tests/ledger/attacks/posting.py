"""Attacks on posting, and on what is posted."""

from datetime import date
from decimal import Decimal
from uuid import UUID, uuid4

from django.utils import timezone

from apps.ledger.models import (
    AccountTotal,
    JournalEntry,
    TaxCode,
)
from tests.factories import (
    make_draft,
    make_owner,
    make_posted,
)
from tests.ledger.attacks.world import SALE, draft, in_state, line, post
from tests.ledger.attempts import Add, Change, Remove, run_sql

POSTING = [
    (
        "An entry is stored as posted from the start",
        "ledger_entry_begins_as_draft",
        lambda w: Add(
            JournalEntry(
                client=w.client,
                date=date(2026, 1, 15),
                status="posted",
                fiscal_year=w.year,
                period=w.periods[0],
                number=99,
                position=99,
                posted_at=timezone.now(),
                hash=b"x",
            )
        ),
    ),
    ("A draft gets a number", "ledger_entry_numbered_when_posted", lambda w: Change(w.draft, number=9)),
    ("An entry without lines is posted", "ledger_entry_two_lines", lambda w: post(draft(w))),
    ("An entry with one line is posted", "ledger_entry_two_lines", lambda w: post(draft(w, ("1010", "1")))),
    (
        "An entry is posted that is one cent out of balance",
        "ledger_entry_balanced",
        lambda w: post(draft(w, ("1010", "50.00"), ("4000", "-49.99"))),
    ),
    (
        "A heading is posted to",
        "ledger_entry_postable_accounts",
        lambda w: post(draft(w, ("9000", "1"), ("4000", "-1"))),
    ),
    (
        "An inactive account is posted to",
        "ledger_entry_active_accounts",
        lambda w: post(draft(w, ("9100", "1"), ("4000", "-1"))),
    ),
    (
        "An entry is posted on a day without a period",
        "ledger_entry_has_period",
        lambda w: post(draft(w, *SALE, day="2030-01-15")),
    ),
    (
        "An entry is posted into another month than its own",
        "ledger_entry_has_period",
        lambda w: post(w.draft, period=w.periods[3]),
    ),
    (
        "An entry is posted into a period of another client",
        "ledger_entry_has_period",
        lambda w: post(w.draft, period=w.other.periods.first()),
    ),
    (
        "An ordinary entry is posted into the adjusting period",
        "ledger_entry_adjusting_kinds",
        lambda w: post(draft(w, *SALE, day="2026-12-31"), period=w.adjusting),
    ),
    (
        "An entry is posted into a soft-closed month without a reason",
        "ledger_entry_period_soft_closed",
        lambda w: in_state(w, "soft_closed", w.periods[0]) or post(w.draft),
    ),
    (
        "An entry is posted into a locked month, with a reason",
        "ledger_entry_period_locked",
        lambda w: (
            in_state(w, "locked", w.periods[0])
            or run_sql("SELECT set_config('ledgerflow.reason', 'Late', true)")
            or post(w.draft)
        ),
    ),
    (
        "A second opening entry is posted",
        "ledger_entry_one_opening",
        lambda w: make_posted(w.client, *SALE, kind="opening") and post(draft(w, *SALE, kind="opening")),
    ),
    ("A number is left out", "ledger_entry_number_follows", lambda w: post(w.draft, number=77)),
    ("A place in the chain is left out", "ledger_entry_number_follows", lambda w: post(w.draft, position=77)),
    (
        "An entry is numbered in another fiscal year",
        "ledger_entry_number_follows",
        lambda w: post(w.draft, fiscal_year=w.later_year),
    ),
    ("A wrong hash is given", "ledger_entry_hash_fits", lambda w: post(w.draft, hash=b"\0" * 32)),
    (
        "An entry is saved a second time under one idempotency key",
        "ledger_entry_once",
        lambda w: (
            make_draft(w.client, idempotency_key=UUID(int=7))
            and Add(JournalEntry(client=w.client, date=date(2026, 1, 1), idempotency_key=UUID(int=7)))
        ),
    ),
]

FROZEN_IN_ENTRIES = {
    "client": lambda w: w.other,
    "uuid": lambda w: uuid4(),
    "date": lambda w: date(2026, 1, 16),
    "kind": lambda w: "bank",
    "status": lambda w: "draft",
    "reverses": lambda w: w.recoded,
    "created_by": lambda w: make_owner(),
    "created_at": lambda w: timezone.now(),
    "idempotency_key": lambda w: uuid4(),
    "fiscal_year": lambda w: w.later_year,
    "period": lambda w: w.periods[1],
    "number": lambda w: 99,
    "position": lambda w: 99,
    "posted_by": lambda w: make_owner(),
    "posted_at": lambda w: timezone.now(),
    "hash": lambda w: b"\0" * 32,
}
FROZEN_IN_LINES = {
    "client": lambda w: w.other,
    "entry": lambda w: w.draft,
    "line_number": lambda w: 9,
    "account": lambda w: w.accounts["6200"],
    "amount": lambda w: Decimal("80.01"),
    "currency": lambda w: "EUR",
    "foreign_amount": lambda w: Decimal(80),
    "rate": lambda w: Decimal(1),
    "tax_code": lambda w: w.mine[TaxCode],
    "tax_base": lambda w: Decimal(80),
    "recodes": lambda w: w.recoded.lines.first(),
}
#: What stays open to change after posting; everything else is frozen.
OPEN_IN_ENTRIES = {"description", "document_number", "document_date", "review", "review_note"}
OPEN_IN_LINES = {"memo", "contact", "cost_centre", "due_date"}
#: Copied from the entry by the database, whatever is given.
COPIED_TO_LINES = {"date", "kind", "is_posted"}

FROZEN = [
    *(
        (
            f"The {name} of a posted entry is changed",
            "ledger_entry_posted_frozen",
            lambda w, name=name, other=other: Change(w.posted, **{name: other(w)}),
        )
        for name, other in FROZEN_IN_ENTRIES.items()
    ),
    *(
        (
            f"The {name} of a posted line is changed",
            "ledger_line_posted_frozen",
            lambda w, name=name, other=other: Change(w.line, **{name: other(w)}),
        )
        for name, other in FROZEN_IN_LINES.items()
    ),
    (
        "A posted entry is deleted",
        ("ledger_entry_posted_stays", "protected"),
        lambda w: Remove(w.posted),
    ),
    (
        "A line is added to a posted entry",
        "ledger_line_posted_frozen",
        lambda w: Add(line(w, entry=w.posted)),
    ),
    (
        "A line of a draft is moved into a posted entry",
        "ledger_line_posted_frozen",
        lambda w: Change(w.draft.lines.first(), entry=w.posted, line_number=90),
    ),
    ("A posted line is deleted", "ledger_line_posted_frozen", lambda w: Remove(w.line)),
    ("The uuid of a draft is changed", "ledger_entry_posted_frozen", lambda w: Change(w.draft, uuid=uuid4())),
    (
        "A draft is deleted under its lines",
        ("ledger_line_entry_same_client", "protected"),
        lambda w: Remove(draft(w, *SALE)),
    ),
    (
        "A total is written",
        "ledger_accounttotal_derived",
        lambda w: Change(AccountTotal.objects.filter(client=w.client).first(), debit=7),
    ),
    (
        "A total is made",
        "ledger_accounttotal_derived",
        lambda w: Add(
            AccountTotal(
                client=w.client,
                account=w.accounts["6200"],
                month=date(2026, 5, 1),
                kind="manual",
                debit=1,
                credit=0,
                foreign_amount=0,
                lines=1,
            )
        ),
    ),
    (
        "A total is removed",
        "ledger_accounttotal_derived",
        lambda w: Remove(AccountTotal.objects.filter(client=w.client).first()),
    ),
]
