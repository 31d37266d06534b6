"""
What core and backups need from the apps that build on them.

Imports point one way, so an app hands its part over in AppConfig.ready() instead of being asked for it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.utils.functional import Promise


class Registry[Part: Callable[..., Any]]:
    """The parts the apps have handed over, in the order of INSTALLED_APPS."""

    def __init__(self) -> None:
        self._parts: list[Part] = []

    def register(self, part: Part) -> Part:
        """Add a part; usable as a decorator."""
        self._parts.append(part)
        return part

    def __iter__(self) -> Iterator[Part]:
        return iter(self._parts)


Text = str | Promise

#: ``(queryset, user, permission) -> queryset``: the rows the user may see, or, with a permission, use it on.
scopes: Registry[Callable[[QuerySet[Any], Any, str | None], QuerySet[Any]]] = Registry()

#: ``(user) -> Card | None``: one card of the start page, a number that leads to the list that clears it.
dashboard_cards: Registry[Callable[[Any], Any]] = Registry()

#: ``(user) -> Listing | None``: a short list under the cards, the way to what a person works on.
dashboard_listings: Registry[Callable[[Any], Any]] = Registry()

#: ``(user, term) -> iterable of SearchResult``: what the palette (Ctrl-K) finds.
searches: Registry[Callable[[Any, str], Any]] = Registry()

#: ``(pairs of client and day) -> iterable of Finding``: what stands in the way of closing each client's
#: books through its day. Many at once, because a list must not cost a query a row; see ledger.close_checks.
close_checks: Registry[Callable[[Sequence[tuple[Any, date]]], Iterable[Any]]] = Registry()

#: ``(client ids) -> iterable of Failure``: a rule of these clients' books, asked again; see ledger.checking.
book_checks: Registry[Callable[[Sequence[int]], Iterable[Any]]] = Registry()

#: ``() -> (how a number of them is said, table)``: what the screens count in a backup. Facts that its test
#: compares are views of the database, see backups.manifest.
counted_in_backups: Registry[Callable[[], tuple[Text, str]]] = Registry()

#: ``() -> None``: what the worker does each minute beside its jobs, however long those take. What it raises
#: is logged.
every_minute: Registry[Callable[[], None]] = Registry()

#: ``() -> sentences``: what somebody should know though this node can do its work; /readyz tells it.
health_warnings: Registry[Callable[[], Iterable[str]]] = Registry()
