"""What the books said when a period was closed, and what they say of the same day now."""

import datetime
import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.db.models import Max, QuerySet

from apps.ledger.models import ClosedPeriod, EntryKind, JournalEntry
from apps.ledger.queries.balances import ZERO, trial_balance
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client

Row = list[str]


@dataclass(frozen=True)
class Change:
    """An account whose balance differs from that at the close; amounts are debit positive."""

    uuid: str
    code: str
    name: str
    then: Decimal
    now: Decimal

    @property
    def difference(self) -> Decimal:
        return self.now - self.then


def snapshot(client: Client, as_at: datetime.date) -> list[Row]:
    """
    Return the trial balance at the end of a day, before closing entries, as it is stored.

    Rows of ``[account uuid, code, name, amount]`` in order of codes, amounts with the decimals of the
    base currency. The result of earlier years of a client without an account for it has no uuid and code.
    """
    decimals = decimal_places(client.base_currency)
    return [
        [
            str(balance.account.uuid) if balance.account else "",
            balance.account.code if balance.account else "",
            balance.account.name if balance.account else "Result of earlier years",
            f"{balance.amount:.{decimals}f}",
        ]
        for balance in trial_balance(client, as_at)
    ]


def digest(rows: list[Row]) -> str:
    """Return the SHA-256 of rows as canonical JSON: UTF-8, no blanks."""
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def is_intact(closed: ClosedPeriod) -> bool:
    """Return whether what was stored at a close still has the hash it was stored with."""
    return digest(closed.trial_balance) == closed.hash


def changed_since(closed: ClosedPeriod) -> list[Change]:
    """Compare what was stored at a close with the same trial balance today, in order of codes."""
    then = _by_uuid(closed.trial_balance)
    now = _by_uuid(snapshot(closed.client, closed.period.end))
    changes = []
    for uuid in then | now:
        code, name, _amount = now.get(uuid) or then[uuid]
        before, after = (rows[uuid][2] if uuid in rows else ZERO for rows in (then, now))
        if before != after:
            changes.append(Change(uuid, code, name, before, after))
    return sorted(changes, key=lambda change: (not change.code, change.code))


def changed_among(closings: Collection[ClosedPeriod]) -> set[int]:
    """
    Return the ids of those closings of one client whose trial balance says something else today.

    Only those are compared that something was posted behind since: a page of closings costs one query
    more while nothing was.
    """
    if not closings:
        return set()
    behind = _changing().filter(
        client=next(iter(closings)).client_id,
        posted_at__gt=min(closed.closed_at for closed in closings),
        date__lte=max(closed.period.end for closed in closings),
    )
    posted = list(behind.values_list("date").annotate(Max("posted_at")).order_by())
    return {
        closed.pk
        for closed in closings
        if any(day <= closed.period.end and at > closed.closed_at for day, at in posted)
        and changed_since(closed)
    }


def entries_since(closed: ClosedPeriod) -> QuerySet[JournalEntry]:
    """Return what was posted after a close and dated up to its day; closing entries change no report."""
    since = _changing().filter(client=closed.client_id, posted_at__gt=closed.closed_at)
    return since.filter(date__lte=closed.period.end).order_by("position")


def changed_clients() -> list[int]:
    """
    Return the ids of the clients to whose closed time something was posted since they were last closed.

    The next close takes note of it; before that somebody may want to know. Of all clients: whoever
    shows it narrows it to those the person may see.
    """
    sql = """
        SELECT c.id FROM profiles_client c
         CROSS JOIN LATERAL (
            SELECT closed_at FROM ledger_closedperiod WHERE client_id = c.id ORDER BY closed_at DESC LIMIT 1
         ) last
         CROSS JOIN LATERAL (
            SELECT "end" FROM ledger_period
             WHERE client_id = c.id AND NOT is_adjusting AND state <> 'open' ORDER BY start DESC LIMIT 1
         ) closed
         WHERE EXISTS (
            SELECT FROM ledger_journalentry e
             WHERE e.client_id = c.id AND e.status = 'posted' AND e.kind <> 'closing'
               AND e.posted_at > last.closed_at AND e.date <= closed."end")
    """
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [client_id for (client_id,) in cursor.fetchall()]


def _changing() -> QuerySet[JournalEntry]:
    return JournalEntry.objects.posted().exclude(kind=EntryKind.CLOSING)


def _by_uuid(rows: list[Row]) -> dict[str, tuple[str, str, Decimal]]:
    return {uuid: (code, name, Decimal(amount)) for uuid, code, name, amount in rows}
