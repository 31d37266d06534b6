"""Charts of accounts: started from a template, imported, kept."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from simple_history.utils import bulk_create_with_history

from apps.core.history import sign
from apps.core.models import User
from apps.ledger.charts import PlannedAccount, Template
from apps.ledger.charts.csv_file import read_chart
from apps.ledger.models import Account, AccountRole, JournalLine
from apps.ledger.services.transactions import lock_client, refusals_as_sentences, require
from apps.profiles.models import Client


@dataclass(frozen=True)
class AddedAccounts:
    """Accounts that were opened, and codes that were in the chart already and left as they are."""

    added: list[Account]
    kept: list[str]


def start_chart(client: Client, template: Template, *, by: User) -> AddedAccounts:
    """
    Give a client the accounts of a template; those whose codes are in the chart already stay as they are.

    A role that an account of the chart has is not given a second time. Raises PermissionDenied, and
    ValidationError: ``used`` once there are entries, or the name of the guard that refused.
    """
    require(by, "ledger.add_account", Account(client=client))
    with refusals_as_sentences():
        lock_client(client.pk)
        if is_used(client):
            raise ValidationError(
                _("There are entries on this chart already: open the accounts you need one by one."),
                code="used",
            )
        existing = accounts_by_code(client)
        planned = [_fitted(one, existing) for one in template.accounts]
        return add_accounts(client, planned, existing, by=by, reason=_("Chart started from a template"))


def import_chart(client: Client, text: str, *, by: User) -> AddedAccounts:
    """
    Open the accounts that a CSV text lists: all of them, or none when a row is wrong.

    Codes that are in the chart already stay as they are. Raises PermissionDenied, and ValidationError:
    ``wrong_rows``, those of ``read_chart``, or the name of the guard that refused.
    """
    require(by, "ledger.add_account", Account(client=client))
    with refusals_as_sentences():
        lock_client(client.pk)
        existing = accounts_by_code(client)
        chart = read_chart(text, client, existing)
        if chart.wrong:
            raise ValidationError(_("Nothing was imported: some rows are wrong."), code="wrong_rows")
        return add_accounts(client, chart.planned, existing, by=by, reason=_("Imported"), kept=chart.kept)


def set_account_active(account: Account, is_active: bool, *, by: User) -> Account:
    """
    Make an account active or inactive: nothing more is posted to an inactive one, what is there stays.

    Raises PermissionDenied.
    """
    require(by, "ledger.change_account", account)
    account.is_active = is_active
    sign(account, by=by)
    with refusals_as_sentences():
        account.save(update_fields=["is_active"])
    return account


def is_used(client: Client) -> bool:
    """Return whether any entry, drafts included, stands on the client's accounts."""
    return JournalLine.objects.filter(client=client).exists()


def accounts_by_code(client: Client) -> dict[str, Account]:
    return {account.code: account for account in Account.objects.filter(client=client)}


def add_accounts(
    client: Client,
    planned: list[PlannedAccount],
    existing: dict[str, Account],
    *,
    by: User,
    reason: str,
    kept: Iterable[str] = (),
) -> AddedAccounts:
    """
    Open accounts, those that others stand under first; codes that are in the chart already stay as they are.

    To be called by services that asked for the right and hold the client's lock.
    """
    known = dict(existing)
    kept = [*kept, *(one.code for one in planned if one.code in known)]
    waiting = [one for one in planned if one.code not in known]
    added: list[Account] = []
    while waiting:
        # What others stand under or close into comes first.
        ready = [one for one in waiting if {one.parent, one.closes_into} - {""} <= known.keys()]
        if not ready:
            raise ValidationError(_("These accounts stand under each other."), code="cycle")
        accounts = bulk_create_with_history(
            [_account(client, one, known) for one in ready],
            Account,
            default_user=by,
            default_change_reason=reason,
        )
        added += accounts
        known |= {account.code: account for account in accounts}
        waiting = [one for one in waiting if one.code not in known]
    return AddedAccounts(sorted(added, key=lambda account: account.code), kept)


def _fitted(one: PlannedAccount, existing: dict[str, Account]) -> PlannedAccount:
    """Return a template's account as it fits a chart: no role twice, no parent of another kind."""
    if one.role in {account.role for account in existing.values()}:
        one = replace(one, role="", share=None, closes_into="")
    if (parent := existing.get(one.parent)) and parent.kind != one.kind:
        one = replace(one, parent="")
    capital = [code for code, account in existing.items() if account.role == AccountRole.CAPITAL]
    if one.closes_into and capital:
        one = replace(one, closes_into=capital[0] if len(capital) == 1 else "")
    return one


def _account(client: Client, one: PlannedAccount, known: dict[str, Account]) -> Account:
    return Account(
        client=client,
        code=one.code,
        name=one.name,
        kind=one.kind,
        section=one.section,
        role=one.role,
        currency=one.currency,
        share=one.share,
        parent=known.get(one.parent),
        closes_into=known.get(one.closes_into),
        is_postable=one.is_postable,
    )
