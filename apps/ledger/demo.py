"""A year and more of plausible books for the demo, the same at every load but for the calendar."""

import datetime
import random
from decimal import Decimal
from typing import Any

from django.utils import timezone

from apps.core.history import sign
from apps.core.models import User
from apps.ledger.charts import Template
from apps.ledger.models import Account, Contact, EntryKind, JournalEntry, Review
from apps.ledger.services import Line, draft_entry, open_fiscal_year, post_entry
from apps.ledger.services.annotations import annotate
from apps.ledger.services.charts import start_chart
from apps.ledger.services.closing import close_through, lock_through
from apps.ledger.services.year_end import close_fiscal_year
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client, LegalForm

INCOME = {LegalForm.NON_PROFIT: ["Donations", "Membership fees"]}
USUAL_INCOME = ["Sales of goods", "Services"]
EXPENSES = [  # account, from whom, about how much, day of the month
    ("Rent", "Harbour Estates", 1450, 1),
    ("Software and subscriptions", "Cloudline", 89, 4),
    ("Telephone and internet", "Northern Telecom", 64, 9),
    ("Office supplies and postage", "Paper & Co", 120, 13),
    ("Electricity, heating, water", "City Power", 210, 21),
    ("Bank and payment fees", "", 18, 28),
]
CUSTOMERS = ["Brightside Café", "Fenwick & Sons", "The Linden Hotel", "Marsh Street School"]


def make_books(client: Client, *, by: User, with_last_year: bool = False) -> None:
    """Give a client a chart, this year's months up to today, some drafts, and last year closed and locked."""
    start_chart(client, Template(LegalForm(client.legal_form), client.numbering), by=by)  # type: ignore[arg-type]
    today = timezone.localdate()
    story = _Story(client, by)
    first = today.year - 1 if with_last_year else today.year
    for number in range(first, today.year + 1):
        year = open_fiscal_year(
            client, start=datetime.date(number, 1, 1), end=datetime.date(number, 12, 31), by=by
        )
        if number == first:
            story.open_with(year.start)
        for month in range(1, 13):
            story.tell(datetime.date(number, month, 1), until=today)
        if number < today.year:
            close_fiscal_year(year, by=by)
            lock_through(client, year.end, by=by, adjusting=True)
    if today.month > 2:
        close_through(
            client, datetime.date(today.year, today.month - 1, 1) - datetime.timedelta(days=1), by=by
        )
    story.leave_drafts(today)


class _Story:
    def __init__(self, client: Client, by: User) -> None:
        self.client, self.by = client, by
        self.accounts = {account.name: account for account in Account.objects.filter(client=client)}
        self.bank = self.accounts.get("Checking") or self.accounts["Current account"]
        self.dice = random.Random(client.code)  # noqa: S311  (a demo, not a secret)
        self.contacts: dict[str, Contact] = {}

    def open_with(self, day: datetime.date) -> None:
        equity = next(a for a in self.accounts.values() if a.role in ("capital", "retained_earnings"))
        self._post(day, "Opening balances", [(self.bank, 8000), (equity, -8000)], kind=EntryKind.OPENING)

    def tell(self, first: datetime.date, *, until: datetime.date) -> None:
        """Post what happens in a month, as far as it has happened."""
        happened = []
        for number in range(3):
            income = self.dice.choice(INCOME.get(self.client.legal_form, USUAL_INCOME))  # type: ignore[call-overload]
            amount = self._about(1400)
            who = self.dice.choice(CUSTOMERS)
            lines = [(self.bank, amount), (self.accounts[income], -amount)]
            happened.append((3 + 9 * number, f"{income}, {who}", lines, who))
        for name, who, usual, day in EXPENSES:
            amount = self._about(usual)
            lines = [(self.accounts[name], amount), (self.bank, -amount)]
            happened.append((day, name, lines, who))
        for day, what, lines, who in sorted(happened, key=lambda one: one[0]):
            if (when := first.replace(day=day)) <= until:
                self._post(when, what, lines, who=who)

    def leave_drafts(self, today: datetime.date) -> None:
        """Leave what a preparer would: a draft that is ready, one that does not balance, an open question."""
        supplies = self.accounts["Office supplies and postage"]
        self._draft(today, "Printer paper", [(supplies, Decimal(42)), (self.bank, Decimal(-42))])
        self._draft(today, "Card payment, receipt missing", [(supplies, Decimal(19))])
        newest = JournalEntry.objects.posted().filter(client=self.client).order_by("-date", "-pk")[0]
        question = {"review": Review.QUESTION, "review_note": "Is this really for the business?"}
        annotate(newest, by=self.by, notes=question)

    def _about(self, usual: int) -> Decimal:
        cents = Decimal(1).scaleb(-decimal_places(self.client.base_currency))
        return Decimal(usual * self.dice.uniform(0.8, 1.2)).quantize(cents)

    def _post(self, day: datetime.date, what: str, lines: list, *, who: str = "", **facts: Any) -> None:
        post_entry(self._draft(day, what, lines, who=who, **facts), by=self.by)

    def _draft(
        self, day: datetime.date, what: str, lines: list, *, who: str = "", **facts: Any
    ) -> JournalEntry:
        contact = self._contact(who) if who else None
        return draft_entry(
            client=self.client,
            by=self.by,
            date=day,
            description=what,
            lines=[
                Line(account=account, amount=Decimal(amount), contact=contact) for account, amount in lines
            ],
            **facts,
        )

    def _contact(self, name: str) -> Contact:
        if name not in self.contacts:
            is_customer = name in CUSTOMERS
            contact = Contact(
                client=self.client, name=name, is_customer=is_customer, is_vendor=not is_customer
            )
            sign(contact, by=self.by)
            contact.save()
            self.contacts[name] = contact
        return self.contacts[name]
