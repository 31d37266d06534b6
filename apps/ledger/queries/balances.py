"""
What stands on a client's accounts, at a day or over a time.

Everything here is read from posted lines, through the monthly totals the database keeps; only the
months that a time cuts in two are read line by line.
"""

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection

from apps.ledger.models import Account, AccountKind, EntryKind, FiscalYear
from apps.ledger.queries.equity import Targets, equity_targets, split
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client

ZERO = Decimal(0)
DAY = datetime.timedelta(days=1)
Range = tuple[datetime.date, datetime.date]


@dataclass(frozen=True)
class Flow:
    """What was posted to an account within one of the ranges asked for, by kind of entry; both positive."""

    account_id: int
    range_number: int
    kind: str
    debit: Decimal
    credit: Decimal

    @property
    def amount(self) -> Decimal:
        """Debits minus credits."""
        return self.debit - self.credit


@dataclass(frozen=True)
class Balance:
    """
    The balance of an account, debit positive.

    Without an account it is the result of earlier years of a client that has no account to put it in.
    """

    account: Account | None
    amount: Decimal

    @property
    def debit(self) -> Decimal:
        return max(self.amount, ZERO)

    @property
    def credit(self) -> Decimal:
        return max(-self.amount, ZERO)


@dataclass(frozen=True)
class Movement:
    """An account over a time: what stood on it before, what was posted, and what stands on it after."""

    account: Account | None
    opening: Decimal
    debit: Decimal
    credit: Decimal

    @property
    def closing(self) -> Decimal:
        return self.opening + self.debit - self.credit


def flows(client: Client, ranges: Sequence[Range], *, accounts: Collection[int] | None = None) -> list[Flow]:
    """
    Return what was posted within each range (first and last day, both included) by account and kind of entry.

    Costs one query, whatever the number of lines in whole months.
    """
    months: list[tuple[int, datetime.date, datetime.date]] = []
    days: list[tuple[int, datetime.date, datetime.date]] = []
    for number, (first, last) in enumerate(ranges):
        _cut(number, first, last, months, days)
    only = "" if accounts is None else "AND {}.account_id = ANY(%(accounts)s)"
    sql = f"""
        WITH months(n, first, last) AS (
            SELECT * FROM unnest(%(month_n)s::int[], %(month_first)s::date[], %(month_last)s::date[])
        ), days(n, first, last) AS (
            SELECT * FROM unnest(%(day_n)s::int[], %(day_first)s::date[], %(day_last)s::date[])
        )
        SELECT account_id, n, kind, sum(debit), sum(credit) FROM (
            SELECT t.account_id, r.n, t.kind, t.debit, t.credit
              FROM months r JOIN ledger_accounttotal t
                ON t.client_id = %(client)s AND t.month BETWEEN r.first AND r.last {only.format("t")}
             UNION ALL
            SELECT l.account_id, r.n, l.kind, greatest(l.amount, 0), greatest(-l.amount, 0)
              FROM days r JOIN ledger_journalline l
                ON l.client_id = %(client)s AND l.is_posted
                   AND l.date BETWEEN r.first AND r.last {only.format("l")}
        ) posted GROUP BY account_id, n, kind
    """  # noqa: S608  (only its own text is put in)
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            {
                "client": client.pk,
                "accounts": list(accounts or ()),
                **_columns("month", months),
                **_columns("day", days),
            },
        )
        return [Flow(*row) for row in cursor.fetchall()]


def trial_balance(
    client: Client,
    as_at: datetime.date,
    *,
    before_adjustments: bool = False,
    after_closing: bool = False,
    with_zeros: bool = False,
) -> list[Balance]:
    """
    Return the balances as at the end of a day, in order of account codes.

    Balance-sheet accounts are cumulated; income and expense are those of the fiscal year that holds the
    day. What earlier years left there, and in a sole trader's or partner's draws and contributions, stands
    in the account it closes into, whether closing entries were posted or not. Closing entries of the
    current year count only with ``after_closing``, which moves its result too; ``before_adjustments``
    leaves its adjusting entries out.
    """
    current = _year_of(client, as_at)
    left_out = {EntryKind.CLOSING} if not after_closing else set()
    if before_adjustments:
        left_out.add(EntryKind.ADJUSTING)
    amounts, accounts = _amounts(client, current, as_at, left_out=left_out, close_current=after_closing)
    return [
        Balance(accounts.get(pk) if pk else None, amount)
        for pk, amount in _in_order(amounts, accounts)
        if amount or with_zeros
    ]


