"""What every report shares: options in the address, ways in and back, files, facts about itself."""

from functools import cached_property
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import Resolver404, resolve, reverse
from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.http import content_disposition_header, url_has_allowed_host_and_scheme, urlencode
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from apps.core.tables.writing import Sheet, csv_lines, write_excel
from apps.ledger.models import Account, JournalEntry
from apps.ledger.reports.times import Span
from apps.ledger.views.books import BooksView, book_url
from apps.ledger.views.reports.options import Options
from apps.profiles.codes import decimal_places
from apps.profiles.models import Basis

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LONGEST_WAY_BACK = 1500
REPORTS: list[tuple[str, str | Promise]] = [
    ("trial_balance", _lazy("Trial balance")),
    ("profit_and_loss", _lazy("Profit and loss")),
    ("balance_sheet", _lazy("Balance sheet")),
    ("general_ledger", _lazy("General ledger")),
    ("account_register", _lazy("Account register")),
    ("journal_listing", _lazy("Journal")),
    ("audit", _lazy("Audit")),
]
#: What a report asks for beyond reading the journal.
PERMISSIONS = {"audit": "ledger.view_taxidaccess"}


class ReportView(BooksView):
    """A report: its options stand in the address, and ``?format=csv`` or ``xlsx`` makes it a file."""

    tab = "trial_balance"
    name = ""
    options_class: type[Options]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        wanted = request.GET.get("format")
        if wanted not in ("csv", "xlsx") or self.options.sentences:
            return super().get(request, *args, **kwargs)
        try:
            return self._file(wanted)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect(self.address())

    @property
    def title(self) -> str:
        return str(dict(REPORTS)[self.name])

    @property
    def heading(self) -> str:
        """What stands above the report, where that is more than its title."""
        return ""

    @cached_property
    def options(self) -> Any:
        return self.options_class(self.request.GET, client=self.client)

    @property
    def covers(self) -> str:
        """The time the report is about, in words."""
        return str(self.options.span)

    @cached_property
    def decimals(self) -> int:
        return decimal_places(self.client.base_currency)

    def sheet(self) -> Sheet:
        """Return the report as a file has it."""
        raise NotImplementedError

    # What it says about itself

    @cached_property
    def facts(self) -> list[tuple[str, str]]:
        """Client, time, basis and when it was made: on every page and in every Excel file."""
        made = timezone.localtime()
        return [
            (_("Client"), str(self.client)),
            (_("Dates"), self.covers),
            (_("Basis"), ", ".join([_("Accrual"), *self.options.described()])),
            (_("Currency"), self.client.base_currency),
            (_("Made"), f"{formats.date_format(made, 'j M Y H:i')} {made:%Z}"),
        ]

    @property
    def notes(self) -> list[str]:
        """What a reader must know to read the figures right."""
        notes = []
        if self.client.basis == Basis.CASH:
            notes.append(
                _(
                    "This client's books are marked as cash basis. These figures are on the accrual basis: "
                    "every posted entry counts on its date, paid or not."
                )
            )
        drafts = JournalEntry.objects.drafts().filter(client=self.client, date__range=self.options.span.days)
        if count := drafts.count():
            said = ngettext(
                'One <a href="{url}">draft</a> of this time is not counted.',
                '{count} <a href="{url}">drafts</a> of this time are not counted.',
                count,
            )
            notes.append(format_html(said, count=count, url=self._drafts_of_the_time()))
        return notes

    def _drafts_of_the_time(self) -> str:
        first, last = (day.isoformat() for day in self.options.span.days)
        chosen = {
            "client__id__exact": self.client.pk,
            "status__exact": "draft",
            "date_from": first,
            "date_to": last,
        }
        return f"{reverse('admin:ledger_journalentry_changelist')}?{urlencode(chosen)}"

    # Addresses

    def address(self, **changes: str) -> str:
        """Return the address of this report with the options chosen and ``changes`` to them."""
        query = {**self.options.chosen, **changes}
        if self.way_back:
            query["back"] = self.way_back
        query = {name: value for name, value in query.items() if value != ""}
        return book_url(self.client, self.name) + (f"?{urlencode(query)}" if query else "")

    @cached_property
    def way_back(self) -> str:
        """The page this one was reached from, if that is one of this client's books."""
        way = self.request.GET.get("back", "")
        return way if leads_into_books(way, self.client.code, self.request.get_host()) else ""

    def way_in(self, name: str, anchor: str, **query: str) -> str:
        """Return the address of what is behind a figure, from where the way back leads to the figure."""
        back = f"{self.here}#{anchor}"
        if len(back) <= LONGEST_WAY_BACK:
            query["back"] = back
        return f"{book_url(self.client, name)}?{urlencode(query)}"

    @cached_property
    def here(self) -> str:
        return self.address(**self.place)

    @property
    def place(self) -> dict[str, str]:
        """Where in a paged report the person is."""
        return {}

    def lines_of(self, account: Account, span: Span, anchor: str, **query: str) -> str:
        """Return the address of the lines behind a figure of an account."""
        days = {"start": span.start.isoformat(), "end": span.end.isoformat()}
        if self.options.values.get("adjustments") == "before":
            query["adjustments"] = "before"
        return self.way_in("account_register", anchor, account=account.code, **days, **query)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            options=self.options,
            heading=self.heading,
            offered=[(name, self.address(**set_)) for name, set_ in self.options.offered()],
            reports=self._reports(),
            facts=self.facts,
            notes=self.notes,
            files=[(title, self.address(format=name)) for title, name in [("CSV", "csv"), ("Excel", "xlsx")]],
            way_back=self.way_back,
            here=self.here,
            decimals=self.decimals,
            action=book_url(self.client, self.name),
            **kwargs,
        )

    def _reports(self) -> list[tuple[Any, str, bool]]:
        """Return the reports a person may read, of the same days; what was done has days of its own."""
        start, end = (day.isoformat() for day in self.options.span.days)
        days = urlencode({"start": start, "end": end, "day": end})
        return [
            (
                title,
                book_url(self.client, name) + (f"?{days}" if "audit" not in (name, self.name) else ""),
                name == self.name,
            )
            for name, title in REPORTS
            if self.request.user.has_perm(PERMISSIONS.get(name, self.permission), self.client)
        ]

    def _file(self, wanted: str) -> HttpResponseBase:
        sheet = self.sheet()
        words = " ".join([self.title, self.heading, self.covers])
        name = f"{self.client.code}-{slugify(words)}.{wanted}"
        if wanted == "xlsx":
            return FileResponse(write_excel(sheet), content_type=EXCEL, as_attachment=True, filename=name)
        response: HttpResponse = StreamingHttpResponse(
            csv_lines(sheet), content_type="text/csv; charset=utf-8"
        )  # type: ignore[assignment]
        response["Content-Disposition"] = content_disposition_header(True, name)
        return response


def leads_into_books(way: str, code: str, host: str) -> bool:
    """Whether an address is a page of this server about this client's books, and nothing else."""
    if not way.startswith("/") or not url_has_allowed_host_and_scheme(way, {host}):
        return False
    try:
        match = resolve(way.partition("#")[0].partition("?")[0])
    except Resolver404:
        return False
    return match.namespace == "admin" and str(match.kwargs.get("code", "")).upper() == code
