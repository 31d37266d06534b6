"""A client's books out of the database, and into another one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection
from django.utils.translation import gettext as _

from apps.core import guards
from apps.core.models import User
from apps.ledger.books_file import replay
from apps.ledger.books_file.formats import Format, Written
from apps.ledger.books_file.reading import BooksFile, open_books
from apps.ledger.books_file.staging import staged
from apps.ledger.books_file.writing import figures
from apps.ledger.checking import check_books
from apps.ledger.checking.guards_in_place import missing_guards
from apps.ledger.models import (
    Account,
    Attachment,
    Contact,
    CostCentre,
    ExchangeRate,
    FiscalYear,
    JournalEntry,
    JournalLine,
    Period,
    TaxCode,
    TaxIdAccess,
    TaxIdEvent,
    TaxRate,
)
from apps.ledger.papers import recognise
from apps.ledger.services.attachments import stored_name
from apps.ledger.services.contacts import REVEAL
from apps.ledger.services.transactions import because, lock_client, refusals_as_sentences, require
from apps.profiles.models import Client

#: Whoever may see who looked at tax ids may take the books along: reviewers and auditors.
EXPORT = "ledger.view_taxidaccess"
AT_ONCE = 2_000  # entries posted between two reports of progress

#: What has a history, and what the history says besides that it was imported.
WITH_HISTORY: list[tuple[type[Any], str]] = [
    (Client, "''"),
    (Account, "''"),
    (Contact, "''"),
    (CostCentre, "''"),
    (TaxCode, "''"),
    (TaxRate, "''"),
    (ExchangeRate, "''"),
    (FiscalYear, "''"),
    (Period, replay.PERIOD_WAS),
    (JournalEntry, replay.ENTRY_WAS),
    (JournalLine, "''"),
    (Attachment, "''"),
]


@dataclass(frozen=True)
class ImportedBooks:
    """The client that was made, and how many records of each kind came with it."""

    client: Client
    rows: dict[str, int]


def export_books(client: Client, file: IO[bytes], chosen: Format, *, by: User) -> Written:
    """
    Write a client's books into a file for somebody of the practice.

    Tax ids are in a zip for those who may reveal them, and that they were is written down; for others,
    they are left out. Raises PermissionDenied.
    """
    require(by, EXPORT, client)
    with_tax_ids = by.has_perm(REVEAL, client)
    if with_tax_ids and chosen.has_tax_ids:
        named = Contact.objects.filter(client=client).exclude(tax_id="")
        TaxIdAccess.objects.bulk_create(
            TaxIdAccess(client=client, contact_id=pk, contact_name=name, what=TaxIdEvent.REVEALED, by=by)
            for pk, name in named.values_list("pk", "name")
        )
    return chosen.write(client, file, with_tax_ids)


def import_books(
    file: IO[bytes],
    *,
    by: User,
    code: str = "",
    progress: Callable[[int, int], Any] = lambda done, total: None,
) -> ImportedBooks:
    """
    Bring a books file into this database, as a new client: all of it, the same to the last hash, or nothing.

    ``code`` is another code for the client. What people did is theirs where there is somebody of their
    username here, else that of ``by``. Raises PermissionDenied, and ValidationError: those of
    ``open_books`` and ``staged``, ``guards``,
    ``code_taken``, ``different``, ``faulty``, ``storage``, the codes of
    ``recognise``, or the name of the guard that refused.
    """
    require(by, "profiles.add_client", None)
    if fault := next(missing_guards(), ""):
        raise ValidationError(
            _("Nothing can be imported while the guards of this database are not in order. %(fault)s")
            % {"fault": fault},
            code="guards",
        )
    with open_books(file) as books, refusals_as_sentences(), staged(books):
        reason = _("Imported from %(code)s as of %(day)s") % {
            "code": books.manifest["client"]["code"][:20],
            "day": books.manifest["made_at"][:16].replace("T", " "),
        }
        with because(reason), connection.cursor() as cursor:
            client = _make_client(cursor, code)
            _replay(cursor, client, by=by, progress=progress)
            _write_history(cursor, client, by=by, reason=reason)
            cursor.execute(replay.STATISTICS)
        _compare(client, books)
        _store_papers(client, books)
    return ImportedBooks(client, books.rows)


def _make_client(cursor: Any, code: str) -> Client:
    cursor.execute("SELECT code FROM books_client")
    code = (code or cursor.fetchone()[0]).upper()
    if Client.objects.filter(code=code).exists():
        raise ValidationError(
            _("There is a client %(code)s here already. Give this one another code.") % {"code": code},
            code="code_taken",
        )
    cursor.execute(replay.CLIENT, {"code": code})
    return lock_client(cursor.fetchone()[0])


def _replay(cursor: Any, client: Client, *, by: User, progress: Callable[[int, int], Any]) -> None:
    facts = {"client": client.pk, "by": by.pk}
    for function in (replay.PERSON, replay.TIME, replay.POSTING):
        cursor.execute(function)
    for statement in replay.RECORDS:
        cursor.execute(statement, facts)
    cursor.execute("SELECT coalesce(max(position), 0) FROM books_entries")
    total = cursor.fetchone()[0]
    for first in range(1, total + 1, AT_ONCE):
        last = min(first + AT_ONCE - 1, total)
        _post(cursor, {**facts, "first": first, "last": last})
        progress(last, total)
    for statement in replay.AFTERWARDS:
        cursor.execute(statement, facts)
    cursor.execute(replay.PERIODS, facts)
    for period, state in cursor.fetchall():
        cursor.execute(replay.CLOSE, [state, period])


def _post(cursor: Any, facts: dict[str, Any]) -> None:
    """Post some entries in their order, and say of the first that is refused which one it is."""
    try:
        cursor.execute(replay.POST, facts)
    except guards.REFUSALS as error:
        number, _slash, year = (getattr(error.__cause__, "diag", None).message_detail or "?").partition(" / ")  # type: ignore[union-attr]
        raise ValidationError(
            _("Entry %(number)s of %(year)s: %(why)s")
            % {"number": number, "year": year, "why": guards.sentence(error)},
            code=guards.constraint_of(error),
        ) from error


def _write_history(cursor: Any, client: Client, *, by: User, reason: str) -> None:
    for model, more in WITH_HISTORY:
        history = model.history.model._meta
        own = [field.column for field in history.concrete_fields if not field.name.startswith("history_")]
        columns = ", ".join(f'"{column}"' for column in own)
        key = "id" if model is Client else "client_id"
        cursor.execute(
            f"INSERT INTO {history.db_table} ({columns}, history_date, history_change_reason, history_type,"  # noqa: S608
            f" history_user_id) SELECT {columns}, now(), %(reason)s || {more}, '+', %(by)s"
            f" FROM {model._meta.db_table} t WHERE {key} = %(client)s ORDER BY id",
            {"reason": reason, "by": by.pk, "client": client.pk},
        )


def _compare(client: Client, books: BooksFile) -> None:
    """Refuse what does not say, to the cent and to the last hash, what the manifest says."""
    for name, figure in figures(client).items():
        if figure != books.manifest[name]:
            what = {
                "trial_balance": _("The trial balance"),
                "last_numbers": _("The last number of a year"),
                "last_position": _("The number of entries"),
                "last_hash": _("The end of the chain"),
            }[name]
            raise ValidationError(
                _("%(what)s is not what the manifest says. Nothing was imported.") % {"what": what},
                code="different",
            )
    if faults := check_books([client.pk]):
        raise ValidationError(
            _("These books do not hold: %(what)s Nothing was imported.") % {"what": faults[0].what},
            code="faulty",
        )


def _store_papers(client: Client, books: BooksFile) -> None:
    """Store the papers last, when nothing is left to be refused but they themselves."""
    there, missing = set(books.papers()), set(books.manifest["attachments"]["missing"])
    for paper in Attachment.objects.filter(client=client).order_by("sha256").distinct("sha256"):
        if paper.sha256 in there:
            content = books.paper(paper.sha256)
            if recognise(content) != paper.content_type or len(content) != paper.size:
                raise ValidationError(
                    _("%(name)s is not the kind of paper it says it is.") % {"name": paper.name}, code="type"
                )
            _store(paper, content)
        elif paper.sha256 not in missing:
            raise ValidationError(
                _("The file of the paper %(name)s is missing.") % {"name": paper.name}, code="missing_file"
            )


def _store(paper: Attachment, content: bytes) -> None:
    try:
        storages["attachments"].save(stored_name(paper), ContentFile(content))
    except OSError as error:
        raise ValidationError(
            _("The paper %(name)s could not be stored (%(why)s). Nothing was imported.")
            % {"name": paper.name, "why": error.strerror},
            code="storage",
        ) from error
