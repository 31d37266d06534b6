"""The pages of a client's books: (address, name, view)."""

PAGES = [
    ("books/<slug:code>/", "books", "apps.ledger.views.overview.OverviewView"),
    (
        "books/<slug:code>/accounts/search/",
        "account_search",
        "apps.ledger.views.account_search.AccountSearchView",
    ),
]
