"""
The CSV files of a books file: a kind of record each, named by codes, names and uuids, never by ids.

One query makes a file, and the same query, without its rows, makes the table a file is read into, so that
both have the same columns and types. Left out: who of the practice has access, who looked at tax ids, and
the history of changes. They are the practice's, not the books'.
"""

from dataclasses import dataclass

#: A text that begins with one of these is a formula to a spreadsheet; written with an apostrophe before it.
FORMULA = r"^[=+@\t\r\n''-]"


@dataclass(frozen=True)
class Table:
    """A file ``<name>.csv``: its columns with the SQL of each, and where they come from."""

    name: str
    columns: dict[str, str]
    source: str
    texts: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        return f"{self.name}.csv"

    @property
    def staging(self) -> str:
        return f"books_{self.name}"

    def rows(self) -> str:
        """Return the query for its rows, with ``{client}`` for the id of the client and ``{tax_ids}``."""
        return self._select(
            {
                name: f"CASE WHEN {sql} ~ E'{FORMULA}' THEN '''' || {sql} ELSE {sql} END"
                if name in self.texts
                else sql
                for name, sql in self.columns.items()
            }
        )

    def shape(self) -> str:
        """Return a query that has its columns and types; texts may be longer by the apostrophe."""
        return self._select(
            {name: f"({sql})::text" if name in self.texts else sql for name, sql in self.columns.items()}
        )

    def _select(self, columns: dict[str, str]) -> str:
        listed = ", ".join(f'{sql} AS "{name}"' for name, sql in columns.items())
        return f"SELECT {listed} FROM {self.source}"  # noqa: S608  (only its own text is put in)


def _own(alias: str, *names: str) -> dict[str, str]:
    return {name: f"{alias}.{name}" for name in names}


