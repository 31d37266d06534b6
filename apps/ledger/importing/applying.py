"""A plan carried out: entries, lines and their history, written in the order of their days."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.utils.translation import gettext as _

from apps.core.models import User
from apps.ledger.importing.changing import ChangedEntry
from apps.ledger.importing.plan import Planner
from apps.ledger.models import JournalImport
from apps.ledger.services import charts
from apps.ledger.services.transactions import because
from apps.ledger.services.years import open_fiscal_year

AT_ONCE = 500  # entries posted between two looks at whether to go on

NAMED = """
WITH made AS (
    INSERT INTO {table} (client_id, name, is_active{more})
    SELECT %(client)s, name, true{values} FROM unnest(%(names)s::text[]) AS name RETURNING *
), told AS (
    INSERT INTO {history} ({columns}, history_date, history_change_reason, history_type, history_user_id)
    SELECT {columns}, clock_timestamp(), %(reason)s, '+', %(by)s FROM made
)
UPDATE import_line l SET {field}_id = made.id FROM made
 WHERE l.{field}_id IS NULL AND upper(l.{field}) = upper(made.name);
"""

ENTRIES = """
UPDATE import_account t SET account_id = a.id
  FROM ledger_account a WHERE t.account_id IS NULL AND a.client_id = %(client)s AND a.code = t.code;
UPDATE import_line l SET account_id = t.account_id
  FROM import_account t WHERE l.account_id IS NULL AND t.text = l.account;
UPDATE import_entry i SET id = n.id, entry_uuid = coalesce(entry_uuid, gen_random_uuid())
  FROM (SELECT entry_no, nextval(pg_get_serial_sequence('ledger_journalentry', 'id')) AS id
          FROM (SELECT entry_no FROM import_entry WHERE outcome = 'new'
                 ORDER BY date, reverses IS NOT NULL, entry_no) o) n
 WHERE n.entry_no = i.entry_no;
UPDATE import_entry i SET reverses_id = coalesce(
       (SELECT o.id FROM import_entry o WHERE o.entry_uuid = i.reverses AND o.id IS NOT NULL),
       (SELECT e.id FROM ledger_journalentry e WHERE e.uuid = i.reverses AND e.client_id = %(client)s))
 WHERE id IS NOT NULL AND reverses IS NOT NULL;
INSERT INTO ledger_journalentry
       (id, client_id, uuid, date, kind, status, description, document_number, document_date, review,
        review_note, reverses_id, created_by_id, created_at)
SELECT id, %(client)s, entry_uuid, date, kind, 'draft', description, document_number, document_date, '', '',
       reverses_id, %(by)s, clock_timestamp()
  FROM import_entry WHERE id IS NOT NULL ORDER BY id;
INSERT INTO ledger_journalline
       (client_id, entry_id, line_number, account_id, amount, memo, contact_id, cost_centre_id, due_date,
        tax_code_id, tax_base, currency, foreign_amount, rate, kind, is_posted)
SELECT %(client)s, i.id, row_number() OVER (PARTITION BY i.id ORDER BY l.line), l.account_id, l.amount,
       l.memo, l.contact_id, l.cost_centre_id, l.due_date, l.tax_code_id, l.tax_base, l.currency,
       l.foreign_amount, l.rate, '', false
  FROM import_entry i JOIN import_line l USING (entry_no) WHERE i.id IS NOT NULL ORDER BY i.id, l.line;
INSERT INTO ledger_importedentry
       (client_id, journal_import_id, entry_uuid, line, reference, date, facts_key, lines_key)
SELECT %(client)s, %(import)s, entry_uuid, line, reference, date, facts_key, lines_key
  FROM import_entry WHERE id IS NOT NULL ORDER BY entry_no;
"""

HISTORY = """
INSERT INTO {history} ({columns}, history_date, history_change_reason, history_type, history_user_id)
SELECT {columns}, clock_timestamp(), %(reason)s, %(type)s, %(by)s
  FROM {table} t WHERE {which} IN (SELECT id FROM import_entry WHERE id IS NOT NULL) ORDER BY t.id
