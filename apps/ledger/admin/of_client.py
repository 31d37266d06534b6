"""Records of one client's books: the client comes first, stays, and narrows what else is offered."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelect2Widget, UnfoldAdminSelectWidget

from apps.core.access import visible
from apps.core.admin import BaseAdmin
from apps.ledger.models import Account
from apps.profiles.models import Client


class ChooseClientForm(forms.Form):
    client = forms.ModelChoiceField(
        label=_("Client"), queryset=Client.objects.none(), widget=UnfoldAdminSelect2Widget
    )


class OfClientAdmin(BaseAdmin):
    """
    An admin for what belongs to one client.

    To add a record the client has to be known, from ``?client=`` in the address; without it the page asks
    for it, unless the person has one client only. On the form it is shown and cannot be changed, and what
    the form offers beside it is that client's.
    """

    actions = None

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm]:
        form = super().get_form(request, obj, change=change, **kwargs)
        client = obj.client if obj else self.client_of(request)
        return _form_of(form, client) if client else form

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if self.client_of(request) is None:
            return self._ask_for_client(request)
        return super().add_view(request, form_url, extra_context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        obj = context.get("original")
        if obj and self.has_delete_permission(request, obj) and self.why_kept(obj):
            context["show_delete"] = False
        return super().render_change_form(request, context, *args, **kwargs)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        if obj and self.has_delete_permission(request, obj) and (why := self.why_kept(obj)):
            messages.error(request, why)
            return redirect(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", obj.pk)
        return super().delete_view(request, object_id, extra_context)

    def why_kept(self, obj: Any) -> Any:
        """Return why a record cannot be deleted, and what to do instead; empty when it can."""
        return ""

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        response = super().response_add(request, obj, post_url_continue)
        if "_addanother" in request.POST and isinstance(response, HttpResponseRedirect):
            return redirect(f"{request.path}?client={obj.client_id}")
        return response

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search; an autocomplete that says for which client finds that client's only."""
        found, duplicates = super().get_search_results(request, queryset, search_term)
        client = request.GET.get("client")
        if client is not None:
            found = found.filter(client=client) if _is_id(client) else found.none()
        return found, duplicates

    def formfield_for_foreignkey(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs.setdefault(
            "widget", UnfoldAdminSelectWidget if db_field.name == "client" else UnfoldAdminSelect2Widget
        )
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        for link in ("add", "change", "delete", "view"):  # no menus beside the fields
            if hasattr(getattr(formfield, "widget", None), f"can_{link}_related"):
                setattr(formfield.widget, f"can_{link}_related", False)
        return formfield

    def client_of(self, request: HttpRequest) -> Client | None:
        """Return the client a new record is for: from the address, the list's filter, or the only one."""
        asked = request.GET.get("client") or QueryDict(request.GET.get("_changelist_filters", "")).get(
            "client__id__exact", ""
        )
        mine = self._clients(request)
        if _is_id(asked):
            return mine.filter(pk=asked).first()
        few = list(mine[:2])
        return few[0] if len(few) == 1 else None

    def _clients(self, request: HttpRequest) -> QuerySet[Client]:
        return visible(Client.objects.all(), request.user, self._permission("add"))

    def _ask_for_client(self, request: HttpRequest) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ChooseClientForm()
        form.fields["client"].queryset = self._clients(request)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Add %(name)s") % {"name": self.opts.verbose_name},
            "opts": self.opts,
            "form": form,
            "is_popup": IS_POPUP_VAR in request.GET,
            "list_url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
        }
        return TemplateResponse(request, "ledger/choose_client.html", context)


def _form_of(form: type[forms.ModelForm], client: Client) -> type[forms.ModelForm]:
    """Return a form for a record of this client: no other client, nothing of another one."""

    class FormOfClient(form):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.instance.client = client
            for name, field in self.fields.items():
                if name == "client":
                    field.disabled = True
                    field.queryset = Client.objects.filter(pk=client.pk)
                    field.choices = [(client.pk, str(client))]
                    self.initial["client"] = client.pk
                elif isinstance(field, forms.ModelChoiceField) and field.queryset.model is Account:
                    self.offer(name, field, field.queryset.filter(client=client).order_by("code"))

        def offer(self, name: str, field: forms.ModelChoiceField, accounts: QuerySet[Account]) -> None:
            """Narrow what a field offers; a form that knows more says so in ``accounts_for``."""
            narrower = getattr(self, "accounts_for", None)
            field.queryset = narrower(name, accounts) if narrower else accounts
            rows = list(field.queryset)
            groups: dict[str, list[tuple[int, str]]] = {}
            for row in rows:
                groups.setdefault(str(row.get_kind_display()), []).append((row.pk, str(row)))
            field.choices = [("", "–"), *groups.items()]

    return FormOfClient


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 18
