"""The audit report: everything done to a client in a time, for those who answer for it, and as a file."""

import csv
import datetime
import io
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags
from openpyxl import load_workbook

from apps.core import trail
from apps.core.history import sign
from apps.ledger.models import Account, Contact, JournalEntry
from apps.ledger.queries.audit import SYSTEM, audit_sources, moments
from apps.ledger.services import close_through, post_entries, post_entry, reopen_period
from apps.ledger.services.charts import set_account_active
from apps.ledger.services.contacts import reveal_tax_id
from apps.ledger.services.drafts import delete_draft
from apps.profiles.groups import AUDITORS
from apps.profiles.roles import Role
from tests.factories import (
    give_access,
    make_account,
    make_books,
    make_client,
    make_draft,
    make_owner,
    make_posted,
    make_staff,
    make_user,
)

pytestmark = pytest.mark.django_db
UTC = datetime.UTC


@pytest.fixture
def vera():
    return make_user("vera", first_name="Vera", last_name="Lund", is_superuser=True)


@pytest.fixture
def books():
    client, accounts = make_books(make_client("ACORN"))
    client.by_code = accounts
    return client


def address(client):
    return reverse("admin:audit", args=[client.code])


def read(client, days=(-400, 1), **narrowed):
    today = timezone.localdate()
    start, end = (today + datetime.timedelta(days=number) for number in days)
    return list(trail.every_event(audit_sources(client, start, end, **narrowed)))


def said(event):
    return strip_tags(event.sentence)


def rows_of(answer):
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def rename(account, name, *, by, at=None):
    account.name = name
    sign(account, by=by)
    if at:
        account._history_date = at
    account.save()


def test_everything_done_to_a_client_is_told_newest_first(books, vera):
    entry = make_draft(books, ("6100", "50"), ("1010", "-50"), by=vera)
    post_entry(entry, by=vera, reason="Late bill")
    set_account_active(books.by_code["6200"], False, by=vera)
    contact = Contact.objects.create(client=books, name="Landlord", tax_id="12-3456789")
    reveal_tax_id(contact, by=vera)
    close_through(books, datetime.date(2026, 1, 31), by=vera)
    reopen_period(books.periods.order_by("start").first(), by=vera, reason="Forgot one")
    access = give_access(make_user("nora"), books)
    sign(access, by=vera, reason="Promoted")
    access.role = Role.REVIEWER
    access.save()
    events = read(books)
    assert [(said(one), one.reason) for one in events[:9]] == [
        ("Vera Lund changed role of nora’s access from Viewer to Reviewer", "Promoted"),
        ("Vera Lund reopened January 2026", "Forgot one"),
        ("Vera Lund soft-closed January 2026", ""),
        ("Vera Lund looked at the tax id of Landlord", ""),
        ("The system added Landlord", ""),
        ("Vera Lund changed active of 6200 Software from yes to no", ""),
        ("Vera Lund posted Entry 1 of 15 Jan 2026", "Late bill"),
        (f"Vera Lund added Draft {entry.pk} of 15 Jan 2026", ""),
        (said(events[8]), ""),
    ]
    assert "added fiscal year 2026" in said(events[8])
    assert len(events[8].parts) == 13


def test_each_event_leads_to_its_record_or_to_the_history_of_what_is_gone(client, books, vera):
    entry = make_posted(books, ("6100", "50"), ("1010", "-50"), by=vera)
    draft = make_draft(books, ("6100", "50"), ("1010", "-50"), by=vera)
    gone = draft.pk
    delete_draft(draft, by=vera, reason="Typed twice")
    client.force_login(vera)
    events = client.get(address(books)).context["page"].events
    urls = {said(one): one.url for one in events}
    assert urls["Vera Lund posted Entry 1 of 15 Jan 2026"] == reverse("admin:entry", args=["ACORN", entry.pk])
    removed = urls[f"Vera Lund removed Draft {gone} of 15 Jan 2026"]
    assert removed == reverse("admin:ledger_journalentry_history", args=[gone])
    for url in {one.url for one in events}:
        assert client.get(url).status_code == 200, url


def test_the_report_is_narrowed_by_person_and_kind(client, books, vera):
    nora = make_staff(books, Role.PREPARER, "nora")
    make_draft(books, ("6100", "50"), ("1010", "-50"), by=nora)
    set_account_active(books.by_code["6200"], False, by=vera)
    assert {one.who for one in read(books, person=str(nora.pk))} == {"nora"}
    assert {one.who for one in read(books, person=SYSTEM)} == {"The system"}
    assert {one.of_kind for one in read(books, kind="accounts")} == {"account"}
    assert {one.of_kind for one in read(books, kind="years")} == {"fiscal year"}
    client.force_login(vera)
    shown = client.get(address(books), {"person": nora.pk, "kind": "entries"})
    assert [one.who for one in shown.context["page"].events] == ["nora"]
    assert "changed active" not in strip_tags(shown.content.decode())


