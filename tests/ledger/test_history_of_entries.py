"""An entry's history: the entry with its lines and papers, one event for what was done at once."""

import datetime
import re
from dataclasses import replace
from decimal import Decimal

import pytest
from django.core.files.base import ContentFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from apps.core import trail
from apps.ledger.models import Contact, FiscalYear, JournalEntry, JournalLine, Period, TaxCode, TaxRate
from apps.ledger.services import close_through, post_entries, post_entry, recode, reopen_period, reverse_entry
from apps.ledger.services.annotations import annotate
from apps.ledger.services.attachments import attach, detach
from apps.ledger.services.contacts import change_tax_id, reveal_tax_id
from apps.ledger.services.drafts import Line, delete_draft, save_draft
from apps.profiles.roles import Role
from tests.factories import (
    make_books,
    make_client,
    make_draft,
    make_posted,
    make_staff,
    make_user,
)

pytestmark = pytest.mark.django_db
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\nxref\n0 0\ntrailer<</Root 1 0 R>>\nstartxref\n45\n%%EOF\n"


@pytest.fixture
def vera():
    return make_user("vera", first_name="Vera", last_name="Lund", is_superuser=True)


@pytest.fixture
def books():
    client, accounts = make_books(make_client("ACORN"))
    client.by_code = accounts
    return client


def rent(books, by):
    return make_draft(books, ("6100", "1250"), ("1010", "-1250"), by=by, description="Rent")


def lines_of(entry):
    return [
        (line.pk, Line(account=line.account, amount=line.amount, memo=line.memo))
        for line in entry.lines.select_related("account").order_by("line_number")
    ]


def told(model, pk, *, user=None, size=50):
    return trail.read_page(trail.sources_about(model, pk, user), size=size).events


def said(event):
    return strip_tags(event.sentence_at_home)


def history_of(entry):
    return told(JournalEntry, entry.pk)


def test_a_draft_is_added_with_its_lines_in_one_event(books, vera):
    entry = rent(books, vera)
    (only,) = history_of(entry)
    assert said(only) == f"Vera Lund added Draft {entry.pk}"
    assert [one.text for one in only.changes] == ["date 15 Jan 2026", "kind Manual", "description Rent"]
    assert only.part_lines == [
        "added line 1: account 6100 Rent; amount 1,250.00 Dr",
        "added line 2: account 1010 Checking; amount 1,250.00 Cr",
    ]


def test_posting_is_one_sentence_with_its_reason(books, vera):
    entry = post_entry(rent(books, vera), by=vera, reason="Late, the bill was lost")
    newest = history_of(entry)[0]
    assert said(newest) == "Vera Lund posted Entry 1"
    assert newest.reason == "Late, the bill was lost"
    assert not newest.changes
    assert not newest.parts


def test_posting_without_a_reason_has_none(books, vera):
    assert history_of(post_entry(rent(books, vera), by=vera))[0].reason == ""


def test_changed_added_and_removed_lines_are_told_with_the_entry(books, vera):
    entry = make_draft(books, ("6100", "50"), ("4000", "-20"), ("1010", "-30"), by=vera)
    (first, rent_line), (_second, _sales), (third, cash) = lines_of(entry)
    changed = [
        (first, replace(rent_line, account=books.by_code["6200"], amount=Decimal(60))),
        (third, cash),
        (None, Line(account=books.by_code["2010"], amount=Decimal(-30), memo="Half on credit")),
    ]
    save_draft(entry, by=vera, lines=changed, reason="The bill says so", description="Licences")
    newest = history_of(entry)[0]
    assert said(newest) == f"Vera Lund changed Draft {entry.pk}"
    assert [one.text for one in newest.changes] == ["description Licences"]
    assert newest.reason == "The bill says so"
    assert newest.part_lines == [
        "removed line 2: account 4000 Sales; amount 20.00 Cr",
        "changed line 1: account 6100 Rent → 6200 Software; amount 50.00 Dr → 60.00 Dr",
        "changed line 2: line 3 → 2",
        "added line 3: account 2010 Accounts payable; amount 30.00 Cr; memo Half on credit",
    ]
    assert len(history_of(entry)) == 2


def test_a_deleted_draft_keeps_its_history_with_lines_and_papers(client, books, vera):
    entry = rent(books, vera)
    attach(entry, ContentFile(PDF, "bill.pdf"), by=vera)
    pk = entry.pk
    delete_draft(entry, by=vera)
    newest = told(JournalEntry, pk)[0]
    assert said(newest) == f"Vera Lund removed Draft {pk}"
    assert newest.part_lines == [
        "removed line 1: account 6100 Rent; amount 1,250.00 Dr",
        "removed line 2: account 1010 Checking; amount 1,250.00 Cr",
        "removed bill.pdf",
    ]
    client.force_login(vera)
    page = client.get(reverse("admin:ledger_journalentry_history", args=[pk])).content.decode()
    assert f"removed Draft {pk}" in strip_tags(page)


