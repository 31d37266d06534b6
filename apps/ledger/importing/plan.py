"""What a file would do to a client's books: for each entry new, changed, same or wrong, and why."""

import datetime
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.ledger.importing.accounts import ChartLookup, FoundAccount, find_accounts
from apps.ledger.importing.lines import JournalReader
from apps.ledger.importing.staging import ENTRIES, NAMES, Staging
from apps.ledger.models import Account, FiscalYear
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client

MOST_SHOWN = 100
MOST_ACCOUNTS = 2_000
MOST_YEARS = 60
MOVED = 7  # days by which an entry with the same reference and lines may have moved, and be the same
OLDEST_RATE = 31  # days that a rate is taken for

NOT_AN_ENTRY = """
UPDATE import_entry SET problem = %(several_days)s WHERE is_of_more_days;
UPDATE import_entry SET problem = %(no_date)s WHERE date IS NULL;
UPDATE import_line l SET problem = a.unusable
  FROM import_account a, import_entry e
 WHERE a.text = l.account AND a.unusable <> '' AND e.entry_no = l.entry_no AND e.outcome <> 'same'
   AND l.problem = '';
UPDATE import_entry e SET has_wrong_lines = true
 WHERE NOT has_wrong_lines
   AND EXISTS (SELECT FROM import_line l WHERE l.entry_no = e.entry_no AND l.problem <> '');
UPDATE import_entry SET problem = %(two_lines)s
 WHERE lines < 2 AND problem = '' AND outcome <> 'same' AND NOT has_wrong_lines;
UPDATE import_entry SET problem = replace(%(unbalanced)s, '@', round(abs(difference), %(decimals)s)::text)
 WHERE difference <> 0 AND problem = '' AND outcome <> 'same' AND NOT has_wrong_lines;
"""

# An entry that is named by its id is compared line by line, lines paired by what they say.
NAMED = """
UPDATE import_entry i SET matched_id = e.id, problem = CASE WHEN e.client_id <> %(client)s THEN %(elsewhere)s
       ELSE i.problem END
  FROM ledger_journalentry e WHERE e.uuid = i.entry_uuid;
CREATE TEMP TABLE import_pair ON COMMIT DROP AS
SELECT coalesce(f.entry_no, s.entry_no) AS entry_no, f.line, s.line_id,
       f.line IS NULL OR s.line_id IS NULL AS differs, coalesce((%(notes_differ)s), false) AS notes_differ
  FROM (SELECT l.*,
               row_number() OVER (PARTITION BY entry_no, l.facts ORDER BY l.line) AS place
          FROM (SELECT *, concat_ws('|', account_id, amount, currency, coalesce(foreign_amount::text, ''),
                                    coalesce(tax_code_id::text, ''), coalesce(tax_base::text, '')) AS facts
                  FROM import_line) l
          JOIN import_entry i USING (entry_no) WHERE i.matched_id IS NOT NULL) f
  FULL JOIN (
        SELECT l.*, l.id AS line_id,
               row_number() OVER (PARTITION BY entry_no, facts ORDER BY line_number) AS place
          FROM (SELECT i.entry_no, l.*,
                       concat_ws('|', account_id, amount, currency, coalesce(foreign_amount::text, ''),
                                 coalesce(tax_code_id::text, ''), coalesce(tax_base::text, '')) AS facts
                  FROM import_entry i JOIN ledger_journalline l ON l.entry_id = i.matched_id) l) s
    ON f.entry_no = s.entry_no AND f.facts = s.facts AND f.place = s.place;
UPDATE import_entry i SET
       outcome = CASE WHEN d.facts OR d.notes THEN 'changed' ELSE 'same' END,
       problem = CASE WHEN d.facts AND d.status = 'posted'
                      THEN replace(%(posted)s, '@', d.number::text) ELSE i.problem END
  FROM (SELECT i.entry_no, o.status, o.number,
               p.facts OR i.date <> o.date OR (i.kind <> o.kind AND %(has_kind)s) AS facts,
               p.notes OR (i.description <> o.description AND %(has_description)s)
                       OR (i.document_number <> o.document_number AND %(has_document_number)s)
                       OR (i.document_date IS DISTINCT FROM o.document_date AND %(has_document_date)s)
                   AS notes
          FROM import_entry i
          JOIN ledger_journalentry o ON o.id = i.matched_id
          JOIN (SELECT entry_no, bool_or(differs) AS facts, bool_or(notes_differ) AS notes
                  FROM import_pair GROUP BY entry_no) p USING (entry_no)) d
 WHERE d.entry_no = i.entry_no AND i.problem = '' AND NOT i.has_wrong_lines;
"""
LINE_NOTES = {
    "memo": "f.memo <> s.memo",
    "contact": "f.contact_id IS DISTINCT FROM s.contact_id OR (f.contact <> '' AND f.contact_id IS NULL)",
    "cost_centre": "f.cost_centre_id IS DISTINCT FROM s.cost_centre_id"
    " OR (f.cost_centre <> '' AND f.cost_centre_id IS NULL)",
    "due_date": "f.due_date IS DISTINCT FROM s.due_date",
}

