"""Files that come more than once, and what was changed meanwhile: nothing is doubled, nothing is lost."""

import csv
import io
import threading

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.base import ContentFile
from django.db import connection, connections

from apps.ledger.checking import check_books
from apps.ledger.importing.mapping import JournalFormat
from apps.ledger.models import Contact, ImportedEntry, JournalEntry, JournalImport, JournalLine
from apps.ledger.services import delete_draft, post_entry
from apps.ledger.services.attachments import attach
from apps.ledger.services.imports import (
    discard_import,
    import_journal,
    look_through,
    read_otherwise,
    undo_import,
    upload_journal,
)
from apps.profiles.roles import Role
from tests.factories import (
    make_account,
    make_books,
    make_client,
    make_draft,
    make_owner,
    make_posted,
    make_staff,
)

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\nxref\n0 0\ntrailer<</Root 1 0 R>>\nstartxref\n45\n%%EOF\n"

HEAD = "ref,date,account,amount,memo,contact\n"
RENT = "1,2026-01-05,6100,50.00,Shop,Landlord\n1,2026-01-05,1010,-50.00,,\n"
SALE = "2,2026-01-06,1010,80.00,,\n2,2026-01-06,4000,-80.00,Cakes,\n"


@pytest.fixture
def owner():
    return make_owner()


@pytest.fixture
def books():
    client, _accounts = make_books(make_client("ACORN"))
    return client


def shown(client, text, by, **options):
    one = upload_journal(client, ContentFile(text.encode(), "journal.csv"), by=by)
    if options:
        one = read_otherwise(one, JournalFormat.from_json(one.options | options), by=by)
    return look_through(one, by=by)


def bring(client, text, by, **options):
    return import_journal(shown(client, text, by, **options), by=by)


def counts(one):
    return {name: count for name, count in one.preview["counts"].items() if count}


