"""The journal's list: what it shows and finds, posting many, and that its length costs nothing."""

import datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core.admin.paginator import BoundedPaginator
from apps.core.models import Job, JobState
from apps.ledger.admin import journal
from apps.ledger.models import JournalEntry
from apps.ledger.services import close_through
from apps.profiles.roles import Role
from tests.core.test_jobs import fresh, work
from tests.factories import (
    give_access,
    make_books,
    make_client,
    make_draft,
    make_owner,
    make_posted,
    make_staff,
)
from tests.ledger.typed_entries import page

pytestmark = pytest.mark.django_db

SALE = (("1010", "1234.50"), ("4000", "-1234.50"))
LIST = "admin:ledger_journalentry_changelist"


@pytest.fixture
def books():
    return make_books(make_client("ACORN"))


@pytest.fixture
def acorn(books):
    return books[0]


@pytest.fixture
def reviewer(acorn, client):
    user = make_staff(acorn, Role.REVIEWER, "ruth")
    client.force_login(user)
    return user


def listed(http, **query):
    answer = http.get(reverse(LIST), query)
    assert answer.status_code == 200
    return [entry.pk for entry in answer.context["cl"].result_list]


def post_selected(http, *entries, **more):
    sent = {"action": "post_selected", "_selected_action": [entry.pk for entry in entries], **more}
    return http.post(reverse(LIST), sent)


def test_a_row_has_the_amount_and_leads_to_the_books_of_its_client(client, acorn, reviewer):
    entry = make_posted(acorn, *SALE, description="Bread", document_number="R-1")
    text = client.get(reverse(LIST)).content.decode()
    for shown in (
        "1,234.50",
        "Bread",
        "R-1",
        "Acorn Ltd",
        "Posted",
        "1010 Checking",
        page(acorn, "entry", entry.pk),
    ):
        assert shown in text
    assert client.get(reverse("admin:ledger_journalentry_change", args=[entry.pk])).url == page(
        acorn, "entry", entry.pk
    )


def test_the_newest_comes_first_and_tabs_are_links(client, acorn, reviewer):
    today = datetime.date.today().isoformat()
    old, new = (
        make_posted(acorn, *SALE, day="2026-01-02"),
        make_draft(acorn, *SALE, day="2026-03-01", by=reviewer),
    )
    now = make_draft(acorn, *SALE, day=today)
    assert listed(client) == [now.pk, new.pk, old.pk]
    tabs = {str(tab["title"]): tab["url"] for tab in client.get(reverse(LIST)).context["tabs"]}

    def shown(name):
        return [entry.pk for entry in client.get(tabs[name]).context["cl"].result_list]

    assert shown("Drafts") == [now.pk, new.pk]
    assert shown("Mine") == [new.pk]
    assert shown("This month") == [now.pk]
    assert shown("All") == [now.pk, new.pk, old.pk]
    narrowed = client.get(reverse(LIST), {"client__id__exact": acorn.pk, "status__exact": "draft"})
    assert all(f"client__id__exact={acorn.pk}" in tab["url"] for tab in narrowed.context["tabs"])
    assert [chip["label"] for chip in narrowed.context["chips"]] == ["Acorn Ltd", "Draft"]


def test_another_clients_entries_are_not_listed_nor_named(client, acorn, reviewer):
    other, _ = make_books(make_client("BLUEBELL", name="Secret Bluebell"))
    theirs = make_draft(other, *SALE, description="Secret")
    mine = make_draft(acorn, *SALE)
    assert listed(client) == [mine.pk]
    assert listed(client, client__id__exact=other.pk) == []
    assert "Secret" not in client.get(reverse(LIST), {"client__id__exact": other.pk}).content.decode()
    post_selected(client, mine, theirs, confirmed="1")
    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert (mine.status, theirs.status) == ("posted", "draft")


def test_what_one_only_reads_is_not_posted_with_the_rest(client, acorn, reviewer):
    other, _ = make_books()
    give_access(reviewer, other, Role.PREPARER)
    mine, theirs = make_draft(acorn, *SALE), make_draft(other, *SALE)
    asked = post_selected(client, mine, theirs)
    assert (asked.context["count"], asked.context["others"]) == (1, 1)
    post_selected(client, mine, theirs, confirmed="1")
    assert set(JournalEntry.objects.posted()) == {mine}


def test_a_preparer_is_not_offered_to_post(client, acorn):
    client.force_login(make_staff(acorn, Role.PREPARER))
    draft = make_draft(acorn, *SALE)
    assert "post_selected" not in client.get(reverse(LIST)).content.decode()
    post_selected(client, draft, confirmed="1")
    draft.refresh_from_db()
    assert not draft.is_posted


