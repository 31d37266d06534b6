"""Drafts: entries that are still being written."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from simple_history.utils import bulk_create_with_history

from apps.core.history import sign
from apps.core.models import User
from apps.ledger.models import (
    Account,
    Contact,
    CostCentre,
    EntryKind,
    JournalEntry,
    JournalLine,
    TaxCode,
)
from apps.ledger.services.transactions import refusals_as_sentences, require
from apps.profiles.models import Client


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line to write: ``amount`` in base currency, ``foreign_amount`` in ``currency``, debit positive."""

    account: Account
    amount: Decimal
    memo: str = ""
    contact: Contact | None = None
    cost_centre: CostCentre | None = None
    due_date: datetime.date | None = None
    tax_code: TaxCode | None = None
    tax_base: Decimal | None = None
    currency: str = ""
    foreign_amount: Decimal | None = None
    rate: Decimal | None = None
    recodes: JournalLine | None = None


def draft_entry(
    *,
    client: Client,
    by: User,
    date: datetime.date,
    lines: Iterable[Line],
    kind: str = EntryKind.MANUAL,
    description: str = "",
    idempotency_key: UUID | None = None,
    reason: str = "",
    **facts: Any,
) -> JournalEntry:
    """
    Write a draft with its lines and their history; it need not balance yet.

    Raises PermissionDenied, and ValidationError with the guard's name as code (another client's
    account, too many decimals, the same ``idempotency_key`` a second time …).
    """
    entry = JournalEntry(
        client=client,
        date=date,
        kind=kind,
        description=description,
        created_by=by,
        idempotency_key=idempotency_key,
        **facts,
    )
    require(by, "ledger.add_journalentry", entry)
    sign(entry, by=by, reason=reason)
    with refusals_as_sentences():
        entry.save()
        bulk_create_with_history(
            [
                JournalLine(client=client, entry=entry, line_number=number, **vars(line))
                for number, line in enumerate(lines, start=1)
            ],
            JournalLine,
            default_user=by,
            default_change_reason=reason,
        )
    return entry
