"""Attacks with amounts that are none, or not in their currency."""

from decimal import Decimal

from apps.ledger.models import (
    TaxCode,
)
from apps.profiles.models import Client
from tests.factories import (
    make_draft,
)
from tests.ledger.attacks.world import books_in, line
from tests.ledger.attempts import Add, Change

AMOUNTS = [
    (
        f"{what} of {amount} {currency} is written",
        "ledger_line_decimals",
        lambda w, currency=currency, facts=facts: Add(
            line(w, entry=make_draft(books_in(currency)), **facts(currency))
        ),
    )
    for currency, amount in [("JPY", "1.5"), ("EUR", "1.234"), ("TND", "1.2345")]
    for what, facts in [
        ("An amount", lambda _currency, amount=amount: {"amount": amount}),
        (
            "A tax base",
            lambda currency, amount=amount: {
                "tax_base": Decimal(amount),
                "tax_code": TaxCode.objects.create(
                    client_id=make_client_id(currency), code="V", name="V", direction="sales"
                ),
            },
        ),
    ]
]


def make_client_id(currency):
    return Client.objects.get(code=f"IN-{currency}").pk


AMOUNTS += [
    (
        f"A foreign amount of {amount} {currency} is written",
        "ledger_line_decimals",
        lambda w, currency=currency, amount=amount: Add(
            line(w, currency=currency, foreign_amount=Decimal(amount))
        ),
    )
    for currency, amount in [("JPY", "1.5"), ("EUR", "1.234"), ("TND", "1.2345")]
]
NOT_A_NUMBER = Decimal("NaN")
TOO_LARGE = ("22003", "Django")  # numeric_value_out_of_range, or no number to Django
AMOUNTS += [
    (
        "An amount that is no number (NaN)",
        ("ledger_line_numbers", "Django"),
        lambda w: Add(line(w, amount="NaN")),
    ),
    (
        "A foreign amount that is no number (NaN)",
        ("ledger_line_numbers", "Django"),
        lambda w: Add(line(w, currency="EUR", foreign_amount=NOT_A_NUMBER)),
    ),
    (
        "A tax base that is no number (NaN)",
        ("ledger_line_numbers", "Django"),
        lambda w: Add(line(w, tax_code=w.mine[TaxCode], tax_base=NOT_A_NUMBER)),
    ),
    (
        "A rate that is no number (NaN)",
        ("ledger_line_rate_positive", "Django"),
        lambda w: Add(line(w, currency="EUR", foreign_amount=Decimal(1), rate=NOT_A_NUMBER)),
    ),
    (
        "A rate of zero",
        "ledger_line_rate_positive",
        lambda w: Add(line(w, currency="EUR", foreign_amount=Decimal(1), rate=Decimal(0))),
    ),
    ("An infinite amount", TOO_LARGE, lambda w: Add(line(w, amount="Infinity"))),
    ("An amount of 10^20", TOO_LARGE, lambda w: Add(line(w, amount="1E20"))),
    ("An amount of -10^20", TOO_LARGE, lambda w: Change(w.draft.lines.first(), amount=Decimal("-1E20"))),
    ("An amount of zero", "ledger_line_amount_is_one", lambda w: Add(line(w, amount="0"))),
    (
        "A foreign amount without its currency",
        "ledger_line_foreign_complete",
        lambda w: Add(line(w, foreign_amount=Decimal(1), rate=Decimal(1))),
    ),
    (
        "A foreign amount on the other side",
        "ledger_line_foreign_sign",
        lambda w: Add(line(w, currency="EUR", foreign_amount=Decimal(-1), rate=Decimal(1))),
    ),
    (
        "A line in the client's own currency as a foreign one",
        "ledger_line_account_currency",
        lambda w: Add(line(w, currency="USD", foreign_amount=Decimal(1))),
    ),
    (
        "A line without currency on an account kept in euros",
        "ledger_line_account_currency",
        lambda w: Add(line(w, "1090")),
    ),
    (
        "A tax base without a tax code",
        "ledger_line_tax_base_has_code",
        lambda w: Add(line(w, tax_base=Decimal(1))),
    ),
    (
        "A line with a negative number",
        "ledger_journalline_line_number_check",
        lambda w: Change(w.draft.lines.first(), line_number=-1),
    ),
    (
        "Two lines with one number",
        "ledger_line_number_unique",
        lambda w: Change(w.draft.lines.first(), line_number=2),
    ),
]
