"""A field that finds an account of one client by a few characters."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.ledger.models import Account
from apps.ledger.queries.account_search import meant_account
from apps.profiles.models import Client

FindAccount = Callable[[int], Account | None]


class AccountInput(forms.Widget):
    """The field of ``ledger/account_search.js``: the text people type, and the id of what they picked."""

    template_name = "ledger/account_input.html"

    class Media:
        css = {"all": ["ledger/account_search.css"]}
        js = ["ledger/account_search.js"]

    def __init__(self, client: Client, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.client = client

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, None, attrs)
        picked, text = (value.pk, str(value)) if isinstance(value, Account) else value or ("", "")
        context["widget"] |= {"picked": picked, "text": text, "code": self.client.code}
        return context

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> tuple[str, str]:
        return data.get(name) or "", data.get(f"{name}_text") or ""

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return name not in data and f"{name}_text" not in data

    def id_for_label(self, id_: str) -> str:
        return id_


class AccountField(forms.Field):
    """
    An account of the client that can be posted to; another client's does not exist for it.

    ``find`` may answer for an id out of what was read for the whole form at once. Its initial value is an
    Account. Error codes: ``required``, ``unknown``, ``heading``, ``inactive``.
    """

    default_error_messages = {
        "required": _("Choose an account."),
        "unknown": _("No account of this client is meant by “%(text)s”."),
        "heading": _("%(account)s is a heading: choose an account under it."),
        "inactive": _("%(account)s is inactive."),
    }

    def __init__(self, *, client: Client, find: FindAccount | None = None, **options: Any) -> None:
        options.setdefault("label", _("account"))
        super().__init__(widget=AccountInput(client), **options)
        self.client = client
        self.find = find or self._read

    def clean(self, value: Any) -> Account | None:
        picked, text = value or ("", "")
        if not picked and not text.strip():
            if self.required:
                raise self._error("required")
            return None
        account = self.find(int(picked)) if _is_id(picked) else meant_account(self.client, text)
        if account is None:
            raise self._error("unknown", text=text.strip() or picked)
        if not account.is_postable:
            raise self._error("heading", account=account)
        if not account.is_active:
            raise self._error("inactive", account=account)
        return account

    def has_changed(self, initial: Any, data: Any) -> bool:
        picked, text = data or ("", "")
        return str(initial.pk if initial else "") != picked or bool(not picked and text.strip())

    def _read(self, account_id: int) -> Account | None:
        return Account.objects.filter(client=self.client, pk=account_id).first()

    def _error(self, code: str, **params: Any) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code, params=params)


def _is_id(text: str) -> bool:
    """Whether text can be the id of a row: digits, and no more than a bigint has."""
    return text.isascii() and text.isdecimal() and len(text) <= 18
