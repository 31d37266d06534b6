"""Contacts: their tax id is masked everywhere, and who sees or changes it is written down."""

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.urls import reverse

from apps.ledger.models import Contact, CostCentre, JournalLine, TaxIdAccess
from apps.ledger.services.contacts import change_tax_id, reveal_tax_id
from apps.profiles.roles import Role
from tests.factories import make_books, make_client, make_draft, make_staff

pytestmark = pytest.mark.django_db

SECRET = "98-7654321"


@pytest.fixture
def acorn():
    return make_client("ACORN")


@pytest.fixture
def landlord(acorn):
    return Contact.objects.create(client=acorn, name="Harbour Estates", tax_id=SECRET, is_vendor=True)


def page(name, contact=None):
    return reverse(f"admin:ledger_contact_{name}", args=[contact.pk] if contact else [])


def typed(contact, **changes):
    return {"name": contact.name, "is_vendor": "on", "is_active": "on", "_version": "", **changes}


def written_down():
    return list(TaxIdAccess.objects.order_by("pk").values_list("what", "by__username", "contact_name"))


@pytest.mark.parametrize(
    ("tax_id", "masked"),
    [("98-7654321", "•••••••321"), ("123456", "••••••"), ("12", "••••••"), ("", "")],
)
def test_a_tax_id_is_masked_and_a_short_one_hidden_whole(tax_id, masked):
    assert Contact(tax_id=tax_id).masked_tax_id == masked


@pytest.mark.parametrize("role", Role.values)
def test_no_page_has_the_tax_id_in_it(client, acorn, landlord, role):
    change_tax_id(landlord, SECRET, by=make_staff(acorn, Role.MANAGER))
    client.force_login(make_staff(acorn, role))
    pages = [
        client.get(page("changelist")),
        client.get(page("changelist"), {"q": "harbour"}),
        client.get(page("change", landlord)),
        client.get(page("history", landlord)),
        client.get(page("delete", landlord)),
        client.get(reverse("admin:search"), {"s": "harbour"}),
        client.post(page("change", landlord), typed(landlord, name="")),
        client.get(reverse("admin:ledger_taxidaccess_changelist")),
    ]
    for answer in pages:
        assert SECRET not in answer.content.decode(), answer.request["PATH_INFO"]
    assert "•••••••321" in pages[0].content.decode()
    assert "•••••••321" in pages[2].content.decode()


@pytest.mark.parametrize(
    "query", [{"q": SECRET}, {"q": "7654"}, {"tax_id": SECRET}, {"tax_id__startswith": "98"}, {"o": "tax_id"}]
)
def test_no_search_filter_or_order_asks_about_the_tax_id(client, acorn, landlord, query):
    client.force_login(make_staff(acorn, Role.MANAGER))
    answer = client.get(page("changelist"), query, follow=True)
    if "q" in query:
        assert "Harbour Estates" not in answer.content.decode()
    else:  # ignored or refused, never answered by what the tax id is
        other = client.get(page("changelist"), {**query, **dict.fromkeys(query, "nonsense")}, follow=True)
        assert (answer.status_code, "Harbour" in answer.content.decode()) == (
            other.status_code,
            "Harbour" in other.content.decode(),
        )


def test_the_history_and_the_log_do_not_have_it(client, acorn, landlord):
    client.force_login(make_staff(acorn, Role.PREPARER))
    client.post(page("change", landlord), typed(landlord, new_tax_id="55-555-XYZ"))
    landlord.refresh_from_db()
    assert landlord.tax_id == "55-555-XYZ"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ledger_historicalcontact h WHERE h::text LIKE '%55-555%'")
        assert cursor.fetchone() == (0,)
    assert not any("55-555" in entry.change_message for entry in LogEntry.objects.all())


def test_a_preparer_reveals_it_and_that_is_written_down(client, acorn, landlord):
    user = make_staff(acorn, Role.PREPARER, "paul")
    client.force_login(user)
    address = reverse("admin:ledger_contact_reveal", args=[landlord.pk])
    question = client.get(address)
    assert SECRET not in question.content.decode()
    assert written_down() == []
    answer = client.post(address, {"_form_submitted": "True"})
    assert SECRET in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert written_down() == [("revealed", "paul", "Harbour Estates")]


