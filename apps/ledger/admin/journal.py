"""The journal: the list of all entries, and what is done to many of them at once."""

import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Prefetch, QuerySet, Sum, Window
from django.db.models.functions import RowNumber
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateFilter
from unfold.decorators import display
from unfold.sections import TemplateSection
from unfold.views import ChangeList

from apps.core import jobs
from apps.core.access import visible
from apps.core.admin import BoundedPaginator, ScopedSelectFilter
from apps.ledger.admin.of_client import OfClientAdmin
from apps.ledger.bulk_posting import post_drafts
from apps.ledger.forms.accounts import is_id
from apps.ledger.models import (
    EntryKind,
    EntryStatus,
    ImportedEntry,
    JournalEntry,
    JournalImport,
    JournalLine,
    Review,
)
from apps.ledger.search import find_entries
from apps.ledger.services import post_entries
from apps.ledger.templatetags.figures import money
from apps.ledger.views.books import book_url
from apps.profiles.codes import decimal_places
from apps.profiles.models import Client

LABELS = {EntryStatus.DRAFT: "warning", EntryStatus.POSTED: "success"}
MOST_LINES_SHOWN = 10
MOST_AT_ONCE = 200  # posted in the request; more are a job
MOST_IN_JOB = 20_000
POST = "ledger.post_journalentry"


