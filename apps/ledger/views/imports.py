"""Moving in: files of journal entries, looked through first and then imported whole."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import formats
from django.utils.dateparse import parse_date
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from apps.core import jobs
from apps.core.models import Job
from apps.core.tables.reading import Table
from apps.core.tables.values import amount_of
from apps.core.tables.writing import harmless
from apps.ledger.forms.imports import FormatForm, UploadForm
from apps.ledger.importing.mapping import (
    Grouping,
    Header,
    JournalFormat,
    date_choices,
    find_header,
    guess_format,
    header_at,
)
from apps.ledger.journal_jobs import import_file, look_through_file
from apps.ledger.models import Account, EntryKind, ImportState, JournalImport
from apps.ledger.services import imports
from apps.ledger.views.books import BooksView, book_url
from apps.profiles.codes import decimal_places

ADD = "ledger.add_journalentry"
POST = "ledger.post_journalentry"
WHILE_ONE_WAITS = 1024 * 1024  # bytes; larger files are a job
MOST_LISTED = 50
ZERO = Decimal(0)
HOW_IT_IS_TAKEN_APART = ["header_line", "sheet", "encoding", "delimiter"]
EXAMPLE = [
    ["1", "2026-01-05", "Sale", "1010", "1,200.00", "", "", "Acorn Bakery"],
    ["1", "2026-01-05", "Sale", "4000", "", "1,200.00", "", "Acorn Bakery"],
]
TEMPLATE = ["Entry no.", "Date", "Description", "Account", "Debit", "Credit", "Memo", "Contact"]


class ImportsView(BooksView):
    """What was imported into a client's books, and the way to import more."""

    title = _("Import")
    tab = "journal_imports"
    permission = ADD
    template_name = "ledger/imports.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kwargs.setdefault("form", UploadForm())
        listed = JournalImport.objects.filter(client=self.client).select_related("uploaded_by", "imported_by")
        return super().get_context_data(imports=listed[:MOST_LISTED], **kwargs)

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        form = UploadForm(request.POST, request.FILES)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form))
        options = (
            {"kind": EntryKind.OPENING, "grouping": Grouping.WHOLE} if form.cleaned_data["is_opening"] else {}
        )
        try:
            one = imports.upload_journal(self.client, form.cleaned_data["file"], by=request.user, **options)
        except ValidationError as error:
            form.add_error("file", error)
            return self.render_to_response(self.get_context_data(form=form))
        return look_through(request, one)


class TemplateFileView(BooksView):
    """A file to fill in."""

    permission = ADD

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        return _csv_file([TEMPLATE, *EXAMPLE], "journal.csv")