def everything():
    """How many rows each table of the books has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^(ledger|profiles)_'"
            " AND relname !~ 'journalimport' ORDER BY 1"
        )
        tables = [name for (name,) in cursor.fetchall()]
        sizes = {}
        for table in tables:
            cursor.execute(f"SELECT count(*) FROM {table}")
            sizes[table] = cursor.fetchone()[0]
    return sizes


def test_an_overlapping_file_brings_only_what_is_new(books, owner):
    bring(books, HEAD + RENT, owner)
    assert counts(shown(books, HEAD + RENT + SALE, owner)) == {"new": 1, "same": 1}
    bring(books, HEAD + RENT + SALE, owner)
    assert counts(shown(books, HEAD + SALE + RENT, owner)) == {"same": 2}
    assert JournalEntry.objects.count() == 2


def test_genuine_repeats_are_kept_and_counted(books, owner):
    twice = "ref,date,account,amount\n" + 2 * "x,2026-01-05,6100,5\nx,2026-01-05,1010,-5\n"
    columns = {"date": "date", "account": "account", "amount": "amount"}
    options = {"columns": columns, "grouping": "balance"}
    bring(books, twice, owner, **options)
    assert JournalEntry.objects.count() == 2
    assert counts(shown(books, twice, owner, **options)) == {"same": 2}
    thrice = twice + "x,2026-01-05,6100,5\nx,2026-01-05,1010,-5\n"
    assert counts(shown(books, thrice, owner, **options)) == {"new": 1, "same": 2}


def test_the_same_reference_in_another_year_is_another_entry(books, owner):
    bring(books, HEAD + RENT, owner)
    later = RENT.replace("2026-01-05", "2026-09-05").replace("50.00", "51.00")
    assert counts(shown(books, HEAD + later, owner)) == {"new": 1}


def test_the_same_reference_and_figures_a_month_later_are_another_entry(books, owner):
    bring(books, HEAD + RENT, owner)
    assert counts(shown(books, HEAD + RENT.replace("2026-01-05", "2026-02-05"), owner)) == {"new": 1}
    assert counts(shown(books, HEAD + RENT.replace("2026-01-05", "2026-01-06"), owner)) == {"changed": 1}


def test_rows_sorted_otherwise_are_the_same_entry(books, owner):
    bring(books, HEAD + RENT, owner)
    first, second = RENT.splitlines(keepends=True)
    assert counts(shown(books, HEAD + second + first, owner)) == {"same": 1}


def test_a_draft_edited_since_the_preview_is_not_written_over(books, owner):
    bring(books, HEAD + RENT, owner)
    one = shown(books, HEAD + RENT.replace("50.00", "55.00"), owner)
    entry = JournalEntry.objects.get()
    entry.description = "Typed meanwhile"
    entry.save()
    with pytest.raises(ValidationError) as caught:
        import_journal(one, by=owner)
    assert caught.value.code == "changed"


def test_a_draft_that_changed_in_the_file_is_written_over(books, owner):
    bring(books, HEAD + RENT, owner)
    changed = HEAD + RENT.replace("50.00", "55.00").replace("Shop", "Shop and yard")
    assert counts(shown(books, changed, owner)) == {"changed": 1}
    bring(books, changed, owner)
    entry = JournalEntry.objects.get()
    lines = list(entry.lines.order_by("line_number").values_list("amount", "memo"))
    assert [(str(amount), memo) for amount, memo in lines] == [("55.0000", "Shop and yard"), ("-55.0000", "")]
    assert entry.lines.first().history.count() == 2
    assert counts(shown(books, changed, owner)) == {"same": 1}


def test_a_posted_entry_that_changed_in_the_file_stays_and_is_said(books, owner):
    bring(books, HEAD + RENT, owner, posts=True)
    one = shown(books, HEAD + RENT.replace("50.00", "55.00"), owner)
    assert counts(one) == {"wrong": 1}
    assert one.preview["wrong"][0]["problem"].startswith(
        "Entry 1 of the books came from here and says something else"
    )
    with pytest.raises(ValidationError) as caught:
        import_journal(one, by=owner)
    assert caught.value.code == "wrong"


def test_what_people_changed_since_is_left_alone(books, owner):
    bring(books, HEAD + RENT, owner)
    entry = JournalEntry.objects.get()
    entry.description = "January's rent"
    entry.save()
    assert counts(shown(books, HEAD + RENT, owner)) == {"same": 1}


def test_a_draft_deleted_by_hand_comes_again(books, owner):
    bring(books, HEAD + RENT, owner)
    delete_draft(JournalEntry.objects.get(), by=owner)
    bring(books, HEAD + RENT, owner)
    assert JournalEntry.objects.count() == 1


# Entries named by their id, as an export of ours has them

COLUMNS = ["entry id", "client", "number", "date", "kind", "status", "description", "line", "account"]
COLUMNS += ["account name", "debit", "credit", "amount", "memo", "contact", "reverses"]


def export(client):
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in JournalLine.objects.filter(client=client).select_related("entry", "account", "contact"):
        entry = line.entry
        writer.writerow(
            [
                entry.uuid,
                client.code,
                entry.number or "",
                entry.date,
                entry.kind,
                entry.status,
                entry.description,
            ]
            + [line.line_number, line.account.code, line.account.name, line.debit or "", line.credit or ""]
            + [line.amount, line.memo, line.contact or "", entry.reverses.uuid if entry.reverses else ""]
        )
    return text.getvalue()


def test_an_export_comes_back_as_the_same_whatever_its_order(books, owner):
    make_posted(books, ("6100", "50"), ("1010", "-50"), by=owner, description="Rent")
    make_draft(books, ("1010", "7"), ("4000", "-7"), by=owner)
    text = export(books)
    assert counts(shown(books, text, owner)) == {"same": 2}
    head, *rows = text.splitlines(keepends=True)
    assert counts(shown(books, head + "".join(sorted(rows)), owner)) == {"same": 2}


def test_what_the_books_hold_comes_back_whatever_became_of_its_accounts(books, owner):
    make_posted(books, ("6100", "50"), ("1010", "-50"), by=owner)
    make_draft(books, ("1010", "7"), by=owner)
    books.accounts.filter(code="6100").update(is_active=False)
    assert counts(shown(books, export(books), owner)) == {"same": 2}


def test_notes_edited_in_a_spreadsheet_come_back_to_posted_entries(books, owner):
    entry = make_posted(books, ("6100", "50"), ("1010", "-50"), by=owner, description="Rent")
    edited = (
        export(books)
        .replace(",50.0000,,,", ",50.0000,Shop and yard,Landlord,")
        .replace("Rent,1", "Rent of May,1")
    )
    one = shown(books, edited, owner)
    assert counts(one) == {"changed": 1}
    import_journal(one, by=owner)
    entry.refresh_from_db()
    line = entry.lines.get(account__code="6100")
    assert (entry.description, line.memo, str(line.contact)) == ("Rent of May", "Shop and yard", "Landlord")
    assert line.history.first().history_change_reason == "Imported from journal.csv"
    assert check_books([books.pk]) == []


def test_figures_edited_in_a_spreadsheet_do_not(books, owner):
    make_posted(books, ("6100", "50"), ("1010", "-50"), by=owner)
    one = shown(books, export(books).replace("50.0000", "51.0000"), owner)
    assert counts(one) == {"wrong": 1}
    assert "posted, it stays" in one.preview["wrong"][0]["problem"]


def test_drafts_edited_in_a_spreadsheet_are_written_over(books, owner):
    entry = make_draft(books, ("6100", "50"), ("1010", "-50"), by=owner)
    bring(books, export(books).replace("50.0000", "51.0000"), owner)
    assert [str(amount) for amount in entry.lines.values_list("amount", flat=True)] == ["51.0000", "-51.0000"]


def test_an_entry_of_another_client_cannot_be_named(books, owner):
    other, _accounts = make_books(make_client("BLUEBELL"))
    make_draft(other, ("6100", "50"), ("1010", "-50"), by=owner)
    one = shown(books, export(other), owner)
    assert counts(one) == {"wrong": 1}
    problems = " ".join(row["problem"] for row in one.preview["wrong"])
    assert "These books are of ACORN: this row is for another client." in problems
    without_client = {k: v for k, v in one.options["columns"].items() if k != "client"}
    one = look_through(
        read_otherwise(one, JournalFormat.from_json(one.options | {"columns": without_client}), by=owner),
        by=owner,
    )
    assert one.preview["wrong"][0]["problem"] == (
        "This entry id is not one of these books: leave it empty for a new entry."
    )


def test_a_reversal_finds_what_it_reverses(owner):
    from apps.ledger.services import reverse_entry

    first, _accounts = make_books(make_client("ACORN"))
    reverse_entry(make_posted(first, ("6100", "50"), ("1010", "-50"), by=owner), by=owner)
    text = export(first).replace("ACORN", "BLUEBELL")
    for entry in first.entries.all():  # as they would be in another database
        text = text.replace(str(entry.uuid), str(entry.uuid)[::-1].replace("-", "").zfill(32))
    second, _accounts = make_books(make_client("BLUEBELL"))
    bring(second, text, owner, posts=True)
    original, reversal = second.entries.order_by("position")
    assert (reversal.kind, reversal.reverses) == ("reversal", original)
    assert check_books([second.pk]) == []


# Taking back


def test_an_import_is_taken_back_with_its_history(books, owner):
    before = everything()
    one = bring(books, HEAD + RENT + SALE, owner)
    uuids = list(JournalEntry.objects.values_list("pk", flat=True))
    assert undo_import(one, by=owner) == 2
    assert not JournalEntry.objects.exists()
    assert not ImportedEntry.objects.exists()
    told = JournalEntry.history.filter(id__in=uuids, history_type="-")
    assert {record.history_change_reason for record in told} == {"Import of journal.csv undone"}
    assert JournalLine.history.filter(history_type="-").count() == 4
    assert set(before) == set(everything())
    with pytest.raises(ValidationError) as caught:
        undo_import(one, by=owner)
    assert caught.value.code == "not_imported"
    assert counts(bring(books, HEAD + RENT + SALE, owner)) == {"new": 2}


def test_what_is_posted_or_proved_is_not_taken_back(books, owner):
    one = bring(books, HEAD + RENT + SALE, owner)
    rent, sale = JournalEntry.objects.order_by("date")
    attach(sale, ContentFile(PDF, "bill.pdf"), by=owner)
    with pytest.raises(ValidationError) as caught:
        undo_import(one, by=owner)
    assert caught.value.code == "papers"
    post_entry(rent, by=owner)
    with pytest.raises(ValidationError) as caught:
        undo_import(one, by=owner)
    assert caught.value.code == "posted"
    assert JournalEntry.objects.count() == 2


# All or nothing


def test_the_books_changed_since_the_preview(books, owner):
    one = shown(books, HEAD + RENT, owner)
    Contact.objects.create(client=books, name="LANDLORD")
    before = everything()
    with pytest.raises(ValidationError) as caught:
        import_journal(one, by=owner)
    assert caught.value.code == "changed"
    assert everything() == before


def test_a_stopped_import_leaves_nothing(books, owner):
    one = shown(books, HEAD + RENT + SALE, owner, posts=True)
    before = everything()

    class Stopped(Exception):
        pass

    def stop(done, total):
        if total:  # at the last step: all is written and nothing posted yet
            raise Stopped

    with pytest.raises(Stopped):
        import_journal(one, by=owner, after_some=stop)
    assert everything() == before
    import_journal(JournalImport.objects.get(), by=owner)
    assert JournalEntry.objects.posted().count() == 2


def test_a_guard_that_refuses_leaves_nothing(books, owner):
    make_account(books, "9999", is_active=False)
    one = shown(books, HEAD + RENT, owner, posts=True)
    with connection.cursor() as cursor:  # something the plan cannot know
        cursor.execute(
            "CREATE FUNCTION pg_temp.no() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM ledger_refuse('ledger_entry_balanced', 'no'); END $$;"
            "CREATE TRIGGER zz_no BEFORE UPDATE ON ledger_journalentry FOR EACH ROW"
            " EXECUTE FUNCTION pg_temp.no()"
        )
    before = everything()
    with pytest.raises(ValidationError) as caught:
        import_journal(one, by=owner)
    assert caught.value.code == "ledger_entry_balanced"
    assert everything() == before


@pytest.mark.django_db(transaction=True)
def test_two_who_import_the_same_file_at_once(books, owner):
    ones = [shown(books, HEAD + RENT, owner) for _ in range(2)]
    outcomes = []
    barrier = threading.Barrier(2)

    def run(one):
        try:
            barrier.wait(timeout=20)
            import_journal(one, by=owner)
            outcomes.append("imported")
        except ValidationError as error:
            outcomes.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[one]) for one in ones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(outcomes) == ["changed", "imported"]
    assert JournalEntry.objects.count() == 1


# Who may


def test_a_viewer_imports_nothing_and_a_preparer_posts_nothing(books, owner):
    with pytest.raises(PermissionDenied):
        shown(books, HEAD + RENT, make_staff(books, Role.VIEWER))
    preparer = make_staff(books, Role.PREPARER)
    with pytest.raises(ValidationError) as caught:
        shown(books, HEAD + RENT, preparer, posts=True)
    assert caught.value.code == "right"
    other, _accounts = make_books(make_client("BLUEBELL"))
    theirs = shown(other, HEAD + RENT, owner)
    for attempt in (look_through, import_journal, discard_import):
        with pytest.raises(PermissionDenied):
            attempt(theirs, by=preparer)


def test_years_are_opened_by_those_who_may(books):
    early = HEAD + RENT.replace("2026", "2024")
    reviewer = make_staff(books, Role.REVIEWER)
    one = shown(books, early, reviewer, posts=True)
    assert one.preview["wrong"][0]["problem"] == "There is no fiscal year for 2024-01-05."
    bring(books, early, make_staff(books, Role.MANAGER), posts=True)
    assert list(books.fiscal_years.order_by("start").values_list("name", flat=True)) == [
        "2024",
        "2025",
        "2026",
    ]


def test_the_trail_is_that_of_a_form(books, owner):
    by_hand = make_posted(books, ("6100", "50"), ("1010", "-50"), by=owner)
    bring(books, HEAD + RENT, owner, posts=True)
    imported = JournalEntry.objects.exclude(pk=by_hand.pk).get()

    def trail(entry):
        records = [*entry.history.all(), *(r for line in entry.lines.all() for r in line.history.all())]
        return sorted((r.history_type, type(r).__name__, str(r.history_user)) for r in records)

    assert trail(imported) == trail(by_hand)
    assert Contact.objects.get(name="Landlord").history.get().history_user == owner
