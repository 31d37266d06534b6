"""What every screen of the admin has in common."""

import re
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.templatetags.admin_urls import admin_urlname
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.db import DatabaseError, transaction
from django.db.models import Field, Model, QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin, TabularInline

from apps.core import guards, trail
from apps.core.access import visible
from apps.core.admin.export import ExportMixin
from apps.core.history import sign

VERSION_FIELD = "_version"
REASON_FIELD = "_reason"
LONGEST_REASON = 500


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

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Answer the list's own filters only: any other look-up could ask a column nobody offers."""
        filters = [one[0] if isinstance(one, tuple) else one for one in self.get_list_filter(request)]  # type: ignore[attr-defined]
        names = "|".join(one if isinstance(one, str) else one.parameter_name for one in filters)
        return re.fullmatch(rf"({names})(__exact|__id__exact|_(from|to)(_[01])?)?", lookup) is not None

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Take values from the address only where they could be such a value."""
        initial = super().get_changeform_initial_data(request)  # type: ignore[misc]
        return {name: value for name, value in initial.items() if self._could_be(name, value)}

    def _could_be(self, name: str, value: Any) -> bool:
        try:
            field = self.opts.get_field(name)  # type: ignore[attr-defined]
            getattr(field, "target_field", field).to_python(value)
        except (FieldDoesNotExist, ValidationError, ValueError):
            return False
        return True

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


class BaseAdmin(ExportMixin, ScopedAdminMixin, SimpleHistoryAdmin, ModelAdmin):
    """Unfold's look, rows scoped, guards as sentences, a read-only history, and no lost updates."""

    list_per_page = 50
    list_filter_submit = True
    list_fullwidth = True
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    history_list_per_page = 50
    warn_unsaved_form = True
    change_form_before_template = "core/version.html"
    change_form_after_template = "core/reason.html"
    #: Whether the form asks why: where a change alters what others rely on, such as their rights.
    asks_reason = False

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> type[ModelForm]:
        form = super().get_form(request, obj, change=change, **kwargs)
        if refusal := getattr(request, "guard_refusal", None):
            form = _refused(form, refusal)
        seen = request.POST.get(VERSION_FIELD, "")
        return _refused_when_changed(form, int(seen)) if obj and seen.isdecimal() else form

    # What the database refuses is a sentence on the same page, with everything that was typed.

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
        except guards.REFUSALS as error:
            # Caught outside Django's transaction, so it is rolled back; the same post once more
            # finds its form refused, and is shown again like any other invalid form.
            request.guard_refusal = guards.sentence(error)  # type: ignore[attr-defined]
        return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)
        except guards.REFUSALS as error:
            return self._refuse(request, error)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        try:
            with transaction.atomic():  # a refused bulk action leaves no line in the log either
                return super().changelist_view(request, extra_context)
        except guards.REFUSALS as error:
            return self._refuse(request, error)

    def _refuse(self, request: HttpRequest, error: DatabaseError) -> HttpResponse:
        messages.error(request, guards.sentence(error))
        return HttpResponseRedirect(request.get_full_path())

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if original := context.get("original"):
            newest = original.history.order_by("-history_id").values_list("history_id", flat=True).first()
            context |= {"record_version": newest, "reason_given": _reason_in(request)}
        return super().render_change_form(request, context, *args, **kwargs)

    # What is saved and deleted is signed, whichever way: a form, its rows, a bulk action.

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        sign(obj, by=request.user, reason=_reason_in(request))
        super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for row in formset.forms:
            sign(row.instance, by=request.user, reason=_reason_in(request))
        super().save_formset(request, form, formset, change)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        sign(obj, by=request.user, reason=_reason_in(request))
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Tell what happened to a record, newest first; also of one that is gone."""
        key = self._key(unquote(object_id))
        stored = self.get_queryset(request).filter(pk=key).first()
        obj = stored or trail.as_it_was(self.model, key)  # out of sight or gone: its rights decide
        if obj is None:
            raise Http404
        if not self.has_view_or_change_permission(request, obj):
            raise PermissionDenied
        sources = trail.sources_about(self.model, key, request.user)
        begins = trail.Place.read(request.GET.get("from", ""))
        context = {
            **self.admin_site.each_context(request),
            "title": _("History: %(record)s") % {"record": obj},
            "page": trail.read_page(sources, begins=begins, size=self.history_list_per_page),
            "object": obj,
            "record_url": trail.telling_of(self.model).url_of(stored) if stored else "",
            "opts": self.opts,
            "module_name": capfirst(str(self.opts.verbose_name_plural)),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        return self.render_history_view(request, self.object_history_template, context)

    def _key(self, text: str) -> int:
        try:
            key = self.opts.pk.to_python(text)
        except ValidationError:
            raise Http404 from None
        if not -(2**63) <= key < 2**63:
            raise Http404
        return key

    def history_form_view(
        self,
        request: HttpRequest,
        object_id: str,
        version_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # simple_history saves whatever is posted here, even for a user who may only view; and its page
        # for one version looks like a form that could be. The list has all there is to see.
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        return redirect(admin_urlname(self.opts, "history"), object_id)


class ReadOnlyAdminMixin(ExportMixin):
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


def _reason_in(request: HttpRequest) -> str:
    """Return why a person does what they sent a form for, if they said."""
    return request.POST.get(REASON_FIELD, "").replace("\0", "").strip()[:LONGEST_REASON]


def _refused_when_changed(form: type[ModelForm], seen: int) -> type[ModelForm]:
    """Return the form, refusing to save over what a colleague saved since the page was loaded."""

    class VersionedForm(form):  # type: ignore[misc, valid-type]
        def clean(self) -> Any:
            # The lock makes the second of two that save at once wait for the first, and see it.
            type(self.instance)._base_manager.select_for_update().filter(pk=self.instance.pk).first()
            records = self.instance.history.order_by("-history_id")
            newest, before = records.first(), records.filter(history_id=seen).first()
            if newest and before and newest.history_id != seen:
                self.add_error(None, _who_changed_what(self.instance, newest, before))
            return super().clean()

    return VersionedForm


def _who_changed_what(instance: Model, newest: Any, before: Any) -> str:
    changed = newest.diff_against(before).changed_fields
    names = [str(instance._meta.get_field(name).verbose_name) for name in changed]
    return _(
        "%(who)s has changed this since you opened it (%(what)s). What you typed is still here; "
        "save again to keep yours."
    ) % {"who": newest.history_user or _("Somebody"), "what": ", ".join(names) or _("nothing that shows")}


def _refused(form: type[ModelForm], sentence: str) -> type[ModelForm]:
    class RefusedForm(form):  # type: ignore[misc, valid-type]
        def clean(self) -> Any:
            self.add_error(None, sentence)
            return super().clean()

    return RefusedForm
