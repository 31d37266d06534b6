"""
The rules of the books, each as a query for the rows that break it.

A query yields ``client_id``, ``place`` (to tell which is the first), and what its sentence names.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.utils.formats import date_format
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from apps.core.registry import Text, book_checks
from apps.ledger.checking import Failure, set_based
from apps.ledger.constraints import SameClient
from apps.profiles.codes import DECIMALS


@dataclass(frozen=True)
class Rule:
    """A rule, the query for what breaks it, and what is said of the first such row."""

    name: str
    sql: str
    sentence: Text

    def failures(self, clients: Sequence[int]) -> Iterator[Failure]:
        for row in set_based(self.sql, clients, **_units()):
            yield Failure(
                check=self.name,
                client=row["client"],
                entry=row.get("number"),
                date=row.get("date"),
                count=row["count"],
                what=str(self.sentence) % _shown(row),
            )


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: "?" if value is None else value for name, value in row.items()}
    if "number" in row and row["number"] is None:
        shown["number"] = _now("(draft)")
    for name, value in row.items():
        if isinstance(value, date):
            shown[name] = date_format(value, "Y-m" if name == "month" else "Y-m-d")
        elif isinstance(value, Decimal):
            shown[name] = f"{value.normalize():f}"
    return shown


# One pass over entries and lines answers most questions; each question then is a column.
ENTRIES = """
    SELECT e.client_id, e.position AS place, e.number, e.date, e.status = 'posted' AS is_posted,
           count(l.id) AS lines, coalesce(sum(l.amount), 0) AS difference,
           coalesce(bool_or((l.date, l.kind, l.is_posted, l.debit - l.credit) IS DISTINCT FROM
                            (e.date, e.kind, e.status = 'posted', l.amount))
                        FILTER (WHERE l.id IS NOT NULL), false) AS differs,
           coalesce(bool_or(a.is_postable IS NOT TRUE) FILTER (WHERE l.id IS NOT NULL), false) AS heading,
           coalesce(bool_or(l.amount <> round(l.amount, coalesce(base.decimals, 2))
                            OR l.tax_base <> round(l.tax_base, coalesce(base.decimals, 2))
                            OR l.foreign_amount <> round(l.foreign_amount, coalesce(own.decimals, 2))),
                    false) AS too_fine,
           coalesce(bool_or(l.currency = c.base_currency
                            OR (a.currency NOT IN ('', c.base_currency) AND a.currency <> l.currency)
                            OR (l.currency = '') <> (l.foreign_amount IS NULL)), false) AS wrong_currency
      FROM ledger_journalentry e
      JOIN profiles_client c ON c.id = e.client_id
      LEFT JOIN ledger_journalline l ON l.entry_id = e.id
      LEFT JOIN ledger_account a ON a.id = l.account_id AND a.client_id = e.client_id
      LEFT JOIN minor_units base ON base.currency = c.base_currency
      LEFT JOIN minor_units own ON own.currency = l.currency
     WHERE e.client_id = ANY(%(clients)s)
     GROUP BY e.id
"""
MINOR = """
    minor_units AS (
        SELECT * FROM unnest(%(currencies)s::text[], %(decimals)s::int[]) AS u(currency, decimals))
