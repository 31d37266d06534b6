from collections.abc import Iterable
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from unfold.dataclasses import SearchResult

from apps.core.access import visible
from apps.core.dashboard import MOST_RESULTS, Card, Listing
from apps.core.registry import dashboard_cards, dashboard_listings, searches
from apps.profiles.models import Client, ClientStatus, StaffAccess

MOST_ROWS = 15


@dashboard_cards.register
def clients(user: Any) -> Card:
    """The active clients a person works for."""
    count = visible(Client.objects.filter(status=ClientStatus.ACTIVE), user).count()
    return Card(
        title=_("Active clients"),
        value=count,
        url=reverse("admin:profiles_client_changelist") + f"?status__exact={ClientStatus.ACTIVE}",
        hint=_("The clients you work for.") if count else _("Ask a manager for access to a client."),
        icon="groups",
    )


@dashboard_cards.register
def clients_without_staff(user: Any) -> Card | None:
    """Active clients nobody looks after; only a superuser can give the first access."""
    if not user.is_superuser:
        return None
    count = Client.objects.filter(status=ClientStatus.ACTIVE, staff_access=None).count()
    if not count:
        return None
    return Card(
        title=_("Clients without staff"),
        value=count,
        url=reverse("admin:profiles_client_changelist") + f"?status__exact={ClientStatus.ACTIVE}&staffed=no",
        hint=_("Nobody looks after them yet. Give access."),
        icon="person_off",
        tone="attention",
    )


@dashboard_listings.register
def my_clients(user: Any) -> Listing | None:
    """The active clients a person has a role for, and which."""
    mine = StaffAccess.objects.filter(user=user, client__status=ClientStatus.ACTIVE)
    access = list(mine.select_related("client").order_by("client__name")[: MOST_ROWS + 1])
    if not access:
        return None
    return Listing(
        title=_("Your clients"),
        headers=[_("Client"), _("Code"), _("Your role"), _("Books in")],
        rows=[
            (
                reverse("admin:profiles_client_change", args=[one.client_id]),
                [one.client.name, one.client.code, one.get_role_display(), one.client.base_currency],
            )
            for one in access[:MOST_ROWS]
        ],
        more_url=reverse("admin:profiles_client_changelist") if len(access) > MOST_ROWS else "",
    )


@searches.register
def find_clients(user: Any, term: str) -> Iterable[SearchResult]:
    """Clients by code, name or contact person."""
    words = Q(code__icontains=term) | Q(name__icontains=term) | Q(contact_name__icontains=term)
    for client in visible(Client.objects.filter(words), user)[:MOST_RESULTS]:
        yield SearchResult(
            title=client.name,
            description=client.code,
            link=reverse("admin:profiles_client_change", args=[client.pk]),
            icon="business_center",
        )
