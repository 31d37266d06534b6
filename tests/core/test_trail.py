"""Histories told as sentences: who did what, from what to what, and why."""

import datetime

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from apps.core import trail
from apps.core.history import sign
from apps.core.models import User
from apps.profiles.models import Client, LegalForm
from apps.profiles.roles import Role
from tests.factories import give_access, make_client, make_owner, make_staff, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def vera():
    return make_user("vera", first_name="Vera", last_name="Lund", is_superuser=True)


def change(record, *, by=None, reason="", **values):
    for name, value in values.items():
        setattr(record, name, value)
    sign(record, by=by, reason=reason)
    record.save()


def told(record, *, begins=None, size=50, user=None):
    sources = trail.sources_about(type(record), record.pk, user)
    return trail.read_page(sources, begins=begins, size=size).events


def said(event):
    return strip_tags(event.sentence)


def test_one_change_is_one_sentence(vera):
    access = give_access(make_user("nora"), make_client("ACORN"))
    change(access, by=vera, reason="Knows the books by now", role=Role.REVIEWER)
    newest = told(access)[0]
    assert strip_tags(newest.sentence_at_home) == "Vera Lund changed role from Viewer to Reviewer"
    assert newest.reason == "Knows the books by now"


def test_several_changes_are_listed_with_what_they_were(vera):
    acorn = make_client("ACORN", email="old@acorn.example")
    change(acorn, by=vera, name="Acorn Bakery", email="", legal_form=LegalForm.PARTNERSHIP)
    newest = told(acorn)[0]
    assert said(newest) == "Vera Lund changed Acorn Bakery (ACORN)"
    assert [one.text for one in newest.listed] == [
        "name Acorn Ltd → Acorn Bakery",
        "legal form Company → Partnership",
        "email old@acorn.example",
    ]
    assert newest.listed[2].new == ""


def test_the_first_event_says_added_with_what_was_filled_in():
    acorn = make_client("ACORN", notes="Pays late")
    (only,) = told(acorn)
    assert said(only) == "The system added Acorn Ltd (ACORN)"
    texts = [one.text for one in only.changes]
    assert "notes Pays late" in texts
    assert "legal form Company" in texts
    assert not any(one.startswith(("email", "phone", "ID")) for one in texts)


def test_a_removed_record_is_told_as_it_was(vera):
    access = give_access(make_user("nora"), make_client("ACORN"), Role.PREPARER)
    pk = access.pk
    sign(access, by=vera, reason="Left")
    access.delete()
    newest = trail.read_page(trail.sources_about(type(access), pk, vera), size=5).events[0]
    assert said(newest) == "Vera Lund removed nora’s access"
    assert [one.text for one in newest.changes] == ["role Preparer"]


def test_every_event_has_its_change_also_across_pages(vera):
    acorn = make_client("ACORN")
    for number in range(7):
        change(acorn, by=vera, phone=f"+1 {number}")
    sources = trail.sources_about(Client, acorn.pk, vera)
    events, begins, pages = [], None, 0
    while True:
        page = trail.read_page(sources, begins=begins, size=3)
        assert page.is_first == (pages == 0)
        events += page.events
        pages += 1
        if page.following is None:
            break
        begins = trail.Place.read(str(page.following))
    assert pages == 3
    assert [said(one) for one in events[:-1]] == [
        *(
            f"Vera Lund changed phone of Acorn Ltd (ACORN) from +1 {number - 1} to +1 {number}"
            for number in range(6, 0, -1)
        ),
        "Vera Lund changed phone of Acorn Ltd (ACORN) from – to +1 0",
    ]
    assert events == list(trail.every_event(sources))


def test_rows_of_one_moment_are_neither_lost_nor_told_twice_between_pages(vera):
    acorn = make_client("ACORN")
    moment = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
    for number in range(5):
        acorn._history_date = moment
        change(acorn, by=vera, phone=str(number))
    sources = trail.sources_about(Client, acorn.pk, vera)
    events, begins = [], None
    for _page in range(6):
        page = trail.read_page(sources, begins=begins, size=1)
        events += page.events
        begins = page.following
    assert begins is None
    assert [one.changes[-1].new for one in events[1:]] == ["4", "3", "2", "1", "0"]


def test_a_long_text_is_shown_from_where_it_differs_and_kept_whole_for_a_file(vera):
    before = "Signs the cheques himself. " * 10
    acorn = make_client("ACORN", notes=before + "Friday")
    change(acorn, by=vera, notes=before + "Monday")
    (one,) = told(acorn)[0].changes
    old, new = one.short
    assert (old, new) == ("…" + (before + "Friday")[-26:], "…" + (before + "Monday")[-26:])
    assert one.new == before + "Monday"


