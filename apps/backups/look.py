"""What was different at an earlier moment: counts, and each client's trial balance, then and now."""

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import sql

from apps.backups import databases, manifest
from apps.backups.losses import counted, said

BALANCES = "compared_"
MOST_LINES = 500


@dataclass(frozen=True)
class Count:
    """How many there were and are, as text such as "12,480 entries"."""

    then: str
    now: str

    @property
    def differs(self) -> bool:
        return self.then != self.now


@dataclass(frozen=True)
class Line:
    """A client's balance that differs, debit positive, in its currency; None where there was none."""

    client: str
    what: str
    then: str | None
    now: str | None


@dataclass(frozen=True)
class Look:
    """A moment beside now. ``same`` counts the clients in whose books nothing differs."""

    moment: datetime
    compared_at: datetime
    counts: list[Count]
    lines: list[Line]
    clients: int
    same: int
    left_out: int

    @property
    def by_client(self) -> dict[str, list[Line]]:
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            found.setdefault(line.client, []).append(line)
        return found

    def told(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self) | {
            "moment": self.moment.isoformat(),
            "compared_at": self.compared_at.isoformat(),
        }

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Look":
        return cls(
            **{
                **told,
                "moment": datetime.fromisoformat(told["moment"]),
                "compared_at": datetime.fromisoformat(told["compared_at"]),
                "counts": [Count(**one) for one in told["counts"]],
                "lines": [Line(**one) for one in told["lines"]],
            }
        )


def compare(then: databases.Session, now: databases.Session, *, moment: datetime) -> Look:
    """
    Return what differs between two databases; both are only read.

    Balances are what views named ``compared_…`` tell (client, what, amount), which an app adds by a
    migration. One that a database does not have yet tells nothing.
    """
    for session in (then, now):
        session.read_only = True
    old, new = _balances(then), _balances(now)
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    clients = {client for client, _what in old.keys() | new.keys()}
    lines = [Line(*key, _text(old.get(key)), _text(new.get(key))) for key in differing]
    counts = [
        Count(said(_count(then, table), how), said(_count(now, table), how)) for how, table in counted()
    ]
    compared_at = now.execute("SELECT now()").fetchone()[0]  # type: ignore[index]
    return Look(
        moment=moment,
        compared_at=compared_at,
        counts=counts,
        lines=lines[:MOST_LINES],
        clients=len(clients),
        same=len(clients - {line.client for line in lines}),
        left_out=max(0, len(lines) - MOST_LINES),
    )


def _balances(session: databases.Session) -> dict[tuple[str, str], Decimal]:
    views = session.execute(
        "SELECT viewname FROM pg_views WHERE schemaname = 'public' AND starts_with(viewname, %s)", [BALANCES]
    ).fetchall()
    found: dict[tuple[str, str], Decimal] = {}
    for (view,) in views:
        query = sql.SQL("SELECT client, what, amount FROM {}").format(sql.Identifier(view))
        found |= {(client, what): amount for client, what, amount in session.execute(query)}
    return found


def _count(session: databases.Session, table: str) -> int:
    there = {name for name, *_facts in session.execute(manifest.TABLES).fetchall()}
    if table not in there:
        return 0
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
    return int(session.execute(query).fetchone()[0])  # type: ignore[index]


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:,f}"