class MineFilter(admin.SimpleListFilter):
    title = _("drafted by")
    parameter_name = "mine"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("yes", _("Me"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(created_by=request.user) if self.value() == "yes" else queryset


class ImportFilter(admin.SimpleListFilter):
    """The entries that one file brought; offered where an import's page leads here."""

    title = _("import")
    parameter_name = "import"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        asked = request.GET.get(self.parameter_name, "")
        found = JournalImport.objects.filter(pk=asked) if is_id(asked) else JournalImport.objects.none()
        return [(str(one.pk), one.file_name) for one in visible(found, request.user)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.lookup_choices:
            return queryset
        brought = ImportedEntry.objects.filter(journal_import=self.lookup_choices[0][0])
        return queryset.filter(uuid__in=brought.values("entry_uuid"))


class EntryList(ChangeList):
    """The journal's list: each row leads to the entry's page in its client's books."""

    def url_for_result(self, result: JournalEntry) -> str:
        return book_url(result.client, "entry", result.pk)


class LinesSection(TemplateSection):
    template_name = "ledger/entry_peek.html"

    def get_context_data(self, request: HttpRequest, instance: Any) -> dict[str, Any]:
        return {
            "entry": instance,
            "lines": instance.first_lines[:MOST_LINES_SHOWN],
            "has_more": len(instance.first_lines) > MOST_LINES_SHOWN,
            "decimals": decimal_places(instance.client.base_currency),
        }


class PostForm(forms.Form):
    reason = forms.CharField(
        label=_("Reason"),
        max_length=500,
        required=False,
        help_text=_("Needed for what is dated in a soft-closed period."),
    )


@admin.register(JournalEntry)
class JournalEntryAdmin(OfClientAdmin):
    list_display = ["day", "number", "client_name", "description", "document_number", "total", "state"]
    list_display_links = ["day", "number"]
    list_select_related = ["client"]
    list_filter = [
        ("client", ScopedSelectFilter),
        ("date", RangeDateFilter),
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("review", ChoicesDropdownFilter),
        MineFilter,
        ImportFilter,
    ]
    search_fields = ["description"]  # that there is a search; get_search_results says how
    search_help_text = _("Amount, number, document, contact, words")
    ordering = ["-date", "-pk"]
    sortable_by = ["day"]
    paginator = BoundedPaginator
    list_sections = [LinesSection]
    list_before_template = "ledger/journal_tabs.html"

    actions = ["post_selected"]
    #: One row for each line; these titles are those that the import of journals knows.
    export_paths = [
        ("entry id", "uuid"),
        ("client", "client"),
        ("number", "number"),
        ("date", "date"),
        ("kind", "kind"),
        ("status", "status"),
        ("description", "description"),
        ("document no.", "document_number"),
        ("document date", "document_date"),
        ("line", "lines__line_number"),
        ("account", "lines__account"),
        ("account name", "lines__account__name"),
        ("account kind", "lines__account__kind"),
        ("debit", "lines__debit"),
        ("credit", "lines__credit"),
        ("amount", "lines__amount"),
        ("currency", "lines__currency"),
        ("foreign amount", "lines__foreign_amount"),
        ("rate", "lines__rate"),
        ("memo", "lines__memo"),
        ("contact", "lines__contact"),
        ("class", "lines__cost_centre"),
        ("tax code", "lines__tax_code"),
        ("tax base", "lines__tax_base"),
        ("due", "lines__due_date"),
        ("reverses", "reverses__uuid"),
    ]

    empty_hint = _("Entries are typed in the books of a client, or come from bank statements.")

    class Media:
        css = {"all": ["ledger/entry.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return EntryList

    def exported(self, request: HttpRequest) -> QuerySet[JournalEntry]:
        listed = super().exported(request)
        return listed.order_by(*(listed.query.order_by or ["-date"]), "pk", "lines__line_number")

    def get_queryset(self, request: HttpRequest) -> QuerySet[JournalEntry]:
        return (
            super().get_queryset(request).prefetch_related(Prefetch("lines", _first_lines(), "first_lines"))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[JournalEntry], search_term: str
    ) -> tuple[QuerySet[JournalEntry], bool]:
        if not search_term:
            return queryset, False
        client = request.GET.get("client__id__exact", "")
        one = int(client) if client.isascii() and client.isdecimal() and len(client) <= 18 else None
        found = find_entries(request.user, search_term, client_id=one)
        if found.only_recent or found.has_more:
            messages.info(request, _incomplete(found.only_recent))
        return queryset.filter(pk__in=found.ids), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(
            request, {**(extra_context or {}), "tabs": _tabs(request), "chips": _chips(request)}
        )

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        client = self.client_of(request)
        if client is None:
            return super().add_view(request, form_url, extra_context)  # which asks for the client
        return redirect(book_url(client, "entry_new"))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the entry's page in the books of its client."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        entries = visible(JournalEntry.objects.select_related("client"), request.user)
        pk = unquote(object_id)
        entry = entries.filter(pk=pk).first() if pk.isdecimal() and len(pk) <= 18 else None
        if entry is None:
            raise Http404
        return redirect(book_url(entry.client, "entry", entry.pk))

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False  # a draft is deleted on its page; what is posted is reversed

    def has_post_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(POST)

    @display(description=_("date"), ordering="date")
    def day(self, entry: JournalEntry) -> str:
        return formats.date_format(entry.date)

    @display(description=_("client"))
    def client_name(self, entry: JournalEntry) -> str:
        return entry.client.name

    @display(description=_("amount"), formatting="price")
    def total(self, entry: JournalEntry) -> SafeString | str:
        lines = entry.first_lines  # type: ignore[attr-defined]
        return money(lines[0].debits, decimal_places(entry.client.base_currency)) if lines else "–"

    @display(description=_("status"), label=LABELS)
    def state(self, entry: JournalEntry) -> tuple[str, str]:
        return entry.status, entry.get_status_display()

    @admin.action(description=_("Post"), permissions=["post"])
    def post_selected(self, request: HttpRequest, queryset: QuerySet[JournalEntry]) -> HttpResponse | None:
        """Ask first, saying how many; then post them here, or as a job when they are many."""
        # Selected across pages, or by ids that were posted: only what the person may post is touched.
        mine = visible(queryset.order_by(), request.user, POST).filter(status=EntryStatus.DRAFT)
        drafts = list(mine.values_list("pk", flat=True)[: MOST_IN_JOB + 1])
        others = queryset.order_by().values("pk")[: MOST_IN_JOB + 1].count() - len(drafts)
        form = PostForm(request.POST if "confirmed" in request.POST else None)
        if not drafts:
            messages.warning(request, _("None of these is a draft that you may post."))
            return None
        if len(drafts) > MOST_IN_JOB:
            messages.warning(request, _("These are too many at once: narrow the list by client or date."))
            return None
        if not form.is_valid():
            return self._ask(request, form, len(drafts), others)
        if len(drafts) > MOST_AT_ONCE:
            return self._start_job(request, drafts, form.cleaned_data["reason"])
        entries = JournalEntry.objects.filter(pk__in=drafts).select_related("client")
        result = post_entries(entries, by=request.user, reason=form.cleaned_data["reason"])
        return self._page(
            request,
            "ledger/bulk_posted.html",
            title=_now("Posting"),
            result=result,
            refused=[(book_url(one.client, "entry", one.pk), one, why) for one, why in result.refused],
        )

    def _ask(self, request: HttpRequest, form: PostForm, count: int, others: int) -> HttpResponse:
        return self._page(
            request,
            "ledger/bulk_post.html",
            title=_now("Post these drafts?"),
            form=form,
            count=count,
            others=others,
            is_job=count > MOST_AT_ONCE,
            selected=request.POST.getlist(ACTION_CHECKBOX_NAME),
            across=request.POST.get("select_across", "0"),
        )

    def _start_job(self, request: HttpRequest, drafts: list[int], reason: str) -> HttpResponse:
        job = jobs.start(
            post_drafts,
            by=request.user,
            permission=POST,
            title=_now("Post %(count)s drafts")
            % {"count": formats.number_format(len(drafts), force_grouping=True)},
            user_id=request.user.pk,
            entry_ids=drafts,
            reason=reason,
        )
        return redirect("admin:core_job_change", job.pk)

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        here = {**self.admin_site.each_context(request), "opts": self.opts, "back": request.get_full_path()}
        return TemplateResponse(request, template, {**here, **context})


def _first_lines() -> QuerySet[JournalLine]:
    """Return the lines to peek at, each with ``debits``, the sum of all debits of its entry."""
    of_entry = {"partition_by": "entry_id"}
    lines = JournalLine.objects.annotate(
        place=Window(RowNumber(), order_by="line_number", **of_entry), debits=Window(Sum("debit"), **of_entry)
    )
    return lines.filter(place__lte=MOST_LINES_SHOWN + 1).select_related("account").order_by("line_number")


def _incomplete(only_recent: bool) -> Any:
    if only_recent:
        return _(
            "Words are searched in recent entries only. Narrow the list to a client to look further back."
        )
    return _("More entries match than are shown: add a client, or another word.")


def _tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the list's shortcuts: links that keep the client and can be shared."""
    client = request.GET.get("client__id__exact")
    kept = {"client__id__exact": client} if client else {}
    today = timezone.localdate()
    first = today.replace(day=1)
    last = (first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
    written = [formats.date_format(day, "Y-m-d") for day in (first, last)]
    choices: list[tuple[Any, dict[str, str]]] = [
        (_("All"), {}),
        (_("Drafts"), {"status__exact": EntryStatus.DRAFT}),
        (_("This month"), {"date_from": written[0], "date_to": written[1]}),
        (_("Open questions"), {"review__exact": "question"}),
        (_("Mine"), {"mine": "yes"}),
    ]
    url = reverse("admin:ledger_journalentry_changelist")
    now = {name: value for name, value in request.GET.items() if name not in ("p", "o", "q", *kept) and value}
    return [
        {"title": title, "url": f"{url}?{urlencode({**kept, **filters})}", "is_current": now == filters}
        for title, filters in choices
    ]


def _chips(request: HttpRequest) -> list[dict[str, str]]:
    """Return what the list is narrowed by, each with the link that takes it away."""
    choices = {
        "status__exact": dict(EntryStatus.choices),
        "kind__exact": dict(EntryKind.choices),
        "review__exact": dict(Review.choices),
    }
    chips = []
    for name, value in request.GET.items():
        label = ""
        if name == "client__id__exact" and value.isascii() and value.isdecimal() and len(value) <= 18:
            client = visible(Client.objects.filter(pk=value), request.user).first()
            label = client.name if client else ""
        elif name in choices:
            label = str(choices[name].get(value, ""))
        elif name in ("date_from", "date_to") and value:
            words = _now("from %(day)s") if name == "date_from" else _now("to %(day)s")
            label = words % {"day": value[:20]}
        elif name == "mine" and value == "yes":
            label = _now("Drafted by me")
        if label:
            left = request.GET.copy()
            left.pop(name)
            left.pop("p", None)
            chips.append({"label": label, "url": f"?{left.urlencode()}"})
    return chips
