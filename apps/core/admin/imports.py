"""The way records come into a list out of a file: chosen or pasted, looked at, taken whole."""

import csv
import io
import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.templatetags.admin_urls import admin_urlname
from django.core import signing
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from apps.core.access import visible
from apps.core.imports import KEPT_FOR, UPLOADS, Preview, RecordResource, look_at, take
from apps.core.tables.reading import Table, open_table
from apps.core.tables.writing import harmless

MOST_SHOWN = 100


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx,.xls,.ods"}),
    )
    text = forms.CharField(
        label=_("or cells copied from a spreadsheet"),
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not cleaned.get("file") and not (cleaned.get("text") or "").strip():
            raise ValidationError(_("Choose a file, or paste what is to be imported."))
        return cleaned


class ImportMixin:
    """Adds to a list the way to import into it, for those who may add or change its records."""

    resource_class: type[RecordResource]

    def has_import_permission(self, request: HttpRequest) -> bool:
        opts = self.opts  # type: ignore[attr-defined]
        verbs = (f"{opts.app_label}.{verb}_{opts.model_name}" for verb in ("add", "change"))
        return any(request.user.has_perm(one) for one in verbs)

    def get_urls(self) -> list[URLPattern]:
        opts = self.opts  # type: ignore[attr-defined]
        wrap, name = self.admin_site.admin_view, f"{opts.app_label}_{opts.model_name}"  # type: ignore[attr-defined]
        return [
            path("import/", wrap(self.import_view), name=f"{name}_import"),
            path("import/template.csv", wrap(self.import_template_view), name=f"{name}_import_template"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if self.has_import_permission(request):
            url = reverse(admin_urlname(self.opts, "import"))  # type: ignore[attr-defined, arg-type]
            client = request.GET.get("client__id__exact", "")
            context["import_url"] = f"{url}?client={client}" if client.isdecimal() else url
        return super().changelist_view(request, context)  # type: ignore[misc]

    def import_template_view(self, request: HttpRequest) -> HttpResponse:
        """A file to fill in: the columns, and a row as an example."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        resource = self.resource_class
        rows = [[one.column_name for one in resource.fields.values()], resource.example]
        return _csv_file(rows, f"{self.opts.model_name}.csv")  # type: ignore[attr-defined]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_import_permission(request):
            raise PermissionDenied
        if "file_token" in request.POST:
            return self._confirmed(request)
        form = UploadForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            upload = form.cleaned_data["file"]
            content = upload.read() if upload else form.cleaned_data["text"].encode()
            name = (upload.name if upload else _now("pasted cells"))[-200:]
            try:
                preview = look_at(self._resource(request, name), open_table(io.BytesIO(content)))
            except ValidationError as error:
                form.add_error(None, error)
            else:
                return self._show(request, preview, self._keep(request, content, name, preview))
        return self._page(request, form=form)

    def _confirmed(self, request: HttpRequest) -> HttpResponse:
        here = request.get_full_path()
        try:
            kept = signing.loads(request.POST["file_token"], salt=self._salt(request), max_age=KEPT_FOR)
            with storages["imports"].open(kept["stored"]) as file:
                content = file.read()
        except (signing.BadSignature, FileNotFoundError, OSError):
            messages.error(request, _("The uploaded file has expired. Upload it again."))
            return redirect(here)
        table = open_table(io.BytesIO(content))
        if "wrong_rows" in request.POST:
            return _wrong_rows(look_at(self._resource(request, kept["name"]), table), table)
        try:
            done = take(self._resource(request, kept["name"]), table, kept["digest"])
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            if getattr(error, "code", "") not in ("changed", "wrong"):
                return redirect(here)
            preview = look_at(self._resource(request, kept["name"]), table)
            return self._show(request, preview, self._keep(request, content, kept["name"], preview))
        storages["imports"].delete(kept["stored"])
        counts = done.counts
        said = _now("%(new)s added, %(changed)s changed, %(same)s left as they were.") % counts
        messages.success(request, said)
        return redirect(self._list())

    def _resource(self, request: HttpRequest, name: str) -> RecordResource:
        return self.resource_class(user=request.user, client=self._fixed_client(request), file_name=name)

    def _fixed_client(self, request: HttpRequest) -> Any:
        """The client of rows that name none: from the address, or the only one there is."""
        if not hasattr(self.resource_class, "key") or self.resource_class.takes_no_client:
            return None
        model: Any = self.opts.get_field("client").related_model  # type: ignore[attr-defined]
        mine = visible(model._default_manager.all(), request.user)
        asked = request.GET.get("client", "")
        if asked.isascii() and asked.isdecimal() and len(asked) <= 18:
            return mine.filter(pk=asked).first()
        few = list(mine[:2])
        return few[0] if len(few) == 1 else None

    def _keep(self, request: HttpRequest, content: bytes, name: str, preview: Preview) -> str:
        stored = storages["imports"].save(f"{UPLOADS}/{uuid.uuid4().hex}", ContentFile(content))
        kept = {"stored": stored, "name": name, "digest": preview.digest}
        return signing.dumps(kept, salt=self._salt(request))

    def _salt(self, request: HttpRequest) -> str:
        """A token is good for this person, this list and this client only."""
        return f"import:{self.opts.label}:{request.user.pk}:{request.GET.get('client', '')}"  # type: ignore[attr-defined]

    def _show(self, request: HttpRequest, preview: Preview, token: str) -> HttpResponse:
        wrong = [row for row in preview.rows if row.outcome == "wrong"]
        others = [row for row in preview.rows if row.outcome in ("new", "changed")]
        counts = preview.counts
        todo = counts["new"] + counts["changed"]
        button = ngettext("Import %(count)s row", "Import %(count)s rows", todo) % {"count": todo}
        return self._page(
            request,
            form=UploadForm(),
            preview=preview,
            counts=counts,
            wrong=wrong[:MOST_SHOWN],
            shown=others[:MOST_SHOWN],
            most=MOST_SHOWN,
            button=button if todo and not counts["wrong"] else "",
            token=token,
        )

    def _page(self, request: HttpRequest, **context: Any) -> HttpResponse:
        opts = self.opts  # type: ignore[attr-defined]
        here = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "title": _("Import %(name)s") % {"name": opts.verbose_name_plural},
            "opts": opts,
            "fixed_client": self._fixed_client(request),
            "columns": [one.column_name for one in self.resource_class.fields.values()],
            "needed": [self.resource_class.fields[name].column_name for name in self.resource_class.needed],
            "template_url": reverse(admin_urlname(opts, "import_template")),  # type: ignore[arg-type]
            "back": self._list(),
        }
        return TemplateResponse(request, "core/import.html", {**here, **context})

    def _list(self) -> str:
        return reverse(admin_urlname(self.opts, "changelist"))  # type: ignore[attr-defined, arg-type]


def _wrong_rows(preview: Preview, table: Table) -> HttpResponse:
    problems = {row.line: " ".join(row.problems) for row in preview.rows if row.outcome == "wrong"}
    rows = list(table.rows())
    head: list[list[Any]] = [[_now("line"), _now("what is wrong"), *rows[0][1]]]
    return _csv_file(
        [*head, *([line, problems[line], *cells] for line, cells in rows if line in problems)], "wrong.csv"
    )


def _csv_file(rows: list[list[Any]], name: str) -> HttpResponse:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(
        [harmless(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    response = HttpResponse("\ufeff" + text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = content_disposition_header(True, name)
    return response
