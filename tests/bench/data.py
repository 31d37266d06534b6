"""
Books for the benchmark, the same at every run: made by set-based SQL out of a hash, guards switched off.

BIG has a million lines, MID fifty thousand, and a thousand others of mixed size share the rest. Only the
totals are real besides the lines, until seal() makes the chains so.
"""

import datetime
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from django.db import connection, transaction

from apps.core.models import User
from apps.ledger.checking.chain import links
from apps.ledger.models import Account, FiscalYear, JournalEntry, JournalLine
from apps.ledger.services import open_fiscal_year
from apps.profiles.models import Client

FIRST_YEAR, YEARS, LINES_PER_ENTRY = 2016, 10, 5
GUARDED = [
    "ledger_fiscalyear",
    "ledger_period",
    "ledger_journalentry",
    "ledger_journalline",
    "ledger_accounttotal",
]

ENTRIES = """
    INSERT INTO ledger_journalentry (client_id, uuid, date, kind, status, description, document_number, review,
                                     review_note, created_at, fiscal_year_id, period_id, number, position,
                                     posted_at, hash)
    SELECT e.client, md5(e.client || '-' || e.i)::uuid, e.day, 'manual', 'posted',
           'Invoice ' || e.i || ' of ' || (ARRAY['Acme', 'Brown', 'Chen', 'Diaz', 'Evans'])[1 + e.i %% 5], 'D' || e.i,
           '', '', now(), p.fiscal_year_id, p.id,
           row_number() OVER (PARTITION BY e.client, p.fiscal_year_id ORDER BY e.i), e.i, now(),
           sha256(e.i::text::bytea)
      FROM (SELECT s.client, i, (%(first)s::date + (i - 1) * %(days)s / s.entries) AS day
              FROM unnest(%(clients)s::bigint[], %(entries)s::int[]) AS s(client, entries),
                   generate_series(1, s.entries) AS i) e
      JOIN ledger_period p ON p.client_id = e.client AND NOT p.is_adjusting AND e.day BETWEEN p.start AND p."end"
"""
# Four lines go to income and expense by a hash; the fifth, on the bank, makes the sum zero.
LINES = """
    INSERT INTO ledger_journalline (client_id, entry_id, line_number, account_id, amount, memo, currency,
                                    date, kind, is_posted)
    SELECT e.client_id, e.id, n, CASE n WHEN 5 THEN a.ids[1] ELSE a.ids[2 + h.pick %% (cardinality(a.ids) - 1)] END,
           CASE n WHEN 5 THEN -sum(h.cents) FILTER (WHERE n < 5) OVER (PARTITION BY e.id) ELSE h.cents END / 100.0,
           'Line ' || n, '', e.date, 'manual', true
      FROM ledger_journalentry e
      JOIN (SELECT client_id, array_agg(id ORDER BY code) AS ids FROM ledger_account GROUP BY client_id) a
        USING (client_id),
           generate_series(1, 5) AS n,
           LATERAL (SELECT abs(hashint8(e.position * 8 + n)::bigint) AS pick,
                           1 + abs(hashint8(e.position * 16 + n)::bigint) %% 100000 AS cents) h
     WHERE e.client_id = ANY(%(clients)s)
"""
TOTALS = """
    INSERT INTO ledger_accounttotal (client_id, account_id, month, kind, debit, credit, foreign_amount, lines)
    SELECT client_id, account_id, date_trunc('month', date)::date, kind, sum(debit), sum(credit), 0, count(*)
      FROM ledger_journalline WHERE client_id = ANY(%(clients)s) GROUP BY 1, 2, 3, 4
"""
YEARS_OF_OTHERS = """
    WITH made AS (
        INSERT INTO ledger_fiscalyear (client_id, name, start, "end")
        SELECT c.id, y.name, y.start, y."end" FROM ledger_fiscalyear y, unnest(%(clients)s::bigint[]) AS c(id)
         WHERE y.client_id = %(model)s RETURNING id, client_id, start
    )
    INSERT INTO ledger_period (client_id, fiscal_year_id, start, "end", is_adjusting, state)
    SELECT made.client_id, made.id, p.start, p."end", p.is_adjusting, p.state
      FROM made JOIN ledger_fiscalyear y ON y.client_id = %(model)s AND y.start = made.start
      JOIN ledger_period p ON p.fiscal_year_id = y.id
"""


