"""Today shows what waits for this person, and nothing of anybody else's."""

import pytest
from django.urls import reverse

from apps.profiles.models import ClientStatus
from apps.profiles.roles import Role
from tests.core.test_walk import queries_of
from tests.factories import give_access, make_client, make_staff, make_user

pytestmark = pytest.mark.django_db

TODAY = reverse("admin:index")


def cards(answer):
    return {str(card.title): card.value for card in answer.context["cards"]}


def test_clients_are_counted_and_listed_with_the_role_for_each(client):
    acorn, bluebell = make_client("ACORN"), make_client("BLUEBELL")
    user = make_staff(acorn, Role.MANAGER)
    give_access(user, bluebell, Role.VIEWER)
    make_client("CEDAR")
    give_access(user, make_client("GONE", status=ClientStatus.CLOSED))
    client.force_login(user)
    answer = client.get(TODAY)
    assert cards(answer) == {"Active clients": 2, "Drafts": 0, "Clients to close": 0}
    (listing,) = answer.context["listings"]
    assert [cells for _url, cells in listing.rows] == [
        ["Acorn Ltd", "ACORN", "Manager", "USD"],
        ["Bluebell Ltd", "BLUEBELL", "Viewer", "USD"],
    ]
    assert "Cedar" not in answer.content.decode()


def test_each_card_leads_to_as_many_rows_as_it_counts(client):
    make_client("ALONE")
    make_client("CLOSED", status=ClientStatus.CLOSED)
    looked_after = make_client("ACORN")
    make_staff(looked_after, Role.VIEWER)
    client.force_login(make_user(is_superuser=True))
    for card in client.get(TODAY).context["cards"]:
        if isinstance(card.value, int):
            page = client.get(card.url).context
            count = page["cl"].result_count if "cl" in page else page["page"].paginator.count
            assert count == card.value, card.title


def test_clients_nobody_looks_after_are_shown_to_who_can_give_access(client):
    acorn = make_client("ACORN")
    owner = make_user(is_superuser=True)
    client.force_login(owner)
    assert cards(client.get(TODAY))["Clients without staff"] == 1
    give_access(owner, acorn)
    assert "Clients without staff" not in cards(client.get(TODAY))


def test_a_person_without_clients_is_told_what_to_do(client):
    client.force_login(make_user())
    assert "Ask a manager for access to a client." in client.get(TODAY).content.decode()


def test_today_costs_the_same_however_many_clients_there_are(client):
    user = make_user()
    client.force_login(user)
    give_access(user, make_client())
    few = queries_of(client, TODAY)
    for _ in range(30):
        give_access(user, make_client())
    assert queries_of(client, TODAY) == few <= 14