def test_posting_many_asks_first_and_says_what_was_refused_and_why(client, acorn, reviewer):
    good = [make_draft(acorn, *SALE) for _ in range(3)]
    bad = make_draft(acorn, ("1010", "1"), ("4000", "-2"))
    asked = post_selected(client, *good, bad)
    assert "Post 4 drafts" in asked.content.decode()
    assert not JournalEntry.objects.posted().exists()
    text = post_selected(client, *good, bad, confirmed="1").content.decode()
    assert "3 posted, 1 refused" in text
    assert "Credits exceed debits by 1.00." in text
    assert page(acorn, "entry", bad.pk) in text
    assert post_selected(client, *good, confirmed="1").status_code == 302  # none is a draft any more


def test_a_reason_overcomes_a_soft_closed_month(client, acorn, reviewer):
    draft = make_draft(acorn, *SALE)
    close_through(acorn, datetime.date(2026, 1, 31), by=make_owner(), reason="Early")
    assert "soft-closed" in post_selected(client, draft, confirmed="1").content.decode()
    post_selected(client, draft, confirmed="1", reason="Late bill")
    draft.refresh_from_db()
    assert draft.is_posted


def test_all_of_the_list_can_be_selected(client, acorn, reviewer, monkeypatch):
    drafts = [make_draft(acorn, *SALE) for _ in range(4)]
    monkeypatch.setattr(journal.JournalEntryAdmin, "list_per_page", 2)
    asked = post_selected(client, drafts[0], select_across="1")
    assert asked.context["count"] == 4
    post_selected(client, drafts[0], select_across="1", confirmed="1")
    assert JournalEntry.objects.posted().count() == 4


@pytest.mark.django_db(transaction=True)
def test_very_many_are_a_job_that_can_be_followed(client, monkeypatch):
    acorn, _ = make_books(make_client("ACORN"))
    client.force_login(make_staff(acorn, Role.REVIEWER))
    monkeypatch.setattr(journal, "MOST_AT_ONCE", 2)
    drafts = [make_draft(acorn, *SALE) for _ in range(3)] + [make_draft(acorn, ("1010", "1"))]
    assert "as a job" in post_selected(client, *drafts).content.decode()
    answer = post_selected(client, *drafts, confirmed="1")
    job = Job.objects.get()
    assert answer.url == reverse("admin:core_job_change", args=[job.pk])
    work()
    assert fresh(job).state == JobState.DONE
    assert fresh(job).message == "3 posted, 1 refused: 1 × An entry has at least two lines."


def test_odd_addresses_are_answered(client, acorn, reviewer):
    make_draft(acorn, *SALE)
    odd = ["client__id__exact=x", "client__id__exact=99999999999999999999", "date_from=zebra",
           "status__exact=zebra", "mine=zebra", "q=" + "%" * 300, "q=(", "p=99999", "o=9.9",
           "kind__exact=%27"]  # fmt: skip
    for query in odd:
        assert client.get(f"{reverse(LIST)}?{query}").status_code in (200, 302), query
    for name in ("change", "history"):
        for pk in ("x", "99999999999999999999", "0"):
            assert client.get(reverse(f"admin:ledger_journalentry_{name}", args=[pk])).status_code in (
                302,
                404,
            )


def test_a_long_list_is_counted_to_a_bound(acorn, monkeypatch):
    for _ in range(3):
        make_draft(acorn, *SALE)
    pages = BoundedPaginator(JournalEntry.objects.order_by("pk"), 2)
    assert (pages.count, pages.told, pages.num_pages) == (3, "3", 2)
    monkeypatch.setattr("apps.core.admin.paginator.MOST_COUNTED", 2)
    pages = BoundedPaginator(JournalEntry.objects.order_by("pk"), 2)
    assert (pages.count, pages.told, pages.is_bounded, pages.num_pages) == (2, "2+", True, 1)


def test_the_list_costs_eight_queries_however_long_its_entries_are(client, acorn, reviewer):
    make_draft(acorn, *[("1010", "1")] * 200)
    for _ in range(30):
        make_posted(acorn, *SALE)
    client.get(reverse(LIST))
    with CaptureQueriesContext(connection) as queries:
        text = client.get(reverse(LIST)).content.decode()
    asked = [query["sql"] for query in queries if "SAVEPOINT" not in query["sql"]]
    assert len(asked) <= 8, asked
    assert text.count("All lines") == 1
