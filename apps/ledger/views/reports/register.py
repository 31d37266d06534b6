"""The register of an account, and recoding out of it."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.utils.translation import ngettext

from apps.core.tables.writing import Column, Sheet, Value
from apps.ledger.forms.accounts import AccountField
from apps.ledger.models import Account, JournalEntry, JournalLine
from apps.ledger.queries.register import AccountLines, Standing, every_line, opening_of, register
from apps.ledger.services import recode
from apps.ledger.templatetags.figures import entry_url
from apps.ledger.views.books import book_url
from apps.ledger.views.reports.lines import (
    LONGEST_ID,
    PAGE,
    PagedView,
    line_columns,
    line_values,
    opening_values,
    sides,
)
from apps.ledger.views.reports.options import RegisterOptions
from apps.ledger.views.reports.statements import earlier_years
from apps.profiles.codes import decimal_places

RECODE = "ledger.recode_journalline"


class RecodeForm(forms.Form):
    """Where ticked lines are moved to."""

    reason = forms.CharField(label=_lazy("Reason"), required=False, max_length=500)

    def __init__(self, *args: Any, client: Any, **options: Any) -> None:
        super().__init__(*args, auto_id="recode_%s", label_suffix="", **options)
        self.fields = {"account": AccountField(client=client, label=_("To account")), **self.fields}


class RegisterView(PagedView):
    """
    The lines of an account with the balance after each. A reviewer ticks lines and recodes them in place.

    A recoding leads back to the report the register was reached from, at the figure that it changed.
    """

    name = "account_register"
    options_class = RegisterOptions
    template_name = "ledger/reports/register.html"

    @property
    def account(self) -> Account | None:
        return self.options.account_shown

    @property
    def heading(self) -> str:
        return str(self.account) if self.account else ""

    @cached_property
    def lines(self) -> AccountLines:
        assert self.account  # noqa: S101  (asked before)
        return AccountLines(self.account, *self.options.span.days, **self.options.kinds)

    @cached_property
    def opening(self) -> Standing:
        assert self.account  # noqa: S101
        if not self.options.has_opening:
            return Standing()
        self.account.client = self.client
        left_out = self.options.kinds.get("left_out", ())
        return opening_of(self.account, self.options.span.start, left_out=left_out)

    @cached_property
    def may_recode(self) -> bool:
        return self.request.user.has_perm(RECODE, self.client)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.may_recode:
            raise PermissionDenied
        lines = self._ticked()
        form = RecodeForm(request.POST, client=self.client)
        if not lines:
            form.add_error(None, _("Tick the lines to recode first."))
        elif form.is_valid():
            try:
                account = form.cleaned_data["account"]
                entries = recode(lines, account=account, by=request.user, reason=form.cleaned_data["reason"])
            except ValidationError as error:
                form.add_error(None, error)
            else:
                self._tell(lines, account, entries)
                return redirect(self.way_back or self._place_of(lines[0]))
        return self.render_to_response(self.get_context_data(recoding=form, ticked={one.pk for one in lines}))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        account = self.account
        if account is None:
            return super().get_context_data(register=None, **kwargs)
        shown = register(self.lines, opening=self.opening, page=self.page, size=PAGE)
        carried = self.opening.computed
        return super().get_context_data(
            **{
                "register": shown,
                "recoding": RecodeForm(client=self.client) if self.may_recode else None,
                "currency": self._currency,
                "foreign_decimals": decimal_places(self._currency),
                "names": {code: one.name for code, one in self.options.accounts.items()},
                "earlier_years": earlier_years(self, self.options.span.start, "opening") if carried else "",
                "ways": self.ways_on(shown.page, shown.pages),
                "post_to": self.here,
                **kwargs,
            }
        )

    def sheet(self) -> Sheet:
        foreign = self._currency
        amounts = [
            (_("Debit"), self.decimals),
            (_("Credit"), self.decimals),
            (_("Balance (debit +)"), self.decimals),
        ]
        if foreign:
            places = decimal_places(foreign)
            amounts += [
                (_("Amount in %(currency)s (debit +)") % {"currency": foreign}, places),
                (_("Balance in %(currency)s (debit +)") % {"currency": foreign}, places),
            ]
        columns = [*line_columns(), *(Column(title, "amount", places) for title, places in amounts)]
        title = f"{self.title} {self.heading}".strip()
        return Sheet(title, self.facts, columns, self._values() if self.account else [])

    @property
    def _currency(self) -> str:
        """The account's own currency, where that is another one than the books'."""
        own = self.account.currency if self.account else ""
        return own if own != self.client.base_currency else ""

    def _values(self) -> Iterator[list[Value]]:
        foreign = bool(self._currency)
        if self.options.has_opening:
            opening = [*opening_values(), None, None, self.opening.amount]
            yield opening + ([None, self.opening.foreign] if foreign else [])
        for one in every_line(self.lines, self.opening):
            values = [*line_values(one), *sides(one.line.amount), one.balance.amount]
            yield values + ([one.line.foreign_amount, one.balance.foreign] if foreign else [])

    def _ticked(self) -> list[JournalLine]:
        """Return the lines that were ticked; a line that is not of this client, or not posted, is none."""
        ids = set(self.request.POST.getlist("line"))
        if not all(one.isascii() and one.isdecimal() and len(one) <= LONGEST_ID for one in ids):
            raise Http404
        lines = JournalLine.objects.filter(client=self.client, pk__in=ids, is_posted=True).order_by(
            "date", "pk"
        )
        found = list(lines.select_related("account"))
        if len(found) < len(ids):
            raise Http404
        return found

    def _place_of(self, line: JournalLine) -> str:
        page = self.lines.place_of(line) // PAGE + 1
        return self.address(**({"page": str(page)} if page > 1 else {})) + f"#l{line.pk}"

    def _tell(self, lines: list[JournalLine], account: Account, entries: list[JournalEntry]) -> None:
        """Say what was moved where, with links to the entries that did it and to where the lines are now."""
        said = ngettext(
            "One line recoded from {old} to {new} by {entries}.",
            "{count} lines recoded from {old} to {new} by {entries}.",
            len(lines),
        )
        days = {"start": entries[0].date.isoformat(), "end": entries[-1].date.isoformat()}
        at_new = book_url(self.client, self.name) + "?" + urlencode({"account": account.code, **days})
        named = [(entry_url(entry.pk), str(entry)) for entry in entries]
        messages.success(
            self.request,
            format_html(
                said,
                count=len(lines),
                old=", ".join(sorted({str(line.account) for line in lines})),
                new=format_html('<a class="lf-link" href="{}">{}</a>', at_new, account),
                entries=format_html_join(", ", '<a class="lf-link" href="{}">{}</a>', named),
            ),
        )
