"""What a page about one entry shows."""

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from apps.ledger.models import JournalEntry, JournalLine
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client


def entry_of(client: Client, pk: int) -> JournalEntry | None:
    """Return an entry of this client with what its page names, or None; another client's is none."""
    if pk >= 2**63:
        return None
    related = ("created_by", "posted_by", "period", "fiscal_year", "reverses", "reversed_by")
    entry = JournalEntry.objects.filter(client=client, pk=pk).select_related(*related).first()
    if entry is not None:
        entry.client = client
    return entry


def lines_of(entry: JournalEntry) -> list[JournalLine]:
    """Return the lines of an entry in order. Each has ``recoding``, the entry that took it back, or None."""
    related = ("account", "contact", "cost_centre", "tax_code", "recodes__entry")
    lines = list(entry.lines.select_related(*related).order_by("line_number"))
    taken_back = {line.recodes_id: line.entry for line in _recoding_lines(entry)} if entry.is_posted else {}
    for line in lines:
        line.recoding = taken_back.get(line.pk)  # type: ignore[attr-defined]
        line.foreign_text = _foreign(line)  # type: ignore[attr-defined]
    return lines


def recoded_by(entry: JournalEntry) -> list[JournalEntry]:
    """Return the posted entries that recode a line of this one."""
    return list({line.entry_id: line.entry for line in _recoding_lines(entry)}.values())


def recodings_of(entry: JournalEntry) -> list[JournalEntry]:
    """Return the entries whose lines this one recodes."""
    recoded = JournalLine.objects.filter(recoded_by__entry=entry).values("entry")
    return list(JournalEntry.objects.filter(pk__in=recoded).order_by("date", "pk"))


def _recoding_lines(entry: JournalEntry) -> list[JournalLine]:
    """Return the lines in force that take lines of this entry back."""
    lines = JournalLine.objects.filter(recodes__entry=entry, is_posted=True, entry__reversed_by=None)
    return list(lines.select_related("entry"))


def _foreign(line: JournalLine) -> str:
    """Say the foreign amount of a line and its rate, as in "100.00 EUR at 1.0834"."""
    if line.foreign_amount is None:
        return ""
    amount = number_format(abs(line.foreign_amount), decimal_places(line.currency), force_grouping=True)
    if line.rate is None:
        return f"{amount} {line.currency}"
    return _("%(amount)s %(currency)s at %(rate)s") % {
        "amount": amount,
        "currency": line.currency,
        "rate": f"{line.rate.normalize():f}",
    }
