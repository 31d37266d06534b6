"""A statement as rows: headings, accounts with an amount a column, sums; screen and files show the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from apps.core.tables.writing import Column, Value


@dataclass(frozen=True)
class Cell:
    """A figure, the address of what is behind it, and the anchor that leads back to it."""

    value: Decimal | None
    url: str = ""
    anchor: str = ""
    kind: str = "amount"


@dataclass(frozen=True)
class Row:
    """``style`` is one of heading, line, computed, subtotal, total."""

    name: str
    cells: Sequence[Cell] = ()
    style: str = "line"
    code: str = ""


@dataclass(frozen=True)
class Statement:
    """The titles of the columns of figures, and the rows under them."""

    columns: list[Column]
    rows: list[Row] = field(default_factory=list)

    def has_figures(self) -> bool:
        """Whether there is anything to show: an account, or a sum that is not zero."""
        return any(row.code or any(cell.value for cell in row.cells) for row in self.rows)

    def values(self) -> Iterator[list[Value]]:
        """Yield each row as a file has it: code, name, figures."""
        for row in self.rows:
            cells: list[Value] = [cell.value for cell in row.cells]
            yield [row.code, row.name, *(cells or [None] * len(self.columns))]

    def bold(self) -> set[int]:
        """Return the numbers of the rows that are no accounts."""
        return {number for number, row in enumerate(self.rows) if row.style not in ("line", "computed")}
