"""``{% attachments entry %}``: the papers of an entry, to open, add and remove on its page."""

from typing import Any

from django import template
from django.conf import settings

from apps.ledger.models import Attachment, JournalEntry

register = template.Library()


@register.inclusion_tag("ledger/attachments.html", takes_context=True)
def attachments(context: Any, entry: JournalEntry) -> dict[str, Any]:
    """The papers of a stored entry. Put it outside other forms: it has forms of its own."""
    request = context["request"]
    may = request.user.has_perm
    return {
        "request": request,
        "csrf_token": context.get("csrf_token"),
        "entry": entry,
        "client": entry.client,
        "attachments": Attachment.objects.filter(entry=entry).select_related("added_by"),
        "may_attach": may("ledger.add_attachment", entry),
        "may_detach": may("ledger.delete_attachment", entry),
        "most": settings.ATTACHMENT_MB,
        "refused": context.get("refused"),
    }