def movements(client: Client, start: datetime.date, end: datetime.date) -> list[Movement]:
    """
    Return every account that had a balance or a movement, in order of codes; closing entries left out.

    Income and expense open with what the fiscal year of ``start`` had until then. A range that runs into
    another year does not close them in between.
    """
    opening, accounts = _amounts(client, _year_of(client, start), start - DAY, left_out={EntryKind.CLOSING})
    moved: dict[int | None, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for flow in flows(client, [(start, end)]):
        if flow.kind != EntryKind.CLOSING:
            moved[flow.account_id][0] += flow.debit
            moved[flow.account_id][1] += flow.credit
    every = {pk: opening.get(pk, ZERO) for pk in [*opening, *moved]}
    return [
        Movement(accounts[pk] if pk else None, amount, *moved[pk])
        for pk, amount in _in_order(every, accounts)
        if amount or any(moved[pk])
    ]


def fiscal_year_of(client: Client, day: datetime.date) -> FiscalYear | None:
    """Return the fiscal year that holds a day, if there is one."""
    return FiscalYear.objects.filter(client=client, start__lte=day, end__gte=day).first()


def _amounts(
    client: Client,
    current: datetime.date,
    as_at: datetime.date,
    *,
    left_out: Collection[str] = (),
    close_current: bool = False,
) -> tuple[dict[int | None, Decimal], dict[int, Account]]:
    """Return the balance of each account as seen from the year that begins on ``current``."""
    before = FiscalYear.objects.filter(client=client, end__lt=current).order_by("start")
    ranges = [(year.start, min(year.end, as_at)) for year in before if year.start <= as_at]
    if current <= as_at:
        ranges.append((current, as_at))
    closed = len(ranges) - (0 if close_current or current > as_at else 1)
    accounts = {account.pk: account for account in Account.objects.filter(client=client)}
    targets = equity_targets(client, accounts.values())
    amounts: dict[int | None, Decimal] = defaultdict(Decimal)
    results = [ZERO] * closed
    for flow in flows(client, ranges):
        is_closed = flow.range_number < closed
        if not is_closed and flow.kind in left_out:
            continue
        if is_closed and not AccountKind(accounts[flow.account_id].kind).is_on_balance_sheet:
            results[flow.range_number] += flow.amount
            continue
        amounts[flow.account_id] += flow.amount
        if is_closed and (into := targets.into.get(flow.account_id)):
            amounts[flow.account_id] -= flow.amount
            amounts[into] += flow.amount
    _put_results(amounts, results, targets, decimal_places(client.base_currency))
    return amounts, accounts


def _put_results(
    amounts: dict[int | None, Decimal], results: Iterable[Decimal], targets: Targets, decimals: int
) -> None:
    """Add each year's result to the accounts it goes to, split year by year as closing them would."""
    for result in results:
        if not targets.result:
            amounts[None] += result
            continue
        shares = split(result, [share for _pk, share in targets.result], decimals)
        for (pk, _share), part in zip(targets.result, shares, strict=True):
            amounts[pk] += part


def _in_order(
    amounts: dict[int | None, Decimal], accounts: dict[int, Account]
) -> list[tuple[int | None, Decimal]]:
    return sorted(
        amounts.items(), key=lambda item: (item[0] is None, accounts[item[0]].code if item[0] else "")
    )


def _year_of(client: Client, day: datetime.date) -> datetime.date:
    """Return the first day of the fiscal year that holds the day, or that would after the last one."""
    if year := fiscal_year_of(client, day):
        return year.start
    last = FiscalYear.objects.filter(client=client, end__lt=day).order_by("-end").first()
    return last.end + DAY if last else day


def _cut(
    number: int,
    first: datetime.date,
    last: datetime.date,
    months: list[tuple[int, datetime.date, datetime.date]],
    days: list[tuple[int, datetime.date, datetime.date]],
) -> None:
    """Cut a range into whole months, given by their first days, and the days around them."""
    full_from = first if first.day == 1 else _next_month(first)
    full_until = _next_month(last) if (last + DAY).day == 1 else last.replace(day=1)
    if full_from >= full_until:
        days.append((number, first, last))
        return
    months.append((number, full_from, full_until - DAY))
    if first < full_from:
        days.append((number, first, full_from - DAY))
    if full_until <= last:
        days.append((number, full_until, last))


def _next_month(day: datetime.date) -> datetime.date:
    return (day.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)


def _columns(name: str, pieces: list[tuple[int, datetime.date, datetime.date]]) -> dict[str, list[object]]:
    return {
        f"{name}_{part}": [piece[index] for piece in pieces]
        for index, part in enumerate(["n", "first", "last"])
    }
