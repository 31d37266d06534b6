"""One entry: typed into a form while it is a draft, read once it is posted."""

import uuid
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.ledger.forms.accounts import is_id
from apps.ledger.forms.dates import DayField
from apps.ledger.forms.journal import EntryForm, LineFormSet, facts_of, rows_of
from apps.ledger.models import EntryKind, JournalEntry
from apps.ledger.queries import entries
from apps.ledger.services.drafts import version_of
from apps.ledger.services.entering import enter
from apps.ledger.views.books import BooksView, book_url
from apps.profiles.codes import currencies, decimal_places

#: Refusals that a reason overcomes.
ASK_WHY = {"ledger_entry_period_soft_closed", "ledger_entry_one_opening"}


def linked(entry: JournalEntry, said: str) -> SafeString:
    """Return a message that leads to the entry it is about."""
    here = book_url(entry.client, "entry", entry.pk)
    return format_html('<a class="lf-message" href="{}">{}</a>', here, said)


class EntryFormView(BooksView):
    """The form of an entry: what was typed is saved, posted, or shown again with a sentence."""

    template_name = "ledger/entry_form.html"
    title = gettext_lazy("New entry")
    permission = "ledger.add_journalentry"
    entry: JournalEntry | None = None
    asks_why = False

    def form_context(self, form: EntryForm, lines: LineFormSet) -> dict[str, Any]:
        user = self.request.user
        return self.get_context_data(
            form=form,
            lines=lines,
            entry=self.entry,
            decimals=decimal_places(self.client.base_currency),
            today=timezone.localdate(),
            currencies=[code for code, _name in currencies() if code != self.client.base_currency],
            may_post=user.has_perm("ledger.post_journalentry", self.client),
            may_delete=bool(self.entry) and user.has_perm("ledger.delete_journalentry", self.client),
            asks_why=self.asks_why or bool(form["reason"].value()),
            has_change_permission=True,
        )

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        form = EntryForm(request.POST, entry=self.entry)
        lines = LineFormSet(request.POST, client=self.client)
        is_valid = form.is_valid() & lines.is_valid()
        if is_valid and (saved := self._enter(form, lines)):
            return self._go_on(saved)
        return self.render_to_response(self.form_context(form, lines))

    def _enter(self, form: EntryForm, lines: LineFormSet) -> JournalEntry | None:
        """Save, and post if asked; None where that was refused, with the sentence on the form."""
        post = self.request.POST.get("action") == "post"
        if post and not self.request.user.has_perm("ledger.post_journalentry", self.client):
            form.add_error(None, _("A reviewer posts entries. Save this as a draft."))
            return None
        try:
            return enter(
                client=self.client,
                by=self.request.user,
                entry=self.entry,
                lines=lines.typed,
                post=post,
                reason=form.cleaned_data["reason"],
                seen=form.cleaned_data["seen"],
                idempotency_key=form.cleaned_data["key"],
                **form.facts,
            )
        except ValidationError as error:
            form.add_error(None, error)
            self._prepare_another_try(form, getattr(error, "code", ""))
        return None

    def _prepare_another_try(self, form: EntryForm, code: str) -> None:
        form.data = form.data.copy()
        match code:
            case "changed":
                form.data["seen"] = version_of(self.entry) if self.entry else ""
            case "ledger_entry_once":
                form.data["key"] = uuid.uuid4()
        self.asks_why = code in ASK_WHY

    def _go_on(self, saved: JournalEntry) -> HttpResponse:
        if saved.is_posted:
            said = _("Posted as entry %(number)s.") % {"number": saved.number}
            messages.success(self.request, linked(saved, said))
        elif self.request.POST.get("action") == "next":
            messages.success(self.request, linked(saved, _("Saved as a draft.")))
        else:
            messages.success(self.request, _("The draft is saved."))
            return redirect(book_url(self.client, "entry", saved.pk))
        following = urlencode({"date": saved.date.isoformat()})
        return redirect(f"{book_url(self.client, 'entry_new')}?{following}")


