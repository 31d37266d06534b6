"""Clients, and who may see them, as rows of a file."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.access import visible
from apps.core.imports import ChoiceWidget, RecordResource, RecordWidget, client_column, column
from apps.core.models import User
from apps.profiles.codes import countries, currencies
from apps.profiles.models import Basis, Client, ClientStatus, LegalForm, Numbering, StaffAccess, TaxForm
from apps.profiles.roles import Role


class ClientResource(RecordResource):
    takes_no_client = True
    key = ("code",)
    needed = ("code", "name", "legal_form")
    known_as: ClassVar[dict[str, str]] = {"client": "code", "currency": "base currency", "e-mail": "email"}
    example: ClassVar[list[str]] = [
        "ACORN",
        "Acorn Bakery",
        "active",
        "company",
        "US",
        "USD",
        "accrual",
        "none",
        "us",
    ]

    code = column("code", "code")
    name = column("name", "name")
    status = column("status", "status", ChoiceWidget(ClientStatus.choices), keeps_when_empty=True)
    legal_form = column("legal form", "legal_form", ChoiceWidget(LegalForm.choices), keeps_when_empty=True)
    country = column("country", "country", ChoiceWidget(countries), keeps_when_empty=True)
    base_currency = column("base currency", "base_currency", ChoiceWidget(currencies), keeps_when_empty=True)
    basis = column("basis", "basis", ChoiceWidget(Basis.choices), keeps_when_empty=True)
    tax_form = column("tax form", "tax_form", ChoiceWidget(TaxForm.choices), keeps_when_empty=True)
    numbering = column(
        "account numbering", "numbering", ChoiceWidget(Numbering.choices), keeps_when_empty=True
    )
    contact_name = column("contact person", "contact_name")
    email = column("email", "email")
    phone = column("phone", "phone")
    address = column("address", "address")
    notes = column("notes", "notes")

    class Meta(RecordResource.Meta):
        model = Client

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        self.known = {self.key_of(one): one for one in self.get_queryset()}
        self.taken = set(Client.objects.values_list("code", flat=True))

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        self.check_key(row)

    def get_or_init_instance(self, instance_loader: Any, row: Any) -> tuple[Any, bool]:
        if found := self.known.get(self.key_in(row)):
            return found, False
        if self.key_in(row)[0].upper() in self.taken:  # of a client out of sight
            raise ValidationError(_("You may not add this for that client."))
        return Client(), True

    def remember(self, instance: Any) -> None:
        self.known[self.key_of(instance)] = instance


class StaffAccessResource(RecordResource):
    key = ("user",)
    needed = ("user", "role")
    known_as: ClassVar[dict[str, str]] = {"user": "person", "username": "person"}
    example: ClassVar[list[str]] = ["ACORN", "vera", "preparer"]

    client_code = client_column()
    user = column(
        "person",
        "user",
        RecordWidget(
            lambda row, name: row["\0people"].get(name.casefold()),
            gettext_lazy("There is no person “%(text)s”."),
        ),
    )
    role = column("role", "role", ChoiceWidget(Role.choices), keeps_when_empty=True)

    class Meta(RecordResource.Meta):
        model = StaffAccess

    def prepare(self, clients: list[Any]) -> None:
        self.people = {
            one.username.casefold(): one for one in visible(User.objects.filter(is_active=True), self.user)
        }

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        super().before_import_row(row, **kwargs)
        row["\0people"] = self.people

    def key_of(self, instance: Any) -> tuple[Any, ...]:
        return (instance.user.username.casefold(),)

    def get_queryset(self) -> Any:
        return super().get_queryset().select_related("user")
