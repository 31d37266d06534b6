"""
Finding an entry by what somebody remembers of it, and a page of a client's books by its name.

Each thing remembered is looked for on its own, through an index and with a limit: the amount, the number,
the document number, the contact, the words. So a search costs the same whatever else is in the books.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Concat
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.dataclasses import SearchResult

from apps.core.access import visible
from apps.core.dashboard import MOST_RESULTS
from apps.ledger.forms.amounts import AmountField
from apps.ledger.models import Contact, FiscalYear, JournalEntry, JournalLine
from apps.ledger.views.books import book_url
from apps.profiles.models import Client

MOST_ENTRIES = 200  # that a search of the list finds
MOST_CONTACTS = 50
RECENT = 2000  # entries whose words are read first, and alone where words have no index
SHORTEST_WORD = 3
LONGEST_TERM = 100
NUMBERED = re.compile(r"(?:(?P<code>[A-Za-z0-9][A-Za-z0-9-]*)\s+#?|#\s*)(?P<number>[0-9]{1,15})")


# Entry by entry, newest first: left to choose, PostgreSQL would read all lines for rare words.
RECENT_WITH = """
    WITH recent (id, description) AS MATERIALIZED (%s)
    SELECT r.id FROM recent r
      LEFT JOIN LATERAL (SELECT 1 AS one FROM ledger_journalline l
                          WHERE l.entry_id = r.id AND lower(l.memo) LIKE ALL (%s) LIMIT 1) m ON true
     WHERE m.one IS NOT NULL OR lower(r.description) LIKE ALL (%s) LIMIT %s
"""


@dataclass
class Found:
    """The ids of entries that a term means, and whether there may be more than were looked for."""

    ids: list[int] = field(default_factory=list)
    has_more: bool = False
    only_recent: bool = False

    def add(self, ids: Iterable[int], limit: int) -> None:
        new = list(ids)
        self.has_more |= len(new) >= limit
        self.ids += [pk for pk in new if pk not in set(self.ids)]


def find_entries(user: Any, term: str, *, client_id: int | None = None, limit: int = MOST_ENTRIES) -> Found:
    """
    Return the entries a person may see and a term means: of one client, or of all they have.

    The term is an amount on either side, a number with or without the code of its client ("ACORN 12",
    "#12"), the beginning of a document number, or words of the description, of a memo or of a contact's name.
    """
    term = " ".join(term.replace("\0", "")[:LONGEST_TERM].split())
    lines, entries = _scoped(user, JournalLine, client_id), _scoped(user, JournalEntry, client_id)
    found = Found()
    if not term:
        return found
    found.add(_numbered(user, term, client_id, limit), limit)
    if found.ids and NUMBERED.fullmatch(term):
        return found
    amount = _amount(term)
    if amount:
        of_amount = lines.filter(amount__in=[amount, -amount]).order_by("-date", "-entry_id")
        found.add(of_amount.values_list("entry_id", flat=True)[:limit], limit)
    found.add(_documents(entries, _clients(user, client_id), term, limit), limit)
    if "." not in term and len(term) >= SHORTEST_WORD:
        _add_texts(found, user, term, lines, entries, client_id, limit)
    return found


def _scoped(user: Any, model: Any, client_id: int | None) -> QuerySet[Any]:
    rows = visible(model.objects.all(), user)
    return rows.filter(client=client_id) if client_id is not None else rows


def _clients(user: Any, client_id: int | None) -> list[int]:
    clients = visible(Client.objects.all(), user).order_by()
    return list((clients.filter(pk=client_id) if client_id else clients).values_list("pk", flat=True))


def _amount(term: str) -> Decimal | None:
    try:
        return AmountField(decimals=4, required=False).clean(term)
    except ValidationError:
        return None


def _numbered(user: Any, term: str, client_id: int | None, limit: int) -> Iterable[int]:
    """The entries with a number, in each fiscal year of the client it names, or of all."""
    match = NUMBERED.fullmatch(term)
    number, code = (match["number"], match["code"]) if match else (term, None)
    if not match and not (client_id and term.isascii() and term.isdecimal() and len(term) <= 15):
        return []
    years = _scoped(user, FiscalYear, client_id)
    years = years.filter(client__code=code.upper()) if code else years
    entries = JournalEntry.objects.filter(
        fiscal_year__in=years, client=F("fiscal_year__client"), number=int(number)
    )
    return entries.order_by("-date").values_list("pk", flat=True)[:limit]


def _documents(entries: QuerySet[JournalEntry], clients: list[int], term: str, limit: int) -> Iterable[int]:
    """The entries whose document number begins with the term: a range of each client's index."""
    begins = Q()
    for text in {term, term.upper()}:
        following = text[:-1] + chr(min(ord(text[-1]) + 1, 0x10FFFF))
        begins |= Q(document_number__gte=text, document_number__lt=following)
    return entries.filter(begins, client__in=clients).order_by("-date").values_list("pk", flat=True)[:limit]