CLIENT = Table(
    "client",
    _own(
        "c",
        *("code", "name", "status", "legal_form", "country", "base_currency", "basis", "tax_form"),
        *("numbering", "contact_name", "email", "phone", "address", "notes"),
    ),
    "profiles_client c WHERE c.id = {client}",
    texts=("name", "contact_name", "email", "phone", "address", "notes"),
)
ACCOUNTS = Table(
    "accounts",
    {
        **_own("a", "uuid", "code", "name", "kind", "section", "role", "currency"),
        "parent": "p.code",
        **_own("a", "is_postable", "is_active"),
        "closes_into": "i.code",
        "share": "a.share",
    },
    "ledger_account a LEFT JOIN ledger_account p ON p.id = a.parent_id"
    " LEFT JOIN ledger_account i ON i.id = a.closes_into_id WHERE a.client_id = {client} ORDER BY a.id",
    texts=("code", "name", "parent", "closes_into"),
)
CONTACTS = Table(
    "contacts",
    {
        **_own("n", "name", "is_customer", "is_vendor"),
        "tax_id": "CASE WHEN {tax_ids} THEN n.tax_id ELSE '' END",
        **_own("n", "email", "phone", "address", "notes", "is_active"),
    },
    "ledger_contact n WHERE n.client_id = {client} ORDER BY n.id",
    texts=("name", "tax_id", "email", "phone", "address", "notes"),
)
CLASSES = Table(
    "classes",
    _own("k", "name", "is_active"),
    "ledger_costcentre k WHERE k.client_id = {client} ORDER BY k.id",
    texts=("name",),
)
TAX_CODES = Table(
    "tax_codes",
    {
        **_own("t", "uuid", "code", "name", "direction"),
        "account": "a.code",
        **_own("t", "non_deductible", "is_reverse_charge", "box", "is_active"),
    },
    "ledger_taxcode t LEFT JOIN ledger_account a ON a.id = t.account_id"
    " WHERE t.client_id = {client} ORDER BY t.id",
    texts=("code", "name", "account", "box"),
)
TAX_RATES = Table(
    "tax_rates",
    {"tax_code": "t.code", **_own("r", "valid_from", "rate")},
    "ledger_taxrate r JOIN ledger_taxcode t ON t.id = r.tax_code_id"
    " WHERE r.client_id = {client} ORDER BY r.id",
    texts=("tax_code",),
)
EXCHANGE_RATES = Table(
    "exchange_rates",
    _own("x", "currency", "date", "rate", "source"),
    "ledger_exchangerate x WHERE x.client_id = {client} ORDER BY x.id",
    texts=("source",),
)
FISCAL_YEARS = Table(
    "fiscal_years",
    {"name": "y.name", "start": "y.start", "end": 'y."end"'},
    "ledger_fiscalyear y WHERE y.client_id = {client} ORDER BY y.start",
    texts=("name",),
)
PERIODS = Table(
    "periods",
    {
        "fiscal_year": "y.name",
        "start": "p.start",
        "end": 'p."end"',
        "is_adjusting": "p.is_adjusting",
        "state": "p.state",
    },
    "ledger_period p JOIN ledger_fiscalyear y ON y.id = p.fiscal_year_id"
    " WHERE p.client_id = {client} ORDER BY p.start, p.is_adjusting",
    texts=("fiscal_year",),
)
ENTRIES = Table(
    "entries",
    {
        **_own("e", "uuid", "status"),
        "fiscal_year": "y.name",
        **_own("e", "number", "position", "date", "kind"),
        "period": "p.start",
        "is_adjusting": "p.is_adjusting",
        **_own("e", "description", "document_number", "document_date", "review", "review_note"),
        "reverses": "o.uuid",
        "idempotency_key": "e.idempotency_key",
        "created_by": "u.username",
        "created_at": "e.created_at",
        "posted_by": "v.username",
        "posted_at": "e.posted_at",
        "hash": "encode(e.hash, 'hex')",
    },
    "ledger_journalentry e LEFT JOIN ledger_fiscalyear y ON y.id = e.fiscal_year_id"
    " LEFT JOIN ledger_period p ON p.id = e.period_id LEFT JOIN ledger_journalentry o ON o.id = e.reverses_id"
    " LEFT JOIN core_user u ON u.id = e.created_by_id LEFT JOIN core_user v ON v.id = e.posted_by_id"
    " WHERE e.client_id = {client} ORDER BY e.id",
    texts=("fiscal_year", "description", "document_number", "review_note", "created_by", "posted_by"),
)
LINES = Table(
    "lines",
    {
        "entry": "e.uuid",
        "line_number": "l.line_number",
        "account": "a.code",
        **_own("l", "amount", "memo"),
        "contact": "n.name",
        "class": "k.name",
        "due_date": "l.due_date",
        "tax_code": "t.code",
        **_own("l", "tax_base", "currency", "foreign_amount", "rate"),
        "recodes": "oe.uuid",
        "recodes_line": "o.line_number",
    },
    "ledger_journalline l JOIN ledger_journalentry e ON e.id = l.entry_id"
    " JOIN ledger_account a ON a.id = l.account_id LEFT JOIN ledger_contact n ON n.id = l.contact_id"
    " LEFT JOIN ledger_costcentre k ON k.id = l.cost_centre_id"
    " LEFT JOIN ledger_taxcode t ON t.id = l.tax_code_id"
    " LEFT JOIN ledger_journalline o ON o.id = l.recodes_id"
    " LEFT JOIN ledger_journalentry oe ON oe.id = o.entry_id WHERE l.client_id = {client} ORDER BY l.id",
    texts=("account", "memo", "contact", "class", "tax_code"),
)
#: ``after_position``: the last entry that was posted before the close. What came after it, changed the
#: books since; the times of an imported entry could not say that.
CLOSED_PERIODS = Table(
    "closed_periods",
    {
        "period": "p.start",
        "is_adjusting": "p.is_adjusting",
        "state": "s.state",
        "closed_by": "u.username",
        "closed_at": "s.closed_at",
        "after_position": "(SELECT coalesce(max(e.position), 0) FROM ledger_journalentry e"
        " WHERE e.client_id = s.client_id AND e.status = 'posted' AND e.posted_at <= s.closed_at)",
        **_own("s", "reason", "overridden", "trial_balance", "hash"),
    },
    "ledger_closedperiod s JOIN ledger_period p ON p.id = s.period_id"
    " JOIN core_user u ON u.id = s.closed_by_id WHERE s.client_id = {client} ORDER BY s.id",
    texts=("closed_by", "reason"),
)
ATTACHMENTS = Table(
    "attachments",
    {
        "entry": "e.uuid",
        **_own("f", "name", "content_type", "size", "sha256"),
        "added_by": "u.username",
        "added_at": "f.added_at",
    },
    "ledger_attachment f JOIN ledger_journalentry e ON e.id = f.entry_id"
    " JOIN core_user u ON u.id = f.added_by_id WHERE f.client_id = {client} ORDER BY f.id",
    texts=("name", "added_by"),
)
TABLES = [
    CLIENT,
    ACCOUNTS,
    CONTACTS,
    CLASSES,
    TAX_CODES,
    TAX_RATES,
    EXCHANGE_RATES,
    FISCAL_YEARS,
    PERIODS,
    ENTRIES,
    LINES,
    CLOSED_PERIODS,
    ATTACHMENTS,
]