# Without an id: as many entries of the same facts as earlier imports brought are here already, and no more.
KNOWN = """
CREATE TEMP TABLE import_known ON COMMIT DROP AS
SELECT k.id, k.facts_key, k.lines_key, k.reference, k.date, e.id AS entry_id, e.status, e.number,
       row_number() OVER (PARTITION BY k.facts_key ORDER BY k.id) AS place
  FROM ledger_importedentry k JOIN ledger_journalentry e ON e.uuid = k.entry_uuid
 WHERE k.client_id = %(client)s
   AND (k.facts_key IN (SELECT facts_key FROM import_entry)
        OR (k.reference <> '' AND k.reference IN (SELECT reference FROM import_entry)));
UPDATE import_entry i SET outcome = 'same', matched_id = k.entry_id
  FROM (SELECT entry_no, facts_key, row_number() OVER (PARTITION BY facts_key ORDER BY line) AS place
          FROM import_entry WHERE matched_id IS NULL) n
  JOIN import_known k USING (facts_key, place)
 WHERE n.entry_no = i.entry_no AND i.problem = '' AND NOT i.has_wrong_lines;
UPDATE import_entry i SET matched_id = k.entry_id, outcome = 'changed',
       problem = CASE WHEN k.status = 'posted' THEN replace(%(posted)s, '@', k.number::text)
                      ELSE i.problem END
  FROM (SELECT DISTINCT ON (reference, date, lines_key) * FROM import_known
         WHERE entry_id NOT IN (SELECT matched_id FROM import_entry WHERE matched_id IS NOT NULL)
         ORDER BY reference, date, lines_key, id DESC) k
 WHERE i.matched_id IS NULL AND i.entry_uuid IS NULL AND i.problem = '' AND NOT i.has_wrong_lines
   AND i.reference <> '' AND k.reference = i.reference
   AND (k.date = i.date OR (k.lines_key = i.lines_key AND abs(k.date - i.date) <= %(days)s));
"""

# Where posting would be refused, it is said before.
PERIODS = """
UPDATE import_entry i SET problem = CASE
       WHEN p.state IS NULL AND (i.date BETWEEN %(first)s::date AND %(last)s::date) IS NOT TRUE
            THEN replace(%(no_year)s, '@', i.date::text)
       WHEN p.state = 'locked' THEN replace(%(locked)s, '@', i.date::text)
       WHEN p.state = 'soft_closed' AND %(reason)s = '' THEN replace(%(soft_closed)s, '@', i.date::text)
       ELSE '' END
  FROM import_entry e LEFT JOIN LATERAL (
       SELECT q.state FROM ledger_period q
        WHERE q.client_id = %(client)s AND e.date BETWEEN q.start AND q."end"
          AND (NOT q.is_adjusting OR e.kind IN ('adjusting', 'closing'))
        ORDER BY ledger_rank(q.state), q.is_adjusting DESC LIMIT 1) p ON true
 WHERE e.entry_no = i.entry_no AND i.outcome = 'new' AND i.problem = '' AND NOT i.has_wrong_lines;
"""

LINKS = """
UPDATE import_entry i SET kind = 'manual'
 WHERE outcome = 'new' AND (kind = 'recode' OR (kind = 'reversal' AND NOT EXISTS (
       SELECT FROM import_entry o WHERE o.entry_uuid = i.reverses
       UNION ALL SELECT FROM ledger_journalentry e WHERE e.uuid = i.reverses AND e.client_id = %(client)s)));
"""
HASH = """
SELECT encode(sha256(convert_to(coalesce(string_agg(
           concat_ws('|', outcome, facts_key, matched_id, problem,
                     (SELECT max(h.history_id) FROM ledger_historicaljournalentry h
                       WHERE outcome = 'changed' AND h.id = matched_id)), chr(10) ORDER BY entry_no), ''),
       'UTF8')), 'hex')
  FROM import_entry
"""


