"""The chart of accounts of one client: the tree, a template to start from, a CSV file to import."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import NoReverseMatch
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminTextareaWidget

from apps.ledger.charts import PlannedAccount, Template
from apps.ledger.charts.csv_file import ReadChart, decode, read_chart
from apps.ledger.forms.accounts import is_id
from apps.ledger.models import Account
from apps.ledger.queries.chart import Chart, chart_of_accounts
from apps.ledger.services import charts
from apps.ledger.views.books import BooksView, book_url
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client, LegalForm, Numbering

MOST_SHOWN = 100  # rows of a preview
EXAMPLE = "code,name,kind,section,parent,postable\n1000,Assets,asset,,,no\n1010,Checking,asset,bank,1000,yes"


class ChartView(BooksView):
    """The accounts of a client as a tree, with their balances to date."""

    title = _("Accounts")
    tab = "chart"
    permission = "ledger.view_account"
    template_name = "ledger/chart.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user, today = self.request.user, timezone.localdate()
        chart = chart_of_accounts(self.client, today)
        return super().get_context_data(
            chart=chart,
            today=today,
            decimals=decimal_places(self.client.base_currency),
            inactive=self._inactive(chart),
            register=_address_of_registers(self.client),
            client_pk=str(self.client.pk),
            may_add=user.has_perm("ledger.add_account", self.client),
            may_change=user.has_perm("ledger.change_account", self.client),
            may_start=user.has_perm("ledger.add_account", self.client) and not charts.is_used(self.client),
            **kwargs,
        )

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        is_active = "activate" in request.POST
        pk = request.POST.get("activate") or request.POST.get("deactivate") or ""
        account = get_object_or_404(Account, client=self.client, pk=int(pk) if is_id(pk) else None)
        charts.set_account_active(account, is_active, by=request.user)
        said = _("%(account)s is active again.") if is_active else _("%(account)s is inactive now.")
        messages.success(request, said % {"account": account})
        return redirect(book_url(self.client, "chart"))

    def _inactive(self, chart: Chart) -> int:
        return sum(not row.account.is_active for group in chart.groups for row in group.rows)


class StartChartView(BooksView):
    """A template to start the chart from, shown whole before it is taken."""

    title = _("Start from a template")
    tab = "chart"
    permission = "ledger.add_account"
    template_name = "ledger/chart_start.html"

    @cached_property
    def template(self) -> Template:
        """The one the address asks for; the client's own legal form and numbering without."""
        asked = self.request.GET
        legal_form, numbering = asked.get("form"), asked.get("numbering")
        return Template(
            LegalForm(legal_form if legal_form in LegalForm.values else self.client.legal_form),
            Numbering(numbering if numbering in Numbering.values else self.client.numbering),
        )

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        existing = charts.accounts_by_code(self.client)
        planned = self.template.accounts
        return super().get_context_data(
            template=self.template,
            legal_forms=LegalForm.choices,
            numberings=Numbering.choices,
            planned=_planned_rows(self.template, existing),
            missing=sum(one.code not in existing for one in planned),
            postable=sum(one.is_postable for one in planned),
            is_used=charts.is_used(self.client),
            **kwargs,
        )

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        try:
            done = charts.start_chart(self.client, self.template, by=request.user)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect(request.get_full_path())
        messages.success(request, _opened(done))
        return redirect(book_url(self.client, "chart"))


class ImportChartForm(forms.Form):
    text = forms.CharField(
        label=_("The chart"),
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 10, "spellcheck": "false", "autocomplete": "off", "placeholder": EXAMPLE}
        ),
    )
    file = forms.FileField(
        label=_("or a CSV file"),
        required=False,
        allow_empty_file=True,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,.txt,.tsv,text/csv"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if file := cleaned.get("file"):
            try:
                cleaned["text"] = decode(file.read())
            except ValidationError as error:
                self.add_error("file", error)
        elif not cleaned.get("text", "").strip() and not self.errors:
            self.add_error("text", _("Paste a chart, or choose a file."))
        return cleaned


class ImportChartView(BooksView):
    """A chart as CSV: read and shown with what is wrong in it, then taken whole or not at all."""

    title = _("Import a chart")
    tab = "chart"
    permission = "ledger.add_account"
    template_name = "ledger/chart_import.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kwargs.setdefault("form", ImportChartForm())
        return super().get_context_data(**kwargs)

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        form = ImportChartForm(request.POST, request.FILES)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form))
        text = form.cleaned_data["text"]
        try:
            if "import" in request.POST and not form.cleaned_data["file"]:
                messages.success(request, _opened(charts.import_chart(self.client, text, by=request.user)))
                return redirect(book_url(self.client, "chart"))
            chart = read_chart(text, self.client, charts.accounts_by_code(self.client))
        except ValidationError as error:
            form.add_error(None, error)
            return self.render_to_response(self.get_context_data(form=self._with(text, form)))
        return self.render_to_response(
            self.get_context_data(form=self._with(text, form), **self._preview(chart))
        )

    def _with(self, text: str, form: ImportChartForm) -> ImportChartForm:
        """The same form showing the text, wherever it came from: the next step reads it from there."""
        form.data = form.data.copy()
        form.data["text"] = text
        return form

    def _preview(self, chart: ReadChart) -> dict[str, Any]:
        return {
            "read": chart,
            "shown": chart.planned[:MOST_SHOWN],
            "wrong": chart.wrong[:MOST_SHOWN],
            "may_import": bool(chart.planned) and not chart.wrong,
        }


def _address_of_registers(client: Client) -> str:
    try:
        return book_url(client, "account_register")
    except NoReverseMatch:
        return ""


def _opened(done: charts.AddedAccounts) -> str:
    added, kept = len(done.added), len(done.kept)
    said = ngettext("%(count)s account opened.", "%(count)s accounts opened.", added) % {"count": added}
    if not kept:
        return said
    left = ngettext(
        "%(count)s code was in the chart already and stays as it is.",
        "%(count)s codes were in the chart already and stay as they are.",
        kept,
    )
    return f"{said} {left % {'count': kept}}"


@dataclass(frozen=True)
class PlannedRow:
    """A line of a template as the page shows it; ``existing`` has its code in the chart already."""

    account: PlannedAccount
    depth: int
    existing: Account | None


def _planned_rows(template: Template, existing: Mapping[str, Account]) -> list[PlannedRow]:
    depths: dict[str, int] = {}
    for one in template.accounts:  # a heading comes before what stands under it
        depths[one.code] = depths[one.parent] + 1 if one.parent else 0
    return [PlannedRow(one, depths[one.code], existing.get(one.code)) for one in template.accounts]
