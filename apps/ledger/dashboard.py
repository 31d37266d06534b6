"""What the books have for the start page: drafts that wait, months to close, closed books that changed."""

from typing import Any

from django.db.models import Count
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.core.access import visible
from apps.core.dashboard import Card, Listing
from apps.core.registry import dashboard_cards, dashboard_listings
from apps.ledger.close_checks import list_url
from apps.ledger.models import EntryStatus, JournalEntry, Period, PeriodState
from apps.ledger.queries.changes import changed_clients
from apps.profiles.models import Client, ClientStatus

MOST_ROWS = 15


@dashboard_cards.register
def drafts_waiting(user: Any) -> Card | None:
    """Entries that wait to be posted."""
    if not user.has_perm("ledger.view_journalentry"):
        return None
    count = visible(JournalEntry.objects.drafts(), user).count()
    return Card(
        title=_("Drafts"),
        value=count,
        url=reverse("admin:ledger_journalentry_changelist") + f"?status__exact={EntryStatus.DRAFT}",
        hint=_("Entries that wait to be posted.") if count else _("Everything is posted."),
        icon="edit_note",
        tone="attention" if count else "calm",
    )


@dashboard_cards.register
def months_due(user: Any) -> Card | None:
    """Clients with a month that has ended and is not closed."""
    if not user.has_perm("ledger.view_period"):
        return None
    due = Period.objects.filter(
        state=PeriodState.OPEN,
        is_adjusting=False,
        end__lt=timezone.localdate(),
        client__status=ClientStatus.ACTIVE,
    )
    found = visible(due, user).aggregate(clients=Count("client", distinct=True), months=Count("pk"))
    return Card(
        title=_("Clients to close"),
        value=found["clients"],
        url=reverse("admin:close"),
        hint=ngettext(
            "%(count)s month has ended and is open.",
            "%(count)s months have ended and are open.",
            found["months"],
        )
        % {"count": found["months"]}
        if found["clients"]
        else _("Every month that has ended is closed."),
        icon="event_available",
        tone="attention" if found["clients"] else "calm",
    )


@dashboard_cards.register
def changed_since_closing(user: Any) -> Card | None:
    """Clients to whose closed periods something was posted since; nothing to show where there are none."""
    if not user.has_perm("ledger.view_period"):
        return None
    count = visible(Client.objects.filter(pk__in=changed_clients(), status=ClientStatus.ACTIVE), user).count()
    if not count:
        return None
    return Card(
        title=_("Changed since closing"),
        value=count,
        url=reverse("admin:close") + "?show=changed",
        hint=_("Clients whose closed periods were posted to. See what changed."),
        icon="published_with_changes",
        tone="attention",
    )


@dashboard_listings.register
def drafts_by_client(user: Any) -> Listing | None:
    """The clients with the most drafts, each with the way to them."""
    if not user.has_perm("ledger.view_journalentry"):
        return None
    drafts = visible(JournalEntry.objects.drafts(), user)
    counts = drafts.values_list("client").annotate(count=Count("pk")).order_by("-count", "client")
    most = list(counts[: MOST_ROWS + 1])
    if not most:
        return None
    clients = Client.objects.in_bulk([client_id for client_id, _count in most])
    return Listing(
        title=_("Drafts by client"),
        headers=[_("Client"), _("Code"), _("Drafts")],
        rows=[
            (
                list_url(JournalEntry, clients[pk], status__exact="draft"),
                [clients[pk].name, clients[pk].code, count],
            )
            for pk, count in most[:MOST_ROWS]
        ],
        more_url=reverse("admin:ledger_journalentry_changelist") + f"?status__exact={EntryStatus.DRAFT}"
        if len(most) > MOST_ROWS
        else "",
    )