"""

#: Column or condition of ENTRIES, and what it means when it is true.
OF_ENTRIES: dict[str, tuple[str, Text]] = {
    "balanced": (
        "is_posted AND difference <> 0",
        _("Entry %(number)s of %(date)s: debits and credits differ by %(difference)s."),
    ),
    "two_lines": ("is_posted AND lines < 2", _("Entry %(number)s of %(date)s has fewer than two lines.")),
    "copies": (
        "differs",
        _("Entry %(number)s of %(date)s: its lines do not say what it says (date, kind, posted)."),
    ),
    "postable": (
        "is_posted AND heading",
        _("Entry %(number)s of %(date)s is on an account that is a heading."),
    ),
    "decimals": (
        "is_posted AND too_fine",
        _("Entry %(number)s of %(date)s has an amount with more decimals than its currency."),
    ),
    "currency": (
        "is_posted AND wrong_currency",
        _("Entry %(number)s of %(date)s has a line that is not in the currency of its account."),
    ),
}


@book_checks.register
def entries(clients: Sequence[int]) -> Iterator[Failure]:
    """Entries balance, have two lines and more, and their lines say what they say."""
    failing = " OR ".join(f"({condition})" for condition, _sentence in OF_ENTRIES.values())
    asked = ", ".join(f"({condition}) AS {name}" for name, (condition, _sentence) in OF_ENTRIES.items())
    broken = (
        f"WITH {MINOR}, entries AS ({ENTRIES})"  # noqa: S608  (only its own text is put in)
        f" SELECT *, {asked} FROM entries WHERE {failing}"
    )
    if not any(True for _row in set_based(broken, clients, **_units())):
        return
    for name, (_condition, sentence) in OF_ENTRIES.items():
        yield from Rule(name, f"SELECT * FROM ({broken}) b WHERE b.{name}", sentence).failures(clients)  # noqa: S608


def _units() -> dict[str, object]:
    return {"currencies": list(DECIMALS), "decimals": list(DECIMALS.values())}


RULES = [
    Rule(
        "numbers",
        """
        SELECT * FROM (
            SELECT e.client_id, e.position AS place, e.number, e.date, e.position,
                   row_number() OVER (PARTITION BY e.client_id
                                          ORDER BY e.position, e.id) AS expected_position,
                   row_number() OVER (PARTITION BY e.client_id, e.fiscal_year_id
                                          ORDER BY e.position, e.id) AS expected
              FROM ledger_journalentry e WHERE e.client_id = ANY(%(clients)s) AND e.status = 'posted'
        ) n WHERE number IS DISTINCT FROM expected OR position IS DISTINCT FROM expected_position
        """,
        _(
            "Entry %(number)s of %(date)s (position %(position)s) should be number %(expected)s (position "
            "%(expected_position)s): numbers have a gap, or are out of order."
        ),
    ),
    Rule(
        "missing",
        """
        SELECT DISTINCT h.client_id, h.position AS place, h.number, h.date
          FROM ledger_historicaljournalentry h
         WHERE h.client_id = ANY(%(clients)s) AND h.status = 'posted' AND h.history_type <> '-'
           AND NOT EXISTS (SELECT FROM ledger_journalentry e
                            WHERE e.id = h.id AND e.client_id = h.client_id AND e.status = 'posted')
        """,
        _("Entry %(number)s of %(date)s was posted, by its history, and is gone."),
    ),
    Rule(
        "history",
        """
        SELECT e.client_id, e.position AS place, e.number, e.date
          FROM ledger_journalentry e
         WHERE e.client_id = ANY(%(clients)s) AND e.status = 'posted'
           AND NOT EXISTS (SELECT FROM ledger_historicaljournalentry h WHERE h.id = e.id)
        """,
        _("Entry %(number)s of %(date)s has no history: nobody can say who wrote it."),
    ),
    Rule(
        "period",
        """
        SELECT e.client_id, e.position AS place, e.number, e.date
          FROM ledger_journalentry e
          LEFT JOIN ledger_period p ON p.id = e.period_id AND p.client_id = e.client_id
         WHERE e.client_id = ANY(%(clients)s) AND e.status = 'posted'
           AND (p.id IS NULL OR e.date NOT BETWEEN p.start AND p."end" OR e.fiscal_year_id <> p.fiscal_year_id
                OR (p.is_adjusting AND e.kind NOT IN ('adjusting', 'closing', 'fx')))
        """,
        _("Entry %(number)s of %(date)s is in a period that does not hold it."),
    ),
    Rule(
        "reversals",
        """
        SELECT e.client_id, e.position AS place, e.number, e.date, o.number AS original
          FROM ledger_journalentry e
          LEFT JOIN ledger_journalentry o
            ON o.id = e.reverses_id AND o.client_id = e.client_id AND o.status = 'posted'
         WHERE e.client_id = ANY(%(clients)s) AND e.status = 'posted'
           AND (e.reverses_id IS NOT NULL OR e.kind = 'reversal')
           AND (o.id IS NULL OR e.date < o.date OR o.position > e.position
                OR e.kind <> (CASE WHEN o.kind IN ('closing', 'adjusting') THEN o.kind ELSE 'reversal' END)
                OR EXISTS (
                    SELECT FROM (SELECT *, row_number() OVER (ORDER BY line_number) AS nth
                                   FROM ledger_journalline WHERE entry_id = o.id) a
                      FULL JOIN (SELECT *, row_number() OVER (ORDER BY line_number) AS nth
                                   FROM ledger_journalline WHERE entry_id = e.id) b USING (nth)
                     WHERE (a.account_id, a.amount, a.currency, a.foreign_amount, a.rate, a.tax_code_id,
                            a.tax_base)
                           IS DISTINCT FROM
                           (b.account_id, -b.amount, b.currency, -b.foreign_amount, b.rate, b.tax_code_id,
                            -b.tax_base)))
        """,
        _("Entry %(number)s of %(date)s does not mirror entry %(original)s, which it reverses."),
    ),
    Rule(
        "reversed_once",
        """
        SELECT e.client_id, e.position AS place, e.number, e.date
          FROM ledger_journalentry e
         WHERE e.client_id = ANY(%(clients)s) AND e.status = 'posted' AND EXISTS (
            SELECT FROM ledger_journalentry r WHERE r.reverses_id = e.reverses_id AND r.id < e.id)
        """,
        _("Entry %(number)s of %(date)s reverses what was reversed before."),
    ),
    Rule(
        "recodings",
        """
        SELECT e.client_id, e.position AS place, e.number, e.date
          FROM ledger_journalentry e
          LEFT JOIN LATERAL (
            SELECT count(*) AS lines, count(l.recodes_id) AS back,
                   bool_or((l.account_id, l.amount, l.currency, l.foreign_amount, l.rate, l.tax_code_id,
                            l.tax_base)
                           IS DISTINCT FROM
                           (o.account_id, -o.amount, o.currency, -o.foreign_amount, o.rate, o.tax_code_id,
                            -o.tax_base)
                           OR o.is_posted IS NOT TRUE OR o.date > e.date)
                       FILTER (WHERE l.recodes_id IS NOT NULL) AS wrong
              FROM ledger_journalline l LEFT JOIN ledger_journalline o ON o.id = l.recodes_id
             WHERE l.entry_id = e.id
          ) body ON true
         WHERE e.status = 'posted' AND (body.wrong IS NOT FALSE OR body.lines <> 2 * body.back)
           AND e.id IN (
                SELECT id FROM ledger_journalentry WHERE client_id = ANY(%(clients)s) AND kind = 'recode'
                 UNION
                SELECT entry_id FROM ledger_journalline
                 WHERE client_id = ANY(%(clients)s) AND recodes_id IS NOT NULL)
        """,
        _("Entry %(number)s of %(date)s is a recoding, and does not take back what it says it does."),
    ),
    Rule(
        "recoded_once",
        """
        SELECT client_id, place, number, date FROM (
            SELECT e.client_id, e.position AS place, e.number, e.date,
                   row_number() OVER (PARTITION BY l.recodes_id ORDER BY e.position) AS nth
              FROM ledger_journalline l
              JOIN ledger_journalentry e ON e.id = l.entry_id AND e.status = 'posted'
             WHERE l.recodes_id IS NOT NULL AND l.client_id = ANY(%(clients)s)
               AND NOT EXISTS (SELECT FROM ledger_journalentry u
                                WHERE u.reverses_id = e.id AND u.status = 'posted')
        ) r WHERE nth > 1
        """,
        _("Entry %(number)s of %(date)s recodes a line that is recoded already."),
    ),
    Rule(
        "totals",
        """
        SELECT s.client_id, s.month AS place, s.month, s.month AS date, a.code AS account FROM (
            SELECT client_id, account_id, month,
                   (l.debit, l.credit, l.foreign_amount, l.lines)
                   IS DISTINCT FROM (t.debit, t.credit, t.foreign_amount, t.lines) AS differs
              FROM (SELECT client_id, account_id, date_trunc('month', date)::date AS month, kind,
                           sum(debit) AS debit, sum(credit) AS credit,
                           sum(coalesce(foreign_amount, 0)) AS foreign_amount, count(*) AS lines
                      FROM ledger_journalline WHERE client_id = ANY(%(clients)s) AND is_posted
                     GROUP BY 1, 2, 3, 4) l
              FULL JOIN (SELECT * FROM ledger_accounttotal WHERE client_id = ANY(%(clients)s)) t
                   USING (client_id, account_id, month, kind)
        ) s LEFT JOIN ledger_account a ON a.id = s.account_id WHERE s.differs
        """,
        _("The total of account %(account)s for %(month)s is not the sum of its lines."),
    ),
    Rule(
        "years",
        """
        SELECT client_id, start AS place, name, start, "end" FROM (
            SELECT *, lag("end", 1, start - 1) OVER (PARTITION BY client_id ORDER BY start) AS before
              FROM ledger_fiscalyear WHERE client_id = ANY(%(clients)s)
        ) y WHERE start <> before + 1 OR "end" <= start OR "end" >= start + interval '18 months'
        """,
        _("Fiscal year %(name)s (%(start)s to %(end)s) does not follow the one before it, or is too long."),
    ),
    Rule(
        "periods",
        """
        SELECT y.client_id, y.start AS place, y.name
          FROM ledger_fiscalyear y
          LEFT JOIN LATERAL (
            SELECT count(*) FILTER (WHERE is_adjusting) AS adjusting,
                   count(*) FILTER (WHERE NOT is_adjusting) AS months,
                   bool_or(is_adjusting AND (start <> y."end" OR "end" <> y."end")) AS misplaced,
                   bool_or(NOT is_adjusting AND (start <> before + 1 OR next <> "end" + 1)) AS gap
              FROM (SELECT *,
                           lag("end", 1, y.start - 1) OVER (PARTITION BY is_adjusting
                                                                ORDER BY start) AS before,
                           lead(start, 1, y."end" + 1) OVER (PARTITION BY is_adjusting ORDER BY start) AS next
                      FROM ledger_period WHERE fiscal_year_id = y.id AND client_id = y.client_id) p
          ) body ON true
         WHERE y.client_id = ANY(%(clients)s)
           AND (adjusting <> 1 OR months = 0 OR coalesce(misplaced, true) OR coalesce(gap, true))
        """,
        _("The periods of fiscal year %(name)s do not cover each of its days once."),
    ),
    Rule(
        "states",
        """
        SELECT client_id, start AS place, start, "end", state FROM (
            SELECT p.*, CASE state WHEN 'open' THEN 0 WHEN 'soft_closed' THEN 1 ELSE 2 END AS rank,
                   min(CASE state WHEN 'open' THEN 0 WHEN 'soft_closed' THEN 1 ELSE 2 END)
                       FILTER (WHERE NOT is_adjusting)
                       OVER (PARTITION BY client_id ORDER BY start, is_adjusting
                             ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
                   min(CASE state WHEN 'open' THEN 0 WHEN 'soft_closed' THEN 1 ELSE 2 END)
                       FILTER (WHERE NOT is_adjusting) OVER (PARTITION BY fiscal_year_id) AS of_year
              FROM ledger_period p WHERE client_id = ANY(%(clients)s)
        ) p WHERE rank > CASE WHEN is_adjusting THEN of_year ELSE before END
        """,
        _("The period from %(start)s to %(end)s is more closed than one before it."),
    ),
    Rule(
        "chart",
        """
        SELECT client_id, code AS place, code FROM (
            WITH RECURSIVE above AS (
                SELECT a.client_id, a.id, a.code, a.parent_id FROM ledger_account a
                 WHERE a.client_id = ANY(%(clients)s) AND a.parent_id IS NOT NULL
                 UNION
                SELECT above.client_id, above.id, above.code, a.parent_id
                  FROM above JOIN ledger_account a ON a.id = above.parent_id
                 WHERE above.parent_id <> above.id AND a.parent_id IS NOT NULL
            )
            SELECT DISTINCT client_id, code FROM above WHERE parent_id = id
        ) c
        """,
        _("Account %(code)s stands under itself."),
    ),
]
for rule in RULES:
    book_checks.register(rule.failures)


def references(clients: Sequence[int]) -> Iterator[Failure]:
    """What rows name lies in the books of their own client."""
    for model in apps.get_app_config("ledger").get_models():
        keys = [one for one in model._meta.constraints if isinstance(one, SameClient)]
        if keys:
            yield from _references_of(model, keys).failures(clients)


def _references_of(model: Any, keys: list[SameClient]) -> Rule:
    joins, conditions = [], []
    for number, key in enumerate(keys):
        field = model._meta.get_field(key.field)
        shared = [model._meta.get_field(name).column for name in ("client", *key.also)]
        same = " AND ".join(f't{number}."{column}" = r."{column}"' for column in shared)
        target = field.related_model._meta.db_table
        joins.append(f'LEFT JOIN "{target}" t{number} ON t{number}.id = r."{field.column}" AND {same}')
        conditions.append(f'(r."{field.column}" IS NOT NULL AND t{number}.id IS NULL)')
    kind = str(model._meta.verbose_name).capitalize().replace("'", "''")
    names = {"journalentry": "r.number, r.date", "journalline": "t0.number, r.date"}
    facts = names.get(model._meta.model_name, "NULL::bigint AS number, NULL::date AS date")
    return Rule(
        "references",
        f"SELECT r.client_id, r.id AS place, r.id AS row, '{kind}' AS kind, {facts}"  # noqa: S608
        f" FROM {model._meta.db_table} r"
        f" {' '.join(joins)} WHERE r.client_id = ANY(%(clients)s) AND ({' OR '.join(conditions)})",
        _("%(kind)s %(row)s (entry %(number)s) names a record that is not this client's, or is gone."),
    )


book_checks.register(references)


@book_checks.register
def snapshots(clients: Sequence[int]) -> Iterator[Failure]:
    """What was stored when a period was closed still has its hash."""
    from apps.ledger.models import ClosedPeriod
    from apps.ledger.queries.changes import is_intact

    broken: dict[str, list[ClosedPeriod]] = {}
    stored = ClosedPeriod.objects.filter(client__in=clients).select_related("client", "period").order_by("pk")
    for closed in stored.iterator(chunk_size=200):
        if not is_intact(closed):
            broken.setdefault(closed.client.code, []).append(closed)
    for code, closings in broken.items():
        first = closings[0]
        yield Failure(
            check="snapshots",
            client=code,
            date=first.period.end,
            count=len(closings),
            what=str(_("What was stored when %(period)s was closed is not what was stored then."))
            % {"period": first.period},
        )
