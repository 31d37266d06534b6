"""Profit and loss, and balance sheet, in the order and with the signs that people read them in."""

import datetime
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.ledger.models import Account, AccountKind, AccountSection, EntryKind
from apps.ledger.models.accounts import SECTIONS
from apps.ledger.queries.balances import ZERO, Range, flows, trial_balance
from apps.profiles.models import Client

#: What a column of a profit and loss counts, by kind of entry; closing entries never.
Counts = Callable[[str], bool]


@dataclass(frozen=True)
class Line:
    """An account on a statement, an amount a column: income, liabilities and equity credit positive."""

    account: Account
    amounts: list[Decimal]


@dataclass(frozen=True)
class Section:
    """A heading of a statement with its accounts and their sum."""

    section: AccountSection
    lines: list[Line]
    totals: list[Decimal]


@dataclass(frozen=True)
class ProfitAndLoss:
    """Sections by name; only those with something in them. Profit is positive, a loss negative."""

    sections: dict[str, Section]
    columns: int

    def sum(self, *names: str) -> list[Decimal]:
        """Return income less expenses of some sections, a column each."""
        totals = [ZERO] * self.columns
        for name in names:
            sign = 1 if name in SECTIONS[AccountKind.INCOME] else -1
            if section := self.sections.get(name):
                totals = [one + sign * other for one, other in zip(totals, section.totals, strict=True)]
        return totals

    @property
    def profit(self) -> list[Decimal]:
        return self.sum(*SECTIONS[AccountKind.INCOME], *SECTIONS[AccountKind.EXPENSE])


@dataclass(frozen=True)
class BalanceSheet:
    """
    Balances as at one or more days, an amount a day; every list of amounts has them in that order.

    ``earlier`` is the result of earlier years of a client without an account for it, ``result`` that of
    the current year; both computed.
    """

    sections: dict[str, Section]
    earlier: list[Decimal]
    result: list[Decimal]

    def total(self, kind: str) -> list[Decimal]:
        """Return the total assets or liabilities, or the total equity with the computed results in it."""
        parts = [self.sections[name].totals for name in SECTIONS[kind] if name in self.sections]
        if kind == AccountKind.EQUITY:
            parts += [self.earlier, self.result]
        return [sum(column, ZERO) for column in zip([ZERO] * len(self.result), *parts, strict=True)]


def profit_and_loss(
    client: Client,
    columns: Sequence[tuple[Range, Counts]],
    *,
    before_adjustments: bool = False,
    with_zeros: bool = False,
) -> ProfitAndLoss:
    """
    Return what was earned and spent in each column: a range, and the kinds of entry that count in it.

    The year's closing entries never count; ``before_adjustments`` leaves adjusting entries out, too.
    """
    accounts = {
        account.pk: account
        for account in Account.objects.filter(
            client=client, kind__in=[AccountKind.INCOME, AccountKind.EXPENSE], is_postable=True
        ).order_by("code")
    }
    amounts: dict[int, list[Decimal]] = defaultdict(lambda: [ZERO] * len(columns))
    for flow in flows(client, [days for days, _counts in columns], accounts=list(accounts)):
        counts = columns[flow.range_number][1]
        left_out = flow.kind == EntryKind.CLOSING or (before_adjustments and flow.kind == EntryKind.ADJUSTING)
        if not left_out and counts(flow.kind):
            amounts[flow.account_id][flow.range_number] += flow.amount
    return ProfitAndLoss(_sections(accounts, amounts, len(columns), with_zeros), len(columns))


def balance_sheet(
    client: Client,
    days: Sequence[datetime.date],
    *,
    before_adjustments: bool = False,
    with_zeros: bool = False,
) -> BalanceSheet:
    """Return the balance sheets as at some days, side by side; equity is split as before closing."""
    accounts: dict[int, Account] = {}
    amounts: dict[int, list[Decimal]] = defaultdict(lambda: [ZERO] * len(days))
    earlier, result = [ZERO] * len(days), [ZERO] * len(days)
    for column, day in enumerate(days):
        for balance in trial_balance(
            client, day, before_adjustments=before_adjustments, with_zeros=with_zeros
        ):
            if balance.account is None:
                earlier[column] -= balance.amount
            elif not AccountKind(balance.account.kind).is_on_balance_sheet:
                result[column] -= balance.amount
            else:
                accounts[balance.account.pk] = balance.account
                amounts[balance.account.pk][column] = balance.amount
    return BalanceSheet(_sections(accounts, amounts, len(days), with_zeros), earlier, result)


def _sections(
    accounts: dict[int, Account], amounts: dict[int, list[Decimal]], columns: int, with_zeros: bool
) -> dict[str, Section]:
    lines: dict[str, list[Line]] = defaultdict(list)
    for account in sorted(accounts.values(), key=lambda one: one.code):
        stands = amounts.get(account.pk, [ZERO] * columns)
        is_debit = account.kind in (AccountKind.ASSET, AccountKind.EXPENSE)
        shown = stands if is_debit else [ZERO - amount for amount in stands]
        if with_zeros or any(shown):
            lines[account.section].append(Line(account, shown))
    return {
        name: Section(
            AccountSection(name),
            of_section,
            [sum(column, ZERO) for column in zip(*(line.amounts for line in of_section), strict=True)],
        )
        for name, of_section in lines.items()
    }
