"""Finding entries by what somebody remembers of them, and pages by their name."""

import pytest
from django.db import connection
from django.urls import reverse

from apps.ledger import search
from apps.ledger.models import Contact, JournalEntry, JournalLine
from apps.ledger.search import PAGES, find_entries, find_pages
from apps.profiles.roles import Role
from tests.factories import (
    give_access,
    make_books,
    make_client,
    make_draft,
    make_owner,
    make_posted,
    make_staff,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def acorn():
    return make_books(make_client("ACORN", name="Acorn Bakery"))[0]


@pytest.fixture
def bluebell():
    return make_books(make_client("BLUEBELL", name="Bluebell Design"))[0]


@pytest.fixture
def entries(acorn, bluebell):
    """Two clients with an entry each that is alike, and some more."""
    facts = {"description": "Rent of the shop", "document_number": "INV-100"}
    found = {
        "rent": make_posted(acorn, ("6100", "1234.56"), ("1010", "-1234.56"), **facts),
        "theirs": make_posted(bluebell, ("6100", "1234.56"), ("1010", "-1234.56"), **facts),
        "draft": make_draft(acorn, ("6200", "19.00"), ("1010", "-19.00"), description="Hosting"),
        "third": make_posted(acorn, ("6200", "7"), ("1010", "-7"), document_number="inv-7"),
    }
    line = found["third"].lines.first()
    line.memo, line.contact = (
        "Cloud 100% percent",
        Contact.objects.create(client=acorn, name="Möller & Söhne"),
    )
    line.save()
    return found


def names(entries, found):
    by_pk = {entry.pk: name for name, entry in entries.items()}
    return {by_pk[pk] for pk in found.ids}


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("1,234.56", {"rent"}), ("1234.56", {"rent"}), ("-1234.56", {"rent"}), ("1234.5", set()),
        ("1200+34.56", {"rent"}), ("19", {"draft"}), ("7", {"third"}),
        ("INV-100", {"rent"}), ("INV-1", {"rent"}), ("inv-1", {"rent"}), ("inv-7", {"third"}),
        ("NV-1", set()),
        ("#1", {"rent"}), ("# 2", {"third"}), ("ACORN 1", {"rent"}), ("acorn #2", {"third"}), ("#9", set()),
        ("shop", {"rent"}), ("RENT shop", {"rent"}), ("rent garage", set()), ("hosting", {"draft"}),
        ("cloud", {"third"}), ("100%", {"third"}), ("möller", {"third"}), ("söhne", {"third"}),
        ("", set()), ("   ", set()), ("%", set()), ("\\", set()), ("zebra", set()),
        ("9" * 90, set()), ("\0", set()),
    ],
)  # fmt: skip
def test_entries_are_found_by_what_is_remembered(acorn, entries, term, expected):
    assert names(entries, find_entries(make_staff(acorn, Role.VIEWER), term)) == expected


@pytest.mark.parametrize("term", ["1234.56", "INV-100", "#1", "BLUEBELL 1", "shop"])
def test_what_is_of_another_client_is_found_by_its_people_only(acorn, bluebell, entries, term):
    vera = make_staff(acorn, Role.VIEWER)
    assert "theirs" not in names(entries, find_entries(vera, term))
    give_access(vera, bluebell)
    assert "theirs" in names(entries, find_entries(type(vera).objects.get(pk=vera.pk), term))


def test_a_number_alone_is_one_where_the_client_is_known(acorn, bluebell, entries):
    owner = make_owner()
    assert names(entries, find_entries(owner, "1", client_id=acorn.pk)) == {"rent"}
    assert names(entries, find_entries(owner, "1")) == set()


