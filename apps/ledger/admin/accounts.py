from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Field, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import BooleanRadioFilter, ChoicesDropdownFilter
from unfold.decorators import display

from apps.core.admin import ScopedSelectFilter
from apps.core.admin.imports import ImportMixin
from apps.ledger.admin.of_client import OfClientAdmin
from apps.ledger.models import Account, AccountKind, AccountRole, AccountSection, TaxCode
from apps.ledger.models.accounts import SECTIONS
from apps.ledger.refusals import SENTENCES
from apps.ledger.resources import AccountResource
from apps.ledger.views.books import book_url

FROZEN = ["kind", "currency", "is_postable"]


class AccountForm(forms.ModelForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if section := self.fields.get("section"):
            kinds = [self.instance.kind] if "kind" not in self.fields else AccountKind.values
            section.choices = [
                ("", _("The usual one")),
                *(
                    (AccountKind(kind).label, [(one, AccountSection(one).label) for one in SECTIONS[kind]])
                    for kind in kinds
                ),
            ]

    def accounts_for(self, name: str, accounts: QuerySet[Account]) -> QuerySet[Account]:
        """Offer capital to close into, and to stand under what is not below, of a fixed kind's own."""
        if name == "closes_into":
            return accounts.filter(role=AccountRole.CAPITAL)
        if self.instance.pk:
            accounts = accounts.exclude(pk__in=_with_those_below(self.instance))
        return accounts if "kind" in self.fields else accounts.filter(kind=self.instance.kind)

    def clean_code(self) -> str:
        return self.cleaned_data["code"].strip()

    def clean_currency(self) -> str:
        """An account in the client's own currency is one without a foreign currency."""
        currency = self.cleaned_data["currency"]
        return "" if currency == self.instance.client.base_currency else currency

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        kind = cleaned.get("kind") or self.instance.kind
        parent = cleaned.get("parent")
        if parent and kind and parent.kind != kind:
            del cleaned["parent"]
            self.add_error(
                "parent",
                _("An account stands under one of its own kind, and %(parent)s is: %(kind)s.")
                % {"parent": parent, "kind": parent.get_kind_display()},
            )
        return cleaned


@admin.register(Account)
class AccountAdmin(ImportMixin, OfClientAdmin):
    resource_class = AccountResource

    list_display = ["code", "name", "client", "kind", "section", "role_shown", "state"]
    list_display_links = ["code", "name"]
    list_select_related = ["client"]
    list_filter = [
        ("client", ScopedSelectFilter),
        ("kind", ChoicesDropdownFilter),
        ("section", ChoicesDropdownFilter),
        ("role", ChoicesDropdownFilter),
        ("is_active", BooleanRadioFilter),
    ]
    search_fields = ["code", "name"]

    form = AccountForm
    asks_reason = True
    empty_hint = _("A client's chart is started from a template under Books, Accounts.")

    def get_fieldsets(self, request: HttpRequest, obj: Account | None = None) -> Any:
        used = _("Kind, currency and whether it can be posted to are fixed: posted entries use this account.")
        return [
            (None, {"fields": ["client", "code", "name", "is_active"]}),
            (
                _("In the chart"),
                {
                    "fields": ["kind", "section", "parent", "is_postable"],
                    "description": used if obj and _is_posted_to(obj) else "",
                },
            ),
            (
                _("Special use"),
                {
                    "fields": ["role", "closes_into", "share", "currency"],
                    "description": _("Empty for most accounts."),
                },
            ),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> list[str]:
        return FROZEN if obj and _is_posted_to(obj) else []

    def formfield_for_dbfield(self, db_field: Field, request: HttpRequest, **kwargs: Any) -> Any:
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "role":
            formfield.help_text = _("What the software itself needs an account for. One for each is enough.")
        if db_field.name == "parent":
            formfield.help_text = _("The heading it stands under in the chart; of the same kind.")
        return formfield

    def response_post_save_add(self, request: HttpRequest, obj: Account) -> HttpResponse:
        return redirect(book_url(obj.client, "chart") + f"#account-{obj.pk}")

    def response_post_save_change(self, request: HttpRequest, obj: Account) -> HttpResponse:
        return self.response_post_save_add(request, obj)

    def why_kept(self, obj: Account) -> Any:
        if obj.lines.exists():
            return SENTENCES["ledger_account_used"]
        if obj.children.exists():
            return _("Other accounts stand under this one: move them first, or make it inactive.")
        if TaxCode.objects.filter(account=obj).exists() or Account.objects.filter(closes_into=obj).exists():
            return _("Tax codes or other accounts point to this one: change them first, or make it inactive.")
        return ""

    @display(description=_("role"), ordering="role")
    def role_shown(self, account: Account) -> str:
        return account.get_role_display() if account.role else ""

    @display(description=_("state"), ordering="is_active", label={"active": "success", "inactive": "info"})
    def state(self, account: Account) -> tuple[str, Any]:
        if not account.is_active:
            return "inactive", _("inactive")
        return ("active", _("active")) if account.is_postable else ("heading", _("heading"))


def _is_posted_to(account: Account) -> bool:
    """Whether posted lines rest on an account; asked several times for a form, and answered once."""
    if not hasattr(account, "_is_posted_to"):
        account._is_posted_to = account.lines.filter(client=account.client_id, is_posted=True).exists()
    return account._is_posted_to


def _with_those_below(account: Account) -> set[int]:
    parents = dict(Account.objects.filter(client=account.client_id).values_list("pk", "parent"))
    below = {account.pk}
    while more := {pk for pk, parent in parents.items() if parent in below} - below:
        below |= more
    return below
