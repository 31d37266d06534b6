"""Fields that find an account or a contact of one client by a few characters."""

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.ledger.models import Account, Contact
from apps.ledger.queries.account_search import meant_account, meant_contact
from apps.profiles.models import Client


class SearchInput(forms.Widget):
    """The field of ``ledger/account_search.js``: the text people type, and the id of what they picked."""

    template_name = "ledger/search_input.html"

    class Media:
        css = {"all": ["ledger/account_search.css"]}
        js = ["ledger/account_search.js"]

    def __init__(
        self, client: Client, address: str, nothing: Any, attrs: dict[str, Any] | None = None
    ) -> None:
        super().__init__(attrs)
        self.client, self.address, self.nothing = client, address, nothing

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, None, attrs)
        picked, text = (value.pk, str(value)) if hasattr(value, "pk") else value or ("", "")
        url = reverse(f"admin:{self.address}", args=[self.client.code])
        context["widget"] |= {"picked": picked, "text": text, "url": url, "nothing": self.nothing}
        return context

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> tuple[str, str]:
        return data.get(name) or "", data.get(f"{name}_text") or ""

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        return name not in data and f"{name}_text" not in data

    def id_for_label(self, id_: str, index: Any = None) -> str:
        return id_


class SearchField[Record: (Account, Contact)](forms.Field):
    """
    A record of the client, found by a few characters; another client's does not exist for it.

    ``find`` may answer for an id out of what was read for the whole form at once. Its initial value is a
    record. Error codes: ``required``, ``unknown``.
    """

    address = ""
    nothing: Any = ""

    def __init__(
        self, *, client: Client, find: Callable[[int], Record | None] | None = None, **options: Any
    ) -> None:
        super().__init__(widget=SearchInput(client, self.address, self.nothing), **options)
        self.client = client
        self.find: Callable[[int], Record | None] = find or self.read

    def clean(self, value: Any) -> Record | None:
        picked, text = value or ("", "")
        if not picked and not text.strip():
            if self.required:
                raise self._error("required")
            return None
        text = text.replace("\0", "")  # which the database takes in no text
        record = self.find(int(picked)) if is_id(picked) else self.meant(text)
        if record is None:
            shown = text.strip() or picked
            raise self._error("unknown", text=shown if len(shown) <= 60 else shown[:60] + "…")
        return record

    def has_changed(self, initial: Any, data: Any) -> bool:
        picked, text = data or ("", "")
        return str(initial.pk if initial else "") != picked or bool(not picked and text.strip())

    def read(self, record_id: int) -> Record | None:
        raise NotImplementedError

    def meant(self, text: str) -> Record | None:
        raise NotImplementedError

    def _error(self, code: str, **params: Any) -> ValidationError:
        return ValidationError(self.error_messages[code], code=code, params=params)


class AccountField(SearchField[Account]):
    """An account that can be posted to. Error codes more: ``heading``, ``inactive``."""

    address = "account_search"
    nothing = _("No account like this")
    default_error_messages = {
        "required": _("Choose an account."),
        "unknown": _("No account of this client is meant by “%(text)s”."),
        "heading": _("%(account)s is a heading: choose an account under it."),
        "inactive": _("%(account)s is inactive."),
    }

    def __init__(self, **options: Any) -> None:
        options.setdefault("label", _("account"))
        super().__init__(**options)

    def clean(self, value: Any) -> Account | None:
        account = super().clean(value)
        if account and not account.is_postable:
            raise self._error("heading", account=account)
        if account and not account.is_active:
            raise self._error("inactive", account=account)
        return account

    def read(self, record_id: int) -> Account | None:
        return Account.objects.filter(client=self.client, pk=record_id).first()

    def meant(self, text: str) -> Account | None:
        return meant_account(self.client, text)


class ContactField(SearchField[Contact]):
    address = "contact_search"
    nothing = _("No contact like this")
    default_error_messages = {
        "required": _("Choose a contact."),
        "unknown": _("No contact of this client is meant by “%(text)s”."),
    }

    def __init__(self, **options: Any) -> None:
        options.setdefault("label", _("contact"))
        super().__init__(**options)

    def read(self, record_id: int) -> Contact | None:
        return Contact.objects.filter(client=self.client, pk=record_id).first()

    def meant(self, text: str) -> Contact | None:
        return meant_contact(self.client, text)


def is_id(text: str) -> bool:
    """Whether text can be the id of a row: digits, and no more than a bigint has."""
    return text.isascii() and text.isdecimal() and len(text) <= 18
