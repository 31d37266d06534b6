"""Journals out of files: uploaded, looked through, imported whole or not at all, undone while drafts."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, Any, cast

from django.core.exceptions import ValidationError
from django.core.files.base import File
from django.core.files.storage import storages
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.core.history import sign
from apps.core.models import User
from apps.core.tables.reading import Table, open_table
from apps.ledger.importing.applying import HISTORY, Importer, columns_of, history_of
from apps.ledger.importing.lines import JournalReader
from apps.ledger.importing.mapping import Header, JournalFormat, find_header, guess_format, header_at
from apps.ledger.importing.plan import Planner
from apps.ledger.importing.preview import preview_of, problems_by_line
from apps.ledger.models import (
    Account,
    Attachment,
    EntryStatus,
    FiscalYear,
    ImportedEntry,
    ImportState,
    JournalEntry,
    JournalImport,
    JournalMapping,
)
from apps.ledger.services.transactions import lock_client, refusals_as_sentences, require
from apps.profiles.models import Client

KEEP_UPLOADS = timedelta(days=30)
ADD, DELETE, POST = "ledger.add_journalentry", "ledger.delete_journalentry", "ledger.post_journalentry"

TAKE_BACK = """
CREATE TEMP TABLE import_entry ON COMMIT DROP AS
SELECT e.id FROM ledger_importedentry k JOIN ledger_journalentry e ON e.uuid = k.entry_uuid
 WHERE k.journal_import_id = %(import)s