def test_papers_attached_and_removed_are_told(books, vera):
    entry = make_posted(books, ("6100", "50"), ("1010", "-50"), by=vera)
    paper = attach(entry, ContentFile(PDF, "bill.pdf"), by=make_staff(books, Role.PREPARER, "nora"))
    detach(paper, by=make_staff(books, Role.REVIEWER, "olaf"))
    assert [said(one) for one in history_of(entry)][:3] == [
        "olaf removed bill.pdf (Entry 1)",
        "nora attached bill.pdf (Entry 1)",
        "Vera Lund posted Entry 1",
    ]


def test_notes_of_a_posted_line_are_told(books, vera):
    entry = make_posted(books, ("6100", "50"), ("1010", "-50"), by=vera)
    line = entry.lines.first()
    annotate(entry, by=vera, notes={}, line_notes={line.pk: {"memo": "May"}}, reason="Asked by the client")
    newest = history_of(entry)[0]
    assert said(newest) == "Vera Lund changed Entry 1"
    assert newest.part_lines == ["changed line 1: memo May"]
    assert newest.reason == "Asked by the client"


def test_a_line_changed_by_itself_stands_by_itself(books, vera):
    entry = rent(books, vera)
    line = entry.lines.order_by("line_number").last()
    line.memo = "From a shell"
    line._history_user = None
    line.save()
    newest = history_of(entry)[0]
    assert said(newest) == f"The system changed memo of line 2 of Draft {entry.pk} from – to From a shell"


def test_what_one_person_did_is_never_told_as_anothers(books, vera):
    entry = rent(books, vera)
    line, nora = entry.lines.first(), make_user("nora")
    line.memo, line._history_user = "Mine", nora
    line.save()
    assert [one.who for one in history_of(entry)] == ["nora", "Vera Lund"]


def test_foreign_amounts_have_the_decimals_of_their_currency(books, vera):
    yen = books.accounts.create(code="1020", name="Yen", kind="asset", currency="JPY")
    from apps.ledger.services import draft_entry

    line = Line(
        account=yen,
        amount=Decimal(10),
        currency="JPY",
        foreign_amount=Decimal(1500),
        rate=Decimal("0.0066667"),
    )
    entry = draft_entry(client=books, by=vera, date=datetime.date(2026, 1, 15), lines=[line])
    (part,) = history_of(entry)[0].part_lines
    assert "foreign amount 1,500 Dr" in part
    assert "amount 10.00 Dr" in part


def test_reversing_and_recoding_say_why_on_the_entries_that_do_it(books, vera):
    entry = make_posted(books, ("6100", "50"), ("1010", "-50"), by=vera)
    (moved,) = recode([entry.lines.first()], account=books.by_code["6200"], by=vera, reason="Wrong account")
    other = make_posted(books, ("6100", "70"), ("1010", "-70"), by=vera)
    reversal = reverse_entry(other, by=vera, reason="Paid twice")
    for one, why in [(moved, "Wrong account"), (reversal, "Paid twice")]:
        events = history_of(one)
        assert [event.reason for event in events] == [why, why]
        assert said(events[0]) == f"Vera Lund posted Entry {one.number}"


def test_posting_many_leaves_the_same_trail_as_posting_one(books, vera):
    drafts = [rent(books, vera) for _ in range(3)]
    post_entry(drafts[0], by=vera, reason="January")
    post_entries(drafts[1:], by=vera, reason="January")
    trails = [
        [
            re.sub(r"(Draft|Entry) \d+", "It", f"{said(event)} {event.reason} {event.part_lines}")
            for event in history_of(one)
        ]
        for one in drafts
    ]
    assert trails[0] == trails[1] == trails[2]
    assert len(trails[0]) == 2


def test_an_entrys_history_costs_the_same_at_fifty_events_as_at_three(client, books, vera):
    entry = rent(books, vera)
    client.force_login(vera)
    url = reverse("admin:ledger_journalentry_history", args=[entry.pk])

    def save(number):
        (first, line), second = lines_of(entry)
        save_draft(entry, by=vera, lines=[(first, replace(line, memo=f"m{number}")), second])

    def cost():
        with CaptureQueriesContext(connection) as queries:
            events = client.get(url).context["page"].events
        return len(queries), len(events)

    for number in range(2):
        save(number)
    cost()
    few = cost()
    for number in range(60):
        save(number)
    many = cost()
    assert few == (many[0], 3)
    assert many[1] == 50
    assert many[0] <= 20


def test_lines_stay_with_their_entry_across_pages(books, vera):
    entry = rent(books, vera)
    for number in range(5):
        (first, line), second = lines_of(entry)
        save_draft(entry, by=vera, lines=[(first, replace(line, memo=f"m{number}")), second])
    sources = trail.sources_about(JournalEntry, entry.pk, vera)
    events, begins = [], None
    for _page in range(3):
        page = trail.read_page(sources, begins=begins, size=2)
        events += page.events
        begins = page.following
    assert begins is None
    assert [one.part_lines for one in events[:-1]] == [
        *([f"changed line 1: memo m{number - 1} → m{number}"] for number in range(4, 0, -1)),
        ["changed line 1: memo m0"],
    ]
    assert len(events[-1].parts) == 2


