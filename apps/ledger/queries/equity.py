"""Where a year's result, and what the owners drew and paid in, goes when the year ends."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from apps.ledger.models import Account, AccountRole
from apps.profiles.models import Client, LegalForm


@dataclass(frozen=True)
class Targets:
    """
    ``result``: accounts that take the result, each with its share; empty when the chart has none.

    ``into``: for each draw or contribution account that closes, the capital account it changes.
    """

    result: list[tuple[int, Decimal]]
    into: dict[int, int]


def equity_targets(client: Client, accounts: Iterable[Account]) -> Targets:
    """
    Return where the year end goes, by legal form.

    A sole trader's result, draws and contributions go to capital; partners' results by their shares, and
    what each drew or paid in to their own capital; a company's and a non-profit's result to retained
    earnings, and nothing else of theirs closes. Where the usual account is missing the other one serves.
    """
    accounts = sorted(accounts, key=lambda account: account.code)
    capital = [account for account in accounts if account.role == AccountRole.CAPITAL]
    retained = [account for account in accounts if account.role == AccountRole.RETAINED_EARNINGS]
    if client.legal_form not in (LegalForm.SOLE_TRADER, LegalForm.PARTNERSHIP):
        return Targets([(account.pk, Decimal(1)) for account in (retained or capital[:1])], {})
    partners = [account for account in capital if account.share]
    if client.legal_form == LegalForm.PARTNERSHIP and partners:
        result = [(account.pk, account.share or Decimal(0)) for account in partners]
    else:
        result = [(account.pk, Decimal(1)) for account in (capital[:1] or retained)]
    return Targets(result, _owners_accounts(accounts, capital))


def split(amount: Decimal, shares: Sequence[Decimal], decimals: int) -> list[Decimal]:
    """Split an amount by shares, each part rounded half up; the last one takes what rounding leaves."""
    unit = Decimal(1).scaleb(-decimals)
    whole = sum(shares)
    parts = [(amount * share / whole).quantize(unit, ROUND_HALF_UP) for share in shares[:-1]]
    return [*parts, amount - sum(parts, Decimal(0))]


def _owners_accounts(accounts: list[Account], capital: list[Account]) -> dict[int, int]:
    only = capital[0].pk if len(capital) == 1 else None
    owned = {
        account.pk: account.closes_into_id or only
        for account in accounts
        if account.role in (AccountRole.DRAW, AccountRole.CONTRIBUTION)
    }
    return {pk: into for pk, into in owned.items() if into}
