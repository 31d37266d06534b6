"""Trial balance, profit and loss, balance sheet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any

from django.utils import formats
from django.utils.translation import gettext as _

from apps.core.tables.writing import Column, Sheet
from apps.ledger.models import Account, AccountKind, EntryKind
from apps.ledger.models.accounts import SECTIONS
from apps.ledger.queries.balances import ZERO, Balance, Movement, movements, trial_balance
from apps.ledger.queries.statements import BalanceSheet, Counts, ProfitAndLoss, Section
from apps.ledger.queries.statements import balance_sheet as read_balance_sheet
from apps.ledger.queries.statements import profit_and_loss as read_profit_and_loss
from apps.ledger.reports.statement import Cell, Row, Statement
from apps.ledger.reports.times import DAY, Span
from apps.ledger.views.reports.base import ReportView
from apps.ledger.views.reports.options import (
    MODES,
    BalanceSheetOptions,
    Options,
    ProfitAndLossOptions,
    RangeOptions,
    TrialBalanceOptions,
)


class StatementView(ReportView):
    """A report of one row an account."""

    template_name = "ledger/reports/statement.html"

    @cached_property
    def statement(self) -> Statement:
        raise NotImplementedError

    def sheet(self) -> Sheet:
        columns = [Column(_("Account"), "code"), Column(_("Name")), *self.statement.columns]
        return Sheet(self.title, self.facts, columns, self.statement.values(), self.statement.bold())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(statement=self.statement, **kwargs)

    def amount_column(self, title: str) -> Column:
        return Column(title, "amount", self.decimals)


class TrialBalanceView(StatementView):
    """As at a day, or with ``?mode=range`` what stood, moved and stands over a time."""

    name = "trial_balance"
    template_name = "ledger/reports/trial_balance.html"

    @property
    def is_range(self) -> bool:
        return self.request.GET.get("mode") == "range"

    @property
    def options_class(self) -> type[Options]:
        return RangeOptions if self.is_range else TrialBalanceOptions

    @property
    def covers(self) -> str:
        return super().covers if self.is_range else _as_at(self.options.span)

    def address(self, **changes: str) -> str:
        return super().address(**({"mode": "range"} if self.is_range else {}), **changes)

    @cached_property
    def statement(self) -> Statement:
        return self._over_a_time() if self.is_range else self._as_at_a_day()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        own = super().address
        modes = [
            (title, own(**({"mode": "range"} if mode == "range" else {})), (mode == "range") == self.is_range)
            for mode, title in MODES
        ]
        return super().get_context_data(modes=modes, is_range=self.is_range, **kwargs)

    def _as_at_a_day(self) -> Statement:
        values, span = self.options.values, self.options.span
        after_closing = values["closing"] == "after"
        balances = trial_balance(
            self.client, values["day"], after_closing=after_closing, **self.options.figures
        )
        shown = {"show": "all"} if after_closing else {}
        rows = [self._balance_row(balance, span, shown) for balance in balances]
        total = [
            Cell(sum((one.debit for one in balances), ZERO)),
            Cell(sum((one.credit for one in balances), ZERO)),
        ]
        return Statement(
            [self.amount_column(_("Debit")), self.amount_column(_("Credit"))],
            [*rows, Row(_("Total"), total, "total")],
        )

    def _balance_row(self, balance: Balance, span: Span, shown: dict[str, str]) -> Row:
        anchor, url = self._behind(balance.account, span, **shown)
        is_debit = balance.amount >= 0
        figure = Cell(abs(balance.amount), url, anchor)
        return _account_row(balance.account, [figure, Cell(None)] if is_debit else [Cell(None), figure])

    def _over_a_time(self) -> Statement:
        span = self.options.span
        moved = movements(self.client, *span.days)
        sums = [
            Cell(sum((getattr(row, name) for row in moved), ZERO), kind=kind)
            for name, kind in [("opening", "side"), ("debit", ""), ("credit", ""), ("closing", "side")]
        ]
        titles = [(_("Opening"), True), (_("Debit"), False), (_("Credit"), False), (_("Closing"), True)]
        return Statement(
            [Column(title, "amount", self.decimals, is_signed) for title, is_signed in titles],
            [*(self._movement_row(row, span) for row in moved), Row(_("Total"), sums, "total")],
        )

    def _movement_row(self, row: Movement, span: Span) -> Row:
        anchor, url = self._behind(row.account, span)
        return _account_row(
            row.account,
            [
                Cell(row.opening, url, kind="side"),
                Cell(row.debit, url, anchor),
                Cell(row.credit, url),
                Cell(row.closing, url, kind="side"),
            ],
        )

    def _behind(self, account: Account | None, span: Span, **shown: str) -> tuple[str, str]:
        """Return the anchor of an account's figure, and the address of what is behind it."""
        anchor = f"a{account.pk}" if account else "earlier"
        if account:
            return anchor, self.lines_of(account, span, anchor, **shown)
        return anchor, earlier_years(self, span.start, anchor)


