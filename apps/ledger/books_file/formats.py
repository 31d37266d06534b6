"""What a client's books can be written as."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.core.registry import Text
from apps.ledger.books_file.journals import Books, beancount, hledger, write_journal
from apps.ledger.books_file.writing import write_books
from apps.profiles.models import Client


@dataclass(frozen=True)
class Written:
    """What was written, as a sentence, and what had to be left out of it, as another one."""

    said: str
    left_out: str = ""


@dataclass(frozen=True)
class Format:
    """``write`` is told whether tax ids may be written, and returns what was."""

    title: Text
    hint: Text
    ending: str
    content_type: str
    has_tax_ids: bool
    write: Callable[[Client, IO[bytes], bool], Written]


def _zip(client: Client, file: IO[bytes], with_tax_ids: bool) -> Written:
    manifest = write_books(client, file, with_tax_ids=with_tax_ids)
    said = _("%(entries)s entries, %(papers)s papers.") % {
        "entries": manifest["files"]["entries.csv"]["rows"],
        "papers": manifest["attachments"]["files"],
    }
    missing = manifest["attachments"]["missing"]
    return Written(said, _missing(missing) if missing else "")


def _missing(missing: list[str]) -> str:
    return ngettext(
        "The file of %(count)s paper is gone from the storage and could not be exported: %(which)s",
        "The files of %(count)s papers are gone from the storage and could not be exported: %(which)s",
        len(missing),
    ) % {"count": len(missing), "which": ", ".join(missing[:5])}


def _journal(
    lines_of: Callable[[Books], Iterator[str]],
) -> Callable[[Client, IO[bytes], bool], Written]:
    def write(client: Client, file: IO[bytes], with_tax_ids: bool) -> Written:
        return Written(_("%(entries)s entries.") % {"entries": write_journal(client, file, lines_of)})

    return write


FORMATS: dict[str, Format] = {
    "zip": Format(
        gettext_lazy("LedgerFlow"),
        gettext_lazy("Everything, papers too. Another LedgerFlow takes it in, the same to the last hash."),
        "zip",
        "application/zip",
        True,
        _zip,
    ),
    "beancount": Format(
        gettext_lazy("beancount"),
        gettext_lazy(
            "The posted entries as text, with the balances of each year end, which bean-check verifies."
        ),
        "beancount",
        "text/plain; charset=utf-8",
        False,
        _journal(beancount.lines),
    ),
    "hledger": Format(
        gettext_lazy("hledger"),
        gettext_lazy(
            "The posted entries as text, with the balances of each year end, which hledger verifies."
        ),
        "journal",
        "text/plain; charset=utf-8",
        False,
        _journal(hledger.lines),
    ),
}
