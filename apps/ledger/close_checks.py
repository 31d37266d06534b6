"""
What stands in the way of closing: each check counts something and leads to the list that clears it.

A check is asked about many clients and days at once, so that a list of clients costs no query a row, and
answers with a Finding for each of them that it has something to say about. Another app adds its own::

    @close_checks.register
    def unposted_bank_lines(asked):
        for (client, through), count in counted(BankLine.objects.unposted(), asked):
            yield Finding("unposted_bank_lines", client.pk, through, count, what=…, url=…)
"""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import Count, Model, QuerySet
from django.urls import reverse_lazy
from django.utils import formats
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.core.registry import Text, close_checks
from apps.ledger.models import JournalEntry, Review
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client

#: A client, and the day its books are to be closed through.
Asked = tuple[Client, datetime.date]


@dataclass(frozen=True)
class Finding:
    """
    Something that stands in the way of closing a client's books through a day.

    ``what`` says it with its number, ``url`` leads to the list that clears it. One that cannot be
    overridden stays in the way whatever the reason.
    """

    check: str
    client_id: int
    through: datetime.date
    count: int
    what: str
    url: Text
    can_be_overridden: bool = True


def findings(client: Client, through: datetime.date) -> list[Finding]:
    """Return what stands in the way of closing a client's books through a day."""
    return findings_of([(client, through)])[client.pk, through]


def findings_of(asked: Sequence[Asked]) -> dict[tuple[int, datetime.date], list[Finding]]:
    """Return the same for many clients and days, by client id and day; as many queries as checks."""
    found: dict[tuple[int, datetime.date], list[Finding]] = {
        (client.pk, through): [] for client, through in asked
    }
    if asked:
        for check in close_checks:
            for finding in check(asked):
                found[finding.client_id, finding.through].append(finding)
    return found


def counted(rows: QuerySet[Any], asked: Sequence[Asked], day: str = "date") -> Iterator[tuple[Asked, int]]:
    """Count the rows of each client dated up to its day, in one query; those without any are left out."""
    by_client: dict[int, list[tuple[datetime.date, int]]] = defaultdict(list)
    latest = max(through for _client, through in asked)
    dated = rows.filter(**{"client__in": {client.pk for client, _day in asked}, f"{day}__lte": latest})
    for client_id, one_day, count in dated.values_list("client", day).annotate(Count("pk")).order_by():
        by_client[client_id].append((one_day, count))
    for client, through in asked:
        if count := sum(count for one_day, count in by_client[client.pk] if one_day <= through):
            yield (client, through), count


def list_url(model: type[Model], client: Client, **filters: Any) -> Text:
    """Return the address of a list of the admin, narrowed to a client and by its own filters."""
    address = reverse_lazy(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return format_lazy("{}?{}", address, urlencode({"client__id__exact": client.pk, **filters}))


@close_checks.register
def drafts(asked: Sequence[Asked]) -> Iterable[Finding]:
    """Entries that are still drafts: once the period is closed they could not be posted any more."""
    for (client, through), count in counted(JournalEntry.objects.drafts(), asked):
        what = ngettext("%(count)s draft up to %(day)s", "%(count)s drafts up to %(day)s", count) % {
            "count": count,
            "day": formats.date_format(through, "j M Y"),
        }
        yield Finding("drafts", client.pk, through, count, what, drafts_url(client, through))


@close_checks.register
def open_questions(asked: Sequence[Asked]) -> Iterable[Finding]:
    """Entries somebody has put a question to."""
    for (client, through), count in counted(JournalEntry.objects.filter(review=Review.QUESTION), asked):
        what = ngettext(
            "%(count)s open question up to %(day)s", "%(count)s open questions up to %(day)s", count
        ) % {"count": count, "day": formats.date_format(through, "j M Y")}
        url = list_url(JournalEntry, client, review__exact=Review.QUESTION.value, date_to=through)
        yield Finding("open_questions", client.pk, through, count, what, url)


@close_checks.register
def suspense(asked: Sequence[Asked]) -> Iterable[Finding]:
    """Suspense accounts on which something is left: nobody has said yet what it was."""
    standing: dict[tuple[int, datetime.date], list[tuple[str, str, Decimal]]] = defaultdict(list)
    for client_id, through, *account in _suspense_balances(asked):
        standing[client_id, through].append(tuple(account))  # type: ignore[arg-type]
    for client, through in asked:
        accounts = standing[client.pk, through]
        if accounts:
            shown = ", ".join(_amount_on(f"{code} {name}", amount, client) for code, name, amount in accounts)
            what = _("Not zero: %(accounts)s") % {"accounts": shown}
            url = _register_url(client, accounts[0][0], through)
            yield Finding("suspense", client.pk, through, len(accounts), what, url)


def drafts_url(client: Client, through: datetime.date, since: datetime.date | None = None) -> Text:
    """Return the address of the list of a client's drafts dated up to a day."""
    first = {"date_from": since} if since else {}
    return list_url(JournalEntry, client, status__exact="draft", **first, date_to=through)


def _register_url(client: Client, account_code: str, through: datetime.date) -> Text:
    back = reverse_lazy("admin:periods", args=[client.code])
    address = reverse_lazy("admin:account_register", args=[client.code])
    return format_lazy("{}?{}&back={}", address, urlencode({"account": account_code, "end": through}), back)


def _amount_on(name: str, amount: Decimal, client: Client) -> str:
    return (
        f"{name} {formats.number_format(amount, decimal_places(client.base_currency), force_grouping=True)}"
    )


def _suspense_balances(asked: Sequence[Asked]) -> list[tuple[Any, ...]]:
    sql = """
        SELECT asked.client, asked.through, a.code, a.name, sum(l.amount)
          FROM unnest(%s::bigint[], %s::date[]) AS asked(client, through)
          JOIN ledger_account a ON a.client_id = asked.client AND a.role = 'suspense'
          JOIN ledger_journalline l
            ON l.client_id = a.client_id AND l.account_id = a.id AND l.is_posted AND l.date <= asked.through
         GROUP BY 1, 2, a.id HAVING sum(l.amount) <> 0 ORDER BY a.code
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [[client.pk for client, _day in asked], [day for _client, day in asked]])
        return cursor.fetchall()
