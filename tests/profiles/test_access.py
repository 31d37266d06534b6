"""Rights come from StaffAccess, client by client, and cannot be carried over to another client."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from apps.core.access import visible
from apps.profiles.groups import AUDITORS
from apps.profiles.models import Client, StaffAccess
from apps.profiles.roles import Role, permissions_of
from tests.factories import PASSWORD, give_access, make_client, make_staff, make_user

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


@pytest.mark.parametrize("page", ["core_user_change", "auth_user_password_change", "auth_group_change"])
def test_only_superusers_change_people_passwords_and_groups(client, page):
    """Whoever could would hand themselves everything, by any of the three."""
    clerk, owner = make_user("clerk"), make_user("owner", is_superuser=True)
    group = Group.objects.create(name="Clerks")
    clerk.groups.add(group)
    group.permissions.set(Permission.objects.filter(content_type__app_label__in=["core", "auth"]))
    row = group if page == "auth_group_change" else owner
    form = {"username": "hijacked", "name": "Hijacked", "password1": PASSWORD, "password2": PASSWORD}
    client.force_login(clerk)
    assert client.post(reverse(f"admin:{page}", args=[row.pk]), form).status_code == 403
    owner.refresh_from_db()
    group.refresh_from_db()
    assert (owner.username, owner.password, group.name) == ("owner", make_user().password, "Clerks")


def test_the_last_superuser_cannot_lock_the_door(client):
    owner = make_user("owner", is_superuser=True)
    client.force_login(owner)
    page = reverse("admin:core_user_change", args=[owner.pk])
    answer = client.post(page, {"username": "owner", "is_active": "on"})
    assert "This is the last superuser" in answer.content.decode()
    make_user("other", is_superuser=True)
    assert client.post(page, {"username": "owner", "is_active": "on"}).status_code == 302


def test_a_colleague_who_left_does_not_stop_the_client_from_being_saved(client, acorn):
    manager, leaver = make_staff(acorn, Role.MANAGER), make_staff(acorn, Role.VIEWER)
    leaver.is_active = False
    leaver.save()
    client.force_login(manager)
    page = reverse("admin:profiles_client_change", args=[acorn.pk])
    typed = filled_in(client.get(page)) | {"phone": "555 0100"}
    assert client.post(page, typed).status_code == 302
    acorn.refresh_from_db()
    assert acorn.phone == "555 0100"
    assert StaffAccess.objects.get(user=leaver).role == "viewer"


def test_a_row_of_the_client_s_form_cannot_be_handed_to_somebody_else(client, acorn):
    manager, colleague = make_staff(acorn, Role.MANAGER), make_user()
    client.force_login(manager)
    page = reverse("admin:profiles_client_change", args=[acorn.pk])
    client.post(page, filled_in(client.get(page)) | {"staff_access-0-user": colleague.pk})
    assert StaffAccess.objects.get().user == manager


def test_of_two_who_save_the_same_client_the_second_reads_who_changed_what(client, acorn):
    mona, ruth = make_staff(acorn, Role.MANAGER, "mona"), make_staff(acorn, Role.MANAGER, "ruth")
    page = reverse("admin:profiles_client_change", args=[acorn.pk])
    client.force_login(mona)
    opened_by_mona = filled_in(client.get(page))
    client.force_login(ruth)
    assert client.post(page, filled_in(client.get(page)) | {"phone": "555 0100"}).status_code == 302
    client.force_login(mona)
    answer = client.post(page, opened_by_mona | {"email": "new@example.com"})
    said = answer.content.decode()
    assert "ruth has changed this since you opened it (phone)" in said
    assert "new@example.com" in said
    acorn.refresh_from_db()
    assert (acorn.phone, acorn.email) == ("555 0100", "")
    assert client.post(page, filled_in(answer) | {"email": "new@example.com"}).status_code == 302


def filled_in(page):
    """Return what a browser would post from the page if nothing were typed."""
    form = page.context["adminform"].form
    forms = [
        form,
        *(
            row
            for one in page.context["inline_admin_formsets"]
            for row in [one.formset.management_form, *one.formset.forms]
        ),
    ]
    fields = {
        f.add_prefix(name): f[name].value() for f in forms for name in f.fields if f[name].value() is not None
    }
    return fields | {"_version": page.context["record_version"]}


def test_scope_fails_closed(acorn, bluebell):
    """History narrows like what it is the history of; a record that names no client gives no right."""
    manager = make_staff(acorn, Role.MANAGER)
    assert {row.code for row in visible(Client.history.all(), manager)} == {"ACORN"}
    assert manager.has_perm("profiles.change_client", acorn.history.get())
    assert not manager.has_perm("profiles.change_client", bluebell.history.get())
    assert not manager.has_perm("profiles.change_staffaccess", StaffAccess())
