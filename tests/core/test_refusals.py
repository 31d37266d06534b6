"""What a guard or a right refuses on a screen is a sentence there, and leaves everything as it was."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.db import connection
from django.urls import reverse

from apps.core import guards
from apps.profiles import roles
from apps.profiles.models import StaffAccess
from apps.profiles.roles import Role
from tests.factories import give_access, make_client, make_staff, make_user

SENTENCE = "This access is needed."


@pytest.fixture
def guard(transactional_db, monkeypatch):
    """Refuse to delete a reviewer's access: a rule that no form and no right foresees."""
    monkeypatch.setitem(guards._sentences, "profiles_test_guard", SENTENCE)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER profiles_test_guard BEFORE DELETE ON profiles_staffaccess"
            " FOR EACH ROW WHEN (OLD.role = 'reviewer') EXECUTE FUNCTION core_refuse()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER profiles_test_guard ON profiles_staffaccess")


@pytest.fixture
def signed_in(guard, client):
    client.force_login(make_user("owner", is_superuser=True))
    return client


def rows():
    return set(StaffAccess.objects.values_list("user__username", "role"))


def said(answer):
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_a_refused_delete_is_a_sentence_and_leaves_the_row(signed_in):
    kept = make_staff(make_client(), Role.REVIEWER, "rita").staff_access.get()
    page = reverse("admin:profiles_staffaccess_delete", args=[kept.pk])
    answer = signed_in.post(page, {"post": "yes"})
    assert (answer.status_code, answer.url, said(answer)) == (302, page, [SENTENCE])
    assert SENTENCE in signed_in.get(answer.url).content.decode()
    assert rows() == {("rita", "reviewer")}
    assert not LogEntry.objects.exists()
    assert not StaffAccess.history.filter(history_type="-").exists()


def test_a_refused_bulk_delete_is_a_sentence_and_leaves_every_row(signed_in):
    acorn = make_client()
    make_staff(acorn, Role.REVIEWER, "rita")
    make_staff(acorn, Role.VIEWER, "vera")
    chosen = list(StaffAccess.objects.values_list("pk", flat=True))
    page = reverse("admin:profiles_staffaccess_changelist") + "?o=1"
    answer = signed_in.post(page, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})
    assert (answer.status_code, answer.url, said(answer)) == (302, page, [SENTENCE])
    assert SENTENCE in signed_in.get(answer.url).content.decode()
    assert rows() == {("rita", "reviewer"), ("vera", "viewer")}
    assert not LogEntry.objects.exists(), "the log tells of nothing that did not happen"
    assert not StaffAccess.history.filter(history_type="-").exists()


def test_what_no_guard_refuses_is_deleted_and_logged(signed_in):
    acorn = make_client()
    chosen = [make_staff(acorn, Role.VIEWER).staff_access.get().pk for _ in range(2)]
    page = reverse("admin:profiles_staffaccess_changelist")
    signed_in.post(page, {"action": "delete_selected", "_selected_action": chosen, "post": "yes"})
    assert rows() == set()
    assert LogEntry.objects.count() == 2


# An access right is given in a client's form; whether one may is asked for that client.


@pytest.fixture
def acorn(db):
    return make_client("ACORN")


@pytest.fixture
def manager(acorn):
    return make_staff(acorn, Role.MANAGER, "mona")


def give_access_in_the_form(client, acorn, colleague):
    """Post the client's form as the page of a manager would: all fields as they are, and one more person."""
    fields = ["name", "code", "status", "legal_form", "country", "base_currency", "basis", "tax_form"]
    return client.post(
        reverse("admin:profiles_client_change", args=[acorn.pk]),
        {name: getattr(acorn, name) for name in [*fields, "numbering"]}
        | {
            "staff_access-TOTAL_FORMS": "1",
            "staff_access-INITIAL_FORMS": "0",
            "staff_access-0-client": acorn.pk,
            "staff_access-0-user": colleague.pk,
            "staff_access-0-role": "manager",
        },
    )


def test_a_manager_of_the_client_gives_access_in_its_form(client, acorn, manager):
    client.force_login(manager)
    assert give_access_in_the_form(client, acorn, make_user("paul")).status_code == 302
    assert rows() == {("mona", "manager"), ("paul", "manager")}


@pytest.mark.parametrize("here", [None, *list(Role)[:-1]])
@pytest.mark.parametrize("elsewhere", [None, Role.MANAGER])
def test_nobody_else_gives_access_with_the_same_post(client, acorn, here, elsewhere):
    person = make_user("vera")
    if here:
        give_access(person, acorn, here)
    if elsewhere:
        give_access(person, make_client("BLUEBELL"), elsewhere)
    client.force_login(person)
    before = rows()
    answer = give_access_in_the_form(client, acorn, make_user("paul"))
    # What one may not see does not exist; what one may see, one may not change.
    assert answer.status_code == (403 if here or not elsewhere else 302)
    assert rows() == before


@pytest.mark.parametrize("elsewhere", [None, Role.MANAGER])
def test_who_may_change_a_client_may_not_for_that_give_access_to_it(client, acorn, monkeypatch, elsewhere):
    """The inline asks for itself: should a role one day change a client, managing another adds nothing."""
    monkeypatch.setitem(roles._grants, Role.VIEWER, {*roles._grants[Role.VIEWER], "profiles.change_client"})
    viewer = make_staff(acorn, Role.VIEWER, "vera")
    if elsewhere:
        give_access(viewer, make_client("BLUEBELL"), elsewhere)
    client.force_login(viewer)
    before = rows()
    acorn.name = "Changed"
    assert give_access_in_the_form(client, acorn, make_user("paul")).status_code == 302
    acorn.refresh_from_db()
    assert acorn.name == "Changed", "the post itself was taken"
    assert rows() == before
