"""
Reading a books file into tables of this transaction, and asking of them what can be said kindly.

What is not asked here the guards of the books refuse; these checks name the file and the record.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError, connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.registry import Text
from apps.ledger.books_file.reading import BooksFile
from apps.ledger.books_file.tables import TABLES, Table
from apps.profiles.codes import LOCALE

#: Which column of which file names a record of which other one: (file, column, file, its column).
REFERENCES = [
    ("accounts", "parent", "accounts", "code"),
    ("accounts", "closes_into", "accounts", "code"),
    ("tax_codes", "account", "accounts", "code"),
    ("tax_rates", "tax_code", "tax_codes", "code"),
    ("periods", "fiscal_year", "fiscal_years", "name"),
    ("entries", "fiscal_year", "fiscal_years", "name"),
    ("entries", "period", "periods", "start"),
    ("entries", "reverses", "entries", "uuid"),
    ("lines", "entry", "entries", "uuid"),
    ("lines", "account", "accounts", "code"),
    ("lines", "contact", "contacts", "name"),
    ("lines", "class", "classes", "name"),
    ("lines", "tax_code", "tax_codes", "code"),
    ("lines", "recodes", "entries", "uuid"),
    ("closed_periods", "period", "periods", "start"),
    ("attachments", "entry", "entries", "uuid"),
]
#: (code, query for the facts of the first record that is wrong, sentence)
CHECKS: list[tuple[str, str, Text]] = [
    (
        "currency",
        "SELECT currency FROM (SELECT base_currency AS currency FROM books_client"
        " UNION SELECT currency FROM books_accounts UNION SELECT currency FROM books_lines) c"
        " WHERE currency <> '' AND NOT currency = ANY(%(currencies)s)",
        gettext_lazy("There is no currency %(currency)s."),
    ),
    (
        "not_posted",
        "SELECT row FROM books_entries WHERE status <> 'draft' AND (status <> 'posted' OR number IS NULL"
        " OR position IS NULL OR fiscal_year IS NULL OR period IS NULL OR is_adjusting IS NULL"
        " OR hash IS NULL OR hash !~ '^[0-9a-f]{64}$') ORDER BY row",
        gettext_lazy("entries.csv, entry %(row)s: neither a draft nor whole as a posted one."),
    ),
    (
        "unbalanced",
        "SELECT e.number, e.fiscal_year, sum(l.amount) AS difference FROM books_entries e"
        " JOIN books_lines l ON l.entry = e.uuid WHERE e.status = 'posted'"
        " GROUP BY e.uuid, e.number, e.fiscal_year, e.position HAVING sum(l.amount) <> 0 ORDER BY e.position",
        gettext_lazy(
            "Entry %(number)s of %(fiscal_year)s does not balance: debits less credits are %(difference)s."
        ),
    ),
    (
        "numbers",
        "SELECT number, fiscal_year FROM (SELECT number, fiscal_year, position,"
        " row_number() OVER (ORDER BY position) AS place,"
        " row_number() OVER (PARTITION BY fiscal_year ORDER BY position) AS nth"
        " FROM books_entries WHERE status = 'posted') n"
        " WHERE number <> nth OR position <> place ORDER BY position",
        gettext_lazy("Entry %(number)s of %(fiscal_year)s is out of order, or one before it is missing."),
    ),
    (
        "here_already",
        "SELECT c.code FROM profiles_client c WHERE c.id IN ("
        " SELECT client_id FROM ledger_account a JOIN books_accounts b ON b.uuid = a.uuid"
        " UNION ALL SELECT client_id FROM ledger_taxcode t JOIN books_tax_codes b ON b.uuid = t.uuid"
        " UNION ALL SELECT client_id FROM ledger_journalentry e JOIN books_entries b ON b.uuid = e.uuid)",
        gettext_lazy(
            "These books are in this database already, as those of client %(code)s. Books exist once: "
            "import them into another database."
        ),
    ),
]


@contextmanager
def staged(books: BooksFile) -> Iterator[None]:
    """
    Hold the rows of a books file in tables ``books_…`` while the block runs; in a transaction only.

    Raises ValidationError: ``unreadable`` for a value that is none of its column, ``rows``, ``client``,
    ``reference``, and the codes of CHECKS.
    """
    with connection.cursor() as cursor:
        for table in TABLES:
            _load(cursor, table, books)
        cursor.execute("ALTER TABLE books_entries ADD COLUMN id bigint")  # which it gets here
        for column in ("uuid", "position", "id"):
            cursor.execute(f"CREATE INDEX ON books_entries ({column})")
        cursor.execute("CREATE INDEX ON books_lines (entry)")
        cursor.execute("ANALYZE " + ", ".join(table.staging for table in TABLES))
        _verify(cursor)
        yield
        for table in TABLES:
            cursor.execute(f"DROP TABLE {table.staging}")


def _load(cursor: Any, table: Table, books: BooksFile) -> None:
    cursor.execute(
        f"CREATE TEMP TABLE {table.staging} ON COMMIT DROP AS"
        f" {table.shape().format(client=0, tax_ids='true')} WITH NO DATA"
    )
    cursor.execute(f"ALTER TABLE {table.staging} ADD COLUMN row bigint GENERATED ALWAYS AS IDENTITY")
    columns = ", ".join(f'"{name}"' for name in table.columns)
    copy = f"COPY {table.staging} ({columns}) FROM STDIN (FORMAT csv, HEADER MATCH)"
    try:
        with connection.wrap_database_errors, cursor.copy(copy) as copied:
            for chunk in books.chunks(table):
                copied.write(chunk)
    except DataError as error:
        raise _unreadable(table, error) from error
    if cursor.rowcount != books.rows[table.file]:
        raise ValidationError(
            _("%(name)s has %(found)s rows, and its manifest speaks of %(said)s.")
            % {"name": table.file, "found": cursor.rowcount, "said": books.rows[table.file]},
            code="rows",
        )
    for name in table.texts:  # the apostrophe before what looks like a formula
        cursor.execute(
            f'UPDATE {table.staging} SET "{name}" = substr("{name}", 2)'  # noqa: S608
            f' WHERE starts_with("{name}", chr(39))'
        )


def _unreadable(table: Table, error: DataError) -> ValidationError:
    """Say where the value stands that cannot be read; the database knows the line and the column."""
    context = getattr(getattr(error.__cause__, "diag", None), "context", None) or ""
    place = re.search(r", line (\d+)(?:, column (\w+))?", context)
    line, column = (place[1], place[2] or "") if place else ("?", "")
    return ValidationError(
        _("%(name)s, line %(line)s: a value cannot be read%(column)s.")
        % {"name": table.file, "line": line, "column": f" ({column})" if column else ""},
        code="unreadable",
    )


def _verify(cursor: Any) -> None:
    cursor.execute("SELECT count(*) FROM books_client")
    if cursor.fetchone()[0] != 1:
        raise ValidationError(_("client.csv does not have exactly one row."), code="client")
    for name, column, target, key in REFERENCES:
        cursor.execute(
            f'SELECT b.row, b."{column}" FROM books_{name} b WHERE b."{column}" IS NOT NULL'  # noqa: S608
            f' AND NOT EXISTS (SELECT FROM books_{target} t WHERE t."{key}" = b."{column}")'
            " ORDER BY b.row LIMIT 1"
        )
        if found := cursor.fetchone():
            raise ValidationError(
                _("%(name)s.csv, record %(row)s: “%(value)s” is not in %(target)s.csv.")
                % {"name": name, "row": found[0], "value": str(found[1])[:60], "target": target},
                code="reference",
            )
    for code, query, sentence in CHECKS:
        cursor.execute(f"{query} LIMIT 1", {"currencies": list(LOCALE.currencies)})
        if found := cursor.fetchone():
            columns = [column.name for column in cursor.description]
            raise ValidationError(str(sentence) % dict(zip(columns, found, strict=True)), code=code)
