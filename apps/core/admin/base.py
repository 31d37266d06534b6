"""What every screen of the admin has in common."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import Field, Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin, TabularInline

from apps.core import guards
from apps.core.access import visible


class ScopedAdminMixin:
    """
    Rows and rights narrowed to what the user has been given.

    Rights are asked for the object at hand, not for its kind: a manager of one client may be a
    viewer of the next.
    """

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return visible(super().get_queryset(request), request.user)  # type: ignore[misc]

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may("view", request, obj) or self._may("change", request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may("add", request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may("change", request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self._may("delete", request, obj)

    def formfield_for_foreignkey(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        # Only rows the user may attach this kind of record to: its clients are those they may add it for.
        related = db_field.remote_field.model
        kwargs.setdefault("queryset", related._default_manager.all())
        kwargs["queryset"] = visible(kwargs["queryset"], request.user, self._permission("add"))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]

    def _may(self, verb: str, request: HttpRequest, obj: Model | None) -> bool:
        return request.user.has_perm(self._permission(verb), obj)

    def _permission(self, verb: str) -> str:
        opts = self.opts  # type: ignore[attr-defined]
        return f"{opts.app_label}.{get_permission_codename(verb, opts)}"


class BaseTabularInline(ScopedAdminMixin, TabularInline):
    """Rows inside another record's form; rights are those for the record they belong to."""

    extra = 0
    show_title = False


class BaseAdmin(ScopedAdminMixin, SimpleHistoryAdmin, ModelAdmin):
    """Unfold's look, rows scoped, a read-only history, and a refused save as a sentence on the form."""

    list_per_page = 50
    list_filter_submit = True
    list_fullwidth = True
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    history_list_per_page = 50
    warn_unsaved_form = True

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm]:
        form = super().get_form(request, obj, change=change, **kwargs)
        refusal = getattr(request, "guard_refusal", None)
        return _refused(form, refusal) if refusal else form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the form again with the guard's sentence and everything typed, inline rows too."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError as error:
            # Caught outside Django's transaction, so it is rolled back; the same post once more
            # finds its form refused, and is shown again like any other invalid form.
            request.guard_refusal = guards.sentence(error)  # type: ignore[attr-defined]
        return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except IntegrityError as error:
            return self._refuse(request, error)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().changelist_view(request, extra_context)
        except IntegrityError as error:
            return self._refuse(request, error)

    def history_form_view(
        self,
        request: HttpRequest,
        object_id: str,
        version_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # simple_history saves whatever is posted here, even for a user who may only view.
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return super().history_form_view(request, object_id, version_id, extra_context)

    def _refuse(self, request: HttpRequest, error: IntegrityError) -> HttpResponse:
        messages.error(request, guards.sentence(error))
        return HttpResponseRedirect(request.get_full_path())


class ReadOnlyAdminMixin:
    """Records that the system writes and people only read; they have no history of changes to offer."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {**(extra_context or {}), "show_history": False}
        return super().changeform_view(request, object_id, form_url, context)  # type: ignore[misc]

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def _refused(form: type[ModelForm], sentence: str) -> type[ModelForm]:
    class RefusedForm(form):  # type: ignore[misc, valid-type]
        def clean(self) -> Any:
            self.add_error(None, sentence)
            return super().clean()

    return RefusedForm