"""
DELETED = """
DELETE FROM ledger_importedentry WHERE journal_import_id = %(import)s;
DELETE FROM ledger_journalline WHERE entry_id IN (SELECT id FROM import_entry);
DELETE FROM ledger_journalentry WHERE id IN (SELECT id FROM import_entry);
"""


def upload_journal(client: Client, file: File, *, by: User, **options: Any) -> JournalImport:
    """
    Take a file in for a client and guess how it is read; what the books make of it is ``look_through``'s.

    ``options`` are those of JournalFormat that are known beforehand, such as the kind of an opening. Raises
    PermissionDenied, and ValidationError: those of ``open_table`` and ``find_header``, or ``storage``.
    """
    require(by, ADD, JournalEntry(client=client))
    content: IO[bytes] = file.file if file.file is not None else file  # type: ignore[assignment]
    table = open_table(content)
    header = find_header(table)
    remembered = JournalMapping.objects.filter(client=client, signature=header.signature).first()
    read_as = guess_format(table, header, remembered.options if remembered else None)
    journal_import = JournalImport(
        client=client,
        file_name=(file.name or _("file"))[-200:],
        file_sha256=_sha256(content),
        file_size=content.seek(0, 2),
        options=read_as.as_json() | options,
        uploaded_by=by,
    )
    sign(journal_import, by=by)
    content.seek(0)
    try:
        storages["journals"].save(stored_name(journal_import), File(content))
    except OSError as error:
        raise ValidationError(
            _("The file could not be stored (%(why)s). Tell whoever runs LedgerFlow.")
            % {"why": error.strerror},
            code="storage",
        ) from error
    with refusals_as_sentences():
        journal_import.save()
    return journal_import


def read_otherwise(journal_import: JournalImport, read_as: JournalFormat, *, by: User) -> JournalImport:
    """
    Say how a file is to be read; it has to be looked through again before it can be imported.

    Raises PermissionDenied, and ValidationError (code ``over``) once it is imported.
    """
    require(by, ADD, JournalEntry(client=journal_import.client))
    with _locked(journal_import) as stored:
        _refuse_when_over(stored)
        stored.options, stored.state = read_as.as_json(), ImportState.UPLOADED
        stored.preview, stored.plan_hash = {}, ""
        sign(stored, by=by)
        stored.save()
    return stored


def look_through(
    journal_import: JournalImport, *, by: User, after_some: Callable[[int], Any] = lambda done: None
) -> JournalImport:
    """
    Ask the books what each entry of the file would be, and keep what a person is shown of it; no more.

    Raises PermissionDenied, and ValidationError: ``over``, ``format`` while columns are missing, or what
    makes the file unreadable.
    """
    require(by, ADD, JournalEntry(client=journal_import.client))
    with _locked(journal_import) as stored:
        _refuse_when_over(stored)
        with opened(stored) as reader:
            planner = _planner(stored, reader, by, after_some)
            plan = planner.make()
            _refuse_without_rights(planner, by)
            stored.preview, stored.plan_hash = preview_of(planner), plan.hash
        stored.state = ImportState.READY
        # No line in its history: nothing was changed but what is known of it.
        JournalImport.objects.filter(pk=stored.pk).update(
            preview=stored.preview, plan_hash=stored.plan_hash, state=stored.state
        )
    return stored


def import_journal(
    journal_import: JournalImport,
    *,
    by: User,
    after_some: Callable[[int, int], Any] = lambda done, total: None,
) -> JournalImport:
    """
    Import what was shown: all of it in one transaction, or nothing.

    Raises PermissionDenied, and ValidationError: ``over``, ``changed`` when the books or the file are no
    longer what was shown, ``wrong`` while there are wrong rows, ``nothing``, or the name of the guard that
    refused.
    """
    require(by, ADD, JournalEntry(client=journal_import.client))
    with _locked(journal_import) as stored:
        _refuse_when_over(stored)
        lock_client(stored.client_id)
        with opened(stored) as reader:
            planner = _planner(stored, reader, by, lambda done: after_some(0, 0))
            plan = planner.make()
            _refuse_unless_as_shown(stored, plan)
            _refuse_without_rights(planner, by)
            _lock_changed(planner)
            Importer(stored, planner, by=by, after_some=after_some).run()
            _remember(stored, reader.header, by=by)
        counts = plan.counts
        stored.state, stored.imported_by, stored.imported_at = ImportState.IMPORTED, by, timezone.now()
        stored.entries, stored.lines = counts["new"], plan.lines
        stored.is_posted = reader.read_as.posts
        sign(stored, by=by, reason=reader.read_as.reason)
        stored.save()
    return stored


def undo_import(journal_import: JournalImport, *, by: User, reason: str = "") -> int:
    """
    Take back the entries of an import, all of which are drafts still, and return how many.

    Accounts, contacts and years that it opened stay. Raises PermissionDenied, and ValidationError:
    ``not_imported``, ``posted`` when some of them are, ``papers`` when some have attachments.
    """
    require(by, DELETE, JournalEntry(client=journal_import.client))
    reason = reason or _("Import of %(file)s undone") % {"file": journal_import.file_name}
    with _locked(journal_import) as stored, connection.cursor() as cursor:
        if stored.state != ImportState.IMPORTED:
            raise ValidationError(_("This import is not in the books."), code="not_imported")
        entries = _entries_of(stored)
        count = len(entries.select_for_update(no_key=True).values_list("pk"))
        _refuse_posted(entries)
        values: dict[str, Any] = {"import": stored.pk, "by": by.pk, "reason": reason, "type": "-"}
        cursor.execute("DROP TABLE IF EXISTS pg_temp.import_entry")
        cursor.execute(TAKE_BACK, values)
        for table, which in (("ledger_journalline", "t.entry_id"), ("ledger_journalentry", "t.id")):
            names = {"table": table, "history": history_of(table), "columns": columns_of(history_of(table))}
            cursor.execute(HISTORY.format(which=which, **names), values)
        cursor.execute(DELETED, values)
        stored.state = ImportState.UNDONE
        sign(stored, by=by, reason=reason)
        stored.save()
    return count


def discard_import(journal_import: JournalImport, *, by: User) -> None:
    """Forget a file that was not imported. Raises PermissionDenied, and ValidationError: ``over``."""
    require(by, ADD, JournalEntry(client=journal_import.client))
    with _locked(journal_import) as stored:
        _refuse_when_over(stored)
        _forget(stored, by=by)


def forget_old_uploads() -> int:
    """Forget files that were uploaded a month ago and never imported, and return how many."""
    waiting = JournalImport.objects.exclude(state__in=[ImportState.IMPORTED, ImportState.UNDONE])
    old = list(waiting.filter(uploaded_at__lt=timezone.now() - KEEP_UPLOADS).select_related("client"))
    for one in old:
        with _locked(one) as stored:
            _forget(stored, by=None)
    return len(old)


def wrong_rows(journal_import: JournalImport, *, by: User) -> list[list[Any]]:
    """Return the file's header and its wrong rows, each with its line and what is wrong with it."""
    with transaction.atomic(), opened(journal_import) as reader:
        planner = _planner(journal_import, reader, by, lambda done: None)
        planner.make()
        problems = problems_by_line(planner)
        rows: list[list[Any]] = [[_("line"), _("what is wrong"), *reader.header.names]]
        rows += [[line, problems[line], *cells] for line, cells in reader.table.rows() if line in problems]
    return rows


@contextmanager
def opened(journal_import: JournalImport) -> Iterator[JournalReader]:
    """
    Open the stored file as its options say.

    Raises ValidationError: ``gone``, ``format``, those of ``open_table``.
    """
    with table_of(journal_import) as table:
        read_as = JournalFormat.from_json(journal_import.options)
        header = header_at(table, read_as.header_line) or find_header(table)
        if missing := read_as.missing():
            raise ValidationError(missing, code="format")
        yield JournalReader(table, header, read_as, journal_import.client)


@contextmanager
def table_of(journal_import: JournalImport) -> Iterator[Table]:
    """Open the stored file as a table. Raises ValidationError (code ``gone``) and those of ``open_table``."""
    options = journal_import.options
    with open_file(journal_import) as file:
        yield open_table(
            cast(IO[bytes], file.file),
            sheet=options.get("sheet", ""),
            encoding=options.get("encoding", ""),
            delimiter=options.get("delimiter", ""),
        )


