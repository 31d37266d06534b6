"""The form of an entry: what it takes, what it refuses and says, and that nothing typed is lost."""

import datetime
import uuid
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.ledger.forms.amounts import AmountField
from apps.ledger.forms.dates import DayField
from apps.ledger.models import Contact, CostCentre, JournalEntry, JournalLine, TaxCode
from apps.ledger.services import close_through, lock_through, post_entry
from apps.ledger.services.drafts import version_of
from apps.profiles.roles import Role
from tests.factories import (
    make_account,
    make_books,
    make_client,
    make_draft,
    make_owner,
    make_posted,
    make_staff,
    make_year,
)
from tests.ledger.typed_entries import page, sentences, shown, typed

pytestmark = pytest.mark.django_db

SALE = (("1010", "50.00"), ("4000", "-50.00"))


@pytest.fixture
def books():
    return make_books(make_client("ACORN"))


@pytest.fixture
def reviewer(books, client):
    user = make_staff(books[0], Role.REVIEWER, "ruth")
    client.force_login(user)
    return user


def send(http, books, *rows, at=None, **facts):
    return http.post(at or page(books), typed(*rows, **facts))


def sale(accounts, amount="50"):
    return [(accounts["1010"], "", amount, ""), (accounts["4000"], "", "", amount)]


# What is typed


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1,234.56", "1234.56"), ("1234.56", "1234.56"), ("1234", "1234"), (".5", "0.5"), ("7.", "7"),
        ("120+35.50", "155.50"), ("100-30-20", "50"), ("-50", "-50"), ("−50", "-50"), (" 1 234.5 ", "1234.5"),
        ("1,234,567", "1234567"), ("1,234", "1234"), ("1,000+.5", "1000.5"),
    ],
)  # fmt: skip
def test_amounts_are_taken_as_people_write_them(text, amount):
    assert AmountField(decimals=2).clean(text) == Decimal(amount)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        *[("comma", text) for text in ("12,50", "1.234,56", "0,5")],
        *[
            ("amount", text)
            for text in ("NaN", "Infinity", "1e5", "abc", "1++2", "1+", "+", "=", "2*3", "1,23,456")
        ],
        *[("amount", text) for text in ("__import__('os')", "9" * 101, "\u0661\u0662")],
        *[("decimals", text) for text in ("1.234", "0." + "0" * 40 + "1", "1." + "0" * 40 + "1")],
        *[("large", text) for text in ("1" + "0" * 20, "9" * 100)],
    ],
)
def test_what_is_no_amount_is_said_and_not_guessed(code, text):
    with pytest.raises(ValidationError) as caught:
        AmountField(decimals=2).clean(text)
    assert caught.value.code == code


def test_a_comma_is_ambiguous_where_the_currency_has_three_decimals():
    with pytest.raises(ValidationError) as caught:
        AmountField(decimals=3).clean("1,234")
    assert caught.value.code == "comma"
    assert AmountField(decimals=3).clean("1,234.000") == 1234


def test_days_are_taken_in_short():
    today = timezone.localdate()
    field = DayField()
    assert field.clean("2026-03-09") == datetime.date(2026, 3, 9)
    assert field.clean("t") == today
    assert field.clean("1") == today.replace(day=1)
    assert field.clean("3-15") == datetime.date(today.year, 3, 15)


@pytest.mark.parametrize(
    "text", ["32", "0", "2026-02-30", "1/2/2026", "tomorrow", "2026", "x" * 5000, "9999-99-99"]
)
def test_what_is_no_day_is_said(text):
    with pytest.raises(ValidationError) as caught:
        DayField().clean(text)
    assert caught.value.code == "day"


# Saving and posting


