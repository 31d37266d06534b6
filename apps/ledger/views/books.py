"""What every page about one client's books shares."""

from functools import cached_property
from typing import Any

from django.http import Http404
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView
from unfold.views import UnfoldSiteViewMixin

from apps.core.access import visible
from apps.profiles.models import Client

#: The tabs of a client's books: (name of the page, title, permission).
TABS = [
    ("books", _("Overview"), "ledger.view_journalentry"),
    ("entry_new", _("New entry"), "ledger.add_journalentry"),
    ("chart", _("Accounts"), "ledger.view_account"),
    ("journal_imports", _("Import"), "ledger.add_journalentry"),
    ("periods", _("Close"), "ledger.view_period"),
    ("trial_balance", _("Reports"), "ledger.view_journalentry"),
]


class BooksView(UnfoldSiteViewMixin, TemplateView):
    """
    A page about one client's books. The client is part of its address: two tabs are two clients.

    A client the person may not see does not exist for them (404); a page of a client they see, but may
    not use, is refused (403).
    """

    permission = "ledger.view_journalentry"
    tab = ""

    @cached_property
    def client(self) -> Client:
        """The client the address names, if the person may see it."""
        one = visible(Client.objects.filter(code=self.kwargs["code"].upper()), self.request.user).first()
        if one is None:
            raise Http404
        return one

    def has_permission(self) -> bool:
        return self.request.user.has_perm(self.permission, self.client)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.request.user
        tabs = [
            {"title": title, "url": book_url(self.client, name), "is_current": name == self.tab}
            for name, title, permission in TABS
            if user.has_perm(permission, self.client)
        ]
        return super().get_context_data(client=self.client, tabs=tabs, **kwargs)


def book_url(client: Client, name: str, *arguments: Any) -> str:
    """Return the address of a page of a client's books."""
    return reverse(f"admin:{name}", args=[client.code, *arguments])
