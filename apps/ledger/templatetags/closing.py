"""The way back from a list that clears what stands in the way of closing."""

from typing import Any

from django import template

from apps.core.access import visible
from apps.profiles.models import Client

register = template.Library()


@register.simple_tag(takes_context=True)
def client_being_closed(context: dict[str, Any]) -> Client | None:
    """Return the client whose drafts or questions up to a day are listed, as the close checks link to it."""
    request = context["request"]
    pk = request.GET.get("client__id__exact", "")
    is_gate = "date_to" in request.GET and {"status__exact", "review__exact"} & set(request.GET)
    if not (is_gate and pk.isascii() and pk.isdecimal() and len(pk) <= 18):
        return None
    return visible(Client.objects.filter(pk=int(pk)), request.user).first()
