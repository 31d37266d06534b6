"""Annotations: what stays open to change on a posted entry."""

from typing import Any

from django.core.exceptions import ValidationError
from simple_history.utils import bulk_update_with_history

from apps.core.history import sign
from apps.core.models import User
from apps.ledger.models import JournalEntry, JournalLine
from apps.ledger.services.drafts import version_of, who_changed_what
from apps.ledger.services.transactions import refusals_as_sentences, require

#: What of an entry, and of a line, is no accounting fact.
NOTES = ["description", "document_number", "document_date", "review", "review_note"]
LINE_NOTES = ["memo", "contact", "cost_centre", "due_date"]


def annotate(
    entry: JournalEntry,
    *,
    by: User,
    notes: dict[str, Any],
    line_notes: dict[int, dict[str, Any]] | None = None,
    seen: int | None = None,
    reason: str = "",
) -> JournalEntry:
    """
    Change the notes of an entry, and those of its lines by their ids, with history for what differs.

    ``seen`` as for ``save_draft``. Raises PermissionDenied, and ValidationError: ``changed``, or the name of
    the guard that refused.
    """
    require(by, "ledger.change_journalentry", entry)
    with refusals_as_sentences():
        stored = JournalEntry.objects.select_for_update(no_key=True).get(pk=entry.pk)
        lines = [
            line
            for line in stored.lines.select_related("contact", "cost_centre")
            if _apply(line, (line_notes or {}).get(line.pk, {}), LINE_NOTES)
        ]
        is_changed = _apply(stored, notes, NOTES)
        if not lines and not is_changed:
            return stored
        if seen is not None and version_of(stored) != seen:
            raise ValidationError(who_changed_what(stored, seen), code="changed")
        sign(stored, by=by, reason=reason)
        stored.save(update_fields=NOTES)
        bulk_update_with_history(
            lines, JournalLine, LINE_NOTES, default_user=by, default_change_reason=reason
        )
    return stored


def _apply(record: Any, values: dict[str, Any], names: list[str]) -> bool:
    """Set what differs of the named fields, and return whether anything did."""
    different = {
        name: values[name] for name in names if name in values and getattr(record, name) != values[name]
    }
    for name, value in different.items():
        setattr(record, name, value)
    return bool(different)
