"""A client's chart of accounts as a tree, with what stands on each account."""

import datetime
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext_lazy as _

from apps.ledger.models import Account, AccountKind
from apps.ledger.queries.balances import trial_balance
from apps.profiles.models import Client

ZERO = Decimal(0)
TITLES = {
    AccountKind.ASSET: _("Assets"),
    AccountKind.LIABILITY: _("Liabilities"),
    AccountKind.EQUITY: _("Equity"),
    AccountKind.INCOME: _("Income"),
    AccountKind.EXPENSE: _("Expenses"),
}
CREDIT_KINDS = {AccountKind.LIABILITY, AccountKind.EQUITY, AccountKind.INCOME}


@dataclass(frozen=True)
class ChartRow:
    """
    An account in its place; ``depth`` is 0 at the top.

    ``balance`` is in base currency and positive on the side that is usual for the kind. It includes what
    stands on the accounts below.
    """

    account: Account
    depth: int
    balance: Decimal


@dataclass(frozen=True)
class ChartGroup:
    """The accounts of one kind, each followed by those under it."""

    kind: AccountKind
    rows: list[ChartRow]
    total: Decimal

    @property
    def title(self) -> str:
        return str(TITLES[self.kind])

    @property
    def is_headed(self) -> bool:
        """Whether one heading of the chart's own stands over all of them."""
        return sum(not row.depth for row in self.rows) == 1 < len(self.rows)


@dataclass(frozen=True)
class Chart:
    """A chart; ``homeless`` is the result of earlier years where no account is there to take it."""

    groups: list[ChartGroup]
    homeless: Decimal

    @property
    def accounts(self) -> int:
        return sum(len(group.rows) for group in self.groups)


def chart_of_accounts(client: Client, as_at: datetime.date) -> Chart:
    """Return a client's chart with its balances at the end of a day. Costs the same for any chart."""
    amounts: dict[int | None, Decimal] = defaultdict(Decimal)
    for balance in trial_balance(client, as_at):
        amounts[balance.account.pk if balance.account else None] += balance.amount
    children: dict[tuple[str, int | None], list[Account]] = defaultdict(list)
    for account in Account.objects.filter(client=client).order_by("code"):
        children[account.kind, account.parent_id].append(account)
    groups = [_group(kind, children, amounts) for kind in AccountKind if children[kind, None]]
    return Chart(groups, -amounts[None])


def _group(
    kind: AccountKind,
    children: dict[tuple[str, int | None], list[Account]],
    amounts: dict[int | None, Decimal],
) -> ChartGroup:
    in_order: list[tuple[int, Account]] = []
    waiting = [(0, account) for account in reversed(children[kind, None])]
    while waiting:
        depth, account = waiting.pop()
        in_order.append((depth, account))
        waiting += [(depth + 1, child) for child in reversed(children[kind, account.pk])]
    sums = {account.pk: amounts[account.pk] for _depth, account in in_order}
    for _depth, account in reversed(in_order):  # what stands below is summed before it is added above
        if account.parent_id:
            sums[account.parent_id] += sums[account.pk]
    sign = -1 if kind in CREDIT_KINDS else 1
    rows = [ChartRow(account, depth, sign * sums[account.pk]) for depth, account in in_order]
    return ChartGroup(kind, rows, sum((row.balance for row in rows if not row.depth), ZERO))