@dataclass(frozen=True)
class Shown:
    """A column of figures: its title, the time behind it, and what a register of it shows."""

    title: str
    span: Span
    shows: str = "books"

    @property
    def counts(self) -> Counts:
        """Which kinds of entries count in it."""
        return {
            "books": lambda kind: True,
            "activity": lambda kind: kind != EntryKind.OPENING,
            "opening": lambda kind: kind == EntryKind.OPENING,
        }[self.shows]


class ComparingView(StatementView):
    """A statement with sections, whose last two columns may be compared with each other."""

    def section_rows(self, section: Section | None, columns: dict[int, Shown]) -> Iterable[Row]:
        """Yield a section: its heading, its accounts, their sum."""
        if section is None:
            return
        yield Row(str(section.section.label), style="heading")
        for line in section.lines:
            cells = [
                self._figure(amount, number, shown, line.account)
                for number, shown in columns.items()
                for amount in [line.amounts[number]]
            ]
            yield Row(line.account.name, self._compared(cells), code=line.account.code)
        name = _("Total %(section)s") % {"section": section.section.label.lower()}
        yield self.sum_row(name, section.totals, columns, part=section.section)

    def sum_row(
        self,
        name: str,
        amounts: Sequence[Decimal],
        columns: dict[int, Shown],
        *,
        style: str = "subtotal",
        part: str = "",
    ) -> Row:
        """Return a row of sums; ``part`` names the accounts of the general ledger behind them."""
        cells = [
            Cell(amounts[number], self._ledger_of(part, shown, anchor) if part else "", anchor)
            for number, shown in columns.items()
            for anchor in [f"{part or style}-{number}"]
        ]
        return Row(name, self._compared(cells), style)

    def columns_of(self, columns: dict[int, Shown]) -> list[Column]:
        titles = [self.amount_column(shown.title) for shown in columns.values()]
        if self.options.compared:
            titles += [self.amount_column(_("Change")), Column(_("Change, %"), "percent", 1)]
        return titles

    def _figure(self, amount: Decimal, number: int, shown: Shown, account: Account) -> Cell:
        anchor = f"a{account.pk}-{number}"
        return Cell(amount, self.lines_of(account, shown.span, anchor, show=shown.shows), anchor)

    def _compared(self, cells: list[Cell]) -> list[Cell]:
        if not self.options.compared:
            return cells
        now, before = (cell.value or ZERO for cell in cells[-2:])
        return [*cells, Cell(now - before), Cell(_per_cent(now, before), kind="percent")]

    def _ledger_of(self, part: str, shown: Shown, anchor: str) -> str:
        if shown.shows != "books" or self.options.figures["before_adjustments"]:
            return ""  # the general ledger has every entry in it
        days = {"start": shown.span.start.isoformat(), "end": shown.span.end.isoformat()}
        return self.way_in("general_ledger", anchor, part=part, **days)


class ProfitAndLossView(ComparingView):
    """What was earned and spent; what was taken over from other books is no month's activity."""

    name = "profit_and_loss"
    options_class = ProfitAndLossOptions

    @cached_property
    def statement(self) -> Statement:
        span, compared = self.options.span, self.options.compared
        pieces = self.options.columns or [span]
        read = [
            Shown(_("Taken over"), span, "opening"),
            *(Shown(str(piece), piece, "activity") for piece in pieces),
            Shown(str(span), span),
            *([Shown(str(compared), compared)] if compared else []),
        ]
        result = read_profit_and_loss(
            self.client, [(one.span.days, one.counts) for one in read], **self.options.figures
        )
        shown = _worth_showing(result, read, len(pieces))
        return Statement(self.columns_of(shown), list(self._rows(result, shown)))

    def _rows(self, result: ProfitAndLoss, shown: dict[int, Shown]) -> Iterable[Row]:
        has = result.sections.keys()
        yield from self.section_rows(result.sections.get("revenue"), shown)
        if "cost_of_sales" in has:
            yield from self.section_rows(result.sections["cost_of_sales"], shown)
            yield self.sum_row(_("Gross profit"), result.sum("revenue", "cost_of_sales"), shown)
        yield from self.section_rows(result.sections.get("operating_expense"), shown)
        if {"other_income", "other_expense"} & has:
            operating = result.sum("revenue", "cost_of_sales", "operating_expense")
            yield self.sum_row(_("Operating profit"), operating, shown)
            yield from self.section_rows(result.sections.get("other_income"), shown)
            yield from self.section_rows(result.sections.get("other_expense"), shown)
        yield self.sum_row(_("Profit (loss -)"), result.profit, shown, style="total", part="profit")