class ImportView(BooksView):
    """One file: what would be done with it, how it is read, and the button that does it."""

    tab = "journal_imports"
    permission = ADD
    template_name = "ledger/import.html"

    @cached_property
    def journal_import(self) -> JournalImport:
        found = JournalImport.objects.filter(client=self.client, pk=self.kwargs["pk"]).first()
        if found is None:
            raise Http404
        found.client = self.client
        return found

    @property
    def title(self) -> str:
        return self.journal_import.file_name

    @cached_property
    def job(self) -> Job | None:
        """The job that works on the file now, if one does."""
        job = Job.objects.select_related("run").filter(pk=self.journal_import.job_id or 0).first()
        return job if job and not job.is_over else None

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        one = self.journal_import
        context = super().get_context_data(
            one=one,
            preview=one.preview,
            following=self.job is not None,
            job=self.job,
            last_job=None if self.job else self._failed_job(),
            decimals=decimal_places(self.client.base_currency),
            is_over=one.state in (ImportState.IMPORTED, ImportState.UNDONE),
            years=[[parse_date(day) for day in year] for year in one.preview.get("years", [])],
            first_day=parse_date(one.preview.get("first_day") or ""),
            last_day=parse_date(one.preview.get("last_day") or ""),
            debits=Decimal(one.preview.get("debits", 0)),
            wrong=[_with_figures(row) for row in one.preview.get("wrong", [])],
            shown=[_with_figures(row) for row in one.preview.get("shown", [])],
            **kwargs,
        )
        if not context["is_over"] and not self.job:
            context |= self._format_context(context.get("form"))
        return context

    def _failed_job(self) -> Job | None:
        job = Job.objects.select_related("run").filter(pk=self.journal_import.job_id or 0).first()
        return job if job and job.state in ("failed", "cancelled", "lost") else None

    def _format_context(self, form: FormatForm | None) -> dict[str, Any]:
        try:
            with self._file() as (table, header, read_as):
                form = form or self._form(table, header, read_as)
                sample = [row for row in table.head(header.line + 20) if row[0] > header.line]
                columns, notes = form.columns_with(sample), table.notes
        except ValidationError as error:
            return {"unreadable": error.messages}
        chart = Account.objects.filter(client=self.client, is_postable=True, is_active=True).order_by("code")
        return {
            "form": form,
            "columns": columns,
            "missing": read_as.missing(),
            "file_notes": notes,
            "chart": chart.values_list("code", "name") if form.accounts else [],
        }

    @contextmanager
    def _file(self) -> Iterator[tuple[Table, Header, JournalFormat]]:
        with imports.table_of(self.journal_import) as table:
            read_as = JournalFormat.from_json(self.journal_import.options)
            yield table, header_at(table, read_as.header_line) or find_header(table), read_as

    def _form(self, table: Table, header: Header, read_as: JournalFormat, data: Any = None) -> FormatForm:
        return FormatForm(
            data,
            table=table,
            header=header,
            read_as=read_as,
            date_formats=date_choices(table, header, read_as),
            accounts=self.journal_import.preview.get("accounts", []),
            may_post=self.request.user.has_perm(POST, self.client),
        )

    def post(self, request: HttpRequest, code: str, pk: int) -> HttpResponse:
        if "discard" in request.POST:
            return self._discard()
        if self.job:
            messages.info(request, _("A job is at work on this file."))
            return redirect(request.path)
        try:
            with self._file() as (table, header, read_as):
                form = self._form(table, header, read_as, request.POST)
                if not form.is_valid():
                    return self.render_to_response(self.get_context_data(form=form))
            return self._do(form.result, read_as)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect(request.path)

    def _do(self, asked: JournalFormat, before: JournalFormat) -> HttpResponse:
        """Import when that is asked for and nothing about the plan has changed; else look through again."""
        request, one = self.request, self.journal_import
        shown = one.plan_hash
        if asked != before:
            one = imports.read_otherwise(one, self._guessed_anew(asked, before), by=request.user)
        if "import" not in request.POST or asked != before and one.file_size > WHILE_ONE_WAITS:
            return look_through(request, one)
        if request.POST.get("plan") != shown:
            messages.warning(
                request, _("This file was looked through again meanwhile: see what would be done now.")
            )
            return redirect(request.path)
        if asked != before:
            one = imports.look_through(one, by=request.user)
            if one.plan_hash != shown or one.preview["counts"]["wrong"]:
                messages.warning(request, _("That changes what would be done: look at it once more."))
                return redirect(request.path)
        return import_now(request, one)

    def _guessed_anew(self, asked: JournalFormat, before: JournalFormat) -> JournalFormat:
        """Where the file is taken apart otherwise its columns are others, and are guessed once more."""
        if all(getattr(asked, name) == getattr(before, name) for name in HOW_IT_IS_TAKEN_APART):
            return asked
        self.journal_import.options = asked.as_json()
        with self._file() as (table, header, _read_as):
            guessed = guess_format(table, header)
        kept = ["kind", "date", "posts", "reason", "year_start", "opens_years", "accounts"]
        return replace(guessed, **{name: getattr(asked, name) for name in kept})

    def _discard(self) -> HttpResponse:
        try:
            imports.discard_import(self.journal_import, by=self.request.user)
        except ValidationError as error:
            messages.error(self.request, " ".join(error.messages))
            return redirect(self.request.path)
        messages.success(self.request, _("The file is discarded. Nothing of it was imported."))
        return redirect(book_url(self.client, "journal_imports"))