def open_file(journal_import: JournalImport) -> File:
    """Open the file as it was uploaded. Raises ValidationError (code ``gone``)."""
    try:
        return storages["journals"].open(stored_name(journal_import))
    except FileNotFoundError as error:
        raise ValidationError(_("The uploaded file is gone. Upload it again."), code="gone") from error


def stored_name(journal_import: JournalImport) -> str:
    return f"journals/{journal_import.file_sha256[:2]}/{journal_import.file_sha256}"


# --- what is asked before anything is written ---


@contextmanager
def _locked(journal_import: JournalImport) -> Iterator[JournalImport]:
    """One transaction, in which nobody else works on this import."""
    with refusals_as_sentences():
        stored = JournalImport.objects.select_for_update().filter(pk=journal_import.pk).first()
        if stored is None:
            raise ValidationError(_("This import was discarded."), code="over")
        stored.client = journal_import.client
        yield stored


def _planner(
    journal_import: JournalImport, reader: JournalReader, by: User, after_some: Callable[[int], Any]
) -> Planner:
    may_open = by.has_perm("ledger.add_fiscalyear", FiscalYear(client=journal_import.client))
    return Planner(journal_import.client, reader, after_some, may_open_years=may_open)


def _forget(journal_import: JournalImport, *, by: User | None) -> None:
    """Delete the record of a file, and the file unless another import has the same."""
    sign(journal_import, by=by)
    journal_import.delete()
    if not JournalImport.objects.filter(file_sha256=journal_import.file_sha256).exists():
        transaction.on_commit(lambda: storages["journals"].delete(stored_name(journal_import)))


def _refuse_when_over(journal_import: JournalImport) -> None:
    if journal_import.state in (ImportState.IMPORTED, ImportState.UNDONE):
        raise ValidationError(
            _("This file is imported already.")
            if journal_import.state == ImportState.IMPORTED
            else _("This import was undone. Upload the file again."),
            code="over",
        )


def _refuse_unless_as_shown(journal_import: JournalImport, plan: Any) -> None:
    if plan.hash != journal_import.plan_hash:
        raise ValidationError(
            _("Nothing was imported: the books have changed since the preview. Look through it again."),
            code="changed",
        )
    if wrong := plan.counts["wrong"]:
        raise ValidationError(
            ngettext(
                "Nothing was imported: %(count)s entry is wrong.",
                "Nothing was imported: %(count)s entries are wrong.",
                wrong,
            )
            % {"count": wrong},
            code="wrong",
        )
    if not plan.counts["new"] and not plan.counts["changed"]:
        raise ValidationError(_("There is nothing new in this file."), code="nothing")


def _refuse_without_rights(planner: Planner, by: User) -> None:
    client, plan = planner.client, planner.plan
    if planner.read_as.posts and not by.has_perm(POST, JournalEntry(client=client)):
        raise ValidationError(_("A reviewer posts: import the entries as drafts."), code="right")
    if plan.new_accounts and not by.has_perm("ledger.add_account", Account(client=client)):
        raise ValidationError(_("You may not open accounts for this client."), code="right")


def _lock_changed(planner: Planner) -> None:
    """Lock what is written over, without waiting: whoever has it may wait for the client's lock."""
    ids = [
        pk for (pk,) in planner.staging.rows("SELECT matched_id FROM import_entry WHERE outcome = 'changed'")
    ]
    try:
        with transaction.atomic():
            list(
                JournalEntry.objects.select_for_update(no_key=True, nowait=True)
                .filter(pk__in=ids)
                .values_list("pk")
            )
    except OperationalError as error:
        raise ValidationError(
            _("Somebody is working on one of these entries. Try again in a moment."), code="busy"
        ) from error


def _remember(journal_import: JournalImport, header: Header, *, by: User) -> None:
    options = JournalFormat.from_json(journal_import.options).to_remember()
    mapping, _made = JournalMapping.objects.get_or_create(
        client=journal_import.client,
        signature=header.signature,
        defaults={"headers": header.names, "options": {}},
    )
    if mapping.options != options:
        mapping.options = options
        sign(mapping, by=by)
        mapping.save()


def _entries_of(journal_import: JournalImport) -> Any:
    uuids = ImportedEntry.objects.filter(journal_import=journal_import).values("entry_uuid")
    return JournalEntry.objects.filter(client=journal_import.client_id, uuid__in=uuids)


def _refuse_posted(entries: Any) -> None:
    if posted := entries.filter(status=EntryStatus.POSTED).count():
        raise ValidationError(
            ngettext(
                "%(count)s of its entries is posted. Drafts can be taken back; posted entries are reversed.",
                "%(count)s of its entries are posted. Drafts can be taken back; posted entries are reversed.",
                posted,
            )
            % {"count": posted},
            code="posted",
        )
    if Attachment.objects.filter(entry__in=entries).exists():
        raise ValidationError(
            _("Papers are attached to some of its entries. Remove them first, they prove something."),
            code="papers",
        )


def _sha256(content: IO[bytes]) -> str:
    content.seek(0)
    return hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
