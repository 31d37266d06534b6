"""How the histories of a client's books are told: lines with their entry, periods with their year."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.utils import formats
from django.utils.translation import gettext as _

from apps.core import trail
from apps.core.trail.events import ADDED, CHANGED, REMOVED, did
from apps.core.trail.words import plain_number
from apps.ledger.models import (
    Attachment,
    Contact,
    EntryStatus,
    FiscalYear,
    ImportState,
    JournalEntry,
    JournalImport,
    JournalLine,
    JournalMapping,
    Period,
    PeriodState,
    TaxCode,
    TaxIdAccess,
    TaxIdEvent,
    TaxRate,
)
from apps.ledger.views.books import book_url
from apps.profiles.codes import decimal_places

SEE_TAX_IDS = "ledger.view_taxidaccess"
#: An import writes many entries, and then the lines of them all.
WHILE_LINES_ARE_WRITTEN = timedelta(minutes=5)


@trail.register(JournalEntry)
class EntryTelling(trail.Telling):
    parts = (
        trail.Part(JournalLine, "entry", WHILE_LINES_ARE_WRITTEN),
        trail.Part(Attachment, "entry", kinds=REMOVED),  # those that go along with a draft
    )
    silent = ("uuid", "client", "idempotency_key")
    set_by_posting = ("status", "number", "position", "fiscal_year", "period", "posted_by", "posted_at")

    def name_alone(self, record: Any) -> str:
        """Numbers begin anew with each fiscal year, so the day belongs to the name."""
        return _("%(entry)s of %(day)s") % {"entry": record, "day": formats.date_format(record.date)}

    def did(self, row: Any, record: Any, before: Any | None) -> tuple[str, Sequence[str]]:
        if row.status == EntryStatus.POSTED and row.history_type == ADDED:
            return _("{who} added and posted {what}"), self.set_by_posting
        if row.status == EntryStatus.POSTED and before and before.status == EntryStatus.DRAFT:
            return _("{who} posted {what}"), self.set_by_posting
        return super().did(row, record, before)

    def url_of(self, record: Any) -> str:
        return book_url(record.client, "entry", record.pk)


@trail.register(JournalLine)
class LineTelling(trail.Telling):
    silent = ("client", "entry", "recodes")

    def name_of(self, record: Any) -> str:
        return _("line %(number)s") % {"number": record.line_number}

    def name_alone(self, record: Any) -> str:
        return _("line %(number)s of %(entry)s") % {"number": record.line_number, "entry": record.entry}

    def words(self, field: Any, value: Any, record: Any) -> str:
        if value is not None and field.name in ("amount", "tax_base"):
            return _sided(value, record.client.base_currency)
        if value is not None and field.name == "foreign_amount":
            return _sided(value, record.currency)
        return super().words(field, value, record)

    def url_of(self, record: Any) -> str:
        return book_url(record.client, "entry", record.entry_id)


@trail.register(Attachment)
class AttachmentTelling(trail.Telling):
    silent = ("client", "entry")

    def name_alone(self, record: Any) -> str:
        return _("%(paper)s (%(entry)s)") % {"paper": record.name, "entry": record.entry}

    def did(self, row: Any, record: Any, before: Any | None) -> tuple[str, Sequence[str]]:
        sentence = _("{who} attached {what}") if row.history_type == ADDED else did(row.history_type)
        return sentence, () if row.history_type == CHANGED else ("name",)

    def url_of(self, record: Any) -> str:
        return book_url(record.client, "entry", record.entry_id)

    url_when_gone = url_of


@trail.register(TaxCode)
class TaxCodeTelling(trail.Telling):
    parts = (trail.Part(TaxRate, "tax_code"),)


@trail.register(TaxRate)
class TaxRateTelling(trail.Telling):
    silent = ("client", "tax_code")

    def name_of(self, record: Any) -> str:
        return _("the rate from %(day)s") % {"day": formats.date_format(record.valid_from)}

    def name_alone(self, record: Any) -> str:
        return _("the rate of %(code)s from %(day)s") % {
            "code": record.tax_code,
            "day": formats.date_format(record.valid_from),
        }

    def words(self, field: Any, value: Any, record: Any) -> str:
        return f"{plain_number(value)} %" if field.name == "rate" else super().words(field, value, record)

    def url_of(self, record: Any) -> str:
        return trail.admin_url(TaxCode, "change", record.tax_code_id)


@trail.register(FiscalYear)
class YearTelling(trail.Telling):
    parts = (trail.Part(Period, "fiscal_year", kinds=ADDED + REMOVED),)

    def name_of(self, record: Any) -> str:
        return _("fiscal year %(name)s") % {"name": record.name}

    def url_of(self, record: Any) -> str:
        return book_url(record.client, "periods") + f"#year-{record.pk}"


@trail.register(Period)
class PeriodTelling(trail.Telling):
    silent = ("client", "fiscal_year")

    def did(self, row: Any, record: Any, before: Any | None) -> tuple[str, Sequence[str]]:
        if before is None or row.state == before.state:
            return super().did(row, record, before)[0], () if before else ("state", "start", "end")
        return {
            PeriodState.OPEN: _("{who} reopened {what}"),
            PeriodState.SOFT_CLOSED: _("{who} soft-closed {what}"),
            PeriodState.LOCKED: _("{who} locked {what}"),
        }[row.state], ("state",)

    def url_of(self, record: Any) -> str:
        return book_url(record.client, "period", record.pk)


@trail.register(Contact)
class ContactTelling(trail.Telling):
    def more_about(self, pk: Any, user: Any) -> list[trail.Source]:
        """Return who saw or changed the tax id, for those who may know."""
        access = trail.telling_of(TaxIdAccess)
        seen = access.rows().filter(contact_id=pk)
        newest = seen.first()
        may_see = newest is not None and user.has_perm(SEE_TAX_IDS, newest)
        return [trail.Source(access, seen)] if may_see else []


@trail.register(TaxIdAccess)
class TaxIdTelling(trail.LogTelling):
    @property
    def key(self) -> str:
        return "contact_id"

    def name_of(self, record: Any) -> str:
        return record.contact_name

    def did(self, row: Any, record: Any, before: Any | None) -> tuple[str, Sequence[str]]:
        if row.what == TaxIdEvent.REVEALED:
            return _("{who} looked at the tax id of {what}"), ()
        return _("{who} changed the tax id of {what}"), ()

    def url_of(self, record: Any) -> str:
        return trail.admin_url(Contact, "change", record.contact_id)

    def url_when_gone(self, record: Any) -> str:
        return trail.admin_url(Contact, "history", record.contact_id)

    def gone(self, keys: Iterable[Any]) -> set[Any]:
        return trail.telling_of(Contact).gone(keys)


@trail.register(JournalImport)
class ImportTelling(trail.Telling):
    silent = ("client", "file_sha256", "file_size", "options")  # how it was read stands on its page
    set_by_importing = ("state", "imported_by", "imported_at")

    def did(self, row: Any, record: Any, before: Any | None) -> tuple[str, Sequence[str]]:
        if before and row.state != before.state and row.state in (ImportState.IMPORTED, ImportState.UNDONE):
            said = _("{who} imported {what}"), _("{who} undid the import of {what}")
            return said[row.state == ImportState.UNDONE], self.set_by_importing
        return super().did(row, record, before)

    def url_of(self, record: Any) -> str:
        return book_url(record.client, "journal_import", record.pk)


@trail.register(JournalMapping)
class MappingTelling(trail.Telling):
    silent = ("client", "headers", "signature", "options")

    def name_of(self, record: Any) -> str:
        return _("how files with the columns %(columns)s are read") % {"columns": record}


def _sided(value: Decimal, currency: str) -> str:
    """Write an amount with the decimals of its currency, and the side it stands on."""
    side = _("Dr") if value > 0 else _("Cr")
    text = formats.number_format(abs(value), decimal_places(currency), force_grouping=True)
    return f"{text} {side}" if value else text
