"""Entering: what a person does with a form, saved and posted in one step."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError

from apps.core.models import User
from apps.ledger.models import JournalEntry
from apps.ledger.services.drafts import Line, draft_entry, is_written, save_draft
from apps.ledger.services.posting import post_entry
from apps.ledger.services.transactions import refusals_as_sentences
from apps.profiles.models import Client

TypedLines = Sequence[tuple[int | None, Line]]


def enter(
    *,
    client: Client,
    by: User,
    entry: JournalEntry | None,
    lines: TypedLines,
    post: bool = False,
    reason: str = "",
    seen: int | None = None,
    idempotency_key: UUID | None = None,
    **facts: Any,
) -> JournalEntry:
    """
    Save what was typed, as a new draft or over ``entry``, and post it if asked: all of it or nothing.

    The same form sent again gives the entry it made the first time. Raises PermissionDenied, and
    ValidationError as ``draft_entry``, ``save_draft`` and ``post_entry`` do.
    """
    try:
        with refusals_as_sentences():
            if entry is not None:
                draft = save_draft(entry, by=by, lines=lines, seen=seen, reason=reason, **facts)
            else:
                draft = draft_entry(
                    client=client,
                    by=by,
                    lines=[line for _pk, line in lines],
                    idempotency_key=idempotency_key,
                    reason=reason,
                    **facts,
                )
            return post_entry(draft, by=by, reason=reason) if post else draft
    except ValidationError as error:
        typed = [line for _pk, line in lines]
        done = _sent_before(error, client, entry, idempotency_key, typed, facts)
        if done is None:
            raise
        return post_entry(done, by=by, reason=reason) if post and not done.is_posted else done


def _sent_before(
    error: ValidationError,
    client: Client,
    entry: JournalEntry | None,
    key: UUID | None,
    lines: list[Line],
    facts: dict[str, Any],
) -> JournalEntry | None:
    """Return the entry that the first of two equal forms made, or posted."""
    match getattr(error, "code", ""):
        case "ledger_entry_once":
            found = JournalEntry.objects.filter(client=client, idempotency_key=key).first()
        case "posted":
            found = entry and JournalEntry.objects.filter(pk=entry.pk).first()
        case _:
            return None
    if found and is_written(found, list(found.lines.order_by("line_number")), lines=lines, **facts):
        return found
    return None
