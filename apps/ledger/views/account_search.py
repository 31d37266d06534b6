from typing import Any

from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext_lazy as _

from apps.ledger.queries.account_search import MOST_FOUND, find_accounts, find_contacts
from apps.ledger.views.books import BooksView


class AccountSearchView(BooksView):
    """The accounts of one client that a few characters mean, for ``ledger/account_search.js``."""

    title = _("Accounts")
    http_method_names = ["get"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        found = find_accounts(self.client, request.GET.get("q", ""))[:MOST_FOUND]
        rows = [
            {"id": one.pk, "code": one.code, "name": one.name, "currency": one.currency, "text": str(one)}
            for one in found
        ]
        return JsonResponse({"results": rows})


class ContactSearchView(BooksView):
    """The contacts of one client that a few characters mean, for the same script."""

    title = _("Contacts")
    http_method_names = ["get"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        found = find_contacts(self.client, request.GET.get("q", ""))[:MOST_FOUND]
        rows = [
            {"id": one.pk, "code": "", "name": one.name, "currency": "", "text": one.name} for one in found
        ]
        return JsonResponse({"results": rows})
