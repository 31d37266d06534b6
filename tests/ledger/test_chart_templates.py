"""A chart of accounts started from a template."""

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from apps.ledger.charts import Template
from apps.ledger.models import Account, AccountKind
from apps.ledger.queries.equity import equity_targets
from apps.ledger.services.charts import start_chart
from apps.profiles.models import LegalForm, Numbering
from apps.profiles.roles import Role
from tests.factories import make_account, make_books, make_client, make_draft, make_owner, make_staff

pytestmark = pytest.mark.django_db

TEMPLATES = [Template(legal_form, numbering) for legal_form in LegalForm for numbering in Numbering]
US_KINDS = {"1": "asset", "2": "liability", "3": "equity", "4": "income"}
EUROPEAN_KINDS = {"0": "asset", "1": "asset", "2": "equity", "3": "liability", "4": "income", "6": "expense"}


def names(templates):
    return [f"{one.legal_form}-{one.numbering}" for one in templates]


@pytest.mark.parametrize("template", TEMPLATES, ids=names(TEMPLATES))
class TestEveryTemplate:
    def test_has_each_code_once_and_every_account_under_a_heading_of_its_kind(self, template):
        accounts = {one.code: one for one in template.accounts}
        assert len(accounts) == len(template.accounts)
        for one in accounts.values():
            assert not one.parent or accounts[one.parent].kind == one.kind, one
            assert not one.parent or not accounts[one.parent].is_postable, one
            assert one.parent or not one.is_postable, one

    def test_has_as_many_accounts_as_a_small_business_needs(self, template):
        postable = [one for one in template.accounts if one.is_postable]
        assert 45 <= len(postable) <= 75
        assert {one.kind for one in postable} == set(AccountKind.values)

    def test_is_numbered_by_its_classes(self, template):
        kinds = US_KINDS if template.numbering == Numbering.US else EUROPEAN_KINDS
        for one in template.accounts:
            assert one.kind == kinds.get(one.code[0], one.kind), one

    def test_every_heading_has_something_under_it(self, template):
        parents = {one.parent for one in template.accounts}
        assert {one.code for one in template.accounts if not one.is_postable} <= parents

    def test_becomes_a_chart_with_history_that_can_be_closed(self, template):
        client = make_client(legal_form=template.legal_form, numbering=template.numbering)
        owner = make_owner()
        done = start_chart(client, template, by=owner)
        assert len(done.added) == client.accounts.count() == len(template.accounts)
        assert done.kept == []
        assert Account.history.filter(client=client, history_user=owner).count() == len(done.added)
        stored = {account.code: account for account in client.accounts.select_related("parent")}
        for one in template.accounts:
            account = stored[one.code]
            assert (account.parent.code if account.parent else "") == one.parent
            account.full_clean()
        roles = {account.role for account in stored.values()}
        assert {"suspense", "in_transit", "fx_difference"} <= roles
        targets = equity_targets(client, stored.values())
        assert targets.result
        owners = [account.pk for account in stored.values() if account.role in ("draw", "contribution")]
        assert set(targets.into) == set(owners)


def test_partners_share_and_each_draws_from_their_own_capital():
    client = make_client(legal_form=LegalForm.PARTNERSHIP)
    start_chart(client, Template(LegalForm.PARTNERSHIP, Numbering.US), by=make_owner())
    capital = client.accounts.filter(role="capital").order_by("code")
    assert [(account.code, account.share) for account in capital] == [("3110", 50), ("3210", 50)]
    assert client.accounts.get(code="3220").closes_into == capital[1]


def test_codes_that_are_there_stay_as_they_are_and_are_told():
    client = make_client()
    mine = make_account(client, "1010", "asset", "Our bank")
    done = start_chart(client, Template(LegalForm.COMPANY, Numbering.US), by=make_owner())
    assert done.kept == ["1010"]
    mine.refresh_from_db()
    assert (mine.name, mine.parent) == ("Our bank", None)
    assert start_chart(client, Template(LegalForm.COMPANY, Numbering.US), by=make_owner()).added == []


def test_a_role_is_not_given_a_second_time_and_an_odd_parent_is_left_out():
    client = make_client(legal_form=LegalForm.SOLE_TRADER)
    capital = make_account(client, "300", "equity", role="capital")
    make_account(client, "1500", "expense", "Not fixed assets")
    start_chart(client, Template(LegalForm.SOLE_TRADER, Numbering.US), by=make_owner())
    assert client.accounts.get(role="capital") == capital
    assert client.accounts.get(code="3020").closes_into == capital
    assert client.accounts.get(code="1510").parent is None


def test_no_template_is_laid_over_a_chart_in_use():
    client, _accounts = make_books()
    make_draft(client, ("1010", "5"), ("4000", "-5"))
    before = client.accounts.count()
    with pytest.raises(ValidationError) as caught:
        start_chart(client, Template(LegalForm.COMPANY, Numbering.US), by=make_owner())
    assert caught.value.code == "used"
    assert client.accounts.count() == before


@pytest.mark.parametrize("role", [Role.VIEWER, None])
def test_a_viewer_or_a_stranger_starts_no_chart(role):
    client = make_client()
    user = make_staff(client if role else make_client(), role or Role.MANAGER)
    with pytest.raises(PermissionDenied):
        start_chart(client, Template(LegalForm.COMPANY, Numbering.US), by=user)
    assert not client.accounts.exists()
