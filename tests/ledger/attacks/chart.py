"""Attacks on the chart of accounts and on the client."""

from datetime import date
from uuid import uuid4

from apps.ledger.models import (
    Account,
    Contact,
    JournalLine,
    TaxCode,
    TaxRate,
)
from tests.ledger.attempts import Add, Change, Remove

CHART = [
    *(
        (
            f"The {name} of an account with posted lines is changed",
            "ledger_account_frozen",
            lambda w, name=name, value=value, more=more: Change(w.accounts["6100"], **{name: value}, **more),
        )
        for name, value, more in [
            ("kind", "asset", {"section": "bank"}),
            ("currency", "EUR", {}),
            ("is_postable", False, {}),
        ]
    ),
    (
        "The uuid of an account is changed",
        "ledger_account_frozen",
        lambda w: Change(w.accounts["6200"], uuid=uuid4()),
    ),
    (
        "An account with lines is deleted",
        ("ledger_account_used", "protected"),
        lambda w: Remove(w.accounts["6100"]),
    ),
    (
        "An account is put under one of another kind",
        "ledger_account_parent_same_client_and_kind",
        lambda w: Change(w.accounts["6100"], parent=w.accounts["1010"]),
    ),
    (
        "An account is put under itself",
        "ledger_account_no_cycle",
        lambda w: Change(w.accounts["6100"], parent=w.accounts["6100"]),
    ),
    (
        "An account is put under one that stands under it",
        "ledger_account_no_cycle",
        lambda w: (
            Account.objects.filter(pk=w.accounts["6200"].pk).update(parent=w.accounts["6100"])
            and Change(w.accounts["6100"], parent=w.accounts["6200"])
        ),
    ),
    (
        "An account is made under itself",
        "ledger_account_no_cycle",
        lambda w: Add(
            Account(
                id=987654, client=w.client, code="x", name="x", kind="asset", section="bank", parent_id=987654
            )
        ),
    ),
    (
        "The base currency is changed after the first entry",
        "ledger_client_currency_frozen",
        lambda w: Change(w.client, base_currency="EUR"),
    ),
    (
        "The uuid of a tax code is changed",
        "ledger_taxcode_uuid_fixed",
        lambda w: Change(w.mine[TaxCode], uuid=uuid4()),
    ),
    (
        "Two tax codes differ only in case",
        "ledger_taxcode_code_unique",
        lambda w: Add(TaxCode(client=w.client, code=w.mine[TaxCode].code.lower(), direction="sales")),
    ),
    (
        "A tax code has two rates from one day on",
        "ledger_taxrate_one_a_day",
        lambda w: Add(
            TaxRate(client=w.client, tax_code=w.mine[TaxCode], valid_from=date(2026, 1, 1), rate=19)
        ),
    ),
    (
        "A contact with lines is deleted",
        ("ledger_line_contact_same_client", "protected"),
        lambda w: (
            JournalLine.objects.filter(pk=w.line.pk).update(contact=w.mine[Contact])
            and Remove(w.mine[Contact])
        ),
    ),
    ("A client with books is deleted", ("foreign key", "protected"), lambda w: Remove(w.client)),
]
