"""A client's books as one file, for people without a shell."""

from tempfile import TemporaryFile
from typing import Any

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from apps.ledger.books_file.formats import FORMATS
from apps.ledger.books_file.writing import name_of_file
from apps.ledger.services.books_file import EXPORT, export_books
from apps.ledger.services.contacts import REVEAL
from apps.ledger.views.books import BooksView, book_url


class ExportBooksView(BooksView):
    """Writes the books in the format of the button that was pressed. Not by a link: it reveals tax ids."""

    title = _("Export the books")
    permission = EXPORT
    tab = "books"
    template_name = "ledger/books_export.html"
    http_method_names = ["get", "head", "post"]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            formats=FORMATS.items(), may_reveal=self.request.user.has_perm(REVEAL, self.client), **kwargs
        )

    def post(self, request: HttpRequest, code: str) -> HttpResponse | FileResponse:
        chosen = FORMATS.get(request.POST.get("format", ""))
        if chosen is None:
            messages.error(request, _now("Choose one of the formats."))
            return redirect(book_url(self.client, "books_export"))
        file = TemporaryFile()  # noqa: SIM115  (the response closes it)
        written = export_books(self.client, file, chosen, by=request.user)
        if written.left_out:
            messages.warning(request, written.left_out)
        file.seek(0)
        return FileResponse(
            file,
            as_attachment=True,
            filename=name_of_file(self.client, chosen.ending, timezone.localtime()),
            content_type=chosen.content_type,
            headers={"Cache-Control": "private, no-store"},
        )
