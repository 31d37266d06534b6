"""The pages that files of journal entries come in through: what they say, and to whom."""

import csv
import io
from datetime import date, timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from apps.core.models import Job
from apps.ledger.models import Account, JournalEntry, JournalImport, JournalMapping
from apps.ledger.services import close_through
from apps.ledger.services.imports import forget_old_uploads, stored_name
from apps.ledger.views import imports as views
from apps.profiles.roles import Role
from tests.factories import make_books, make_client, make_staff

pytestmark = pytest.mark.django_db

GOOD = b"""ref,date,account,amount,memo
1,2026-01-05,1010,100.00,
1,2026-01-05,4000,-100.00,Cakes
"""
BAD = b"""ref,date,account,amount,memo
1,2026-01-05,1010,100.00,=1+1
1,2026-01-05,4000,-90.00,
"""
ELSEWHERE = b"""day,what,dr,cr
2026-01-05,1010,100.00,
2026-01-05,New shop,,100.00
"""


@pytest.fixture
def books():
    client, _accounts = make_books(make_client("ACORN"))
    return client


@pytest.fixture
def reviewer(client, books):
    user = make_staff(books, Role.REVIEWER)
    client.force_login(user)
    return user


def upload(http, content, name="journal.csv", **more):
    file = SimpleUploadedFile(name, content)
    return http.post(reverse("admin:journal_imports", args=["ACORN"]), {"file": file, **more}, follow=True)


def send(http, answer, **changed):
    """Send the form of a page as a browser would, with some of it changed."""
    form = answer.context["form"]
    data = {"plan": answer.context["one"].plan_hash}
    for bound in form:
        value = bound.value()
        if value not in (None, False, ""):
            data[bound.html_name] = value
    data |= changed
    return http.post(
        answer.request["PATH_INFO"], {k: v for k, v in data.items() if v is not None}, follow=True
    )


def said(answer):
    return [str(one) for one in answer.context["messages"]]


def test_a_file_is_looked_through_and_then_imported_as_drafts(client, books, reviewer):
    answer = upload(client, GOOD)
    assert JournalEntry.objects.count() == 0
    assert answer.context["preview"]["counts"] == {"new": 1, "changed": 0, "same": 0, "wrong": 0}
    assert b"Import 1 entry" in answer.content
    answer = send(client, answer, **{"import": "1"})
    assert said(answer) == ["1 entry imported."]
    entry = JournalEntry.objects.get()
    assert (entry.status, entry.created_by) == ("draft", reviewer)
    assert entry.history.get().history_change_reason == "Imported from journal.csv"


def test_choosing_to_post_needs_no_second_look(client, books, reviewer):
    answer = send(client, upload(client, GOOD), **{"import": "1", "posts": "1"})
    assert said(answer) == ["1 entry imported."]
    assert JournalEntry.objects.get().number == 1


def test_a_preparer_is_not_offered_to_post_and_cannot(client, books):
    client.force_login(make_staff(books, Role.PREPARER))
    answer = upload(client, GOOD)
    assert "posts" not in answer.context["form"].fields
    send(client, answer, **{"import": "1", "posts": "1"})
    assert JournalEntry.objects.get().status == "draft"


def test_what_changes_the_plan_is_shown_before_it_is_done(client, books, reviewer):
    answer = upload(client, GOOD)
    answer = send(client, answer, **{"import": "1", "credit_is_positive": "on"})
    assert said(answer) == ["That changes what would be done: look at it once more."]
    assert JournalEntry.objects.count() == 0
    answer = send(client, answer, **{"import": "1"})
    assert str(JournalEntry.objects.get().lines.order_by("line_number")[0].amount) == "-100.0000"


def test_a_look_in_another_tab_comes_first(client, books, reviewer):
    answer = upload(client, GOOD)
    send(client, answer, look="1", credit_is_positive="on")
    answer = send(client, answer, **{"import": "1"})
    assert JournalEntry.objects.count() == 0
    assert said(answer) == ["This file was looked through again meanwhile: see what would be done now."]


def test_the_books_changed_since(client, books, reviewer):
    answer = upload(client, GOOD)
    Account.objects.filter(client=books, code="4000").update(is_active=False)
    answer = send(client, answer, **{"import": "1"})
    assert said(answer) == [
        "Nothing was imported: the books have changed since the preview. Look through it again."
    ]
    assert "4000 Sales is inactive." in answer.content.decode()
    assert JournalEntry.objects.count() == 0


