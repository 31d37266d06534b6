"""What a person is shown of a plan: counts, wrong rows, the first of the others, what would be opened."""

from typing import Any

from apps.ledger.importing.plan import MOST_SHOWN, Plan, Planner

ROWS = """
SELECT l.line, e.outcome, e.reference, coalesce(l.date, e.date)::text, l.account,
       coalesce(a.code || ' ' || a.name, ''), l.amount::text, l.currency, l.foreign_amount::text,
       e.description, l.memo, e.entry_no,
       concat_ws(' ', nullif(l.problem, ''), CASE WHEN l.line = e.line THEN nullif(e.problem, '') END),
       e.matched_id
  FROM import_line l JOIN import_entry e USING (entry_no) LEFT JOIN ledger_account a ON a.id = l.account_id
 WHERE {which} ORDER BY l.line LIMIT %(most)s
"""
NAMES = [
    "line",
    "outcome",
    "reference",
    "date",
    "account",
    "our_account",
    "amount",
    "currency",
    "foreign_amount",
    "description",
    "memo",
    "entry_no",
    "problem",
    "matched_id",
]
WRONG = "(l.problem <> '' OR (e.problem <> '' AND l.line = e.line))"


def preview_of(planner: Planner) -> dict[str, Any]:
    """Return the plan as JSON, with at most MOST_SHOWN wrong rows and as many of the others."""
    plan, staging = planner.plan, planner.staging
    wrong = staging.rows(ROWS.format(which=WRONG), most=MOST_SHOWN)
    others = staging.rows(ROWS.format(which="e.outcome <> 'wrong'"), most=MOST_SHOWN)
    count = staging.value(
        f"SELECT count(*) FROM import_line l JOIN import_entry e USING (entry_no) WHERE {WRONG}"  # noqa: S608
    )
    return {
        **_facts(plan),
        "wrong_rows": count,
        "wrong": [dict(zip(NAMES, row, strict=True)) for row in wrong],
        "shown": [dict(zip(NAMES, row, strict=True)) for row in others],
    }


def problems_by_line(planner: Planner) -> dict[int, str]:
    """Return what is wrong with each wrong row, by its line."""
    rows = planner.staging.rows(ROWS.format(which=WRONG), most=None)
    return {row[NAMES.index("line")]: row[NAMES.index("problem")] for row in rows}


def _facts(plan: Plan) -> dict[str, Any]:
    return {
        "counts": plan.counts,
        "rows": plan.rows,
        "lines": plan.lines,
        "debits": str(plan.debits),
        "first_day": plan.first_day and plan.first_day.isoformat(),
        "last_day": plan.last_day and plan.last_day.isoformat(),
        "accounts": [
            {
                "text": one.text,
                "rows": one.rows,
                "decision": one.decision,
                "code": one.planned.code if one.planned else "",
                "name": one.planned.name if one.planned else "",
                "problem": one.problem,
            }
            for one in plan.new_accounts
        ],
        "contacts": len(plan.contacts),
        "some_contacts": plan.contacts[:5],
        "classes": len(plan.classes),
        "years": [[start.isoformat(), end.isoformat()] for start, end in sorted(plan.years)],
        "notes": plan.notes,
    }