@dataclass
class Plan:
    """
    What would be done. ``counts`` are of entries, ``lines`` of rows; ``years`` have first and last days.

    ``hash`` is the SHA-256 of all of it: two plans with the same hash do the same.
    """

    counts: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    lines: int = 0
    debits: Decimal = Decimal(0)
    first_day: datetime.date | None = None
    last_day: datetime.date | None = None
    accounts: list[FoundAccount] = field(default_factory=list)
    contacts: list[str] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    years: list[tuple[datetime.date, datetime.date]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    hash: str = ""

    @property
    def new_accounts(self) -> list[FoundAccount]:
        return [one for one in self.accounts if one.account is None]


class Planner:
    """Stages a file and asks the database what each entry of it would be; to be used in one transaction."""

    def __init__(
        self,
        client: Client,
        reader: JournalReader,
        after_some: Callable[[int], Any] = lambda done: None,
        *,
        may_open_years: bool = True,
    ) -> None:
        self.client, self.reader, self.read_as = client, reader, reader.read_as
        self.opens_years = self.read_as.opens_years and may_open_years
        self.decimals = decimal_places(client.base_currency)
        self.staging = Staging()
        self.plan = Plan()
        self._after_some = after_some

    def make(self) -> Plan:
        """Return the plan; the staged lines stay for the rest of the transaction."""
        self.plan.lines = self.staging.copy(self.reader.lines(), self._after_some)
        self.plan.rows = self.reader.rows
        self._find_accounts()
        self._find_names()
        self._gather_entries()
        self._compare()
        self._add_up()
        return self.plan

    def _find_accounts(self) -> None:
        used = self.staging.rows(
            "SELECT account, max(account_name), max(account_kind), count(*) FROM import_line"
            " WHERE account <> '' GROUP BY account ORDER BY min(line) LIMIT %(most)s",
            most=MOST_ACCOUNTS + 1,
        )
        if len(used) > MOST_ACCOUNTS:
            raise ValidationError(
                _("This file has more than %(most)s accounts. Is the right column read as the account?")
                % {"most": f"{MOST_ACCOUNTS:,}"},
                code="accounts",
            )
        lookup = ChartLookup(Account.objects.filter(client=self.client))
        self.plan.accounts = find_accounts(used, lookup, self.read_as.accounts, self.client.numbering)
        self._refuse_equal_codes()
        self.staging.fill(
            "import_account",
            [
                (
                    one.text,
                    one.account and one.account.pk,
                    one.account.code if one.account else one.planned and one.planned.code,
                    one.account.currency if one.account else "",
                    one.problem,
                    one.unusable,
                )
                for one in self.plan.accounts
            ],
        )

    def _refuse_equal_codes(self) -> None:
        codes: dict[str, str] = {}
        for one in self.plan.new_accounts:
            if one.planned and codes.setdefault(one.planned.code.casefold(), one.text) != one.text:
                one.problem = _("Two accounts of the file would get the code %(code)s.") % {
                    "code": one.planned.code
                }

    def _find_names(self) -> None:
        self.staging.run(
            NAMES,
            client=self.client.pk,
            decimals=self.decimals,
            oldest_rate=OLDEST_RATE,
            no_tax_code=_("There is no tax code “@”: make it first."),
            no_rate=_("There is no rate for @ on # or shortly before: add it under Exchange rates."),
            wrong_currency=_("This account is kept in @, and the line is in another currency."),
            no_reference=_("The reference is missing: it is not clear which entry this line belongs to."),
        )
        for name, kept in (("contact", self.plan.contacts), ("cost_centre", self.plan.classes)):
            kept += [
                text
                for (text,) in self.staging.rows(
                    f"SELECT min({name}) FROM import_line WHERE {name} <> '' AND {name}_id IS NULL"  # noqa: S608
                    f" GROUP BY upper({name}) ORDER BY 1"
                )
            ]

    def _gather_entries(self) -> None:
        self.staging.run(ENTRIES, day=self.read_as.date or None)

    def _compare(self) -> None:
        columns = self.read_as.columns
        posted = _(
            "Entry @ of the books came from here and says something else; posted, it stays. Reverse it, or "
            "leave these rows out."
        )
        if "entry_id" in columns:
            differ = [condition for name, condition in LINE_NOTES.items() if name in columns]
            self.staging.run(
                NAMED.replace("%(notes_differ)s", " OR ".join(differ) or "false"),
                client=self.client.pk,
                elsewhere=_("This entry id is not one of these books: leave it empty for a new entry."),
                posted=posted,
                **{
                    f"has_{name}": name in columns
                    for name in ("kind", "description", "document_number", "document_date")
                },
            )
        self.staging.run(KNOWN, client=self.client.pk, posted=posted, days=MOVED)
        self._refuse_what_is_no_entry()
        has_links = "kind" in columns or "reverses" in columns
        if has_links and (changed := self.staging.run(LINKS, client=self.client.pk)):
            self.plan.notes.append(
                ngettext(
                    "%(count)s reversal or recoding comes in as a manual entry: the file names no original.",
                    "%(count)s reversals or recodings come in as manual entries: the file names no original.",
                    changed,
                )
                % {"count": changed}
            )
        self._look_at_periods()

    def _refuse_what_is_no_entry(self) -> None:
        self.staging.run(
            NOT_AN_ENTRY,
            decimals=self.decimals,
            several_days=_("Its lines have different dates: one entry has one."),
            no_date=_("The date is missing."),
            two_lines=_("An entry has at least two lines."),
            unbalanced=_("Debits and credits differ by @."),
        )

    def _look_at_periods(self) -> None:
        first, last = self.staging.rows(
            "SELECT min(date), max(date) FROM import_entry WHERE outcome = 'new' AND problem = ''"
            " AND NOT has_wrong_lines"
        )[0]
        self.plan.first_day, self.plan.last_day = first, last
        if first and self.opens_years:
            self.plan.years = years_around(self._years(), first, last, self.read_as.year_start)
        if self.read_as.posts:
            self.staging.run(
                PERIODS,
                client=self.client.pk,
                first=min((start for start, _end in self.plan.years), default=None),
                last=max((end for _start, end in self.plan.years), default=None),
                reason=self.read_as.reason.strip(),
                no_year=_("There is no fiscal year for @."),
                locked=_("The period of @ is locked."),
                soft_closed=_("The period of @ is soft-closed: say below why you post into it."),
            )

    def _years(self) -> list[tuple[datetime.date, datetime.date]]:
        years = FiscalYear.objects.filter(client=self.client).order_by("start")
        return list(years.values_list("start", "end"))

    def _add_up(self) -> None:
        self.staging.run("UPDATE import_entry SET outcome = 'wrong' WHERE problem <> '' OR has_wrong_lines")
        self.plan.counts = dict.fromkeys(("new", "changed", "same", "wrong"), 0) | dict(
            self.staging.rows("SELECT outcome, count(*) FROM import_entry GROUP BY outcome")
        )
        self.plan.debits = self.staging.value(
            "SELECT coalesce(sum(amount), 0) FROM import_line l JOIN import_entry USING (entry_no)"
            " WHERE outcome = 'new' AND amount > 0"
        )
        for sentence, count in self.reader.notes.items():
            self.plan.notes.append(sentence % {"count": formats.number_format(count, force_grouping=True)})
        self.plan.hash = self._hash()

    def _hash(self) -> str:
        said = self.staging.value(HASH)
        parts = [
            said,
            *(f"{one.text}={one.account.pk if one.account else one.planned}" for one in self.plan.accounts),
            *self.plan.contacts,
            *self.plan.classes,
            *map(str, self.plan.years),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def years_around(
    years: list[tuple[datetime.date, datetime.date]],
    first: datetime.date,
    last: datetime.date,
    year_start: str,
) -> list[tuple[datetime.date, datetime.date]]:
    """
    Return the fiscal years that have to be opened for the days from first to last, in the order to do it.

    ``years`` are the client's own, in order: years before and after them go on with their rhythm. Without any
    they begin on ``year_start`` (month-day).
    """
    missing: list[tuple[datetime.date, datetime.date]] = []
    if years:
        begins, ends = years[0][0], years[-1][1]
    else:
        month, day = (int(part) for part in year_start.split("-"))
        begins = datetime.date(first.year, month, day)
        begins = begins if begins <= first else _years_later(begins, -1)
        ends = begins - datetime.timedelta(days=1)
    while ends < last and len(missing) < MOST_YEARS:
        start = ends + datetime.timedelta(days=1)
        ends = _years_later(start, 1) - datetime.timedelta(days=1)
        missing.append((start, ends))
    while begins > first and len(missing) < MOST_YEARS:
        start = _years_later(begins, -1)
        missing.append((start, begins - datetime.timedelta(days=1)))
        begins = start
    return missing


def _years_later(day: datetime.date, count: int) -> datetime.date:
    try:
        return day.replace(year=day.year + count)
    except ValueError:  # 29 February
        return day.replace(year=day.year + count, day=28)
