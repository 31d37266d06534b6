"""The lines of a file in the database, for the length of one transaction, and the entries they make."""

from collections.abc import Callable, Iterable
from typing import Any

from django.db import connection

from apps.ledger.importing.lines import STAGED

BETWEEN_REPORTS = 2_000

TABLES = """
SET LOCAL work_mem = '64MB';  -- lines are sorted to entries; nothing is compiled for one use
SET LOCAL jit = off;
DROP TABLE IF EXISTS pg_temp.import_line, pg_temp.import_entry, pg_temp.import_account,
    pg_temp.import_pair, pg_temp.import_known;
CREATE TEMP TABLE import_line (
    line bigint NOT NULL, grp text NOT NULL, reference text, entry_uuid uuid, reverses uuid, date date,
    kind text, description text, document_number text, document_date date,
    account text, account_name text, account_kind text,
    amount numeric(19,4), currency text, foreign_amount numeric(19,4), rate numeric(20,10),
    memo text, contact text, cost_centre text, tax_code text, tax_base numeric(19,4), due_date date,
    problem text NOT NULL,
    account_id bigint, contact_id bigint, cost_centre_id bigint, tax_code_id bigint, entry_no bigint
) ON COMMIT DROP;
CREATE TEMP TABLE import_account (
    text text PRIMARY KEY, account_id bigint, code text, currency text, problem text NOT NULL,
    unusable text NOT NULL
) ON COMMIT DROP;
"""

# What the books know by name: contacts, classes, tax codes; and amounts worked out of a rate.
NAMES = """
UPDATE import_line l SET account_id = a.account_id,
       problem = concat_ws(' ', nullif(l.problem, ''), nullif(a.problem, ''))
  FROM import_account a WHERE a.text = l.account;
UPDATE import_line l SET contact_id = c.id
  FROM ledger_contact c
 WHERE c.client_id = %(client)s AND l.contact <> '' AND upper(c.name) = upper(l.contact);
UPDATE import_line l SET cost_centre_id = c.id
  FROM ledger_costcentre c
 WHERE c.client_id = %(client)s AND l.cost_centre <> '' AND upper(c.name) = upper(l.cost_centre);
UPDATE import_line l SET tax_code_id = t.id
  FROM ledger_taxcode t
 WHERE t.client_id = %(client)s AND l.tax_code <> '' AND upper(t.code) = upper(l.tax_code);
UPDATE import_line
   SET problem = concat_ws(' ', nullif(problem, ''), replace(%(no_tax_code)s, '@', tax_code))
 WHERE tax_code <> '' AND tax_code_id IS NULL;
UPDATE import_line l SET rate = (
    SELECT r.rate FROM ledger_exchangerate r
     WHERE r.client_id = %(client)s AND r.currency = l.currency
       AND r.date BETWEEN l.date - %(oldest_rate)s AND l.date
     ORDER BY r.date DESC LIMIT 1)
 WHERE amount IS NULL AND currency <> '' AND rate IS NULL;
UPDATE import_line SET amount = round(foreign_amount * rate, %(decimals)s)
 WHERE amount IS NULL AND currency <> '' AND abs(foreign_amount * rate) < 1e15;
UPDATE import_line
   SET problem = replace(replace(%(no_rate)s, '@', currency), '#', coalesce(date::text, '?'))
 WHERE amount IS NULL AND currency <> '' AND problem = '';
UPDATE import_line l SET problem = replace(%(wrong_currency)s, '@', a.currency)
  FROM import_account a
 WHERE a.text = l.account AND a.currency <> '' AND l.currency <> a.currency AND l.problem = '';
UPDATE import_line SET problem = concat_ws(' ', nullif(problem, ''), %(no_reference)s) WHERE grp IN ('', '|');
"""

ENTRIES = """
CREATE TEMP TABLE import_entry ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY min(line)) AS entry_no, grp, min(line) AS line, count(*) AS lines,
       coalesce(min(reference) FILTER (WHERE reference <> ''), '') AS reference,
       (array_agg(entry_uuid ORDER BY line) FILTER (WHERE entry_uuid IS NOT NULL))[1] AS entry_uuid,
       (array_agg(reverses ORDER BY line) FILTER (WHERE reverses IS NOT NULL))[1] AS reverses,
       min(date) AS date, min(date) <> max(date) AS is_of_more_days, max(date) AS last_date,
       (array_agg(kind ORDER BY line))[1] AS kind,
       coalesce((array_agg(description ORDER BY line) FILTER (WHERE description <> ''))[1], '')
           AS description,
       coalesce((array_agg(document_number ORDER BY line) FILTER (WHERE document_number <> ''))[1], '')
           AS document_number,
       (array_agg(document_date ORDER BY line) FILTER (WHERE document_date IS NOT NULL))[1] AS document_date,
       coalesce(sum(amount), 0) AS difference, bool_or(problem <> '') AS has_wrong_lines,
       sha256(convert_to(string_agg(
           concat_ws('|', account, amount, currency, coalesce(foreign_amount::text, ''), tax_code,
                     coalesce(tax_base::text, '')), chr(10)
           ORDER BY account, amount, currency, foreign_amount, tax_code, tax_base), 'UTF8')) AS lines_key,
       NULL::bytea AS facts_key, '' AS problem, 'new' AS outcome, NULL::bigint AS matched_id,
       NULL::bigint AS id, NULL::bigint AS reverses_id
  FROM import_line GROUP BY grp;
UPDATE import_entry SET date = coalesce(date, %(day)s::date),
       facts_key = sha256(
           convert_to(concat_ws('|', coalesce(date, %(day)s::date), kind, reference, ''), 'UTF8')
           || lines_key);
CREATE UNIQUE INDEX ON import_entry (entry_no);
CREATE UNIQUE INDEX ON import_entry (grp);
UPDATE import_line l SET entry_no = e.entry_no FROM import_entry e WHERE e.grp = l.grp;
CREATE INDEX ON import_line (entry_no);
ANALYZE import_entry, import_line (entry_no, account_id);
"""


class Staging:
    """The staged lines and what is asked of them; it lives as long as the transaction it is made in."""

    def __init__(self) -> None:
        self._cursor = connection.cursor()
        self._cursor.execute(TABLES)

    def copy(
        self, lines: Iterable[tuple[Any, ...]], after_some: Callable[[int], Any] = lambda done: None
    ) -> int:
        """Take the lines in and return their number; ``after_some`` is told how many now and then."""
        count = 0
        statement = f"COPY import_line ({', '.join(STAGED)}) FROM STDIN"
        with self._cursor.cursor.copy(statement) as copy:  # type: ignore[attr-defined]
            for count, line in enumerate(lines, start=1):
                copy.write_row(line)
                if count % BETWEEN_REPORTS == 0:
                    after_some(count)
        self._cursor.execute("ANALYZE import_line (grp, account, contact, cost_centre)")
        return count

    def run(self, sql: str, **values: Any) -> int:
        """Run one or more statements, and return how many rows the last one touched."""
        self._cursor.execute(sql, values)
        return self._cursor.rowcount

    def run_many(self, sql: str, values: list[tuple[Any, ...]]) -> None:
        self._cursor.executemany(sql, values)

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        self._cursor.execute(sql, values)
        return self._cursor.fetchall()

    def value(self, sql: str, **values: Any) -> Any:
        return self.rows(sql, **values)[0][0]

    def fill(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._cursor.cursor.copy(f"COPY {table} FROM STDIN") as copy:  # type: ignore[attr-defined]
            for row in rows:
                copy.write_row(row)