def test_wrong_rows_are_shown_first_and_can_be_downloaded(client, books, reviewer):
    answer = upload(client, BAD)
    page = answer.content.decode()
    assert "Debits and credits differ by 10.00." in page
    assert 'name="import"' not in page
    file = client.get(reverse("admin:journal_import_wrong", args=["ACORN", answer.context["one"].pk]))
    rows = list(csv.reader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert rows == [
        ["line", "what is wrong", "ref", "date", "account", "amount", "memo"],
        ["2", "Debits and credits differ by 10.00.", "1", "2026-01-05", "1010", "100.00", "'=1+1"],
    ]
    answer = send(client, answer, **{"import": "1"})
    assert JournalEntry.objects.count() == 0


def test_columns_are_chosen_and_remembered_for_the_next_file(client, books, reviewer):
    answer = upload(client, ELSEWHERE)
    page = answer.content.decode()
    assert "Choose the column that holds the account." in page
    assert "Choose the column that holds the date, or a day for all." in page
    chosen = {"column_0": "date", "column_1": "account", "grouping": "balance"}
    answer = send(client, answer, look="1", **chosen)
    [(account, _kind, _code)] = answer.context["form"].accounts_to_decide()
    assert account["problem"].startswith("“New shop” is not in the chart")
    answer = send(client, answer, look="1", kind_0="=income")
    answer = send(client, answer, **{"import": "1"})
    assert said(answer) == ["1 entry imported."]
    assert Account.objects.get(client=books, name="New shop").kind == "income"

    again = upload(client, ELSEWHERE.replace(b"100.00", b"70.00"))
    assert again.context["preview"]["counts"]["new"] == 1
    assert JournalMapping.objects.get().options["columns"] == {
        "date": "day",
        "account": "what",
        "debit": "dr",
        "credit": "cr",
    }


def test_an_account_may_be_one_of_the_chart(client, books, reviewer):
    answer = upload(client, GOOD.replace(b"4000", b"Takings"))
    answer = send(client, answer, look="1", kind_0=None, code_0="4000")
    send(client, answer, **{"import": "1"})
    assert JournalEntry.objects.get().lines.filter(account__code="4000").count() == 1
    assert JournalMapping.objects.get().options["accounts"] == {"Takings": "4000"}


def test_a_column_is_read_for_one_thing_only(client, books, reviewer):
    answer = send(client, upload(client, GOOD), look="1", column_4="date")
    assert "“date” holds that already." in answer.content.decode()


def test_opening_balances_are_one_entry(client, books, reviewer):
    content = b"account,debit,credit,contact,document no.,due,memo\n1010,90,,,,,\n"
    content += (
        b"2010,,25,Landlord,Bill 881,2026-01-31,Rent\n2010,,15,Landlord,Bill 882,2026-02-28,\n3000,,50,,,,\n"
    )
    answer = upload(client, content, is_opening="on")
    answer = send(client, answer, look="1", date="2026-01-01")
    answer = send(client, answer, **{"import": "1", "posts": "1"})
    assert said(answer) == ["1 entry imported."]
    entry = JournalEntry.objects.get()
    assert (entry.kind, entry.status, entry.lines.count()) == ("opening", "posted", 4)
    items = entry.lines.filter(account__code="2010").order_by("line_number")
    assert [(item.memo, str(item.contact), item.due_date.isoformat()) for item in items] == [
        ("Bill 881 · Rent", "Landlord", "2026-01-31"),
        ("Bill 882", "Landlord", "2026-02-28"),
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "There is nothing in this file."),
        (b"just one column\n", "This file has a single column."),
        (b"%PDF-1.7", "not a table but a web page, a PDF"),
        (b"PK\x03\x04no", "damaged, incomplete"),
        (b"\x00\x01\x02", "no readable text"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_sentence_and_nothing_is_kept(
    client, books, reviewer, content, sentence
):
    assert sentence in upload(client, content).content.decode()
    assert JournalImport.objects.count() == 0


def test_a_large_file_is_a_job_that_can_be_followed(client, books, reviewer, monkeypatch):
    monkeypatch.setattr(views, "WHILE_ONE_WAITS", 10)
    answer = upload(client, GOOD)
    job = Job.objects.get()
    assert (job.title, job.client_id, job.permission) == ("Look through journal.csv", books.pk, views.ADD)
    assert "data-follow" in answer.content.decode()
    assert answer.context["one"].preview == {}
    answer = client.post(answer.request["PATH_INFO"], {"import": "1"}, follow=True)
    assert said(answer) == ["A job is at work on this file."]


def test_drafts_can_be_taken_back_and_the_file_comes_in_again(client, books, reviewer):
    answer = send(client, upload(client, GOOD), **{"import": "1"})
    undo = reverse("admin:journal_import_undo", args=["ACORN", answer.context["one"].pk])
    assert "The draft it brought is deleted" in client.get(undo).content.decode()
    answer = client.post(undo, follow=True)
    assert said(answer) == ["1 draft is taken back."]
    assert JournalEntry.objects.count() == 0
    assert upload(client, GOOD).context["preview"]["counts"]["new"] == 1


def test_posted_entries_are_not_taken_back(client, books, reviewer):
    answer = send(client, upload(client, GOOD), **{"import": "1", "posts": "1"})
    assert "Take back" not in answer.content.decode()
    answer = client.post(
        reverse("admin:journal_import_undo", args=["ACORN", answer.context["one"].pk]), follow=True
    )
    assert said(answer)[0].startswith("1 of its entries is posted.")


def test_a_file_is_discarded(client, books, reviewer):
    answer = upload(client, GOOD)
    answer = send(client, answer, discard="1")
    assert said(answer) == ["The file is discarded. Nothing of it was imported."]
    assert JournalImport.objects.count() == 0


def test_files_that_nobody_imports_are_forgotten_after_a_month(
    client, books, reviewer, django_capture_on_commit_callbacks
):
    old, young = (upload(client, GOOD + b"\n" * n).context["one"] for n in (1, 2))
    imported = send(client, upload(client, GOOD), **{"import": "1"}).context["one"]
    long_ago = timezone.now() - timedelta(days=31)
    JournalImport.objects.exclude(pk=young.pk).update(uploaded_at=long_ago)
    with django_capture_on_commit_callbacks(execute=True):
        assert forget_old_uploads() == 1
    assert set(JournalImport.objects.all()) == {young, imported}
    assert not storages["journals"].exists(stored_name(old))
    assert storages["journals"].exists(stored_name(young))


def test_a_soft_closed_month_takes_an_import_with_a_reason(client, books, reviewer):
    close_through(books, date(2026, 1, 31), by=reviewer)
    answer = send(client, upload(client, GOOD), look="1", posts="1")
    assert "The period of 2026-01-05 is soft-closed" in answer.content.decode()
    answer = send(client, answer, look="1", reason="Late statement")
    answer = send(client, answer, **{"import": "1"})
    assert said(answer) == ["1 entry imported."]
    reasons = set(JournalEntry.objects.get().history.values_list("history_change_reason", flat=True))
    assert reasons == {"Late statement"}


def test_the_audit_report_tells_of_an_import_in_words(client, books, reviewer):
    one = send(client, upload(client, GOOD), **{"import": "1"}).context["one"]
    page = client.get(reverse("admin:audit", args=["ACORN"])).content.decode()
    assert "journal.csv" in page
    assert reverse("admin:journal_import", args=["ACORN", one.pk]) in page
    assert "date_format" not in page
    assert "posts: False" not in page


def test_the_journal_lists_what_a_file_brought(client, books, reviewer):
    answer = send(client, upload(client, GOOD), **{"import": "1"})
    pk = answer.context["one"].pk
    url = reverse("admin:ledger_journalentry_changelist")
    assert client.get(url, {"import": pk}).context["cl"].result_count == 1
    other = JournalImport.objects.create(
        client=books, file_name="b", file_sha256="0" * 64, file_size=1, uploaded_by=reviewer
    )
    assert client.get(url, {"import": other.pk}).context["cl"].result_count == 0
    secret, _accounts = make_books(make_client("BLUEBELL"))
    theirs = JournalImport.objects.create(
        client=secret, file_name="Secret", file_sha256="0" * 64, file_size=1, uploaded_by=reviewer
    )
    assert "Secret" not in client.get(url, {"import": theirs.pk}).content.decode()


def test_the_file_is_there_for_whoever_may_read_the_books(client, books, reviewer):
    answer = upload(client, GOOD)
    client.force_login(make_staff(books, Role.VIEWER))
    url = reverse("admin:journal_import_file", args=["ACORN", answer.context["one"].pk])
    assert b"".join(client.get(url).streaming_content) == GOOD
    assert client.get(reverse("admin:journal_imports", args=["ACORN"])).status_code == 403


def test_the_file_to_fill_in_can_be_imported(client, books, reviewer):
    file = client.get(reverse("admin:journal_import_template", args=["ACORN"]))
    answer = upload(client, file.content)
    assert answer.context["preview"]["counts"] == {"new": 1, "changed": 0, "same": 0, "wrong": 0}


def test_pages_cost_the_same_for_many_rows_as_for_few(client, books, reviewer, django_assert_max_num_queries):
    rows = b"".join(b"%d,2026-01-05,1010,1,\n%d,2026-01-05,4000,-1,\n" % (n, n) for n in range(2, 400))
    answer = upload(client, GOOD + rows)
    with django_assert_max_num_queries(14):
        client.get(answer.request["PATH_INFO"])
    file = ContentFile(GOOD + rows, "x.csv")
    one = views.imports.upload_journal(books, file, by=reviewer)
    with django_assert_max_num_queries(30):
        views.imports.look_through(one, by=reviewer)
    with django_assert_max_num_queries(50):
        views.imports.import_journal(one, by=reviewer)