def test_html_in_a_value_stays_text(vera):
    acorn = make_client("ACORN")
    change(acorn, by=vera, name="<b>Acorn</b>")
    assert "&lt;b&gt;Acorn&lt;/b&gt;" in told(acorn)[0].sentence
    assert "<b>" not in told(acorn)[0].sentence


def test_lists_of_groups_and_permissions_are_told(vera):
    nora = make_user("nora", first_name="Nora", last_name="Fisk")
    group = Group.objects.create(name="Front desk")
    nora._history_user = vera
    nora.groups.add(group)
    assert said(told(nora)[0]) == "Vera Lund changed groups of Nora Fisk from – to Front desk"
    group.permissions.set(Permission.objects.filter(content_type__app_label="ledger")[:7])
    group.permissions.remove(one := Permission.objects.filter(content_type__app_label="ledger")[0])
    assert told(group)[0].changes[0].old == str(one)
    assert told(group)[0].changes[0].new == ""


def test_a_group_that_is_gone_is_named_as_it_was(vera):
    nora, group = make_user("nora"), Group.objects.create(name="Front desk")
    nora.groups.add(group)
    group.delete()
    assert "Front desk" in said(told(nora)[0])


def test_no_password_and_no_sign_in_is_told(vera):
    nora = make_user("nora")
    change(nora, by=vera, password="md5$other$secret", first_name="Nora")
    text = "".join(f"{said(one)} {one.all_changes}" for one in told(nora))
    assert "md5" not in text
    assert "password" not in text


def test_a_history_costs_the_same_at_fifty_events_as_at_three(client, vera):
    client.force_login(vera)
    acorn = make_client("ACORN")
    access = give_access(make_user("nora"), acorn)

    def cost():
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(reverse("admin:profiles_client_history", args=[acorn.pk]))
        assert answer.status_code == 200
        return len(queries), len(answer.context["page"].events)

    def add(count):
        for number in range(count):
            change(acorn, by=make_owner(), phone=str(number))
            change(access, by=vera, role=[Role.REVIEWER, Role.VIEWER][number % 2])

    add(2)
    cost()  # what is asked once a process
    few = cost()
    add(30)
    many = cost()
    assert few[1] < 10
    assert many[1] == 50
    assert few[0] == many[0] <= 16


def test_who_may_see_a_client_is_told_with_the_client(client, vera):
    acorn, nora = make_client("ACORN"), make_user("nora")
    access = give_access(nora, acorn)
    change(access, by=vera, role=Role.MANAGER)
    give_access(make_user("olaf"), make_client("OTHER"))
    assert [said(one) for one in told(acorn)][
        0
    ] == "Vera Lund changed role of nora’s access from Viewer to Manager"
    at_home = strip_tags(told(acorn)[0].sentence_at_home)
    assert at_home == "Vera Lund changed role of nora’s access from Viewer to Manager"
    assert not any("olaf" in said(one) for one in told(acorn))


def test_the_history_page_shows_sentences_and_turns_pages(client, vera):
    acorn = make_client("ACORN")
    for number in range(60):
        change(acorn, by=vera, reason="By phone", phone=f"n{number}")
    client.force_login(vera)
    url = reverse("admin:profiles_client_history", args=[acorn.pk])
    first = client.get(url).content.decode()
    assert "from n58 to n59" in strip_tags(first)
    assert "reason: By phone" in first
    assert "from n8 to n9" not in strip_tags(first)
    older = client.get(url, {"from": str(client.get(url).context["page"].following)}).content.decode()
    assert "from n8 to n9" in strip_tags(older)
    assert "added" in strip_tags(older)


@pytest.mark.parametrize(
    "odd", ["x", "20260101T000000000000.0", "20269901T000000000000.0.1", "٣.٣.٣", "9" * 60, ""]
)
def test_an_odd_place_is_the_newest_page(client, vera, odd):
    client.force_login(vera)
    acorn = make_client("ACORN")
    answer = client.get(reverse("admin:profiles_client_history", args=[acorn.pk]), {"from": odd})
    assert answer.status_code == 200
    assert answer.context["page"].events


@pytest.mark.parametrize("pk", ["x", "0", "9" * 30, "-1"])
def test_a_record_that_never_was_has_no_history(client, vera, pk):
    client.force_login(vera)
    assert client.get(f"/admin/profiles/client/{pk}/history/").status_code == 404


def test_the_history_of_what_is_gone_stays_with_those_who_could_see_it(client, vera):
    acorn, bluebell = make_client("ACORN"), make_client("BLUEBELL")
    access = give_access(make_user("nora"), bluebell)
    pk = access.pk
    access.delete()
    url = reverse("admin:profiles_staffaccess_history", args=[pk])
    client.force_login(make_staff(acorn, Role.MANAGER))
    assert client.get(url).status_code == 403
    client.force_login(make_staff(bluebell, Role.VIEWER))
    assert "nora" in client.get(url).content.decode()


