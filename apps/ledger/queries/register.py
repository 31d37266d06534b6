"""
The lines of accounts, with the balance after each: one account's register, and the general ledger.

A page reads its own lines and those of the month it begins in. What lies before comes from the monthly
totals, so the last page of a long register costs what the first one does.
"""

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.db.models import Count, F, Max, Min, Q, QuerySet, Sum

from apps.ledger.models import Account, AccountKind, AccountTotal, EntryKind, JournalEntry, JournalLine
from apps.ledger.queries.balances import DAY, ZERO, Movement, fiscal_year_of, movements
from apps.profiles.models import Client

FIRST_DAY = datetime.date(1, 1, 1)
CHUNK = 2000
#: What a file has of a line: making all of it would take three times as long.
FILED = [
    *("date", "amount", "foreign_amount", "memo", "entry_id", "contact_id", "contact__name"),
    *("entry__number", "entry__kind", "entry__description", "entry__document_number"),
]


@dataclass(frozen=True)
class Sums:
    """How many lines, and what they come to: base currency, and the account's own where it has one."""

    lines: int = 0
    debit: Decimal = ZERO
    credit: Decimal = ZERO
    foreign: Decimal = ZERO

    @property
    def amount(self) -> Decimal:
        """Debits minus credits."""
        return self.debit - self.credit

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.lines + other.lines,
            self.debit + other.debit,
            self.credit + other.credit,
            self.foreign + other.foreign,
        )


@dataclass(frozen=True)
class Standing:
    """
    What stands on an account, debit positive: in base currency, and in its own where it has one.

    ``computed`` is the part that no line explains: results of earlier years that were not closed.
    """

    amount: Decimal = ZERO
    foreign: Decimal = ZERO
    computed: Decimal = ZERO

    def after(self, sums: Sums) -> "Standing":
        return Standing(self.amount + sums.amount, self.foreign + sums.foreign)


@dataclass(frozen=True)
class RegisterLine:
    """
    A posted line with what stands on its account after it.

    ``contra`` is the code of the account on the other side, empty when there are several. ``recoded_by``
    and ``reversed_by`` are the entries in force that took it back.
    """

    line: JournalLine
    balance: Standing
    contra: str = ""
    recoded_by: JournalEntry | None = None
    reversed_by: JournalEntry | None = None

    @property
    def can_be_recoded(self) -> bool:
        """Whether moving it means something: it stands for itself, and was not taken back."""
        is_one_of_two = (
            self.recoded_by or self.reversed_by or self.line.recodes_id or self.line.entry.reverses_id
        )
        return not is_one_of_two and self.line.kind != EntryKind.CLOSING


@dataclass(frozen=True)
class Register:
    """A page of an account's lines. ``sums`` and ``closing`` are of all its pages."""

    account: Account
    opening: Standing
    sums: Sums
    lines: list[RegisterLine]
    brought_forward: Standing
    page: int
    pages: int

    @property
    def closing(self) -> Standing:
        return self.opening.after(self.sums)

    @property
    def carried_forward(self) -> Standing:
        return self.lines[-1].balance if self.lines else self.brought_forward


@dataclass(frozen=True)
class LedgerPart:
    """What a page of the general ledger has of an account; ``begins`` and ``ends`` say whether all of it."""

    movement: Movement
    brought_forward: Standing
    lines: list[RegisterLine]
    begins: bool
    ends: bool

    @property
    def carried_forward(self) -> Standing:
        return self.lines[-1].balance if self.lines else self.brought_forward


@dataclass(frozen=True)
class GeneralLedger:
    """A page of the lines of many accounts, in order of codes."""

    parts: list[LedgerPart]
    lines: int
    page: int
    pages: int


