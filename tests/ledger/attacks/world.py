"""The books that attacks are made on."""

from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace

from apps.ledger.models import (
    Account,
    Attachment,
    BookCheck,
    ClosedPeriod,
    Contact,
    CostCentre,
    ExchangeRate,
    FiscalYear,
    ImportedEntry,
    JournalEntry,
    JournalImport,
    JournalLine,
    JournalMapping,
    Period,
    TaxCode,
    TaxIdAccess,
    TaxRate,
)
from apps.ledger.queries.changes import digest
from apps.ledger.services import recode, reverse_entry
from tests.factories import (
    make_account,
    make_books,
    make_client,
    make_draft,
    make_owner,
    make_posted,
    make_year,
)
from tests.ledger.attempts import Change

SALE = (("1010", "50.00"), ("4000", "-50.00"))
RENT = (("6100", "80.00"), ("1010", "-80.00"))


def make_world():
    """Two clients with one record of every kind, and entries in every state."""
    owner = make_owner()
    client, accounts = make_books(make_client("ACORN"))
    make_year(client, "2027-01-01", "2027-12-31")
    other, theirs = make_books(make_client("BLUEBELL"))
    make_account(client, "9000", "asset", is_postable=False)
    make_account(client, "9100", "asset", is_active=False)
    make_account(client, "1090", "asset", currency="EUR", section="bank")
    accounts = {account.code: account for account in client.accounts.all()}
    w = SimpleNamespace(client=client, other=other, accounts=accounts, theirs=theirs, owner=owner)
    w.posted = make_posted(client, *RENT)
    w.line = w.posted.lines.get(account=accounts["6100"])
    w.recoded = make_posted(client, *RENT)
    (w.recoding,) = recode(
        [w.recoded.lines.get(account=accounts["6100"])], account=accounts["6200"], by=owner
    )
    w.reversed = make_posted(client, *SALE)
    w.reversal = reverse_entry(w.reversed, by=owner)
    w.draft = make_draft(client, *SALE)
    w.year, w.later_year = client.fiscal_years.order_by("start")
    w.periods = list(client.periods.filter(fiscal_year=w.year, is_adjusting=False).order_by("start"))
    w.adjusting = w.year.periods.get(is_adjusting=True)
    w.mine = {model: make_row(model, client, w.draft, owner) for model in OWNED}
    their_draft = make_draft(other, *SALE)
    w.their = {model: make_row(model, other, their_draft, owner) for model in OWNED}
    w.their |= {Account: theirs["1010"], JournalEntry: their_draft, JournalLine: their_draft.lines.first()}
    w.their |= {FiscalYear: other.fiscal_years.get(), Period: other.periods.first()}
    BookCheck.objects.create(duration=timedelta(seconds=1), clients=2, lines=10)
    w.mine |= {Account: accounts["1010"], JournalEntry: w.draft, JournalLine: w.draft.lines.first()}
    w.mine |= {FiscalYear: w.year, Period: w.periods[5]}
    return w


OWNED = [
    Contact,
    CostCentre,
    TaxCode,
    TaxRate,
    Attachment,
    ClosedPeriod,
    TaxIdAccess,
    JournalMapping,
    JournalImport,
    ImportedEntry,
    ExchangeRate,
]


def make_row(model, client, entry, owner):
    facts = {
        Contact: {"name": "Vendor"},
        CostCentre: {"name": "Shop"},
        TaxCode: {"code": "V20", "name": "VAT 20 %", "direction": "sales"},
        TaxRate: {"valid_from": date(2026, 1 if client.code == "ACORN" else 2, 1), "rate": 20},
        Attachment: {"entry": entry, "name": "a.pdf", "content_type": "application/pdf", "size": 1},
        ClosedPeriod: {"state": "locked", "closed_by": owner, "trial_balance": [], "hash": digest([])},
        TaxIdAccess: {"contact_name": "Vendor", "contact_id": 1, "what": "revealed", "by": owner},
        ExchangeRate: {"currency": "EUR", "date": date(2026, 1, 1), "rate": Decimal("1.1")},
        JournalMapping: {"headers": ["date"], "signature": "0" * 64, "options": {}},
        JournalImport: {"file_name": "a.csv", "file_sha256": "0" * 64, "file_size": 1, "uploaded_by": owner},
        ImportedEntry: {"entry_uuid": entry.uuid, "line": 2, "date": entry.date},
    }[model]
    if model is Attachment:
        facts |= {"added_by": owner, "sha256": "0" * 64}
    elif model is TaxRate:
        facts["tax_code"] = TaxCode.objects.get(client=client)
    elif model is ImportedEntry:
        facts |= {"facts_key": b"0" * 32, "lines_key": b"0" * 32}
        facts["journal_import"] = JournalImport.objects.get(client=client)
    elif model is ClosedPeriod:
        facts["period"] = client.periods.order_by("start").first()
    return model.objects.create(client=client, **facts)


def draft(w, *lines, day="2026-01-15", kind="manual", client=None, **facts):
    """An entry with lines given as (code, amount, further facts of the line)."""
    client = client or w.client
    entry = make_draft(client, day=day, kind=kind, **facts)
    accounts = {account.code: account for account in client.accounts.all()}
    for number, (code, amount, *more) in enumerate(lines, start=1):
        JournalLine.objects.create(
            client=client,
            entry=entry,
            line_number=number,
            account=accounts[code],
            amount=amount,
            **(more[0] if more else {}),
        )
    return entry


def post(entry, **facts):
    return Change(entry, status="posted", **facts)


def line(w, code="1010", amount="1", entry=None, **facts):
    entry = entry or w.draft
    account = facts.pop("account", None) or entry.client.accounts.get(code=code)
    return JournalLine(
        client=entry.client, entry=entry, line_number=90, account=account, amount=Decimal(amount), **facts
    )


def books_in(currency):
    client, _ = make_books(make_client(f"IN-{currency}", base_currency=currency))
    return client


def in_state(w, state, *periods):
    for period in periods:
        Period.objects.filter(pk=period.pk).update(state=state)