@pytest.mark.parametrize("role", [Role.VIEWER, None])
def test_a_viewer_or_a_stranger_reveals_nothing(client, acorn, landlord, role):
    user = make_staff(acorn if role else make_client(), role or Role.MANAGER)
    client.force_login(user)
    address = reverse("admin:ledger_contact_reveal", args=[landlord.pk])
    for answer in (client.get(address), client.post(address, {"_form_submitted": "True"})):
        assert answer.status_code in (302, 403, 404)
        assert SECRET not in answer.content.decode()
    with pytest.raises(PermissionDenied):
        reveal_tax_id(landlord, by=user)
    with pytest.raises(PermissionDenied):
        change_tax_id(landlord, "1", by=user)
    assert written_down() == []


def test_typing_a_new_one_is_written_down_and_an_empty_field_changes_nothing(client, acorn, landlord):
    client.force_login(make_staff(acorn, Role.PREPARER, "paul"))
    client.post(page("change", landlord), typed(landlord, phone="1"))
    landlord.refresh_from_db()
    assert (landlord.tax_id, landlord.phone, written_down()) == (SECRET, "1", [])
    client.post(page("change", landlord), typed(landlord, without_tax_id="on"))
    landlord.refresh_from_db()
    assert (landlord.tax_id, len(written_down())) == ("", 1)
    added = {"name": "New Ltd", "is_customer": "on", "is_active": "on", "new_tax_id": " 11-22 "}
    client.post(page("add") + f"?client={acorn.pk}", added)
    assert Contact.objects.get(name="New Ltd").tax_id == "11-22"
    assert written_down()[1:] == [("changed", "paul", "New Ltd")]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"new_tax_id": "x" * 51}, "at most 50 characters"),
        ({"new_tax_id": "1\0"}, "Null characters"),
        ({"new_tax_id": "1", "without_tax_id": "on"}, "Either type a new tax id or remove it."),
        ({"name": " "}, "required"),
        ({"name": "twin ltd"}, "has a contact with this name"),
    ],
)
def test_bad_input_is_a_sentence_and_changes_nothing(client, acorn, landlord, changes, sentence):
    Contact.objects.create(client=acorn, name="Twin Ltd")
    client.force_login(make_staff(acorn, Role.PREPARER))
    answer = client.post(page("change", landlord), typed(landlord, **changes))
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    landlord.refresh_from_db()
    assert (landlord.name, landlord.tax_id, written_down()) == ("Harbour Estates", SECRET, [])


def test_the_service_refuses_a_text_that_is_too_long(acorn, landlord):
    with pytest.raises(ValidationError):
        change_tax_id(landlord, "x" * 51, by=make_staff(acorn, Role.PREPARER))


def test_a_contact_or_a_class_in_use_is_kept_with_a_sentence(client):
    acorn, _accounts = make_books(make_client("ACORN"))
    contact = Contact.objects.create(client=acorn, name="Harbour Estates")
    branch = CostCentre.objects.create(client=acorn, name="Shop")
    entry = make_draft(acorn, ("1010", "-5"), ("6100", "5"))
    JournalLine.objects.filter(entry=entry).update(contact=contact, cost_centre=branch)
    client.force_login(make_staff(acorn, Role.REVIEWER))
    for record in (contact, branch):
        address = reverse(f"admin:ledger_{record._meta.model_name}_delete", args=[record.pk])
        answer = client.post(address, {"post": "yes"}, follow=True)
        assert "Make it inactive instead." in answer.content.decode()
        assert type(record).objects.filter(pk=record.pk).exists()


def test_reviewers_read_who_saw_it_and_nobody_changes_that(client, acorn, landlord):
    reveal_tax_id(landlord, by=make_staff(acorn, Role.PREPARER, "paul"))
    record = TaxIdAccess.objects.get()
    address = reverse("admin:ledger_taxidaccess_changelist")
    for role, status in [(Role.PREPARER, 403), (Role.REVIEWER, 200)]:
        client.force_login(make_staff(acorn, role))
        assert client.get(address).status_code == status
    assert "Harbour Estates" in client.get(address).content.decode()
    for verb in ("change", "delete"):
        answer = client.post(reverse(f"admin:ledger_taxidaccess_{verb}", args=[record.pk]), {"post": "yes"})
        assert answer.status_code == 403
    client.force_login(make_staff(make_client(), Role.REVIEWER))
    assert "Harbour Estates" not in client.get(address).content.decode()
