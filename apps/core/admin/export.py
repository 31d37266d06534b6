"""Every list as a file: what it shows now, with its filters and its search, in its order."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.admin.templatetags.admin_urls import admin_urlname
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from apps.core.access import visible
from apps.core.exports import ExportColumn, column_of, columns_of, sheet_of
from apps.core.tables.writing import EXCELS_OWN_LIMIT, csv_lines, write_excel

EXPORT = "core.export_records"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
COUNTED = 10_000


class ExportForm(forms.Form):
    columns = forms.MultipleChoiceField(label=_("Columns"), widget=forms.CheckboxSelectMultiple)
    format = forms.ChoiceField(label=_("Format"), choices=[("csv", "CSV"), ("xlsx", "Excel")])

    def __init__(self, *args: Any, columns: Sequence[ExportColumn], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        titles = [one.title for one in columns]
        field: Any = self.fields["columns"]
        field.choices, field.initial = [(title, title) for title in titles], titles


class ExportMixin:
    """
    Adds to a list the way to export it.

    What may be seen may be exported by those who hold EXPORT, for the clients they hold it for: taking
    records out of the house is more than reading them.
    """

    change_list_template = "core/change_list.html"
    #: (title, path) of each column; all fields of the model when nothing is said.
    export_paths: Sequence[tuple[str, str]] = ()
    export_form_class = ExportForm

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and request.user.has_perm(EXPORT)  # type: ignore[attr-defined]

    def get_urls(self) -> list[URLPattern]:
        opts = self.opts  # type: ignore[attr-defined]
        view = self.admin_site.admin_view(self.export_view)  # type: ignore[attr-defined]
        name = f"{opts.app_label}_{opts.model_name}_export"
        return [path("export/", view, name=name), *super().get_urls()]  # type: ignore[misc]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if self.has_export_permission(request):
            asked = request.GET.urlencode()
            url = reverse(admin_urlname(self.opts, "export"))  # type: ignore[attr-defined, arg-type]
            context["export_url"] = f"{url}?{asked}" if asked else url
        return super().changelist_view(request, context)  # type: ignore[misc]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        if not self.has_export_permission(request):
            raise PermissionDenied
        records = self.exported(request)
        columns = self.get_export_columns(request)
        form = self.export_form_class(request.POST or None, columns=columns)
        count = records[: COUNTED + 1].count()
        if form.is_valid():
            try:
                return self._file(request, form, records, columns)
            except ValidationError as error:
                form.add_error(None, error)
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "title": _("Export %(name)s") % {"name": self.opts.verbose_name_plural},  # type: ignore[attr-defined]
            "opts": self.opts,  # type: ignore[attr-defined]
            "form": form,
            "count": min(count, COUNTED),
            "has_more": count > COUNTED,
            "is_narrowed": bool(request.GET),
            "back": f"{reverse(admin_urlname(self.opts, 'changelist'))}?{request.GET.urlencode()}",  # type: ignore[attr-defined, arg-type]
        }
        return TemplateResponse(request, "core/export.html", context)

    def exported(self, request: HttpRequest) -> QuerySet[Any]:
        """Return what the list shows, narrowed to what the person may take along."""
        listed = self.get_changelist_instance(request).queryset  # type: ignore[attr-defined]
        return visible(listed, request.user, EXPORT)

    def take_along(self, request: HttpRequest, records: QuerySet[Any]) -> QuerySet[Any]:
        """Return what goes into the file, and write down what has to be: it leaves now."""
        return records

    def get_export_columns(self, request: HttpRequest) -> list[ExportColumn]:
        model = self.model  # type: ignore[attr-defined]
        if not self.export_paths:
            return columns_of(model)
        return [column_of(model, where, title) for title, where in self.export_paths]

    def _file(
        self, request: HttpRequest, form: Any, records: QuerySet[Any], columns: Sequence[ExportColumn]
    ) -> HttpResponseBase:
        records = self.take_along(request, records)
        wanted = [one for one in columns if one.title in form.cleaned_data["columns"]]
        title = str(self.opts.verbose_name_plural)  # type: ignore[attr-defined]
        sheet = sheet_of(title.capitalize(), records, wanted)
        ending = form.cleaned_data["format"]
        name = f"{slugify(title)}-{timezone.localdate().isoformat()}.{ending}"
        if ending == "xlsx":
            if (
                records.values_list(*(one.path for one in wanted))[: EXCELS_OWN_LIMIT + 1].count()
                > EXCELS_OWN_LIMIT
            ):
                raise ValidationError(_now("Excel holds no more than a million rows: take the CSV file."))
            file = write_excel(sheet, is_for_people=False)
            return FileResponse(file, content_type=EXCEL, as_attachment=True, filename=name)
        response = StreamingHttpResponse(csv_lines(sheet), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = content_disposition_header(True, name) or ""
        return response
