"""Recoding out of a register: what may be ticked, who may, and back to the figure that changed."""

import re

import pytest
from django.urls import reverse

from apps.ledger.models import JournalEntry
from apps.ledger.services import recode, reverse_entry
from apps.profiles.roles import Role
from tests.factories import make_account, make_books, make_draft, make_owner, make_posted, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def books():
    books, accounts = make_books()
    books.chart = accounts
    books.rent = [
        make_posted(books, ("6100", f"{amount}.00"), ("1010", f"-{amount}.00"), day=f"2026-0{number}-10")
        for number, amount in [(1, 100), (2, 200), (3, 300)]
    ]
    return books


def register_of(books, **query):
    url = reverse("admin:account_register", args=[books.code])
    options = {"account": "6100", "start": "2026-01-01", "end": "2026-12-31", **query}
    return f"{url}?" + "&".join(f"{name}={value}" for name, value in options.items())


def line_of(entry, code="6100"):
    return entry.lines.get(account__code=code)


def send(http, books, lines, account, *, user=None, **query):
    http.force_login(user or make_staff(books, Role.REVIEWER))
    data = {"line": [getattr(one, "pk", one) for one in lines], "account": getattr(account, "pk", account)}
    return http.post(register_of(books, **query), data)


def recodings(books):
    return JournalEntry.objects.filter(client=books, kind="recode")


def test_ticked_lines_are_moved_and_the_report_shows_the_change(client, books):
    report = reverse("admin:profit_and_loss", args=[books.code]) + "?start=2026-01-01&end=2026-12-31"
    way = f"{report}#a{books.chart['6100'].pk}-2"
    lines = [line_of(entry) for entry in books.rent[:2]]
    answer = send(client, books, lines, books.chart["6200"], back=way.replace("&", "%26").replace("#", "%23"))
    assert answer.status_code == 302
    assert answer.url == way
    page = client.get(answer.url)
    rows = {row.code: row.cells[0].value for row in page.context["statement"].rows if row.code}
    assert (rows["6100"], rows["6200"]) == (300, 300)
    said = page.content.decode()
    assert "2 lines recoded from 6100 Rent to" in said
    for entry in recodings(books):
        assert reverse("admin:ledger_journalentry_change", args=[entry.pk]) in said


def test_without_a_report_behind_it_the_register_stays_where_it_was(client, books):
    line = line_of(books.rent[1])
    answer = send(client, books, [line], books.chart["6200"])
    assert answer.url.startswith(register_of(books).partition("?")[0])
    assert answer.url.endswith(f"#l{line.pk}")
    shown = client.get(answer.url).context["register"]
    told = {one.line.entry_id: one for one in shown.lines}
    assert told[books.rent[1].pk].recoded_by == recodings(books).get()
    assert shown.closing.amount == 400


def test_lines_that_were_taken_back_cannot_be_ticked(client, books):
    moved, undone, free = books.rent
    recode([line_of(moved)], account=books.chart["6200"], by=make_owner())
    reverse_entry(undone, by=make_owner())
    client.force_login(make_staff(books, Role.REVIEWER))
    page = client.get(register_of(books))
    ticks = {one.line.entry_id: one.can_be_recoded for one in page.context["register"].lines}
    assert (ticks[moved.pk], ticks[undone.pk], ticks[free.pk]) == (False, False, True)
    assert not ticks[recodings(books).get().pk]  # the line that took the other one back
    said = page.content.decode()
    assert "Recoded by entry" in said
    assert "Reversed by entry" in said
    assert re.findall(r'name="line" value="([^"]*)"', said) == [
        str(line_of(free).pk)
    ]  # and no thousands separator
    answer = send(client, books, [line_of(moved)], books.chart["6200"])
    assert "recoded already" in answer.content.decode()


def test_a_recoding_that_was_reversed_leaves_its_line_free(client, books):
    (entry,) = recode([line_of(books.rent[0])], account=books.chart["6200"], by=make_owner())
    reverse_entry(entry, by=make_owner())
    client.force_login(make_staff(books, Role.REVIEWER))
    lines = client.get(register_of(books)).context["register"].lines
    assert {one.line.entry_id: one.can_be_recoded for one in lines}[books.rent[0].pk]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PREPARER])
def test_only_a_reviewer_ticks(client, books, role):
    answer = send(client, books, [line_of(books.rent[0])], books.chart["6200"], user=make_staff(books, role))
    assert answer.status_code == 403
    assert 'name="line"' not in client.get(register_of(books)).content.decode()
    assert not recodings(books).exists()


def test_a_reviewer_of_another_client_finds_nothing(client, books):
    other, _accounts = make_books()
    reviewer = make_staff(other, Role.REVIEWER)
    answer = send(client, books, [line_of(books.rent[0])], books.chart["6200"], user=reviewer)
    assert answer.status_code == 404
    assert not recodings(books).exists()


def test_lines_of_another_client_are_refused(client, books):
    other, accounts = make_books()
    theirs = line_of(make_posted(other, ("6100", "9.00"), ("1010", "-9.00")))
    for lines in ([theirs], [theirs, line_of(books.rent[0])]):
        assert send(client, books, lines, books.chart["6200"]).status_code == 404
    answer = send(client, books, [line_of(books.rent[0])], accounts["6200"])
    assert answer.status_code == 200
    assert "No account of this client" in answer.content.decode()
    assert not JournalEntry.objects.filter(kind="recode").exists()


def test_lines_of_a_draft_are_refused(client, books):
    draft = make_draft(books, ("6100", "1.00"))
    assert send(client, books, [line_of(draft)], books.chart["6200"]).status_code == 404


@pytest.mark.parametrize("odd", ["x", "-1", "9" * 30, "٢", "1.5", ""])
def test_odd_ids_are_refused(client, books, odd):
    assert send(client, books, [odd], books.chart["6200"]).status_code == 404


@pytest.mark.parametrize(
    ("account", "sentence"),
    [
        ("6100", "is on 6100 Rent already"),
        ("6999", "6999 Gone is inactive"),
        ("6000", "6000 Costs is a heading"),
        (None, "Choose an account."),
    ],
)
def test_a_refusal_is_a_sentence_and_the_ticks_stay(client, books, account, sentence):
    make_account(books, "6000", name="Costs", is_postable=False)
    make_account(books, "6999", name="Gone", is_active=False)
    line = line_of(books.rent[0])
    chosen = books.accounts.get(code=account) if account else ""
    answer = send(client, books, [line], chosen)
    assert answer.status_code == 200
    said = answer.content.decode()
    assert sentence in said
    assert "data-open" in said
    assert answer.context["ticked"] == {line.pk}
    assert not recodings(books).exists()


def test_nothing_ticked_is_a_sentence(client, books):
    assert "Tick the lines to recode first." in send(client, books, [], books.chart["6200"]).content.decode()