def test_a_half_typed_entry_is_saved_as_a_draft(client, books, reviewer):
    acorn, accounts = books
    answer = send(client, acorn, (accounts["1010"], "", "120+35.50", "", "Till"), (), description="Sales")
    entry = JournalEntry.objects.get()
    assert answer.status_code == 302
    assert answer.url == page(acorn, "entry", entry.pk)
    line = entry.lines.get()
    assert (entry.status, entry.description, entry.created_by) == ("draft", "Sales", reviewer)
    assert (line.amount, line.memo, line.account) == (155.5, "Till", accounts["1010"])


def test_posting_opens_the_next_empty_form_of_the_same_client_and_date(client, books, reviewer):
    acorn, accounts = books
    answer = client.post(page(acorn), typed(*sale(accounts), action="post"), follow=True)
    entry = JournalEntry.objects.get()
    assert (entry.is_posted, entry.number, entry.posted_by) == (True, 1, reviewer)
    assert answer.redirect_chain == [(f"{page(acorn)}?date=2026-01-15", 302)]
    assert page(acorn, "entry", entry.pk) in answer.content.decode()
    fields = shown(answer)
    assert (fields["date"], fields["lines-0-account"], fields["description"]) == ("2026-01-15", "", "")


def test_a_typed_code_means_its_account_without_a_script(client, books, reviewer):
    acorn, accounts = books
    send(client, acorn, ("", "1010", "5", ""), ("", "sales", "", "5"), action="post")
    assert set(JournalEntry.objects.get().lines.values_list("account__code", flat=True)) == {"1010", "4000"}


def test_the_less_used_columns_are_kept(client, books, reviewer):
    acorn, accounts = books
    landlord = Contact.objects.create(client=acorn, name="Landlord")
    CostCentre.objects.create(client=acorn, name="Branch")
    TaxCode.objects.create(client=acorn, code="V20", name="VAT", direction="purchases")
    euros = make_account(acorn, "1020", "asset", "Euro account", section="bank", currency="EUR")
    rent = {"account": accounts["6100"], "debit": "108.34", "contact": landlord, "cost_centre": "branch",
            "tax_code": "v20", "tax_base": "90", "due_date": "2026-02-01"}  # fmt: skip
    paid = {"account": euros, "credit": "108.34", "foreign_amount": "100"}
    answer = send(client, acorn, rent, paid, action="post")
    assert answer.status_code == 302, sentences(answer)
    first, second = JournalLine.objects.order_by("line_number")
    assert (first.contact, first.cost_centre.name, first.tax_code.code, first.tax_base) == (
        landlord,
        "Branch",
        "V20",
        90,
    )
    assert first.due_date == datetime.date(2026, 2, 1)
    assert (second.currency, second.foreign_amount, second.rate) == ("EUR", -100, second.amount / -100)


def test_a_foreign_amount_with_its_rate_gives_the_amount(client, books, reviewer):
    acorn, accounts = books
    euros = {"account": accounts["1010"], "currency": "eur", "foreign_amount": "100", "rate": "1.0834"}
    send(client, acorn, euros, (accounts["4000"], "", "", "108.34"), action="post")
    assert JournalLine.objects.get(line_number=1).amount * 100 == 10834


def test_a_preparer_drafts_and_does_not_post(client, books):
    acorn, accounts = books
    client.force_login(make_staff(acorn, Role.PREPARER))
    refused = send(client, acorn, *sale(accounts), action="post")
    assert "A reviewer posts entries" in sentences(refused)[0]
    assert not JournalEntry.objects.exists()
    answer = send(client, acorn, *sale(accounts), action="next")
    assert answer.url.startswith(page(acorn))
    assert JournalEntry.objects.get().status == "draft"


# Bad input: a sentence, nothing stored, nothing typed lost