class WrongRowsView(ImportView):
    """The wrong rows of a file as they are, each with what is wrong with it."""

    def get(self, request: HttpRequest, code: str, pk: int) -> HttpResponse:
        try:
            rows = imports.wrong_rows(self.journal_import, by=request.user)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect(book_url(self.client, "journal_import", pk))
        return _csv_file(
            rows, _now("wrong rows of %(file)s") % {"file": self.journal_import.file_name} + ".csv"
        )


class ImportedFileView(ImportView):
    """The file that entries came from, as it was uploaded."""

    permission = "ledger.view_journalentry"

    def get(self, request: HttpRequest, code: str, pk: int) -> HttpResponse:
        try:
            file = imports.open_file(self.journal_import)
        except ValidationError as error:
            raise Http404 from error
        return FileResponse(file, as_attachment=True, filename=self.journal_import.file_name)


class UndoImportView(ImportView):
    """The question whether the entries of an import are to be taken back."""

    template_name = "ledger/import_undo.html"
    permission = "ledger.delete_journalentry"

    def post(self, request: HttpRequest, code: str, pk: int) -> HttpResponse:
        try:
            count = imports.undo_import(self.journal_import, by=request.user)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(
                request,
                ngettext("%(count)s draft is taken back.", "%(count)s drafts are taken back.", count)
                % {"count": count},
            )
        return redirect(book_url(self.client, "journal_import", pk))


def _with_figures(row: dict[str, Any]) -> dict[str, Any]:
    amount = Decimal(row["amount"]) if row["amount"] else None
    sides = {"debit": max(amount, ZERO), "credit": max(-amount, ZERO)} if amount is not None else {}
    return {**row, "date": parse_date(row["date"] or ""), "amount": amount, **sides}


def look_through(request: HttpRequest, one: JournalImport) -> HttpResponse:
    """Look through a file at once, or by a job when it is large, and lead to its page."""
    there = redirect(book_url(one.client, "journal_import", one.pk))
    if JournalFormat.from_json(one.options).missing():
        return there  # the page asks for it
    if one.file_size > WHILE_ONE_WAITS:
        _start(request, one, look_through_file, _now("Look through %(file)s") % {"file": one.file_name})
        return there
    try:
        imports.look_through(one, by=request.user)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return there


def import_now(request: HttpRequest, one: JournalImport) -> HttpResponse:
    """Import a file at once, or by a job when it is large; where the books changed, show what it would do."""
    there = redirect(book_url(one.client, "journal_import", one.pk))
    if one.file_size > WHILE_ONE_WAITS:
        _start(request, one, import_file, _now("Import %(file)s") % {"file": one.file_name})
        return there
    try:
        one = imports.import_journal(one, by=request.user)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        if getattr(error, "code", "") == "changed":
            return look_through(request, one)
        return there
    said = ngettext("%(count)s entry imported.", "%(count)s entries imported.", one.entries)
    messages.success(request, said % {"count": formats.number_format(one.entries, force_grouping=True)})
    return there


def _start(request: HttpRequest, one: JournalImport, task: Any, title: str) -> None:
    job = jobs.start(
        task,
        by=request.user,
        title=title[:200],
        permission=ADD,
        client_id=one.client_id,
        user_id=request.user.pk,
        import_id=one.pk,
    )
    JournalImport.objects.filter(pk=one.pk).update(job_id=job.pk)


def _harmless(cell: Any) -> Any:
    """A cell of somebody's file that a spreadsheet does not calculate with; amounts stay amounts."""
    if not isinstance(cell, str):
        return cell
    try:
        amount_of(cell)
    except ValueError:
        return harmless(cell)
    return cell


def _csv_file(rows: list[list[Any]], name: str) -> HttpResponse:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_harmless(cell) for cell in row] for row in rows)
    response = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, name)
    return response
