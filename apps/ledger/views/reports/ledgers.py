"""General ledger and journal."""

import datetime
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from apps.core.tables.writing import Column, Sheet, Value
from apps.ledger.queries import journal as journal_queries
from apps.ledger.queries.balances import ZERO, Movement, movements
from apps.ledger.queries.register import GeneralLedger, LedgerPart, every_ledger_line, general_ledger
from apps.ledger.views.reports.base import ReportView
from apps.ledger.views.reports.lines import (
    LONGEST_ID,
    PAGE,
    PagedView,
    kind_name,
    line_columns,
    line_values,
    opening_values,
    sides,
)
from apps.ledger.views.reports.options import GeneralLedgerOptions, JournalOptions

ENTRIES = 50
MOST_DECIMALS = 3  # of any currency in use


class GeneralLedgerView(PagedView):
    """The lines of all accounts, or of some, with the balance after each."""

    name = "general_ledger"
    options_class = GeneralLedgerOptions
    template_name = "ledger/reports/general_ledger.html"

    @cached_property
    def chosen(self) -> list[Movement]:
        rows = movements(self.client, *self.options.span.days)
        return [row for row in rows if self.options.holds(row.account)]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        shown = general_ledger(
            self.client, *self.options.span.days, chosen=self.chosen, page=self.page, size=PAGE
        )
        totals = [sum((getattr(row, side) for row in self.chosen), ZERO) for side in ("debit", "credit")]
        return super().get_context_data(
            ledger=shown,
            parts=self._parts(shown),
            totals=totals,
            ways=self.ways_on(shown.page, shown.pages),
            **kwargs,
        )

    def sheet(self) -> Sheet:
        columns = [
            Column(_("Account"), "code"),
            Column(_("Account name")),
            *line_columns(),
            *(
                Column(title, "amount", self.decimals)
                for title in (_("Debit"), _("Credit"), _("Balance (debit +)"))
            ),
        ]
        return Sheet(self.title, self.facts, columns, self._values())

    def _parts(self, shown: GeneralLedger) -> list[tuple[LedgerPart, str]]:
        """Return each account's part of the page, and the address of its register."""
        return [
            (part, self.lines_of(account, self.options.span, f"a{account.pk}") if account else "")
            for part in shown.parts
            for account in [part.movement.account]
        ]

    def _values(self) -> Iterator[list[Value]]:
        for row, one in every_ledger_line(self.client, *self.options.span.days, self.chosen):
            account = row.account
            names = (
                [account.code, account.name] if account else ["", _("Results of earlier years (computed)")]
            )
            if one is None:
                yield [*names, *opening_values(), None, None, row.opening]
            else:
                amounts = [*sides(one.line.amount), one.balance.amount]
                yield [*names, *line_values(one), *amounts]


class JournalView(ReportView):
    """The posted entries with their lines, by date. A page begins with the entry that ``?at`` names."""

    name = "journal_listing"
    options_class = JournalOptions
    template_name = "ledger/reports/journal.html"

    @cached_property
    def begins(self) -> journal_queries.Place | None:
        day, _dot, pk = self.request.GET.get("at", "").partition(".")
        if not (pk.isascii() and pk.isdecimal() and len(pk) <= LONGEST_ID):
            return None
        try:
            return datetime.date.fromisoformat(day), int(pk)
        except ValueError:
            return None

    @property
    def place(self) -> dict[str, str]:
        return {"at": _at(*self.begins)} if self.begins else {}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        shown = journal_queries.journal(
            self.client, *self.options.span.days, kind=self._kind, begins=self.begins, size=ENTRIES
        )
        ways = {} if shown.is_first else {"first": self.address()}
        for name, entry in [("previous", shown.previous), ("following", shown.following)]:
            if entry:
                ways[name] = self.address(at=_at(entry.date, entry.pk))
        return super().get_context_data(journal=shown, ways=ways, **kwargs)

    def sheet(self) -> Sheet:
        columns = [
            Column(_("Entry"), "number"),
            Column(_("Date"), "date"),
            Column(_("Kind"), "code"),
            Column(_("Description")),
            Column(_("Document no."), "code"),
            Column(_("Account"), "code"),
            Column(_("Account name")),
            Column(_("Memo")),
            Column(_("Contact")),
            Column(_("Debit"), "amount", self.decimals),
            Column(_("Credit"), "amount", self.decimals),
            Column(_("Currency"), "code"),
            Column(_("Foreign amount (debit +)"), "amount", MOST_DECIMALS),
        ]
        return Sheet(self.title, self.facts, columns, self._values())

    @property
    def _kind(self) -> str:
        return self.options.values["kind"] or ""

    def _values(self) -> Iterator[list[Value]]:
        for entry in journal_queries.every_entry(self.client, *self.options.span.days, kind=self._kind):
            for line in entry.listed_lines:
                yield [
                    entry.number,
                    entry.date,
                    kind_name(entry.kind),
                    entry.description,
                    entry.document_number,
                    line.account.code,
                    line.account.name,
                    line.memo,
                    line.contact.name if line.contact else "",
                    *sides(line.amount),
                    line.currency,
                    line.foreign_amount,
                ]


def _at(day: datetime.date, pk: int) -> str:
    return f"{day.isoformat()}.{pk}"