def make_two(big: int, mid: int) -> None:
    """Make BIG and MID with so many lines, and a person to post for them."""
    owner = User.objects.create_user("bench", password="bench-bench-bench", is_superuser=True)
    for code, lines in (("BIG", big), ("MID", mid)):
        client = _make_client(code)
        for year in range(FIRST_YEAR, FIRST_YEAR + YEARS):
            open_fiscal_year(
                client, start=datetime.date(year, 1, 1), end=datetime.date(year, 12, 31), by=owner
            )
        _fill([client.pk], [lines // LINES_PER_ENTRY])
    analyze()


def make_others(lines: int, clients: int = 1000) -> None:
    """Make a thousand more clients: a few large ones, many small ones, with ``lines`` in all."""
    others = [_make_client(f"C{number}") for number in range(1, clients + 1)]
    ids = [one.pk for one in others]
    weights = [1 / (number + 9) for number in range(1, clients + 1)]
    entries = [max(1, int(lines / LINES_PER_ENTRY * weight / sum(weights))) for weight in weights]
    model = FiscalYear.objects.filter(client__code="MID").first()
    with _guards_off() as cursor:
        cursor.execute(YEARS_OF_OTHERS, {"clients": ids, "model": model.client_id})
    _fill(ids, entries)
    analyze()


def write_journal(code: str, path: Path) -> None:
    """Write a client's books as a text for hledger and ledger."""
    with connection.cursor() as cursor, path.open("w") as file:
        cursor.execute(
            """SELECT l.date, e.description, string_agg('  ' || a.kind || ':' || a.code || '  ' || l.amount, E'\n'
                                                        ORDER BY l.line_number)
                 FROM ledger_journalline l JOIN ledger_journalentry e ON e.id = l.entry_id
                 JOIN ledger_account a ON a.id = l.account_id
                WHERE e.client_id = (SELECT id FROM profiles_client WHERE code = %s)
                GROUP BY l.date, e.id, e.description ORDER BY l.date, e.id""",
            [code],
        )
        for day, description, lines in cursor:
            file.write(f"{day:%Y-%m-%d} {description}\n{lines}\n\n")


def sum_of_year(code: str, year: int) -> dict[str, Decimal]:
    """Return the balances a trial balance of the year's end must show, summed from the lines."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT a.code, sum(l.amount) FROM ledger_journalline l JOIN ledger_account a ON a.id = l.account_id
                WHERE l.client_id = (SELECT id FROM profiles_client WHERE code = %s) AND l.date <= %s
                  AND (a.kind IN ('asset', 'liability', 'equity') OR l.date >= %s)
                GROUP BY a.code""",
            [code, datetime.date(year, 12, 31), datetime.date(year, 1, 1)],
        )
        return dict(cursor.fetchall())


def seal() -> None:
    """Give every entry the hash it has in its chain and a history, for what checks the books."""
    before: dict[int, bytes] = {}
    hashes = []
    for link in links(list(Client.objects.values_list("pk", flat=True))):
        head = before.get(link.client_id, b"")
        before[link.client_id] = hashlib.sha256(head + link.facts).digest()
        hashes.append((link.entry_id, before[link.client_id]))
    with transaction.atomic(), _guards_off() as cursor:
        cursor.execute("CREATE TEMP TABLE sealed (id bigint, hash bytea) ON COMMIT DROP")
        with cursor.copy("COPY sealed FROM STDIN") as copy:
            for row in hashes:
                copy.write_row(row)
        cursor.execute(
            "UPDATE ledger_journalentry e SET hash = sealed.hash FROM sealed WHERE e.id = sealed.id"
        )
        for model in (JournalEntry, JournalLine):
            history = model.history.model
            names = [field.column for field in history._meta.fields if not field.name.startswith("history_")]
            columns = ", ".join(f'"{name}"' for name in names)
            cursor.execute(
                f"INSERT INTO {history._meta.db_table} ({columns}, history_date, history_type, history_user_id)"
                f" SELECT {columns}, now(), '+', (SELECT min(id) FROM core_user) FROM {model._meta.db_table} one"
                f"  WHERE id > (SELECT coalesce(max(id), 0) FROM {history._meta.db_table})"
            )


def analyze() -> None:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _make_client(code: str) -> Client:
    client = Client.objects.create(code=code, name=f"Client {code}", legal_form="company")
    kinds = [("asset", 1000, 10), ("liability", 2000, 5), ("income", 4000, 10), ("expense", 6000, 35)]
    Account.objects.bulk_create(
        Account(client=client, code=str(base + n), name=f"{kind.title()} {n}", kind=kind, section=section)
        for (kind, base, count), section in zip(
            kinds, ["bank", "payable", "revenue", "operating_expense"], strict=True
        )
        for n in range(count)
    )
    Account.objects.create(
        client=client, code="3900", name="Retained earnings", kind="equity", role="retained_earnings"
    )
    return client


def _fill(clients: list[int], entries: list[int]) -> None:
    with _guards_off() as cursor:
        facts = {
            "clients": clients,
            "entries": entries,
            "first": datetime.date(FIRST_YEAR, 1, 1),
            "days": YEARS * 365,
        }
        for statement in (ENTRIES, LINES, TOTALS):
            cursor.execute(statement, facts)


@contextmanager
def _guards_off() -> Iterator:
    with connection.cursor() as cursor:
        for table in GUARDED:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        for table in GUARDED:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
