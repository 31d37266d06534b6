"""Fiscal years and periods of a client, one period and what changed since it was closed, and who is due."""

from decimal import Decimal
from functools import cached_property
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView
from unfold.views import UnfoldSiteViewMixin

from apps.core import trail
from apps.core.access import visible
from apps.ledger.close_checks import findings_of
from apps.ledger.models import ClosedPeriod, FiscalYear, Period, PeriodState
from apps.ledger.queries.changes import changed_clients, changed_since, entries_since, is_intact
from apps.ledger.queries.periods import standing, years_with_periods
from apps.ledger.views.books import BooksView
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client, ClientStatus

NEWEST_YEARS = 2  # shown at once; earlier ones on demand
MOST_ENTRIES = MOST_EVENTS = 50


class PeriodsView(BooksView):
    """A client's fiscal years and periods: how far the books are closed, and what stands in the way."""

    title = _("Close")
    tab = "periods"
    permission = "ledger.view_period"
    template_name = "ledger/periods.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user, today = self.request.user, timezone.localdate()
        is_whole = "all" in self.request.GET
        years = years_with_periods(self.client, today, newest=None if is_whole else NEWEST_YEARS)
        total = self.client.fiscal_years.count()
        first = Period.objects.filter(client=self.client).order_by("start").first()
        return super().get_context_data(
            years=years,
            hidden=total - len(years),
            standing=standing(self.client, today),
            first_is_open=first is None or first.is_open,
            may_close=user.has_perm("ledger.close_period", self.client),
            may_lock=user.has_perm("ledger.lock_period", self.client),
            may_open_year=user.has_perm("ledger.add_fiscalyear", self.client),
            may_remove_year=user.has_perm("ledger.delete_fiscalyear", self.client),
            **kwargs,
        )


class PeriodView(BooksView):
    """One period: what it said when it was closed against what it says now, and who did what to it."""

    tab = "periods"
    permission = "ledger.view_period"
    template_name = "ledger/period.html"

    @cached_property
    def period(self) -> Period:
        found = Period.objects.filter(client=self.client, pk=self.kwargs["period"])
        if (period := found.select_related("fiscal_year").first()) is None:
            raise Http404
        period.client = self.client
        return period

    @property
    def title(self) -> str:
        return str(self.period)

    @cached_property
    def closings(self) -> list[ClosedPeriod]:
        found = list(self.period.closings.select_related("closed_by"))
        for closed in found:
            closed.client, closed.period = self.client, self.period
        return found

    @property
    def chosen(self) -> ClosedPeriod | None:
        """The close that is compared: the one asked for, else the latest."""
        asked = self.request.GET.get("closing", "")
        latest = self.closings[0] if self.closings else None
        return next((closed for closed in self.closings if str(closed.pk) == asked), latest)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        closed = self.chosen
        entries = list(entries_since(closed)[: MOST_ENTRIES + 1]) if closed else []
        kwargs["period"] = self.period  # instead of its number in the address
        return super().get_context_data(
            closings=self.closings,
            closed=closed,
            changes=changed_since(closed) if closed else [],
            is_intact=is_intact(closed) if closed else True,
            entries=entries[:MOST_ENTRIES],
            has_more=len(entries) > MOST_ENTRIES,
            kept=[_sides(row) for row in closed.trial_balance] if closed else [],
            page=_history_of(self.period, self.request),
            decimals=decimal_places(self.client.base_currency),
            **kwargs,
        )


class YearHistoryView(BooksView):
    """What was done to a fiscal year and its periods: opened, closed, reopened, and why."""

    tab = "periods"
    permission = "ledger.view_period"
    template_name = "ledger/year_history.html"

    @cached_property
    def year(self) -> FiscalYear:
        found = FiscalYear.objects.filter(client=self.client, pk=self.kwargs["year"]).first()
        if found is None:
            raise Http404
        return found

    @property
    def title(self) -> str:
        return str(_("Fiscal year %(name)s") % {"name": self.year.name})

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kwargs["year"] = self.year  # instead of its number in the address
        return super().get_context_data(page=_history_of(self.year, self.request), **kwargs)


def _history_of(record: Period | FiscalYear, request: Any) -> trail.Page:
    sources = trail.sources_about(type(record), record.pk, request.user)
    begins = trail.Place.read(request.GET.get("from", ""))
    return trail.read_page(sources, begins=begins, size=MOST_EVENTS)


def _sides(row: list[str]) -> dict[str, Any]:
    _uuid, code, name, amount = row
    return {"code": code, "name": name, "debit": max(Decimal(amount), 0), "credit": max(-Decimal(amount), 0)}


class DueView(UnfoldSiteViewMixin, TemplateView):
    """The clients a person works for, with the oldest month of each that is open and what is in the way."""

    title = _("Close")
    permission_required = ("ledger.view_period",)
    template_name = "ledger/due.html"
    per_page = 50

    TABS = {"due": _("To close"), "changed": _("Changed since closing"), "all": _("All clients")}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        today = timezone.localdate()
        asked = self.request.GET.get("show", "")
        show = asked if asked in self.TABS else "due"
        changed = set(changed_clients())
        page = Paginator(self._clients(show, changed, today), self.per_page).get_page(
            self.request.GET.get("page")
        )
        return super().get_context_data(
            page=page,
            rows=_rows(list(page.object_list), changed, today),
            show=show,
            tabs=[(name, title, name == show) for name, title in self.TABS.items()],
            **kwargs,
        )

    def _clients(self, show: str, changed: set[int], today: Any) -> QuerySet[Client]:
        open_months = Period.objects.filter(
            client=OuterRef("pk"), state=PeriodState.OPEN, is_adjusting=False
        ).order_by("end")
        clients = visible(Client.objects.filter(status=ClientStatus.ACTIVE), self.request.user).annotate(
            oldest_open=Subquery(open_months.values("pk")[:1]),
            open_until=Subquery(open_months.values("end")[:1]),
            has_year=Exists(FiscalYear.objects.filter(client=OuterRef("pk"))),
        )
        if show == "due":
            clients = clients.filter(open_until__lt=today)
        elif show == "changed":
            clients = clients.filter(pk__in=changed)
        return clients.order_by(F("open_until").asc(nulls_first=True), "name", "pk")


def _rows(clients: list[Client], changed: set[int], today: Any) -> list[dict[str, Any]]:
    """Put to each client its oldest open month, what stands in the way of it, and how many have ended."""
    ids = [client.pk for client in clients]
    oldest = Period.objects.in_bulk([client.oldest_open for client in clients if client.oldest_open])
    ended = Q(state=PeriodState.OPEN, is_adjusting=False, end__lt=today)
    due = dict(
        Period.objects.filter(ended, client__in=ids).values_list("client").annotate(Count("pk")).order_by()
    )
    asked = [(client, client.open_until) for client in clients if client.pk in due]
    found = findings_of(asked)
    return [
        {
            "client": client,
            "period": oldest.get(client.oldest_open),
            "due": due.get(client.pk, 0),
            "findings": found.get((client.pk, client.open_until), []),
            "is_changed": client.pk in changed,
        }
        for client in clients
    ]