class BalanceSheetView(ComparingView):
    """What a client has, owes and is worth as at a day; results not closed yet are computed."""

    name = "balance_sheet"
    options_class = BalanceSheetOptions

    @property
    def covers(self) -> str:
        return _as_at(self.options.span)

    @cached_property
    def statement(self) -> Statement:
        spans = [self.options.span]
        if compared := self.options.compared:
            spans.append(self.options.year_to(compared))
        shown = {number: Shown(_day(span), span) for number, span in enumerate(spans)}
        sheet = read_balance_sheet(self.client, [span.end for span in spans], **self.options.figures)
        return Statement(self.columns_of(shown), list(self._rows(sheet, shown)))

    def _rows(self, sheet: BalanceSheet, shown: dict[int, Shown]) -> Iterable[Row]:
        totals = {
            kind: sheet.total(kind) for kind in (AccountKind.ASSET, AccountKind.LIABILITY, AccountKind.EQUITY)
        }
        for kind, name in [
            (AccountKind.ASSET, _("Total assets")),
            (AccountKind.LIABILITY, _("Total liabilities")),
        ]:
            for section in SECTIONS[kind]:
                yield from self.section_rows(sheet.sections.get(section), shown)
            yield self.sum_row(name, totals[kind], shown, style="total", part=kind)
        yield from self._equity_rows(sheet, shown)
        yield self.sum_row(_("Total equity"), totals[AccountKind.EQUITY], shown, style="total")
        both = zip(totals[AccountKind.LIABILITY], totals[AccountKind.EQUITY], strict=True)
        yield self.sum_row(
            _("Total liabilities and equity"), [sum(pair) for pair in both], shown, style="total"
        )

    def _equity_rows(self, sheet: BalanceSheet, shown: dict[int, Shown]) -> Iterable[Row]:
        yield Row(str(_("Equity")), style="heading")
        if section := sheet.sections.get("equity"):
            yield from [row for row in self.section_rows(section, shown) if row.style == "line"]
        if any(sheet.earlier):
            earlier = [
                Cell(sheet.earlier[number], earlier_years(self, one.span.start, anchor), anchor)
                for number, one in shown.items()
                for anchor in [f"earlier-{number}"]
            ]
            yield Row(_("Results of earlier years (computed)"), self._compared(earlier), "computed")
        result = [
            Cell(sheet.result[number], self._result_of(one.span, anchor), anchor)
            for number, one in shown.items()
            for anchor in [f"result-{number}"]
        ]
        yield Row(_("Profit of the current year (computed)"), self._compared(result), "computed")

    def _result_of(self, span: Span, anchor: str) -> str:
        days = {"start": span.start.isoformat(), "end": span.end.isoformat()}
        before = {"adjustments": "before"} if self.options.figures["before_adjustments"] else {}
        return self.way_in("profit_and_loss", anchor, **days, **before)


def _worth_showing(result: ProfitAndLoss, read: list[Shown], pieces: int) -> dict[int, Shown]:
    """
    Return the columns that say something, by their numbers.

    They are what was taken over, the pieces of the time, all of it, and what it is compared with; the
    first only where there is something, the pieces only where they are not the whole.
    """
    has_taken_over = any(line.amounts[0] for section in result.sections.values() for line in section.lines)
    shown = dict(enumerate(read))
    total = pieces + 1
    if not has_taken_over:
        del shown[0]
    if has_taken_over or pieces > 1:
        shown[total] = Shown(_("Total"), read[total].span)
    else:
        del shown[1]
    return shown


def earlier_years(view: ReportView, until: Any, anchor: str) -> str:
    """Return the address of the results of all fiscal years before a day, or nothing."""
    years = [year for year in view.options.years if year.start < until]
    if not years:
        return ""
    days = {"start": years[0].start.isoformat(), "end": (until - DAY).isoformat()}
    return view.way_in("profit_and_loss", anchor, split="year", **days)


def _account_row(account: Account | None, cells: Sequence[Cell]) -> Row:
    if account is None:
        return Row(_("Results of earlier years (computed)"), cells, "computed")
    return Row(account.name, cells, code=account.code)


def _per_cent(now: Decimal, before: Decimal) -> Decimal | None:
    """Return by how much a figure changed; None where nothing stood before."""
    if not before:
        return None
    return ((now - before) * 100 / abs(before)).quantize(Decimal("0.1"), ROUND_HALF_UP)


def _as_at(span: Span) -> str:
    return _("As at %(day)s") % {"day": _day(span)}


def _day(span: Span) -> str:
    return formats.date_format(span.end, "j M Y")
