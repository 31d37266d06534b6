"""
A process on one of the benchmark's databases: reads a probe's name, does it, prints the seconds it took.

So two databases, or two ways to the same thing, can be timed in turn.
"""

import datetime
import sys
import time
from decimal import Decimal
from uuid import uuid4

import django

django.setup()

from django.db import connection, transaction  # noqa: E402
from django.test import Client as Http  # noqa: E402
from django.urls import reverse  # noqa: E402

from apps.core.models import User  # noqa: E402
from apps.ledger.models import Account  # noqa: E402
from apps.ledger.queries.balances import trial_balance  # noqa: E402
from apps.ledger.services import Line, draft_entry, post_entry  # noqa: E402
from apps.profiles.models import Client  # noqa: E402
from tests.bench.data import FIRST_YEAR, YEARS  # noqa: E402

LAST_YEAR = FIRST_YEAR + YEARS - 1
POSTINGS = 100


def client(code: str) -> Client:
    return Client.objects.get(code=code)


def trial_balance_of(code: str) -> None:
    trial_balance(client(code), datetime.date(LAST_YEAR, 12, 31))


def trial_balance_mid_month(code: str) -> None:
    trial_balance(client(code), datetime.date(LAST_YEAR, 6, 17))


def register_of(code: str) -> None:
    """The last page of the register of the account with the most lines, as a person sees it."""
    dates = {"start": f"{FIRST_YEAR}-01-01", "end": f"{LAST_YEAR}-12-31"}
    page = _get(reverse("admin:account_register", args=[code]), {"account": "1000", **dates, "page": 10**6})
    assert "Line 5" in page  # the memo of the lines on this account


def journal_list(_: str) -> None:
    _get(reverse("admin:ledger_journalentry_changelist"))


def journal_search(_: str) -> None:
    _get(reverse("admin:ledger_journalentry_changelist"), {"q": "D777"})


def palette(_: str) -> None:
    _get(reverse("admin:search"), {"s": "123.45"})


def post_by_service(code: str) -> None:
    by, one = User.objects.get(username="bench"), client(code)
    lines = [Line(account=account, amount=amount) for account, amount in _five_lines(one)]
    for number in range(POSTINGS):
        day = datetime.date(LAST_YEAR, 12, 1 + number % 28)
        with transaction.atomic():
            post_entry(draft_entry(client=one, by=by, date=day, lines=lines, description="Bench"), by=by)


def post_by_sql(code: str) -> None:
    """The same rows, history included, by statements written by hand on Django's connection."""
    by, one = User.objects.get(username="bench"), client(code)
    lines = [(account.pk, amount) for account, amount in _five_lines(one)]
    for number in range(POSTINGS):
        with transaction.atomic(), connection.cursor() as cursor:
            _post_by_sql(cursor, one.pk, by.pk, datetime.date(LAST_YEAR, 12, 1 + number % 28), lines)


HISTORY = "now(), %s, %s, 'Posted'"


def _post_by_sql(cursor, client_id, user_id, day, lines) -> None:
    cursor.execute(
        """INSERT INTO ledger_journalentry (client_id, uuid, date, kind, status, description, document_number,
                                            review, review_note, created_by_id, created_at)
           VALUES (%s, %s, %s, 'manual', 'draft', 'Bench', '', '', '', %s, now()) RETURNING id""",
        [client_id, uuid4(), day, user_id],
    )
    (entry,) = cursor.fetchone()
    _entry_history(cursor, entry, "+", user_id)
    cursor.execute(
        """INSERT INTO ledger_journalline (client_id, entry_id, line_number, account_id, amount, memo, currency,
                                           kind, is_posted)
           SELECT %s, %s, n, account, amount, '', '', '', false
             FROM unnest(%s::int[], %s::bigint[], %s::numeric[]) AS l(n, account, amount)""",
        [client_id, entry, [*range(1, len(lines) + 1)], *map(list, zip(*lines, strict=True))],
    )
    cursor.execute(
        """INSERT INTO ledger_historicaljournalline (id, client_id, entry_id, line_number, account_id, amount, memo,
               currency, history_date, history_type, history_user_id, history_change_reason)
           SELECT id, client_id, entry_id, line_number, account_id, amount, memo, currency, now(), '+', %s, ''
             FROM ledger_journalline WHERE entry_id = %s""",
        [user_id, entry],
    )
    cursor.execute("SELECT 1 FROM profiles_client WHERE id = %s FOR NO KEY UPDATE", [client_id])
    cursor.execute(
        "UPDATE ledger_journalentry SET status = 'posted', posted_by_id = %s WHERE id = %s", [user_id, entry]
    )
    _entry_history(cursor, entry, "~", user_id)


def _entry_history(cursor, entry, kind, user_id) -> None:
    cursor.execute(
        """INSERT INTO ledger_historicaljournalentry (id, client_id, uuid, date, kind, status, description,
               document_number, document_date, review, review_note, reverses_id, created_by_id, created_at,
               idempotency_key, fiscal_year_id, period_id, number, position, posted_by_id, posted_at,
               history_date, history_type, history_user_id, history_change_reason)
           SELECT id, client_id, uuid, date, kind, status, description, document_number, document_date, review,
               review_note, reverses_id, created_by_id, created_at, idempotency_key, fiscal_year_id, period_id,
               number, position, posted_by_id, posted_at, now(), %s, %s, 'Posted'
             FROM ledger_journalentry WHERE id = %s""",
        [kind, user_id, entry],
    )


def _five_lines(one: Client) -> list[tuple[Account, Decimal]]:
    accounts = list(Account.objects.filter(client=one, kind__in=["asset", "expense"]).order_by("code")[:5])
    return [*((account, Decimal("12.34")) for account in accounts[1:]), (accounts[0], Decimal("-49.36"))]


def _get(url: str, query: dict[str, str] | None = None) -> str:
    answer = _http().get(url, query or {}, follow=True)
    assert answer.status_code == 200, (url, answer.status_code)
    return answer.content.decode()


def _http() -> Http:
    if not hasattr(_http, "one"):
        _http.one = Http(SERVER_NAME="localhost")
        _http.one.force_login(User.objects.get(username="bench"))
    return _http.one


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        name, argument = line.split()
        start = time.perf_counter()
        globals()[name](argument)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
