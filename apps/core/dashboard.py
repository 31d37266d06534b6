"""The start page: a work queue. Each card is a number that leads to the list that clears it."""

from dataclasses import dataclass
from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from unfold.dataclasses import SearchResult

from apps.core.access import visible
from apps.core.models import Job, JobState, User
from apps.core.registry import Text, dashboard_cards, dashboard_listings, searches

MOST_RESULTS = 20


@dataclass(frozen=True)
class Card:
    """A number, what it counts, and where it is cleared. ``tone`` says whether it needs somebody."""

    title: Text
    value: Text | int
    url: Text
    hint: Text = ""
    icon: str = ""
    tone: Literal["calm", "attention", "alarm"] = "calm"


@dataclass(frozen=True)
class Listing:
    """A short list: rows of cells, the first of which leads to ``url``."""

    title: Text
    headers: list[Text]
    rows: list[tuple[Text, list[Any]]]
    more_url: Text = ""


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """UNFOLD["DASHBOARD_CALLBACK"]: what every app has for this person."""
    cards = [card for make_card in dashboard_cards if (card := make_card(request.user))]
    listings = [listing for make_listing in dashboard_listings if (listing := make_listing(request.user))]
    return {**context, "title": _("Today"), "cards": cards, "listings": listings}


def environment(request: HttpRequest) -> list[str] | None:
    """UNFOLD["ENVIRONMENT"]: a label everywhere but in production, where it would be noise."""
    return None if settings.PRODUCTION else [settings.ENVIRONMENT.title(), "warning"]


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """UNFOLD["COMMAND"]: what Ctrl-K finds, narrowed to what the person may see."""
    found: list[SearchResult] = []
    for find in searches:
        found += list(find(request.user, term))[: MOST_RESULTS - len(found)]
    return found


@dashboard_cards.register
def failed_jobs(user: User) -> Card | None:
    """Jobs that ended badly; nothing to show when none did."""
    count = visible(Job.objects.asked_by(user).in_state(JobState.FAILED), user).count()
    if not count:
        return None
    return Card(
        title=_("Failed jobs"),
        value=count,
        url=reverse("admin:core_job_changelist") + f"?state={JobState.FAILED}",
        hint=_("Open each to see why, and do it again."),
        icon="error",
        tone="alarm",
    )
