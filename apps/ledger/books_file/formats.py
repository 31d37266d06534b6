"""What a client's books can be written as."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.registry import Text
from apps.ledger.books_file.journals import Books, beancount, hledger, write_journal
from apps.ledger.books_file.writing import write_books
from apps.profiles.models import Client


@dataclass(frozen=True)
class Format:
    """``write`` returns a sentence of what was written."""

    title: Text
    hint: Text
    ending: str
    content_type: str
    write: Callable[[Client, IO[bytes]], str]


def _zip(client: Client, file: IO[bytes]) -> str:
    return told(write_books(client, file))


def told(manifest: dict) -> str:
    """Return what is in a books file, and which papers could not be put into it."""
    said = _("%(entries)s entries, %(papers)s papers.") % {
        "entries": manifest["files"]["entries.csv"]["rows"],
        "papers": manifest["attachments"]["files"],
    }
    if missing := manifest["attachments"]["missing"]:
        said += " " + _(
            "The files of %(count)s papers are gone from the storage and are not in it: %(which)s"
        ) % {
            "count": len(missing),
            "which": ", ".join(missing[:5]),
        }
    return said


def _journal(lines_of: Callable[[Books], Iterator[str]]) -> Callable[[Client, IO[bytes]], str]:
    def write(client: Client, file: IO[bytes]) -> str:
        return _("%(entries)s entries.") % {"entries": write_journal(client, file, lines_of)}

    return write


FORMATS: dict[str, Format] = {
    "zip": Format(
        gettext_lazy("LedgerFlow"),
        gettext_lazy("Everything, papers too. Another LedgerFlow takes it in, the same to the last hash."),
        "zip",
        "application/zip",
        _zip,
    ),
    "beancount": Format(
        gettext_lazy("beancount"),
        gettext_lazy(
            "The posted entries as text, with the balances of each year end, which bean-check verifies."
        ),
        "beancount",
        "text/plain; charset=utf-8",
        _journal(beancount.lines),
    ),
    "hledger": Format(
        gettext_lazy("hledger"),
        gettext_lazy(
            "The posted entries as text, with the balances of each year end, which hledger verifies."
        ),
        "journal",
        "text/plain; charset=utf-8",
        _journal(hledger.lines),
    ),
}