HEADING, INACTIVE = "6000", "6190"
EVEN = [("1010", "50", ""), ("4000", "", "50")]
HUGE = "1" + "0" * 20
BAD = {
    "out of balance": ([("1010", "50", ""), ("4000", "", "49.99")], {}, "Debits exceed credits by 0.01"),
    "one line": ([("1010", "50", "")], {}, "at least two lines"),
    "an inactive account": ([(INACTIVE, "50", ""), ("4000", "", "50")], {}, "is inactive"),
    "a heading": ([(HEADING, "50", ""), ("4000", "", "50")], {}, "is a heading"),
    "no period": (EVEN, {"date": "2031-01-01"}, "no period for"),
    "a locked month": (EVEN, {"date": "2026-01-31"}, "January 2026 is locked"),
    "another client's account": ([("theirs", "50", ""), ("4000", "", "50")], {}, "No account of this client"),
    "three decimals": ([("1010", "50.001", ""), ("4000", "", "50.001")], {}, "more than 2 decimals"),
    "not a number": ([("1010", "NaN", ""), ("4000", "", "NaN")], {}, "is no amount"),
    "10^20": ([("1010", HUGE, ""), ("4000", "", HUGE)], {}, "below 1,000,000,000,000,000"),
    "10^20 as a power": ([("1010", "10^20", ""), ("4000", "", "10^20")], {}, "is no amount"),
    "a decimal comma": ([("1010", "12,50", ""), ("4000", "", "12,50")], {}, "could mean two amounts"),
    "nothing": ([], {}, "Type at least one line"),
    "empty rows": ([(None, "", ""), (None, " ", "")], {}, "Type at least one line"),
    "zero": ([("1010", "0", ""), ("4000", "", "0")], {}, "not zero"),
    "both sides": ([("1010", "5", "5"), ("4000", "", "5")], {}, "either a debit or a credit"),
    "no account": ([(None, "5", ""), ("4000", "", "5")], {}, "Choose an account"),
    "no date": (EVEN, {"date": ""}, "Give a date"),
    "an odd date": (EVEN, {"date": "1/2/2026"}, "is no date"),
    "a kind nobody enters": (EVEN, {"kind": "closing"}, "not one of the available"),
    "a long description": (EVEN, {"description": "x" * 501}, "at most 500"),
    "a 5 MB memo": ([("1010", "5", "", "m" * 5_000_000), ("4000", "", "5")], {}, "at most 500 characters"),
    "a NUL": ([("1010", "5", "", "a\0b"), ("4000", "", "5")], {}, "Null characters are not allowed"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_a_sentence_nothing_is_stored_and_nothing_typed_is_lost(client, books, reviewer, case):
    acorn, accounts = books
    accounts[HEADING] = make_account(acorn, HEADING, name="Expenses", is_postable=False)
    accounts[INACTIVE] = make_account(acorn, INACTIVE, name="Rent before", is_active=False)
    accounts["theirs"] = make_books(make_client("BLUEBELL"))[1]["6100"]
    lock_through(acorn, datetime.date(2026, 1, 31), by=make_owner())
    rows, facts, sentence = BAD[case]
    sent = typed(
        *[(accounts[row[0]] if row[0] else "", "", *row[1:]) for row in rows],
        **{"date": "2026-02-15", "action": "post", **facts},
    )
    before = (JournalEntry.history.count(), JournalLine.history.count())

    answer = client.post(page(acorn), sent)

    assert answer.status_code == 200
    assert any(sentence in said for said in sentences(answer)), sentences(answer)
    assert not JournalEntry.objects.exists()
    assert before == (JournalEntry.history.count(), JournalLine.history.count())
    fields = shown(answer)
    for name, value in sent.items():
        if name not in ("action", "kind", "lines-TOTAL_FORMS", "lines-INITIAL_FORMS") and "\0" not in str(
            value
        ):
            assert fields[name] == str(value), name


def test_what_only_the_database_refuses_is_a_sentence_too(client, books, reviewer, monkeypatch):
    """As when somebody else's account slips past the form."""
    acorn, accounts = books
    theirs = make_books(make_client("BLUEBELL"))[1]["6100"]
    monkeypatch.setattr("apps.ledger.forms.journal.Records.account", lambda self, pk: theirs)
    sent = typed((theirs, "", "50", "", "Rent"), (accounts["4000"], "", "", "50"))
    answer = client.post(page(acorn), sent)
    assert sentences(answer) == ["That record belongs to another client, or is gone."]
    assert not JournalEntry.objects.exists()
    assert shown(answer)["lines-0-memo"] == "Rent"


def test_a_form_with_a_broken_count_of_rows_is_a_sentence(client, books, reviewer):
    acorn, accounts = books
    for count in ("", "x", "-1", "99999999999"):
        answer = client.post(page(acorn), {**typed(*sale(accounts)), "lines-TOTAL_FORMS": count})
        assert answer.status_code == 200
        assert sentences(answer), count
    assert not JournalEntry.objects.exists()


def test_soft_closed_months_ask_for_a_reason(client, books, reviewer):
    acorn, accounts = books
    close_through(acorn, datetime.date(2026, 1, 31), by=make_owner())
    sent = typed(*sale(accounts), action="post")
    assert 'name="reason"' not in client.get(page(acorn)).content.decode()
    answer = client.post(page(acorn), sent)
    assert "January 2026 is soft-closed" in sentences(answer)[0]
    assert 'name="reason"' in answer.content.decode()
    assert client.post(page(acorn), {**sent, "reason": "Late bill"}).status_code == 302
    entry = JournalEntry.objects.get()
    assert entry.is_posted
    assert entry.history.first().history_change_reason == "Late bill"


# The same form twice, and two at one draft


def test_a_form_sent_twice_makes_one_entry(client, books, reviewer):
    acorn, accounts = books
    for action in ("save", "post"):
        sent = typed(*sale(accounts), action=action)
        first, second = (client.post(page(acorn), sent) for _ in range(2))
        assert first.status_code == second.status_code == 302
        assert first.url == second.url
    assert JournalEntry.objects.count() == 2
    assert JournalLine.objects.count() == 4


def test_another_entry_under_the_same_key_is_not_lost(client, books, reviewer):
    acorn, accounts = books
    sent = typed(*sale(accounts))
    client.post(page(acorn), sent)
    answer = client.post(page(acorn), {**sent, "lines-0-debit": "60", "lines-1-credit": "60"})
    assert "saved a moment ago" in sentences(answer)[0]
    fields = shown(answer)
    assert fields["lines-0-debit"] == "60"
    assert fields["key"] != sent["key"]


def test_a_draft_is_changed_line_by_line(client, books, reviewer):
    acorn, accounts = books
    draft = make_draft(acorn, ("1010", "50"), ("4000", "-30"), ("6100", "-20"))
    first, second, third = draft.lines.order_by("line_number")
    fields = shown(client.get(page(acorn, "entry", draft.pk)))
    rows = [
        {"id": third.pk, "account": accounts["6200"], "credit": "20"},
        {"id": first.pk, "account": accounts["1010"], "debit": "50.00"},
        {"account": accounts["4000"], "credit": "30", "memo": "New"},
    ]
    answer = send(client, acorn, *rows, at=page(acorn, "entry", draft.pk), seen=fields["seen"])
    assert answer.status_code == 302, sentences(answer)
    saved = draft.lines.order_by("line_number").values_list("pk", "account__code", "amount")
    assert list(saved)[:2] == [(third.pk, "6200", -20), (first.pk, "1010", 50)]
    changes = JournalLine.history.filter(entry_id=draft.pk, history_user=reviewer)
    assert sorted(changes.values_list("id", "history_type")) == sorted(
        [(second.pk, "-"), (third.pk, "~"), (first.pk, "~"), (draft.lines.get(memo="New").pk, "+")]
    )


def test_the_second_of_two_editors_reads_who_changed_what(client, books, reviewer):
    acorn, accounts = books
    draft = make_draft(acorn, *SALE, description="Sale")
    at, seen = page(acorn, "entry", draft.pk), version_of(draft)
    client.force_login(make_staff(acorn, Role.PREPARER, "paul"))
    assert send(client, acorn, *sale(accounts, "70"), at=at, seen=seen, description="Sale").status_code == 302
    client.force_login(reviewer)
    sent = {"at": at, "description": "Sale of bread"}
    answer = send(client, acorn, *sale(accounts), **sent, seen=seen)
    assert sentences(answer) == [
        "paul has changed this since you opened it (lines). What you typed is still here; "
        "save again to keep yours."
    ]
    assert shown(answer)["description"] == "Sale of bread"
    assert send(client, acorn, *sale(accounts), **sent, seen=shown(answer)["seen"]).status_code == 302
    draft.refresh_from_db()
    assert draft.description == "Sale of bread"


def test_a_draft_somebody_deleted_is_written_anew(client, books, reviewer):
    acorn, accounts = books
    draft = make_draft(acorn, *SALE)
    at = page(acorn, "entry", draft.pk)
    assert client.post(page(acorn, "entry_delete", draft.pk)).status_code == 302
    answer = send(client, acorn, *sale(accounts), at=at, description="Kept")
    assert "This draft is gone" in sentences(answer)[0]
    assert shown(answer)["description"] == "Kept"
    assert not JournalEntry.objects.exists()
    assert JournalEntry.history.filter(id=draft.pk, history_type="-", history_user=reviewer).exists()


def test_a_draft_somebody_posted_says_so(client, books, reviewer):
    acorn, accounts = books
    draft = make_draft(acorn, *SALE)
    post_entry(draft, by=make_owner())
    answer = send(client, acorn, *sale(accounts, "60"), at=page(acorn, "entry", draft.pk), seen="1")
    assert sentences(answer) == ["This is posted already, as entry 1."]


# Who sees and does what


def test_another_clients_entries_do_not_exist(client, books):
    acorn, accounts = books
    other, _ = make_books(make_client("BLUEBELL"))
    theirs = make_posted(other, *SALE, description="Secret")
    client.force_login(make_staff(acorn, Role.MANAGER))
    line = theirs.lines.first().pk
    pages = [("entry",), ("entry_reverse",), ("entry_delete",), ("entry_annotate",), ("entry_recode", line)]
    for of in (acorn, other):
        for name, *more in pages:
            at = page(of, name, theirs.pk, *more)
            assert client.get(at).status_code == 404
            answer = client.post(at, {"reason": "x", "account": accounts["6200"].pk, "date": "2026-01-15"})
            assert answer.status_code == 404 or "This draft is gone" in answer.content.decode()
            assert "Secret" not in answer.content.decode()
    assert JournalEntry.objects.get().pk == theirs.pk
    copied = client.get(page(acorn) + f"?copy={theirs.pk}")
    assert "Secret" not in copied.content.decode()
    draft = make_draft(acorn, *SALE)
    stolen = {"id": line, "account": accounts["1010"], "debit": "1"}
    send(client, acorn, stolen, at=page(acorn, "entry", draft.pk))
    assert theirs.lines.get(pk=line).amount == 50


OF_PREPARERS = {"entry", "entry_new", "entry_delete", "entry_annotate"}


@pytest.mark.parametrize(
    ("role", "opens"),
    [
        (Role.VIEWER, {"entry"}),
        (Role.PREPARER, OF_PREPARERS),
        (Role.REVIEWER, OF_PREPARERS | {"entry_reverse", "entry_recode"}),
    ],
)
def test_each_page_opens_for_its_role(client, books, role, opens):
    acorn, _ = books
    entry = make_posted(acorn, *SALE)
    pages = {name: page(acorn, name, entry.pk) for name in (OF_PREPARERS | {"entry_reverse"}) - {"entry_new"}}
    pages |= {
        "entry_new": page(acorn),
        "entry_recode": page(acorn, "entry_recode", entry.pk, entry.lines.first().pk),
    }
    client.force_login(make_staff(acorn, role))
    assert {name for name, url in pages.items() if client.get(url).status_code == 200} == opens


def test_a_posted_entry_is_read_and_not_typed(client, books):
    acorn, _ = books
    entry = make_posted(acorn, *SALE, description="Bread")
    client.force_login(make_staff(acorn, Role.VIEWER))
    text = client.get(page(acorn, "entry", entry.pk)).content.decode()
    assert "Bread" in text
    assert "lf-grid--read" in text
    assert "Reverse" not in text
    assert client.post(page(acorn, "entry", entry.pk), typed()).status_code == 403


def test_a_long_entry_costs_as_many_queries_as_a_short_one(client, books, reviewer):
    acorn, accounts = books

    def cost(count, post):
        rows = [(accounts["1010"], "", "1", "")] * count + [(accounts["4000"], "", "", str(count))]
        with CaptureQueriesContext(connection) as queries:
            answer = send(client, acorn, *rows, action=post)
        assert answer.status_code == 302, sentences(answer)
        return len(queries)

    cost(1, "save")
    assert cost(2, "save") == cost(120, "save")
    draft = JournalEntry.objects.order_by("pk").last()
    with CaptureQueriesContext(connection) as queries:
        assert client.get(page(acorn, "entry", draft.pk)).status_code == 200
    assert len(queries) <= 16


# Reverse, recode, copy, notes


def test_reversing_asks_and_links_both(client, books, reviewer):
    acorn, _ = books
    entry = make_posted(acorn, *SALE)
    at = page(acorn, "entry_reverse", entry.pk)
    fields = shown(client.get(at))
    assert fields["date"] == "2026-01-15"
    assert "Say why" in client.post(at, {"date": fields["date"], "reason": ""}).content.decode()
    assert client.post(at, {"date": "2026-01-14", "reason": "Twice"}).context["form"].non_field_errors() == [
        "A reversal cannot be dated before the entry it reverses."
    ]
    answer = client.post(at, {"date": "2026-01-15", "reason": "Twice"}, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"] == page(acorn, "entry", entry.pk)
    reversal = JournalEntry.objects.get(reverses=entry)
    text = client.get(page(acorn, "entry", entry.pk)).content.decode()
    assert page(acorn, "entry", reversal.pk) in text
    assert page(acorn, "entry_reverse", entry.pk) not in text
    again = client.post(at, {"date": "2026-01-15", "reason": "Twice"})
    assert "reversed already" in again.context["form"].non_field_errors()[0]


def test_a_reversal_in_another_year_is_warned_of_once(client, books, reviewer):
    acorn, _ = books
    make_year(acorn, "2027-01-01", "2027-12-31")
    entry = make_posted(acorn, *SALE)
    at, sent = page(acorn, "entry_reverse", entry.pk), {"date": "2027-01-02", "reason": "Wrong"}
    answer = client.post(at, sent)
    assert "fiscal year 2026, its reversal would be in 2027" in answer.content.decode()
    assert not JournalEntry.objects.filter(reverses=entry).exists()
    assert client.post(at, {**sent, "warned": shown(answer)["warned"]}).status_code == 302
    assert JournalEntry.objects.filter(reverses=entry).exists()


def test_a_recoding_that_falls_into_another_year_is_warned_of_once(client, books, reviewer):
    acorn, accounts = books
    year = make_year(acorn, "2027-01-01", "2027-12-31")
    entry = make_posted(acorn, ("6100", "80"), ("1010", "-80"), day="2026-12-05")
    at = page(acorn, "entry_recode", entry.pk, entry.lines.get(account=accounts["6100"]).pk)
    sent = {"account": accounts["6200"].pk, "reason": "Wrong"}
    assert "would be in" not in client.get(at).content.decode()  # its month is open
    close_through(acorn, datetime.date(2026, 12, 31), by=make_owner())
    first = client.get(at)
    assert "fiscal year 2026, its recoding would be in 2027" in first.content.decode()
    assert shown(first)["warned"] == str(year.pk)
    refused = client.post(at, sent)
    assert refused.context["form"].non_field_errors() == ["Read the warning, then confirm."]
    assert not JournalEntry.objects.filter(kind="recode").exists()
    assert client.post(at, {**sent, "warned": shown(refused)["warned"]}).status_code == 302
    assert JournalEntry.objects.get(kind="recode").date == datetime.date(2027, 1, 1)


def test_recoding_a_line_from_its_entry(client, books, reviewer):
    acorn, accounts = books
    entry = make_posted(acorn, ("6100", "80"), ("1010", "-80"))
    line = entry.lines.get(account=accounts["6100"])
    at = page(acorn, "entry_recode", entry.pk, line.pk)
    assert "Choose an account" in client.post(at, {"account": ""}).content.decode()
    same = client.post(at, {"account": accounts["6100"].pk})
    assert "already" in same.context["form"].non_field_errors()[0]
    assert client.post(at, {"account": accounts["6200"].pk, "reason": "Wrong"}).status_code == 302
    moved = JournalEntry.objects.get(kind="recode")
    assert page(acorn, "entry", moved.pk) in client.get(page(acorn, "entry", entry.pk)).content.decode()
    assert page(acorn, "entry", entry.pk) in client.get(page(acorn, "entry", moved.pk)).content.decode()


def test_a_copy_is_a_form_that_stores_nothing_yet(client, books, reviewer):
    acorn, _ = books
    entry = make_posted(acorn, *SALE, description="Monthly", document_number="R-1")
    fields = shown(client.get(page(acorn) + f"?copy={entry.pk}"))
    assert (fields["description"], fields["lines-0-debit"], fields["lines-1-credit"]) == (
        "Monthly",
        "50.00",
        "50.00",
    )
    assert (fields["lines-0-id"], JournalEntry.objects.count()) == ("", 1)
    for odd in ("x", "99999999999999999999", "-1", "0"):
        assert client.get(page(acorn) + f"?copy={odd}&date=zebra").status_code == 200


def test_notes_change_with_history_and_facts_do_not(client, books, reviewer):
    acorn, _ = books
    landlord = Contact.objects.create(client=acorn, name="Landlord")
    entry = make_posted(acorn, *SALE)
    first, second = entry.lines.order_by("line_number")
    at = page(acorn, "entry_annotate", entry.pk)
    sent = {
        **shown(client.get(at)),
        "description": "Bread",
        "document_number": "R-9",
        "document_date": "2026-01-10",
        "review": "question",
        "review_note": "Which shop?",
        "reason": "Found the receipt",
        "lines-0-memo": "Till",
        "lines-0-contact": landlord.pk,
        "lines-0-amount": "99",
        "lines-1-due_date": "2026-02-01",
    }
    assert client.post(at, sent).status_code == 302
    entry.refresh_from_db()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (entry.description, entry.review, str(entry.document_date)) == ("Bread", "question", "2026-01-10")
    assert (first.memo, first.contact, first.amount, str(second.due_date)) == (
        "Till",
        landlord,
        50,
        "2026-02-01",
    )
    newest = entry.history.first()
    assert (newest.history_user, newest.history_change_reason) == (reviewer, "Found the receipt")
    assert first.history.first().history_user == reviewer
    refused = client.post(at, {**sent, "description": "Cake"})
    assert "has changed this since you opened it" in refused.context["form"].non_field_errors()[0]
    assert shown(refused)["description"] == "Cake"


def test_the_key_of_a_form_may_be_anything(client, books, reviewer):
    acorn, accounts = books
    for key in ("", "zebra", str(uuid.uuid4())):
        assert client.post(page(acorn), {**typed(*sale(accounts)), "key": key}).status_code in (200, 302)
