"""The year end: what income, expenses, draws and contributions left goes to capital or retained earnings."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db.models import Sum
from django.utils.translation import gettext as _

from apps.core.models import User
from apps.ledger.models import (
    Account,
    AccountKind,
    AccountRole,
    EntryKind,
    FiscalYear,
    JournalEntry,
    JournalLine,
    PeriodState,
)
from apps.ledger.queries.balances import flows
from apps.ledger.queries.equity import Targets, equity_targets, split
from apps.ledger.services.drafts import Line, draft_entry
from apps.ledger.services.posting import post_entry
from apps.ledger.services.transactions import lock_client, refusals_as_sentences, require
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client, LegalForm

ZERO = Decimal(0)


@dataclass(frozen=True)
class ClosingEntry:
    """An entry that closing a year would post."""

    description: str
    lines: list[Line]

    @property
    def total(self) -> Decimal:
        """The sum of its debits, which is that of its credits."""
        return sum((line.amount for line in self.lines if line.amount > 0), ZERO)


def close_fiscal_year(year: FiscalYear, *, by: User, reason: str = "") -> list[JournalEntry]:
    """
    Post the closing entries of a fiscal year, by legal form, and return them; none when nothing is left.

    The result goes to capital (sole trader), by shares to the partners, or to retained earnings
    (company, non-profit); a second entry takes draws and contributions of a sole trader or of partners to
    their capital. Dated the last day, into the adjusting period unless that is more closed than the
    month. Only what is left is moved: after late adjustments that is a supplementary entry. No report
    changes by it. Raises PermissionDenied, and ValidationError: ``no_target``, ``no_shares``,
    ``closes_into`` (accounts that lack a role, a share, or whose capital they change), ``locked``, or the
    name of the guard that refused.
    """
    require(by, "ledger.close_period", year)
    with refusals_as_sentences():
        lock_client(year.client_id)
        entries = closing_entries(year)
        if entries and not year.periods.filter(end=year.end).exclude(state=PeriodState.LOCKED).exists():
            raise ValidationError(
                _("The adjusting period of %(year)s is locked. Reopen it first.") % {"year": year},
                code="locked",
            )
        return [_posted(year, entry, by=by, reason=reason) for entry in entries]


def closing_entries(year: FiscalYear) -> list[ClosingEntry]:
    """
    Return what closing a year would post now, none when nothing is left.

    Raises ValidationError when an account is missing that the legal form needs, as ``close_fiscal_year``.
    """
    accounts = {account.pk: account for account in Account.objects.filter(client=year.client_id)}
    left: dict[int, Decimal] = defaultdict(Decimal)
    for flow in flows(year.client, [(year.start, year.end)]):
        left[flow.account_id] += flow.amount
    targets = equity_targets(year.client, accounts.values())
    result = [
        pk for pk, amount in left.items() if amount and not AccountKind(accounts[pk].kind).is_on_balance_sheet
    ]
    drawn = [pk for pk, amount in left.items() if amount and _is_owners(year.client, accounts[pk])]
    _refuse_without_accounts(year.client, accounts, targets, result, drawn)
    title = _("Supplementary year-end close") if _was_closed(year) else _("Year-end close")
    capital = _("%(title)s %(year)s: result") if drawn else _("%(title)s %(year)s")
    both = [
        (capital, {pk: -left[pk] for pk in result}, _shared(year.client, targets, left, result)),
        (
            _("%(title)s %(year)s: draws and contributions"),
            {pk: -left[pk] for pk in drawn},
            _to_owners(targets, left, drawn),
        ),
    ]
    return [
        ClosingEntry(description % {"title": title, "year": year}, _lines(year, accounts, closed, into))
        for description, closed, into in both
        if closed
    ]


def _is_owners(client: Client, account: Account) -> bool:
    """Return whether an account closes into an owner's capital; a company's dividends never do."""
    has_owners = client.legal_form in (LegalForm.SOLE_TRADER, LegalForm.PARTNERSHIP)
    return has_owners and account.role in (AccountRole.DRAW, AccountRole.CONTRIBUTION)


def _shared(
    client: Client, targets: Targets, left: dict[int, Decimal], result: list[int]
) -> dict[int, Decimal]:
    """Return the result by the accounts that take it; the last of several takes what rounding leaves."""
    if not result:
        return {}
    shares = [share for _pk, share in targets.result]
    whole = sum((left[pk] for pk in result), ZERO)
    parts = split(whole, shares, decimal_places(client.base_currency))
    return {pk: part for (pk, _share), part in zip(targets.result, parts, strict=True)}


def _to_owners(targets: Targets, left: dict[int, Decimal], drawn: list[int]) -> dict[int, Decimal]:
    into: dict[int, Decimal] = defaultdict(Decimal)
    for pk in drawn:
        into[targets.into[pk]] += left[pk]
    return into


def _lines(
    year: FiscalYear,
    accounts: dict[int, Account],
    closed: dict[int, Decimal],
    into: dict[int, Decimal],
) -> list[Line]:
    by_code = lambda item: accounts[item[0]].code  # noqa: E731
    foreign = _foreign_left(year, [accounts[pk] for pk in closed if accounts[pk].currency])
    return [
        _line(accounts[pk], amount, -foreign.get(pk, ZERO))
        for part in (closed, into)
        for pk, amount in sorted(part.items(), key=by_code)
        if amount
    ]


def _line(account: Account, amount: Decimal, foreign: Decimal) -> Line:
    if not account.currency:
        return Line(account=account, amount=amount)
    # What rates alone have left has another sign than the currency: then only the base amount moves.
    foreign = foreign if foreign * amount > 0 else ZERO
    return Line(account=account, amount=amount, currency=account.currency, foreign_amount=foreign)


def _foreign_left(year: FiscalYear, accounts: list[Account]) -> dict[int, Decimal]:
    """Return what the year left on accounts that are kept in a foreign currency, in that currency."""
    if not accounts:
        return {}
    lines = JournalLine.objects.filter(
        client=year.client_id, account__in=accounts, is_posted=True, date__range=(year.start, year.end)
    )
    sums = lines.values_list("account").annotate(Sum("foreign_amount")).order_by()
    return {pk: amount or ZERO for pk, amount in sums}


def _refuse_without_accounts(
    client: Client, accounts: dict[int, Account], targets: Targets, result: list[int], drawn: list[int]
) -> None:
    capital = [account for account in accounts.values() if account.role == AccountRole.CAPITAL]
    has_owners = client.legal_form in (LegalForm.SOLE_TRADER, LegalForm.PARTNERSHIP)
    role = AccountRole.CAPITAL if has_owners else AccountRole.RETAINED_EARNINGS
    if (result and not targets.result) or (drawn and not capital):
        raise ValidationError(
            _("No account takes the result. Give an equity account the role “%(role)s”.")
            % {"role": role.label},
            code="no_target",
        )
    is_shared = client.legal_form == LegalForm.PARTNERSHIP and len(capital) > 1
    if result and is_shared and not any(account.share for account in capital):
        raise ValidationError(
            _("Say on each partner's capital account which share of the result it takes."), code="no_shares"
        )
    if lost := [accounts[pk] for pk in drawn if pk not in targets.into]:
        raise ValidationError(
            _("Say on %(accounts)s into whose capital it closes.") % {"accounts": ", ".join(map(str, lost))},
            code="closes_into",
        )


def _was_closed(year: FiscalYear) -> bool:
    closing = year.entries.filter(kind=EntryKind.CLOSING, reverses=None)
    return closing.exclude(reversed_by__kind=EntryKind.CLOSING).exists()


def _posted(year: FiscalYear, entry: ClosingEntry, *, by: User, reason: str) -> JournalEntry:
    draft = draft_entry(
        client=year.client,
        by=by,
        date=year.end,
        kind=EntryKind.CLOSING,
        description=entry.description,
        lines=entry.lines,
        reason=reason,
    )
    return post_entry(draft, by=by, reason=reason)
