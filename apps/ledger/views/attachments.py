"""The papers of entries: attach, open, remove."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from apps.ledger.models import Attachment, JournalEntry
from apps.ledger.papers import SHOWN_BY_BROWSERS
from apps.ledger.services.attachments import attach, detach, open_attachment, stored_name
from apps.ledger.views.books import BooksView, book_url

# What somebody sent us runs nothing and loads nothing, whatever it turns out to be.
HARMLESS = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


class PapersView(BooksView):
    """Changes the papers of an entry; answers htmx with the list as it is now, and others with the entry."""

    title = _("Papers")
    http_method_names = ["post"]

    def answer(self, request: HttpRequest, entry: JournalEntry, refused: list[str]) -> HttpResponse:
        if request.headers.get("HX-Request"):
            return render(request, "ledger/papers.html", {"entry": entry, "refused": refused})
        for sentence in refused:
            messages.error(request, sentence)
        return redirect(book_url(self.client, "entry", entry.pk) + "#attachments")


class AttachView(PapersView):
    """Each file is attached or refused for itself, and what is refused is told by name."""

    permission = "ledger.add_attachment"

    def post(self, request: HttpRequest, code: str, pk: int) -> HttpResponse:
        entry = get_object_or_404(JournalEntry, client=self.client, pk=pk)
        files, refused = request.FILES.getlist("file"), []
        for file in files:
            try:
                attach(entry, file, by=request.user)
            except ValidationError as error:
                refused.append(f"{file.name}: {' '.join(error.messages)}")
        return self.answer(request, entry, refused if files else [_now("Choose a file first.")])


class DetachView(PapersView):
    permission = "ledger.delete_attachment"

    def post(self, request: HttpRequest, code: str, pk: int) -> HttpResponse:
        attachment = get_object_or_404(Attachment, client=self.client, pk=pk)
        detach(attachment, by=request.user)
        return self.answer(request, attachment.entry, [])


class AttachmentView(BooksView):
    """A stored paper: shown if browsers show it safely, else saved."""

    title = _("Paper")
    permission = "ledger.view_attachment"
    template_name = "ledger/attachment_missing.html"
    http_method_names = ["get", "head"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse | FileResponse:
        attachment = get_object_or_404(Attachment, client=self.client, pk=kwargs["pk"])
        try:
            file = open_attachment(attachment)
        except FileNotFoundError:
            missing = {"attachment": attachment, "stored_name": stored_name(attachment)}
            return self.render_to_response(self.get_context_data(**missing), status=404)
        return FileResponse(
            file,
            as_attachment=attachment.content_type not in SHOWN_BY_BROWSERS,
            filename=attachment.name,
            content_type=attachment.content_type,
            headers={
                "Content-Security-Policy": HARMLESS,
                "X-Content-Type-Options": "nosniff",
                "Cache-Control": "private, no-store",
            },
        )