def test_where_words_have_no_index_recent_entries_are_read_and_that_is_said(acorn, entries, monkeypatch):
    monkeypatch.setattr(search, "RECENT", 2)
    monkeypatch.setattr(search, "has_index_of_words", lambda: False)
    found = find_entries(make_owner(), "shop", client_id=acorn.pk)
    assert found.only_recent
    monkeypatch.setattr(search, "RECENT", 100)
    assert not find_entries(make_owner(), "shop", client_id=acorn.pk).only_recent


def test_words_are_found_by_their_index_where_there_is_one(acorn, entries, monkeypatch):
    if not search.has_index_of_words():
        pytest.skip("This server has no pg_trgm, so migration 0007 made no index of words.")
    monkeypatch.setattr(search, "RECENT", 1)
    assert names(entries, find_entries(make_owner(), "hosting", client_id=acorn.pk)) == {"draft"}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for rows, name, index in (
            (JournalEntry.objects.order_by(), "description", "ledger_entry_description_words"),
            (JournalLine.objects.order_by(), "memo", "ledger_line_memo_words"),
        ):
            assert index in rows.filter(search.has_words(name, ["cloud"])).explain()


def test_the_list_says_where_more_match_than_are_shown(client, acorn, monkeypatch):
    monkeypatch.setattr(
        "apps.ledger.admin.journal.find_entries", lambda *a, **k: find_entries(*a, **k, limit=2)
    )
    for _ in range(3):
        make_draft(acorn, ("1010", "5"), ("4000", "-5"))
    client.force_login(make_staff(acorn, Role.VIEWER))
    text = client.get(reverse("admin:ledger_journalentry_changelist"), {"q": "5.00"}).content.decode()
    assert "More entries match than are shown" in text


# The palette


def palette(http, user, term):
    http.force_login(user)
    answer = http.get(reverse("admin:search"), {"s": term})
    assert answer.status_code == 200
    return [(result.title, result.link) for result in answer.context["results"]]


def test_the_palette_finds_entries_and_pages(client, acorn, entries):
    vera = make_staff(acorn, Role.REVIEWER)
    rent = entries["rent"]
    assert ("ACORN · Entry 1", reverse("admin:entry", args=["ACORN", rent.pk])) in palette(
        client, vera, "1,234.56"
    )
    assert [title for title, _ in palette(client, vera, "new entry for acorn")] == [
        "New entry for Acorn Bakery"
    ]
    titles = [title for title, _ in palette(client, vera, "trial bal acorn")]
    assert titles == ["Trial balance for Acorn Bakery"]
    assert {"New entry for Acorn Bakery", "Books for Acorn Bakery"} <= {
        title for title, _ in palette(client, vera, "acor")
    }


def test_a_client_comes_before_its_pages(client, acorn):
    """Ctrl-K, three letters, Enter: the first hit is where Enter leads."""
    titles = [title for title, _ in palette(client, make_staff(acorn, Role.REVIEWER), "aco")]
    assert titles == ["Acorn Bakery", "New entry for Acorn Bakery", "Books for Acorn Bakery"]


def test_the_palette_offers_nothing_one_may_not_do(client, acorn, bluebell, entries):
    vera = make_staff(acorn, Role.VIEWER)
    assert "New entry for Acorn Bakery" not in [title for title, _ in palette(client, vera, "acorn")]
    for term in ("bluebell", "trial balance bluebell", "BLUEBELL 1", "shop", "1234.56"):
        assert "luebell" not in str(palette(client, vera, term))
        assert "BLUEBELL" not in str(palette(client, vera, term))


def test_every_page_of_the_palette_exists(acorn):
    for name, title, _permission, _icon in PAGES:
        assert reverse(f"admin:{name}", args=[acorn.code])
        assert any(str(title) in result.title for result in find_pages(make_owner(), f"{title} acorn"))


@pytest.mark.parametrize("term", ["", " ", "\0", "for", "%", "x" * 5000, "(", "\\"])
def test_the_palette_takes_anything(acorn, term):
    assert list(find_pages(make_owner(), term)) == []
    assert len(list(search.find_in_journal(make_owner(), term))) == 0