def _add_texts(
    found: Found,
    user: Any,
    term: str,
    lines: QuerySet[JournalLine],
    entries: QuerySet[JournalEntry],
    client_id: int | None,
    limit: int,
) -> None:
    """Add what has the words: first of the recent entries, then of all where words have an index."""
    words = [word for word in term.split() if len(word) >= SHORTEST_WORD] or [term]
    contacts = _scoped(user, Contact, client_id).filter(has_words("name", words)).values_list("pk", flat=True)
    of_contacts = lines.filter(contact__in=list(contacts[:MOST_CONTACTS])).order_by("-date", "-entry_id")
    found.add(of_contacts.values_list("entry_id", flat=True)[:limit], limit)

    recent = entries.order_by("-date", "-pk")
    found.add(_recent_with(recent, words, limit), limit)
    if len(found.ids) >= limit or not recent[RECENT : RECENT + 1].exists():
        return
    if not has_index_of_words():
        found.only_recent = True
        return
    for rows, key, name in ((entries, "pk", "description"), (lines, "entry_id", "memo")):
        having = rows.filter(has_words(name, words)).order_by().values_list(key, flat=True)
        found.add(_through_index(having, limit), limit)


def _recent_with(entries: QuerySet[JournalEntry], words: list[str], limit: int) -> list[int]:
    """Return the newest entries with each of the words in the description, or in one memo."""
    sql, arguments = entries.values("pk", "description")[:RECENT].query.sql_with_params()
    like = [f"%{connection.ops.prep_for_like_query(word.lower())}%" for word in words]
    with connection.cursor() as cursor:
        cursor.execute(RECENT_WITH.replace("%s", sql, 1), [*arguments, like, like, limit])
        return [pk for (pk,) in cursor.fetchall()]


def _through_index(ids: QuerySet[Any, int], limit: int) -> list[int]:
    """
    Return some of the ids, found the way all of them would be.

    Told of the limit, PostgreSQL would rather read the table until it has met enough of them, which for rare
    words is all of it.
    """
    sql, arguments = ids.query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH found AS MATERIALIZED ({sql}) SELECT * FROM found LIMIT %s",  # noqa: S608
            [*arguments, limit],
        )
        return [pk for (pk,) in cursor.fetchall()]


def has_words(name: str, words: list[str]) -> Q:
    """Return the condition that a text has each of the words, in a form that its index knows."""
    condition = ~Q(**{name: ""})  # which the index leaves out, and has to hear
    for word in words:
        condition &= Q(**{f"{name}__icontains": word})
    return condition


def has_index_of_words() -> bool:
    """Whether this database could make the indexes of migration 0007: where the server has pg_trgm."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('ledger_line_memo_words') IS NOT NULL")
        return bool(cursor.fetchone()[0])


# The palette: Ctrl-K

#: The pages of a client's books that can be asked for by name, with the right to open them and their sign.
PAGES = [
    ("entry_new", gettext_lazy("New entry"), "ledger.add_journalentry", "add"),
    ("books", gettext_lazy("Books"), "ledger.view_journalentry", "menu_book"),
    ("chart", gettext_lazy("Accounts"), "ledger.view_account", "account_tree"),
    ("journal_imports", gettext_lazy("Import"), "ledger.add_journalentry", "upload_file"),
    ("trial_balance", gettext_lazy("Trial balance"), "ledger.view_journalentry", "balance"),
    ("profit_and_loss", gettext_lazy("Profit and loss"), "ledger.view_journalentry", "trending_up"),
    ("balance_sheet", gettext_lazy("Balance sheet"), "ledger.view_journalentry", "account_balance"),
    ("general_ledger", gettext_lazy("General ledger"), "ledger.view_journalentry", "toc"),
    ("journal_listing", gettext_lazy("Journal"), "ledger.view_journalentry", "receipt_long"),
]
MOST_CLIENTS = 3
MOST_PAGES = 8
FILLERS = {"for", "of"}


def find_pages(user: Any, term: str) -> Iterable[SearchResult]:
    """Pages of a client's books: "trial balance acorn", "new acorn"; for a client alone the most used."""
    words = [word for word in term[:LONGEST_TERM].replace("\0", "").casefold().split() if word not in FILLERS]
    if not words:
        return
    results = 0
    for name, title, permission, icon in PAGES:
        of_title = [word for word in words if any(part.startswith(word) for part in title.casefold().split())]
        of_client = [word for word in words if word not in of_title]
        if not of_client or (not of_title and name not in ("entry_new", "books")):
            continue
        for client in _named(user, of_client, permission)[:MOST_CLIENTS]:
            results += 1
            if results > MOST_PAGES:
                return
            yield SearchResult(
                title=_("%(page)s for %(client)s") % {"page": title, "client": client.name},
                description=client.code,
                link=book_url(client, name),
                icon=icon,
            )


def find_in_journal(user: Any, term: str) -> Iterable[SearchResult]:
    """Entries by amount, number, document number, contact or words."""
    found = find_entries(user, term, limit=MOST_RESULTS)
    entries = visible(JournalEntry.objects.filter(pk__in=found.ids[: MOST_RESULTS * 3]), user)
    for entry in entries.select_related("client").order_by("-date", "-pk")[:MOST_RESULTS]:
        yield SearchResult(
            title=f"{entry.client.code} · {entry}",
            description=" · ".join(
                filter(None, [_day(entry), entry.document_number, entry.description[:80]])
            ),
            link=book_url(entry.client, "entry", entry.pk),
            icon="receipt_long" if entry.is_posted else "edit_note",
        )


def _named(user: Any, words: list[str], permission: str) -> QuerySet[Client]:
    clients = visible(Client.objects.all(), user, permission).annotate(both=Concat("code", "name"))
    for word in words:
        clients = clients.filter(both__icontains=word)
    return clients.order_by("name")


def _day(entry: JournalEntry) -> str:
    return formats.date_format(entry.date)