class AccountLines:
    """
    The posted lines of an account within a range, in order, without the kinds left out.

    ``within`` restricts to kinds instead. Months that lie whole in the range are known by their totals.
    """

    def __init__(
        self,
        account: Account,
        start: datetime.date,
        end: datetime.date,
        *,
        left_out: Collection[str] = (),
        within: Collection[str] = (),
    ) -> None:
        self.account, self.start, self.end = account, start, end
        kinds = ~Q(kind__in=left_out) if left_out else Q()
        self._kinds = kinds & Q(kind__in=within) if within else kinds
        self._of_account = Q(client=account.client_id, account=account)

    def all(self) -> QuerySet[JournalLine]:
        return self._between(self.start, self.end).order_by("date", "pk")

    def sums(self) -> Sums:
        return sum((sums for _first, _last, sums in self._pieces()), Sums())

    def from_line(self, skipped: int) -> tuple[Sums, QuerySet[JournalLine]]:
        """Return what the first ``skipped`` lines come to, and the lines after them."""
        before = Sums()
        for first, _last, sums in self._pieces():
            if before.lines + sums.lines > skipped:
                lines = self._between(first, self.end).order_by("date", "pk")
                left = skipped - before.lines
                return before + (self._summed(lines[:left]) if left else Sums()), lines[left:]
            before += sums
        return before, self.all().none()

    def place_of(self, line: JournalLine) -> int:
        """Return how many lines stand before this one."""
        assert line.date  # noqa: S101  (the database copies the entry's)
        month = max(line.date.replace(day=1), self.start)
        before = sum(sums.lines for first, _last, sums in self._pieces() if first < month)
        earlier = Q(date__lt=line.date) | Q(date=line.date, pk__lt=line.pk)
        return before + self._between(month, line.date).filter(earlier).count()

    def _pieces(self) -> list[tuple[datetime.date, datetime.date, Sums]]:
        """Return (first day, last day, sums) of each month there is something in, in order; read once."""
        if not hasattr(self, "_read"):
            self._read = list(self._read_pieces())
        return self._read

    def _read_pieces(self) -> Iterator[tuple[datetime.date, datetime.date, Sums]]:
        if self.start > self.end:
            return
        totals = AccountTotal.objects.filter(
            self._of_account & self._kinds, month__gte=self.start.replace(day=1), month__lte=self.end
        )
        months = totals.values("month").order_by("month")
        for row in months.annotate(n=Sum("lines"), d=Sum("debit"), c=Sum("credit"), f=Sum("foreign_amount")):
            first, last = row["month"], _last_day(row["month"])
            sums = Sums(row["n"], row["d"], row["c"], row["f"])
            if first < self.start or last > self.end:
                first, last = max(first, self.start), min(last, self.end)
                sums = self._summed(self._between(first, last))
            if sums.lines:
                yield first, last, sums

    def _between(self, first: datetime.date, last: datetime.date) -> QuerySet[JournalLine]:
        lines = JournalLine.objects.filter(self._of_account, is_posted=True, date__gte=first, date__lte=last)
        return lines.filter(self._kinds)

    def _summed(self, lines: QuerySet[JournalLine]) -> Sums:
        # Out of the index of the register alone, unless the account has a currency of its own.
        sums = {
            "n": Count("pk"),
            "d": Sum("amount", filter=Q(amount__gt=0)),
            "c": Sum("amount", filter=Q(amount__lt=0)),
            **({"f": Sum("foreign_amount")} if self.account.currency else {}),
        }
        row = lines.aggregate(**sums)
        return Sums(row["n"], row["d"] or ZERO, -(row["c"] or ZERO), row.get("f") or ZERO)


def opening_of(
    account: Account, start: datetime.date, *, left_out: Collection[str] = (EntryKind.CLOSING,)
) -> Standing:
    """
    Return what stands on an account on the morning of a day, as the reports of that day have it.

    Income and expense begin at nothing each fiscal year; equity has the results of earlier years in it,
    whether closing entries were posted or not. ``left_out`` are kinds of entries that do not count in the
    fiscal year of the day.
    """
    year = fiscal_year_of(account.client, start)
    current = year.start if year else start
    sums = AccountLines(account, current, start - DAY, left_out=left_out).sums()
    if AccountKind(account.kind).is_on_balance_sheet:
        sums += AccountLines(account, FIRST_DAY, current - DAY).sums()
    if account.kind != AccountKind.EQUITY:
        return Standing(sums.amount, sums.foreign)
    stands = {_pk(row): row.opening for row in movements(account.client, start, start - DAY)}
    return Standing(stands.get(account.pk, ZERO), sums.foreign, stands.get(account.pk, ZERO) - sums.amount)


