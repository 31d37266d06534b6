"""What reports that show lines share: numbered pages, and a line as a file has it."""

from decimal import Decimal

from django.utils.translation import gettext as _

from apps.core.tables.writing import Column, Value
from apps.ledger.models import EntryKind
from apps.ledger.queries.register import RegisterLine
from apps.ledger.views.reports.base import ReportView

PAGE = 100
LONGEST_ID = 18  # digits of a bigint


class PagedView(ReportView):
    """A report in numbered pages."""

    @property
    def page(self) -> int:
        page = self.request.GET.get("page", "")
        return int(page) if page.isascii() and page.isdecimal() and len(page) < 10 else 1

    @property
    def place(self) -> dict[str, str]:
        return {"page": str(self.page)} if self.page > 1 else {}

    def ways_on(self, page: int, pages: int) -> dict[str, str]:
        """Return the addresses of the pages around one."""
        ways = {"first": 1, "previous": page - 1, "following": page + 1, "last": pages}
        return {
            name: self.address(page=str(to)) for name, to in ways.items() if 1 <= to <= pages and to != page
        }


def line_columns() -> list[Column]:
    return [
        Column(_("Date"), "date"),
        Column(_("Entry"), "number"),
        Column(_("Kind"), "code"),
        Column(_("Text")),
        Column(_("Memo")),
        Column(_("Contact")),
        Column(_("Document no."), "code"),
    ]


def line_values(one: RegisterLine) -> list[Value]:
    line, entry = one.line, one.line.entry
    return [
        line.date,
        entry.number,
        kind_name(entry.kind),
        entry.description,
        line.memo,
        line.contact.name if line.contact else "",
        entry.document_number,
    ]


def kind_name(kind: str) -> str:
    # Django's get_kind_display translates every choice for one: most of the time a long file would take.
    return str(EntryKind(kind).label)


def sides(amount: Decimal) -> list[Value]:
    """Return an amount as debit and credit, one of them empty."""
    return [amount if amount > 0 else None, -amount if amount < 0 else None]


def opening_values() -> list[Value]:
    return [None, None, "", _("Opening balance"), "", "", ""]
