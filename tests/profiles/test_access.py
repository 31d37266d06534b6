"""Rights come from StaffAccess, client by client, and cannot be carried over to another client."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from apps.core.access import visible
from apps.profiles.groups import AUDITORS
from apps.profiles.models import Client, StaffAccess
from apps.profiles.roles import Role, permissions_of
from tests.factories import give_access, make_client, make_staff, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def acorn():
    return make_client("ACORN")


@pytest.fixture
def bluebell():
    return make_client("BLUEBELL")


def test_each_role_may_do_what_the_one_below_may():
    ladder = [permissions_of(role) for role in Role]
    assert all(lower <= higher for lower, higher in zip(ladder, ladder[1:], strict=False))
    assert "profiles.view_client" in ladder[0]
    assert "profiles.change_client" not in permissions_of(Role.REVIEWER)
    assert "profiles.change_client" in permissions_of(Role.MANAGER)


def test_a_right_for_one_client_is_none_for_another(acorn, bluebell):
    user = make_staff(acorn, Role.MANAGER)
    give_access(user, bluebell, Role.VIEWER)
    assert user.has_perm("profiles.change_client")
    assert user.has_perm("profiles.change_client", acorn)
    assert user.has_perm("profiles.view_client", bluebell)
    assert not user.has_perm("profiles.change_client", bluebell)


def test_rows_are_narrowed_to_what_a_permission_allows(acorn, bluebell):
    user = make_staff(acorn, Role.MANAGER)
    give_access(user, bluebell, Role.VIEWER)
    make_client("CEDAR")
    assert set(visible(Client.objects.all(), user)) == {acorn, bluebell}
    assert set(visible(Client.objects.all(), user, "profiles.change_client")) == {acorn}


def test_a_deactivated_person_may_do_nothing(acorn):
    user = make_staff(acorn, Role.MANAGER)
    user.is_active = False
    assert not user.has_perm("profiles.view_client", acorn)
    owner = make_user(is_superuser=True, is_active=False)
    assert not visible(Client.objects.all(), owner).exists()


def test_an_auditor_reads_every_client_and_changes_none(acorn):
    auditor = make_user()
    auditor.groups.add(Group.objects.get(name=AUDITORS))
    assert list(visible(Client.objects.all(), auditor)) == [acorn]
    assert auditor.has_perm("profiles.view_client", acorn)
    assert not any(
        perm.split(".")[1].startswith(("add_", "change_", "delete_"))
        for perm in auditor.get_all_permissions()
    )
    assert not visible(Client.objects.all(), auditor, "profiles.change_client").exists()


def test_a_practice_wide_right_without_every_client_reaches_no_client(acorn):
    from django.contrib.auth.models import Permission

    user = make_user()
    user.user_permissions.add(Permission.objects.get(codename="change_client"))
    assert not user.has_perm("profiles.change_client", acorn)
    assert not visible(Client.objects.all(), user).exists()


def test_a_manager_gives_access_to_their_client_and_to_no_other(client, acorn, bluebell):
    manager, colleague = make_staff(acorn, Role.MANAGER), make_user()
    give_access(manager, bluebell, Role.VIEWER)
    client.force_login(manager)
    add = reverse("admin:profiles_staffaccess_add")
    refused = client.post(add, {"client": bluebell.pk, "user": manager.pk, "role": "manager"})
    assert refused.status_code == 200
    assert "client" in refused.context["adminform"].form.errors
    assert client.post(add, {"client": acorn.pk, "user": colleague.pk, "role": "viewer"}).status_code == 302
    assert StaffAccess.objects.filter(client=acorn, user=colleague, role="viewer").exists()
    assert StaffAccess.objects.get(client=bluebell).role == "viewer"


def test_a_viewers_posts_change_nothing(client, acorn):
    viewer = make_staff(acorn, Role.VIEWER)
    access = viewer.staff_access.get()
    client.force_login(viewer)
    assert (
        client.post(reverse("admin:profiles_client_change", args=[acorn.pk]), {"name": "Mine"}).status_code
        == 403
    )
    page = reverse("admin:profiles_staffaccess_change", args=[access.pk])
    assert client.post(page, {"role": "manager"}).status_code == 403
    history = acorn.history.get()
    page = reverse("admin:profiles_client_simple_history", args=[acorn.pk, history.pk])
    assert client.post(page, {"name": "Mine", "code": "MINE"}).status_code == 403
    acorn.refresh_from_db()
    access.refresh_from_db()
    assert (acorn.name, access.role) == ("Acorn Ltd", "viewer")


def test_access_cannot_be_moved_to_another_client_or_person(client, acorn, bluebell):
    manager = make_staff(acorn, Role.MANAGER)
    give_access(manager, bluebell, Role.MANAGER)
    access = StaffAccess.objects.get(client=acorn)
    client.force_login(manager)
    page = reverse("admin:profiles_staffaccess_change", args=[access.pk])
    client.post(page, {"client": bluebell.pk, "user": make_user().pk, "role": "reviewer"})
    access.refresh_from_db()
    assert (access.client, access.user, access.role) == (acorn, manager, "reviewer")


def test_the_bulk_delete_leaves_what_one_may_not_delete(client, acorn, bluebell):
    manager = make_staff(acorn, Role.MANAGER)
    give_access(manager, bluebell, Role.VIEWER)
    theirs = give_access(make_user(), bluebell)
    client.force_login(manager)
    client.post(
        reverse("admin:profiles_staffaccess_changelist"),
        {"action": "delete_selected", "_selected_action": [theirs.pk], "post": "yes"},
    )
    assert StaffAccess.objects.filter(pk=theirs.pk).exists()


def test_taking_access_away_ends_it_at_the_next_request(client, acorn):
    user = make_staff(acorn, Role.MANAGER)
    client.force_login(user)
    page = reverse("admin:profiles_client_change", args=[acorn.pk])
    assert client.get(page).status_code == 200
    user.staff_access.get().delete()
    assert client.get(page).status_code in (302, 403)


def test_only_a_superuser_edits_rights_of_people(client):
    from django.contrib.auth.models import Permission

    clerk, colleague = make_user(), make_user()
    clerk.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user"]))
    client.force_login(clerk)
    page = reverse("admin:core_user_change", args=[clerk.pk])
    assert client.get(page).status_code == 200
    client.post(
        page, {"username": clerk.username, "is_superuser": "on", "is_active": "on", "first_name": "C"}
    )
    clerk.refresh_from_db()
    assert clerk.first_name == "C"
    assert not clerk.is_superuser
    owner = make_user(is_superuser=True)
    client.post(reverse("admin:auth_user_password_change", args=[owner.pk]), {})
    assert client.get(reverse("admin:core_user_change", args=[colleague.pk])).status_code == 200