@pytest.mark.parametrize(
    ("zone", "day", "first", "after"),
    [
        ("America/New_York", (2026, 1, 31), "2026-01-31T05:00", "2026-02-01T05:00"),
        ("America/New_York", (2026, 3, 8), "2026-03-08T05:00", "2026-03-09T04:00"),  # a day of 23 hours
        ("America/New_York", (2026, 11, 1), "2026-11-01T04:00", "2026-11-02T05:00"),  # a day of 25 hours
        ("Pacific/Auckland", (2026, 3, 31), "2026-03-30T11:00", "2026-03-31T11:00"),
        ("UTC", (2026, 2, 28), "2026-02-28T00:00", "2026-03-01T00:00"),
    ],
)
def test_days_are_those_of_the_practice(books, vera, settings, zone, day, first, after):
    settings.TIME_ZONE = zone
    day = datetime.date(*day)
    begins, ends = (datetime.datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (first, after))
    assert moments(day, day) == (begins, ends)
    account, second = books.by_code["6100"], datetime.timedelta(microseconds=1)
    for name, at in [
        ("before", begins - second),
        ("first", begins),
        ("last", ends - second),
        ("after", ends),
    ]:
        rename(account, name, by=vera, at=at)
    found = trail.every_event(audit_sources(books, day, day))
    assert [one.changes[0].new for one in found] == ["last", "first"]


def test_times_in_a_file_say_which_of_two_equal_hours_it_was(client, books, vera, settings):
    settings.TIME_ZONE = "America/New_York"
    ambiguous = datetime.datetime(2026, 11, 1, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    for name, fold in [("summer", 0), ("winter", 1)]:
        rename(books.by_code["6100"], name, by=vera, at=ambiguous.replace(fold=fold))
    client.force_login(vera)
    days = {"start": "2026-11-01", "end": "2026-11-01", "format": "csv"}
    assert [(row["Date"], row["Time"]) for row in rows_of(client.get(address(books), days))] == [
        ("2026-11-01", "01:30:00 EST"),
        ("2026-11-01", "01:30:00 EDT"),
    ]


def test_pages_border_without_loss_or_repetition(client, books, vera):
    post_entries([make_draft(books, ("6100", "50"), ("1010", "-50"), by=vera) for _ in range(40)], by=vera)
    client.force_login(vera)
    url, seen, pages = address(books), [], 0
    while url:
        page = client.get(url)
        pages += 1
        seen += [(said(one), len(one.parts)) for one in page.context["page"].events]
        url = page.context["older"] if page.context["page"].following else ""
    everything = [(said(one), len(one.parts)) for one in read(books)]
    assert seen == everything
    assert pages == -(-len(everything) // 50) >= 2
    drafted = [parts for sentence, parts in seen if "added Draft" in sentence or "added Entry" in sentence]
    assert drafted == [2] * 40


def test_a_page_costs_the_same_at_fifty_events_as_at_three(client, books, vera):
    client.force_login(vera)

    def add(count):
        for number in range(count):
            make_draft(books, ("6100", "50"), ("1010", "-50"), by=vera)
            rename(books.by_code["6100"], f"n{number}", by=vera)

    def cost():
        with CaptureQueriesContext(connection) as queries:
            events = client.get(address(books), {"kind": "entries"}).context["page"].events
        return len(queries), len(events)

    add(3)
    cost()
    few = cost()
    add(60)
    many = cost()
    assert (few[1], many[1]) == (3, 50)
    assert few[0] == many[0] <= 30


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (Role.VIEWER, 403),
        (Role.PREPARER, 403),
        (Role.REVIEWER, 200),
        (Role.MANAGER, 200),
        ("auditor", 200),
        ("owner", 200),
    ],
)
@pytest.mark.parametrize("query", [{}, {"format": "csv"}, {"format": "xlsx"}])
def test_the_report_is_for_those_who_answer_for_the_books(client, books, name, status, query):
    if name in Role.values:
        user = make_staff(books, name)
    else:
        user = make_owner() if name == "owner" else make_user("auditor")
        user.groups.set(Group.objects.filter(name=AUDITORS) if name == "auditor" else [])
    client.force_login(user)
    answer = client.get(address(books), query)
    assert answer.status_code == status
    if answer.streaming:
        assert b"".join(answer.streaming_content)
    leads_there = (
        address(books) in client.get(reverse("admin:journal_listing", args=["ACORN"])).content.decode()
    )
    assert leads_there == (status == 200)


@pytest.mark.parametrize("query", [{}, {"format": "csv"}, {"format": "xlsx"}])
def test_another_clients_history_is_on_no_page_and_in_no_file(client, books, vera, query):
    theirs, _accounts = make_books(make_client("BLUEBELL", name="Secret Bluebell"))
    make_posted(theirs, ("6100", "50"), ("1010", "-50"), by=vera, description="Secret deal")
    client.force_login(make_staff(books, Role.MANAGER))
    assert client.get(address(theirs), query).status_code == 404
    mine = client.get(address(books), {"format": "csv"})
    assert "Secret" not in b"".join(mine.streaming_content).decode()
    assert not any("Secret" in one.all_changes for one in read(books))