def test_the_entrys_page_leads_to_its_history(client, books, vera):
    entry = make_posted(books, ("6100", "50"), ("1010", "-50"), by=vera)
    client.force_login(vera)
    page = client.get(reverse("admin:entry", args=["ACORN", entry.pk])).content.decode()
    url = reverse("admin:ledger_journalentry_history", args=[entry.pk])
    assert url in page
    told_page = client.get(url).content.decode()
    assert "Vera Lund posted Entry 1" in strip_tags(told_page)
    assert "added line 1: account 6100 Rent; amount 50.00 Dr" in strip_tags(told_page)


@pytest.mark.parametrize("role", Role.values)
def test_another_clients_entry_has_no_history_for_anyone_here(client, books, vera, role):
    theirs, _accounts = make_books(make_client("BLUEBELL"))
    entry = make_posted(theirs, ("6100", "50"), ("1010", "-50"), by=vera, description="Secret")
    client.force_login(make_staff(books, role))
    answer = client.get(reverse("admin:ledger_journalentry_history", args=[entry.pk]))
    assert answer.status_code == 403
    assert "Secret" not in answer.content.decode()


def test_a_year_is_told_with_its_periods_and_their_closing(books, vera):
    year = FiscalYear.objects.get(client=books)
    close_through(books, datetime.date(2026, 1, 31), by=vera, reason="All in")
    reopen_period(
        Period.objects.filter(client=books).order_by("start").first(), by=vera, reason="A late bill"
    )
    events = told(FiscalYear, year.pk)
    assert [(said(one), one.reason) for one in events[:2]] == [
        ("Vera Lund reopened January 2026", "A late bill"),
        ("Vera Lund soft-closed January 2026", "All in"),
    ]
    assert "added fiscal year 2026" in said(events[2])
    assert len(events[2].parts) == 13
    assert len(events) == 3


def test_a_tax_code_is_told_with_its_rates(books, vera):
    code = TaxCode.objects.create(client=books, code="V", name="VAT", direction="sales")
    rate = TaxRate.objects.create(client=books, tax_code=code, valid_from=datetime.date(2026, 1, 1), rate=20)
    rate._history_user, rate.rate = vera, Decimal("21.5")
    rate.save()
    newest = told(TaxCode, code.pk)[0]
    assert said(newest) == "Vera Lund changed rate of the rate of V VAT from 1 Jan 2026 from 20 % to 21.5 %"


def test_who_saw_a_tax_id_is_told_to_those_who_may_know(client, books, vera):
    contact = Contact.objects.create(client=books, name="Landlord", tax_id="12-3456789")
    reveal_tax_id(contact, by=vera)
    change_tax_id(contact, "98-7654321", by=vera)
    url = reverse("admin:ledger_contact_history", args=[contact.pk])
    for role, may_see in [(Role.PREPARER, False), (Role.REVIEWER, True)]:
        client.force_login(make_staff(books, role))
        page = strip_tags(client.get(url).content.decode())
        assert ("Vera Lund looked at the tax id of Landlord" in page) == may_see
        assert ("Vera Lund changed the tax id of Landlord" in page) == may_see
        assert "added Landlord" in page
        assert "3456789" not in page
        assert "7654321" not in page


def test_lines_removed_in_one_table_are_read_from_the_history_alone(books, vera):
    entry = rent(books, vera)
    pk = entry.pk
    delete_draft(entry, by=vera, reason="Typed twice")
    assert not JournalLine.objects.filter(entry_id=pk).exists()
    events = told(JournalEntry, pk)
    assert [one.kind for one in events] == ["-", "+"]
    assert events[0].reason == "Typed twice"
    assert len(events[1].parts) == 2


def test_periods_closed_at_once_with_their_year_opened_are_events_of_their_own(client, vera):
    books, _accounts = make_books(make_client("QUICK"))
    year = FiscalYear.objects.get(client=books)
    opener = year.history.get().history_user
    close_through(books, datetime.date(2026, 2, 28), by=opener)
    assert [said(one).split(" ", 1)[1] for one in told(FiscalYear, year.pk)] == [
        "soft-closed February 2026",
        "soft-closed January 2026",
        "added fiscal year 2026",
    ]
    client.force_login(vera)
    page = client.get(reverse("admin:year_history", args=["QUICK", year.pk])).content.decode()
    assert "soft-closed January 2026" in strip_tags(page)
    assert (
        reverse("admin:year_history", args=["QUICK", year.pk])
        in client.get(reverse("admin:periods", args=["QUICK"])).content.decode()
    )