def register(lines: AccountLines, *, opening: Standing, page: int, size: int) -> Register:
    """Return a page of a register; a number past the last page means the last one."""
    sums = lines.sums()
    pages = max(1, -(-sums.lines // size))
    page = min(max(page, 1), pages)
    skipped, following = lines.from_line((page - 1) * size)
    brought_forward = opening.after(skipped)
    shown = with_balances(_page(following[:size]), brought_forward)
    return Register(
        account=lines.account,
        opening=opening,
        sums=sums,
        lines=with_circumstances(list(shown)),
        brought_forward=brought_forward,
        page=page,
        pages=pages,
    )


def every_line(lines: AccountLines, opening: Standing) -> Iterator[RegisterLine]:
    """Yield all lines with their balances, holding a few at a time: for files."""
    told = lines.all().select_related("entry", "contact").only(*FILED).iterator(chunk_size=CHUNK)
    return with_balances(told, opening)


def general_ledger(
    client: Client,
    start: datetime.date,
    end: datetime.date,
    *,
    chosen: Sequence[Movement],
    page: int,
    size: int,
) -> GeneralLedger:
    """
    Return a page of the general ledger of the accounts chosen out of ``movements`` of the same range.

    Costs the same few queries however many accounts and lines there are; closing entries left out.
    """
    counts = _line_counts(client, start, end)
    total = sum(counts[_pk(row)] for row in chosen)
    pages = max(1, -(-total // size))
    page = min(max(page, 1), pages)
    slices = _slices(chosen, counts, (page - 1) * size, page * size, is_last=page == pages)
    lines, before = _lines_of(slices, counts, start, end)
    parts = [
        LedgerPart(
            movement=row,
            brought_forward=(forward := Standing(row.opening).after(before.get(_pk(row), Sums()))),
            lines=list(with_balances(lines.get(_pk(row), []), forward)),
            begins=skip == 0,
            ends=skip + take == counts[_pk(row)],
        )
        for row, skip, take in slices
    ]
    told = iter(with_circumstances([line for part in parts for line in part.lines]))
    return GeneralLedger(
        [replace(part, lines=[next(told) for _line in part.lines]) for part in parts], total, page, pages
    )


def every_ledger_line(
    client: Client, start: datetime.date, end: datetime.date, chosen: Iterable[Movement]
) -> Iterator[tuple[Movement, RegisterLine | None]]:
    """Yield what the general ledger has, account by account, a few lines at a time; first None as opening."""
    for row in chosen:
        yield row, None
        if row.account:
            for line in every_line(_ledger_lines(row.account, start, end), Standing(row.opening)):
                yield row, line


def with_balances(lines: Iterable[JournalLine], before: Standing) -> Iterator[RegisterLine]:
    """Yield each line with what stands on the account after it."""
    for line in lines:
        before = Standing(before.amount + line.amount, before.foreign + (line.foreign_amount or ZERO))
        yield RegisterLine(line, before)


def with_circumstances(lines: list[RegisterLine]) -> list[RegisterLine]:
    """Add to a page of lines what stands on the other side, and what took them back: three queries."""
    ids = [one.line.pk for one in lines]
    entries = {one.line.entry_id for one in lines}
    codes = _contra_codes(entries)
    recoded = {
        line.recodes_id: line.entry
        for line in JournalLine.objects.filter(recodes__in=ids, is_posted=True)
        .exclude(entry__reversed_by__status="posted")
        .select_related("entry")
    }
    undone = JournalEntry.objects.filter(reverses__in=entries).posted()
    reversed_by = {entry.reverses_id: entry for entry in undone}
    return [
        replace(
            one,
            contra=next(
                (code for code in codes.get(one.line.entry_id, ()) if code != one.line.account.code), ""
            ),
            recoded_by=recoded.get(one.line.pk),
            reversed_by=reversed_by.get(one.line.entry_id),
        )
        for one in lines
    ]


Slice = tuple[Movement, int, int]


def _slices(
    chosen: Sequence[Movement], counts: dict[int, int], first: int, end: int, *, is_last: bool
) -> list[Slice]:
    """Return the accounts on a page, each with how many of its lines to skip and to take."""
    slices, place = [], 0
    for row in chosen:
        count = counts[_pk(row)]
        skip, stop = max(first - place, 0), min(end - place, count)
        if skip < stop or (not count and first <= place and (place < end or is_last)):
            slices.append((row, skip, stop - skip))
        place += count
    return slices


def _lines_of(
    slices: list[Slice], counts: dict[int, int], start: datetime.date, end: datetime.date
) -> tuple[dict[int, list[JournalLine]], dict[int, Sums]]:
    """Return the lines of each slice, and what its skipped lines come to; only the ends of a page are cut."""
    lines: dict[int, list[JournalLine]] = defaultdict(list)
    before: dict[int, Sums] = {}
    whole = []
    for row, skip, take in slices:
        if row.account and take == counts[row.account.pk]:
            whole.append(row.account.pk)
        elif row.account:
            before[row.account.pk], rest = _ledger_lines(row.account, start, end).from_line(skip)
            lines[row.account.pk] = list(_page(rest[:take]))
    of_whole = JournalLine.objects.filter(account__in=whole, is_posted=True, date__gte=start, date__lte=end)
    for line in _page(of_whole.exclude(kind=EntryKind.CLOSING)):
        lines[line.account_id].append(line)
    return lines, before


def _ledger_lines(account: Account, start: datetime.date, end: datetime.date) -> AccountLines:
    return AccountLines(account, start, end, left_out=[EntryKind.CLOSING])


def _line_counts(client: Client, start: datetime.date, end: datetime.date) -> dict[int, int]:
    """Return how many lines each account has in a range, closing entries left out: two queries."""
    whole_from = _next_month(start - DAY)
    whole_until = end if _last_day(end) == end else end.replace(day=1) - DAY
    of_client = Q(client=client) & ~Q(kind=EntryKind.CLOSING)
    counts: dict[int, int] = defaultdict(int)
    totals = AccountTotal.objects.filter(of_client, month__gte=whole_from, month__lte=whole_until)
    for pk, count in totals.values_list("account").annotate(Sum("lines")).order_by():
        counts[pk] += count
    outside = Q(date__lt=whole_from) | Q(date__gt=whole_until)
    lines = JournalLine.objects.filter(of_client, outside, is_posted=True, date__gte=start, date__lte=end)
    for pk, count in lines.values_list("account").annotate(Count("pk")).order_by():
        counts[pk] += count
    return counts


def _contra_codes(entries: Collection[int]) -> dict[int, tuple[str, ...]]:
    """Return the account codes of each entry, of no more than two accounts."""
    lines = JournalLine.objects.filter(entry__in=entries).values("entry").order_by()
    code = F("account__code")
    return {
        row["entry"]: (row["low"], row["high"])
        for row in lines.annotate(n=Count("account", distinct=True), low=Min(code), high=Max(code))
        if row["n"] == 2
    }


def _page(lines: QuerySet[JournalLine]) -> QuerySet[JournalLine]:
    # Their ids come out of the index of the register alone, however many lines are skipped.
    return _told(JournalLine.objects.filter(pk__in=list(lines.values_list("pk", flat=True)))).order_by(
        "date", "pk"
    )


def _told(lines: QuerySet[JournalLine]) -> QuerySet[JournalLine]:
    return lines.select_related("entry", "contact", "account")


def _pk(row: Movement) -> int:
    return row.account.pk if row.account else 0


def _next_month(day: datetime.date) -> datetime.date:
    return (day.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)


def _last_day(day: datetime.date) -> datetime.date:
    return _next_month(day) - DAY