def test_nothing_is_written_by_a_history_page(client, vera):
    acorn = make_client("ACORN")
    client.force_login(vera)
    url = reverse("admin:profiles_client_simple_history", args=[acorn.pk, acorn.history.get().pk])
    assert client.get(url).url == reverse("admin:profiles_client_history", args=[acorn.pk])
    assert client.post(url, {"name": "Taken"}).status_code == 403
    assert User.objects.filter(pk=vera.pk).exists()
    acorn.refresh_from_db()
    assert acorn.name == "Acorn Ltd"


# Why: asked where others rely on what is changed, and kept whichever way it is changed


def save_access(client, access, **values):
    values = {"role": access.role, "_reason": "", **values}
    return client.post(reverse("admin:profiles_staffaccess_change", args=[access.pk]), values)


def test_a_reason_given_on_a_form_is_kept(client, vera):
    access = give_access(make_user("nora"), make_client("ACORN"))
    client.force_login(vera)
    page = client.get(reverse("admin:profiles_staffaccess_change", args=[access.pk])).content.decode()
    assert 'name="_reason"' in page
    assert save_access(client, access, role="manager", _reason=" On leave\0 until May ").status_code == 302
    assert (said(told(access)[0]), told(access)[0].reason) == (
        "Vera Lund changed role of nora’s access from Viewer to Manager",
        "On leave until May",
    )


def test_nobody_has_to_give_a_reason(client, vera):
    access = give_access(make_user("nora"), make_client("ACORN"))
    client.force_login(vera)
    assert save_access(client, access, role="manager").status_code == 302
    assert told(access)[0].reason == ""


def test_a_form_refused_keeps_the_reason_typed(client, vera):
    access = give_access(make_user("nora"), make_client("ACORN"))
    client.force_login(vera)
    page = save_access(client, access, role="king", _reason="Because <i>").content.decode()
    assert 'value="Because &lt;i&gt;"' in page


def test_deactivating_a_person_is_told_with_its_reason(client, vera):
    nora = make_user("nora")
    client.force_login(vera)
    values = {"username": "nora", "first_name": "", "last_name": "", "email": "", "_reason": "Left in May"}
    assert client.post(reverse("admin:core_user_change", args=[nora.pk]), values).status_code == 302
    events = told(nora)
    assert ("Vera Lund changed active of nora from yes to no", "Left in May") in [
        (said(one), one.reason) for one in events
    ]


def test_rows_of_a_form_are_signed_like_the_form(client, vera):
    acorn = make_client("ACORN", email="a@acorn.example")
    access = give_access(make_user("nora"), acorn)
    client.force_login(vera)
    form = client.get(reverse("admin:profiles_client_change", args=[acorn.pk])).context["adminform"].form
    values = {name: form[name].value() or "" for name in form.fields}
    rows = {"TOTAL_FORMS": 1, "INITIAL_FORMS": 1, "0-id": access.pk, "0-client": acorn.pk}
    rows |= {"0-user": access.user_id, "0-role": "reviewer"}
    values |= {f"staff_access-{name}": value for name, value in rows.items()} | {"_reason": "Senior now"}
    answer = client.post(reverse("admin:profiles_client_change", args=[acorn.pk]), values)
    assert answer.status_code == 302
    newest = told(acorn)[0]
    assert said(newest) == "Vera Lund changed Acorn Ltd (ACORN)"
    assert newest.part_lines == ["changed nora’s access: role Viewer → Reviewer"]
    assert access.history.first().history_change_reason == "Senior now"


@pytest.mark.parametrize("way", ["form", "bulk"])
def test_deleting_by_a_form_and_by_a_bulk_action_leave_the_same_trail(client, vera, way):
    access = give_access(make_user("nora"), make_client("ACORN"))
    pk = access.pk
    client.force_login(vera)
    if way == "form":
        url, values = reverse("admin:profiles_staffaccess_delete", args=[pk]), {}
        asked = client.get(url)
    else:
        url = reverse("admin:profiles_staffaccess_changelist")
        values = {"action": "delete_selected", "_selected_action": [pk]}
        asked = client.post(url, values)
    assert 'name="_reason"' in asked.content.decode()
    assert client.post(url, {**values, "post": "yes", "_reason": "Left"}).status_code == 302
    newest = trail.read_page(trail.sources_about(type(access), pk, vera), size=5).events[0]
    assert (said(newest), newest.reason) == ("Vera Lund removed nora’s access", "Left")
