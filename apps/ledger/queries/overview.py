"""Where a client's books stand, in a few figures."""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from apps.ledger.models import (
    Account,
    AccountKind,
    AccountSection,
    FiscalYear,
    JournalEntry,
    Period,
    PeriodState,
    Review,
)
from apps.ledger.queries.balances import trial_balance
from apps.profiles.models import Client


@dataclass(frozen=True)
class Overview:
    """``bank`` is debit positive; ``result`` is the current year's profit, a loss negative."""

    has_chart: bool
    has_years: bool
    bank: Decimal
    result: Decimal
    drafts: int
    questions: int
    closed: Period | None
    newest: list[JournalEntry]


def overview(client: Client, today: datetime.date) -> Overview:
    """Return the figures of a client's books as at a day."""
    entries = JournalEntry.objects.filter(client=client)
    balances = [one for one in trial_balance(client, today) if one.account]
    closed = Period.objects.filter(client=client, is_adjusting=False).exclude(state=PeriodState.OPEN)
    return Overview(
        has_chart=Account.objects.filter(client=client).exists(),
        has_years=FiscalYear.objects.filter(client=client).exists(),
        bank=_total(one.amount for one in balances if one.account.section == AccountSection.BANK),  # type: ignore[union-attr]
        result=-_total(
            one.amount
            for one in balances
            if not AccountKind(one.account.kind).is_on_balance_sheet  # type: ignore[union-attr]
        ),
        drafts=entries.drafts().count(),
        questions=entries.filter(review=Review.QUESTION).count(),
        closed=closed.order_by("-start").first(),
        newest=list(entries.posted().order_by("-position")[:10]),
    )


def _total(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
