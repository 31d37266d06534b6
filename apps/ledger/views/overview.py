from collections.abc import Iterator
from typing import Any

from django.urls import reverse
from django.utils import formats, timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.core.dashboard import Card, Listing
from apps.ledger.close_checks import list_url
from apps.ledger.models import EntryStatus, JournalEntry, Review
from apps.ledger.queries.overview import Overview, overview
from apps.ledger.services.books_file import EXPORT
from apps.ledger.templatetags.figures import money
from apps.ledger.views.books import BooksView, book_url
from apps.profiles.codes import decimal_places


class OverviewView(BooksView):
    """Where a client's books stand, and the ways into them."""

    title = _("Books")
    tab = "books"
    template_name = "ledger/overview.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        facts = overview(self.client, timezone.localdate())
        may_draft = self.request.user.has_perm("ledger.add_journalentry", self.client)
        return super().get_context_data(
            facts=facts,
            cards=list(self._cards(facts)),
            listings=[self._newest(facts)] if facts.newest else [],
            may_draft=may_draft and facts.has_chart and facts.has_years,
            may_export=self.request.user.has_perm(EXPORT, self.client),
            **kwargs,
        )

    def _cards(self, facts: Overview) -> Iterator[Card]:
        decimals = decimal_places(self.client.base_currency)
        if not facts.has_chart:
            yield Card(
                gettext("Chart of accounts"),
                gettext("None yet"),
                book_url(self.client, "chart"),
                hint=gettext("Start it from a template, or import it."),
                icon="account_tree",
                tone="attention",
            )
        if not facts.has_years:
            yield Card(
                gettext("Fiscal years"),
                gettext("None yet"),
                book_url(self.client, "periods"),
                hint=gettext("Open the first one: entries need a period."),
                icon="calendar_month",
                tone="attention",
            )
        yield Card(
            gettext("Bank and cash"),
            money(facts.bank, decimals),
            book_url(self.client, "balance_sheet"),
            hint=gettext("According to the books, today."),
            icon="account_balance",
        )
        yield Card(
            gettext("Profit this year") if facts.result >= 0 else gettext("Loss this year"),
            money(facts.result, decimals),
            book_url(self.client, "profit_and_loss"),
            hint=gettext("Posted up to today."),
            icon="trending_up" if facts.result >= 0 else "trending_down",
        )
        yield Card(
            gettext("Drafts"),
            facts.drafts,
            list_url(JournalEntry, self.client, status__exact=EntryStatus.DRAFT),
            hint=gettext("Waiting to be posted.") if facts.drafts else gettext("Nothing waits to be posted."),
            icon="edit_note",
            tone="attention" if facts.drafts else "calm",
        )
        yield Card(
            gettext("Open questions"),
            facts.questions,
            list_url(JournalEntry, self.client, review__exact=Review.QUESTION),
            hint=gettext("Somebody waits for an answer.") if facts.questions else gettext("All answered."),
            icon="help",
            tone="attention" if facts.questions else "calm",
        )
        yield Card(
            gettext("Closed through"),
            formats.date_format(facts.closed.end) if facts.closed else gettext("Nothing yet"),
            book_url(self.client, "periods"),
            hint=facts.closed.get_state_display() if facts.closed else gettext("All periods are open."),
            icon="lock",
        )

    def _newest(self, facts: Overview) -> Listing:
        return Listing(
            title=gettext("Posted last"),
            headers=[gettext("Entry"), gettext("Date"), gettext("Description"), gettext("Kind")],
            rows=[
                (
                    reverse("admin:ledger_journalentry_change", args=[entry.pk]),
                    [entry, formats.date_format(entry.date), entry.description, entry.get_kind_display()],
                )
                for entry in facts.newest
            ],
            more_url=list_url(JournalEntry, self.client),
        )
