from django.utils.translation import gettext_lazy as _

from apps.ledger.views.books import BooksView


class OverviewView(BooksView):
    """Where a client's books stand, and the ways into them."""

    title = _("Books")
    tab = "books"
    template_name = "ledger/overview.html"