"""

POST = """
UPDATE ledger_journalentry SET status = 'posted', posted_by_id = %s WHERE id = %s
"""


class Importer:
    """Carries a plan out, in the transaction it was made in and under the client's lock."""

    def __init__(
        self,
        journal_import: JournalImport,
        planner: Planner,
        *,
        by: User,
        after_some: Callable[[int, int], Any] = lambda done, total: None,
    ) -> None:
        self.journal_import, self.client = journal_import, journal_import.client
        self.planner, self.staging, self.plan = planner, planner.staging, planner.plan
        self.by, self._after_some = by, after_some
        self.reason = _("Imported from %(file)s") % {"file": journal_import.file_name}

    def run(self) -> None:
        """Write everything. Raises what the services and guards that refuse raise."""
        for start, end in self.plan.years:
            open_fiscal_year(self.client, start=start, end=end, by=self.by)
        planned = [one.planned for one in self.plan.new_accounts if one.planned]
        charts.add_accounts(
            self.client, planned, charts.accounts_by_code(self.client), by=self.by, reason=self.reason
        )
        self._make_named("contact", "ledger_contact", self.plan.contacts)
        self._make_named("cost_centre", "ledger_costcentre", self.plan.classes)
        self.staging.run(
            ENTRIES, **{"client": self.client.pk, "by": self.by.pk, "import": self.journal_import.pk}
        )
        self._tell("journalentry", "t.id", "+")
        self._tell("journalline", "t.entry_id", "+")
        self._change()
        if self.planner.read_as.posts:
            self._post()

    def _make_named(self, field: str, table: str, names: list[str]) -> None:
        if not names:
            return
        is_contact = field == "contact"
        history = history_of(table)
        self.staging.run(
            NAMED.format(
                table=table,
                field=field,
                history=history,
                columns=columns_of(history),
                more=", is_customer, is_vendor, tax_id, email, phone, address, notes" if is_contact else "",
                values=", false, false, '', '', '', '', ''" if is_contact else "",
            ),
            client=self.client.pk,
            names=names,
            by=self.by.pk,
            reason=self.reason,
        )

    def _tell(self, model: str, which: str, what: str) -> None:
        table = f"ledger_{model}"
        history = history_of(table)
        self.staging.run(
            HISTORY.format(table=table, history=history, columns=columns_of(history), which=which),
            type=what,
            by=self.by.pk,
            reason=self.planner.read_as.reason.strip() or self.reason,
        )

    def _post(self) -> None:
        """Post in the order of the days: numbers and the chain follow it."""
        ids = [
            pk for (pk,) in self.staging.rows("SELECT id FROM import_entry WHERE id IS NOT NULL ORDER BY id")
        ]
        for begin in range(0, len(ids), AT_ONCE):
            self._after_some(begin, len(ids))
            with because(self.planner.read_as.reason.strip()):
                self.staging.run_many(POST, [(self.by.pk, pk) for pk in ids[begin : begin + AT_ONCE]])
        self._tell("journalentry", "t.id", "~")

    def _change(self) -> None:
        """Write over drafts, and over the notes of posted entries, what the file says of them now."""
        changed = self.staging.rows("SELECT entry_no, matched_id FROM import_entry WHERE outcome = 'changed'")
        for entry_no, pk in changed:
            ChangedEntry(self.planner, entry_no, pk, by=self.by, reason=self.reason).write()


def history_of(table: str) -> str:
    return table.replace("ledger_", "ledger_historical", 1)


def columns_of(history: str) -> str:
    """Return the columns that a history table copies from the record."""
    model = next(one for one in apps.get_models() if one._meta.db_table == history)
    tracked = model.tracked_fields  # type: ignore[attr-defined]
    return ", ".join(f'"{one.column}"' for one in tracked)