def test_the_csv_has_every_event_of_the_range_whole(client, books, vera):
    post_entries([make_draft(books, ("6100", "50"), ("1010", "-50"), by=vera) for _ in range(130)], by=vera)
    rename(books.by_code["6100"], "=HYPERLINK(1)", by=vera)
    client.force_login(vera)
    rows = rows_of(client.get(address(books), {"format": "csv"}))
    events = read(books)
    assert len(rows) == len(events) > 260
    assert rows[0] == {
        "Date": timezone.localdate().isoformat(),
        "Time": rows[0]["Time"],
        "Who": "Vera Lund",
        "What was done": "changed 6100 =HYPERLINK(1)",
        "Kind of record": "account",
        "Record": "6100 =HYPERLINK(1)",
        "Changes": "name Rent → =HYPERLINK(1)",
        "Reason": "",
    }
    drafted = next(
        row for row in rows if "added" in row["What was done"] and row["Kind of record"] == "entry"
    )
    assert drafted["Changes"].endswith(
        "added line 1: account 6100 =HYPERLINK(1); amount 50.00 Dr; "
        "added line 2: account 1010 Checking; amount 50.00 Cr"
    )


def test_the_excel_file_says_what_it_is_of(client, books, vera):
    rename(books.by_code["6100"], "Premises", by=vera)
    client.force_login(vera)
    answer = client.get(address(books), {"format": "xlsx", "kind": "accounts", "person": vera.pk})
    sheet = load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
    cells = list(sheet.iter_rows(values_only=True))
    facts = {row[0]: row[1] for row in cells[:6]}
    assert facts["Client"] == "Acorn Ltd (ACORN)"
    assert "UTC" in facts["Dates"]
    assert facts["Person"] == "Vera Lund"
    assert facts["Records"] == "Accounts"
    assert cells[-1][0].date() == timezone.localdate()
    assert cells[-1][6] == "name Rent → Premises"


def test_a_bulk_action_leaves_the_same_trail_as_a_form(client, books, vera):
    drafts = [make_draft(books, ("6100", "50"), ("1010", "-50"), by=vera) for _ in range(2)]
    client.force_login(vera)
    one, other = drafts
    post_entry(one, by=vera, reason="Closing January")
    client.post(
        reverse("admin:ledger_journalentry_changelist"),
        {
            "action": "post_selected",
            "_selected_action": [other.pk],
            "confirmed": "1",
            "reason": "Closing January",
        },
    )
    posted = [
        (event.who, event.did, event.reason, event.all_changes)
        for entry in drafts
        for event in trail.read_page(trail.sources_about(JournalEntry, entry.pk, vera), size=1).events
    ]
    assert posted == [("Vera Lund", "{who} posted {what}", "Closing January", "")] * 2


def test_an_empty_time_says_so(client, books, vera):
    client.force_login(vera)
    page = client.get(address(books), {"start": "2001-01-01", "end": "2001-01-31"}).content.decode()
    assert "Nothing was done in this time." in page


def test_a_wrong_option_is_a_sentence_above_the_usual_report(client, books, vera):
    client.force_login(vera)
    page = client.get(address(books), {"person": "99999999", "kind": "x", "start": "2026-02-31"})
    assert page.status_code == 200
    text = strip_tags(page.content.decode())
    assert "“99999999” is not one of the choices." in text
    assert "“2026-02-31” is not a date." in text


def test_a_long_history_is_read_through_its_index(books, vera):
    other, _accounts = make_books(make_client("OTHER"))
    with connection.cursor() as cursor:
        for one, rows in [(books, 60_000), (other, 60_000)]:
            account = Account.objects.filter(client=one).first()
            cursor.execute(
                """
                INSERT INTO ledger_historicaljournalline (id, line_number, amount, memo, currency, client_id,
                       entry_id, account_id, history_date, history_type)
                SELECT i, 1, 1, '', '', %s, i / 5, %s, now() - i * interval '1 minute', '~'
                  FROM generate_series(1, %s) i
                """,
                [one.pk, account.pk, rows],
            )
        cursor.execute("ANALYZE ledger_historicaljournalline")
    make_account(books, "9999")
    with CaptureQueriesContext(connection) as queries:
        today = timezone.localdate()
        start = today - datetime.timedelta(days=30)
        page = trail.read_page(audit_sources(books, start, today, kind="entries"), size=50)
    assert len(page.events) == 50
    (sql,) = [
        one["sql"]
        for one in queries.captured_queries
        if 'FROM "ledger_historicaljournalline"' in one["sql"] and "EXISTS" in one["sql"]
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "ledger_line_history_by_time" in plan
    assert "Seq Scan on ledger_historicaljournalline" not in plan
