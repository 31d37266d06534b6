"""What a client's profile must be, held by the form and by the database."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.urls import reverse

from apps.core import guards
from apps.profiles.codes import countries, currencies
from apps.profiles.models import Client, LegalForm
from apps.profiles.roles import Role
from tests.factories import give_access, make_client, make_staff, make_user

pytestmark = pytest.mark.django_db

WRONG = [
    ("code", "acorn"),
    ("code", "A B"),
    ("code", ""),
    ("name", "  "),
    ("base_currency", "usd"),
    ("base_currency", "US"),
    ("country", "us"),
    ("status", "asleep"),
    ("legal_form", "gang"),
    ("basis", "barter"),
    ("tax_form", "1040"),
    ("numbering", "roman"),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
@pytest.mark.parametrize("path", ["save", "update", "bulk_create"])
def test_the_database_refuses_a_profile_that_is_wrong(field, value, path):
    client = make_client("ACORN")
    fresh = Client(**{"code": "NEW", "name": "New", "legal_form": LegalForm.COMPANY, field: value})
    setattr(client, field, value)
    attempt = {
        "save": client.save,
        "update": lambda: Client.objects.update(**{field: value}),
        "bulk_create": lambda: Client.objects.bulk_create([fresh]),
    }[path]
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        attempt()
    assert guards.sentence(caught.value)
    assert "rule" not in guards.sentence(caught.value)


def test_a_code_is_made_of_capitals_and_unique_in_any_case():
    client = Client(code="acorn", name="Acorn", legal_form=LegalForm.COMPANY)
    client.full_clean()
    client.save()
    assert client.code == "ACORN"
    with pytest.raises(ValidationError, match="Another client has this code"):
        Client(code="Acorn", name="Other", legal_form=LegalForm.COMPANY).full_clean()


def test_one_person_has_one_role_for_a_client():
    client, user = make_client(), make_user()
    give_access(user, client)
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        give_access(user, client, Role.MANAGER)
    assert guards.sentence(caught.value) == "This person already has a role for this client."


def test_currencies_and_countries_are_those_in_use():
    codes = dict(currencies())
    assert {"USD", "EUR", "GBP", "JPY", "TND", "CHF"} <= codes.keys()
    assert not {"DEM", "XXX", "XAU"} & codes.keys()
    assert dict(countries())["GB"] == "United Kingdom"
    assert "ZZ" not in dict(countries())


def test_a_change_is_on_record_with_who_made_it(client):
    acorn = make_client("ACORN")
    manager = make_staff(acorn, Role.MANAGER, "mona")
    client.force_login(manager)
    page = reverse("admin:profiles_client_change", args=[acorn.pk])
    form = client.get(page).context["adminform"].form
    typed = {name: value for name, value in form.initial.items() if value is not None}
    typed |= {"phone": "555 0100", "staff_access-TOTAL_FORMS": "0", "staff_access-INITIAL_FORMS": "0"}
    assert client.post(page, typed).status_code == 302
    record = acorn.history.first()
    assert (record.history_user, record.phone) == (manager, "555 0100")
    assert record.diff_against(record.prev_record).changed_fields == ["phone"]


def test_a_person_s_history_leaves_out_sign_ins_and_passwords(client):
    user = make_user("vera")
    client.force_login(user)
    user.refresh_from_db()
    assert user.last_login is not None
    assert user.history.count() == 1
    fields = {field.name for field in user.history.model._meta.get_fields()}
    assert not {"password", "last_login"} & fields


def test_what_a_group_may_do_is_on_record(client):
    owner = make_user("owner", is_superuser=True)
    client.force_login(owner)
    group = Group.objects.create(name="Clerks")
    right = Permission.objects.get(codename="view_user")
    page = reverse("admin:auth_group_change", args=[group.pk])
    assert client.post(page, {"name": "Clerks", "permissions": [right.pk]}).status_code == 302
    records = list(group.history.order_by("history_id"))
    assert records[0].permissions.count() == 0
    assert [row.permission for row in records[-1].permissions.all()] == [right]
    assert records[-1].history_user == owner