class NewEntryView(EntryFormView):
    """An empty form, or the copy of an entry: ``?date=`` and ``?copy=`` in the address."""

    tab = "entry_new"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        facts: dict[str, Any] = {"date": self._day(), "kind": EntryKind.MANUAL}
        rows: list[dict[str, Any]] = []
        if original := self._original():
            facts |= {"description": original.description, "document_number": original.document_number}
            facts["kind"] = original.kind if original.kind == EntryKind.ADJUSTING else EntryKind.MANUAL
            rows = rows_of(entries.lines_of(original), with_ids=False)
        form = EntryForm(initial={**facts, "key": uuid.uuid4()})
        return self.render_to_response(self.form_context(form, LineFormSet(client=self.client, initial=rows)))

    def _day(self) -> Any:
        try:
            return DayField(required=False).clean(self.request.GET.get("date", "")) or timezone.localdate()
        except ValidationError:
            return timezone.localdate()

    def _original(self) -> JournalEntry | None:
        pk = self.request.GET.get("copy", "")
        return entries.entry_of(self.client, int(pk)) if is_id(pk) else None


class EntryView(EntryFormView):
    """A draft as a form for those who may change it, and every other entry as a page to read."""

    permission = "ledger.view_journalentry"

    @cached_property
    def entry(self) -> JournalEntry:  # type: ignore[override]
        found = entries.entry_of(self.client, self.kwargs["pk"])
        if found is None:
            raise Http404
        return found

    @property
    def title(self) -> str:  # type: ignore[override]
        return str(self.entry)

    @property
    def is_form(self) -> bool:
        may_change = self.request.user.has_perm("ledger.change_journalentry", self.client)
        return not self.entry.is_posted and may_change

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.is_form:
            return self.read()
        form = EntryForm(initial={**facts_of(self.entry), "seen": version_of(self.entry)}, entry=self.entry)
        rows = rows_of(entries.lines_of(self.entry))
        return self.render_to_response(self.form_context(form, LineFormSet(client=self.client, initial=rows)))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Save the form. Where a colleague posted or deleted the draft meanwhile, what was typed stays."""
        if not request.user.has_perm("ledger.change_journalentry", self.client):
            return self.handle_no_permission()
        try:
            self.entry  # noqa: B018  (asked for, to see whether it is still there)
        except Http404:
            return self._write_anew(request)
        return super().post(request, *args, **kwargs)

    def _write_anew(self, request: HttpRequest) -> HttpResponse:
        data = request.POST.copy()
        data["key"], data["seen"] = uuid.uuid4(), ""
        form, lines = EntryForm(data), LineFormSet(data, client=self.client)
        form.is_valid()
        form.add_error(None, _("This draft is gone: somebody deleted it. Save to write it anew."))
        view = NewEntryView(admin_site=self.admin_site)
        view.setup(request, code=self.client.code)
        return view.render_to_response(view.form_context(form, lines))

    def read(self) -> HttpResponse:
        user, client = self.request.user, self.client
        self.template_name = "ledger/entry.html"
        lines = entries.lines_of(self.entry)
        is_posted = self.entry.is_posted
        reversal = getattr(self.entry, "reversed_by", None)
        return self.render_to_response(
            self.get_context_data(
                entry=self.entry,
                lines=lines,
                total=sum(line.debit for line in lines),
                total_credit=sum(line.credit for line in lines),
                decimals=decimal_places(client.base_currency),
                reversal=reversal,
                recoded_entries=entries.recoded_by(self.entry),
                recodings=entries.recodings_of(self.entry),
                may_annotate=is_posted and user.has_perm("ledger.change_journalentry", client),
                may_copy=user.has_perm("ledger.add_journalentry", client),
                may_reverse=is_posted and not reversal and user.has_perm("ledger.post_journalentry", client),
                may_recode=is_posted and not reversal and user.has_perm("ledger.recode_journalline", client),
                has_change_permission=False,
            )
        )
