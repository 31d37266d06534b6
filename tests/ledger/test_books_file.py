"""The books of a client out of one database and into another: the same, to the last hash."""

import csv
import io
import json
import os
import subprocess
import sys

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.storage import storages
from django.core.management import call_command
from django.db import connection

from apps.core.models import User
from apps.ledger.books_file.tables import TABLES
from apps.ledger.checking import check_books
from apps.ledger.models import (
    Account,
    Attachment,
    ClosedPeriod,
    Contact,
    CostCentre,
    ExchangeRate,
    FiscalYear,
    JournalEntry,
    JournalLine,
    Period,
    TaxCode,
    TaxRate,
)
from apps.ledger.queries.changes import changed_among, changed_clients, entries_since
from apps.ledger.services.attachments import stored_name
from apps.ledger.services.books_file import import_books
from apps.profiles.models import Client
from tests.factories import make_owner, make_user
from tests.ledger.books_files import PDF, contents, exported, forget, make_full_books

pytestmark = pytest.mark.django_db

#: What the moment of an import decides.
TIMES = {"entries.csv": {"posted_at"}, "closed_periods.csv": {"closed_at"}}
MODELS = {
    "client": Client,
    "accounts": Account,
    "contacts": Contact,
    "classes": CostCentre,
    "tax_codes": TaxCode,
    "tax_rates": TaxRate,
    "exchange_rates": ExchangeRate,
    "fiscal_years": FiscalYear,
    "periods": Period,
    "entries": JournalEntry,
    "lines": JournalLine,
    "closed_periods": ClosedPeriod,
    "attachments": Attachment,
}
#: Columns that follow from others, and those whose column in the file has another name.
DERIVED = {"id", "client", "debit", "credit"}
OTHERWISE = {"lines": {"cost_centre", "date", "kind", "is_posted"}}
#: Kinds of records that stay: sums the database makes again, and what is about the practice's own work.
STAYING = {
    "ledger.accounttotal",
    "ledger.taxidaccess",
    "ledger.journalmapping",
    "ledger.journalimport",
    "ledger.importedentry",
}


@pytest.fixture
def owner():
    return make_owner()


def without_times(files):
    """Return the files of an export as what has to be the same after another one."""
    files = dict(files)
    for name, columns in TIMES.items():
        rows = csv.DictReader(io.StringIO(files[name].decode(), newline=""))
        files[name] = [{key: value for key, value in row.items() if key not in columns} for row in rows]
    manifest = json.loads(files.pop("manifest.json"))
    del manifest["made_at"]
    for name in TIMES:
        manifest["files"][name] = manifest["files"][name]["rows"]
    return files | {"manifest": manifest}


def moved(client, owner, **options):
    """Move books out and in again, and return the new client with what both exports hold."""
    file = exported(client)
    before = contents(file)
    forget(client)
    imported = import_books(file, by=owner, **options)
    return imported.client, before, contents(exported(imported.client))


def told(client):
    """Return what each close of a client says was changed since."""
    closings = list(ClosedPeriod.objects.filter(client=client).select_related("period", "client"))
    changed = changed_among(closings)
    return [
        (one.period.start, one.state, [entry.uuid for entry in entries_since(one)], one.pk in changed)
        for one in sorted(closings, key=lambda one: one.pk)
    ]


def test_books_with_everything_in_them_come_back_the_same(owner):
    client, before, after = moved(make_full_books(owner), owner)
    assert without_times(after) == without_times(before)
    assert check_books([client.pk]) == []
    assert JournalEntry.objects.posted().filter(client=client).count() > 10
    assert JournalEntry.objects.drafts().filter(client=client).count() == 2
    assert not Account.objects.get(client=client, code="6900").is_active


def test_the_demo_practice_comes_back_the_same(tmp_path):
    call_command("demo", passwords=tmp_path / "passwords.txt", verbosity=0)
    clients = list(Client.objects.order_by("code"))
    assert len(clients) == 3
    for client in clients:
        now, before, after = moved(client, User.objects.get(username="owner"))
        assert without_times(after) == without_times(before), client
        assert check_books([now.pk]) == []


def test_the_times_entries_had_stand_in_their_history(owner):
    client = make_full_books(owner)
    was = JournalEntry.objects.posted().filter(client=client).order_by("position")[0]
    now, _before, _after = moved(client, owner)
    entry = JournalEntry.objects.get(uuid=was.uuid)
    (record,) = entry.history.all()
    assert entry.client == now
    assert entry.posted_at > was.posted_at
    assert record.history_change_reason.startswith("Imported from FULL as of ")
    assert (
        f"; posted {was.posted_at:%Y-%m-%d %H:%M:%S} UTC by {owner.username}" in record.history_change_reason
    )
    assert record.history_user == owner


def test_an_imported_close_tells_the_changes_it_had_and_no_others(owner):
    client = make_full_books(owner)
    before = told(client)
    assert {is_changed for *_rest, is_changed in before} == {True, False}
    assert client.pk in changed_clients()
    now, _before, _after = moved(client, owner)
    assert told(now) == before
    assert now.pk in changed_clients()


def test_people_who_are_not_here_are_stood_in_for_and_named(owner):
    paul = make_user("paul", is_superuser=True)
    file = exported(client := make_full_books(paul))
    forget(client)
    User.objects.filter(pk=paul.pk).update(username="somebody-else")
    now = import_books(file, by=owner).client
    entry = JournalEntry.objects.posted().filter(client=now).first()
    assert (entry.posted_by, entry.created_by) == (owner, owner)
    assert "by paul" in entry.history.get().history_change_reason


def test_papers_travel_and_one_that_is_gone_is_named(owner, settings, tmp_path):
    client = make_full_books(owner)
    paper = Attachment.objects.get(client=client)
    file = exported(client)
    settings.MEDIA_ROOT = tmp_path / "elsewhere"
    lost = exported(client)
    forget(client)
    assert json.loads(contents(lost)["manifest.json"])["attachments"]["missing"] == [paper.sha256]
    now = import_books(file, by=owner).client
    with storages["attachments"].open(stored_name(paper)) as stored:
        assert stored.read() == PDF
    forget(now)
    import_books(lost, by=owner)
    assert Attachment.objects.get().sha256 == paper.sha256


def test_what_looks_like_a_formula_is_harmless_in_the_file_and_itself_again_afterwards(owner):
    client = make_full_books(owner)
    Account.objects.filter(client=client, code="6200").update(name="'quoted")
    now, before, _after = moved(client, owner)
    assert b"\n\"'=" not in before["contacts.csv"]
    assert b"'+Harbour" in before["contacts.csv"]
    assert b"\n+" not in before["contacts.csv"]
    assert Contact.objects.get(client=now).name == "+Harbour, Estates"
    assert Account.objects.get(client=now, code="6200").name == "'quoted"
    assert now.notes == "=1+1"


def test_tax_ids_stay_out_for_those_who_may_not_see_them(owner):
    client = make_full_books(owner)
    assert b"DE123456789" in contents(exported(client))["contacts.csv"]
    files = contents(exported(client, with_tax_ids=False))
    assert b"DE123456789" not in files["contacts.csv"]
    assert json.loads(files["manifest.json"])["tax_ids"] is False


def test_every_kind_of_record_travels_or_is_named_here():
    """A model that is added later has to be carried along, or left out on purpose."""
    carried = {model._meta.label_lower for model in MODELS.values()}
    of_clients = {
        model._meta.label_lower
        for model in apps.get_app_config("ledger").get_models()
        if any(field.name == "client" for field in model._meta.fields) and not hasattr(model, "instance_type")
    }
    assert of_clients - carried == STAYING
    assert {table.name for table in TABLES} == set(MODELS)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_travels(table):
    names = {field.name for field in MODELS[table.name]._meta.concrete_fields}
    assert names - set(table.columns) - DERIVED - OTHERWISE.get(table.name, set()) == set()


@pytest.fixture
def empty_database():
    """The address of another database on the same server, migrated, with one superuser in it."""
    name = f"books_{os.getpid()}"
    url = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"
    with connection._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        code, said = manage(url, "migrate", "--verbosity=0")
        assert code == 0, said
        person = ["createsuperuser", "--noinput", "--username=zoe", "--email=zoe@example.com"]
        assert manage(url, *person)[0] == 0
        yield url
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def manage(url, *arguments, media="unused"):
    """Run manage.py on a database, as whoever runs LedgerFlow does; return its exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": url, "MEDIA_ROOT": str(media)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_commands_move_books_into_an_empty_database(owner, empty_database, tmp_path):
    client = make_full_books(owner)
    file, back, media = tmp_path / "full.zip", tmp_path / "back.zip", tmp_path / "there"
    call_command("export_books", "full", output=file, stdout=io.StringIO())
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert manage(empty_database, "import_books", file, "--code=moved", media=media) == (
        0,
        f"Full Ltd (MOVED): {client.entries.count()} entries with {JournalLine.objects.count()} lines "
        "imported, the same trial balance, numbers and chain. Nobody has access yet: give it in the admin.\n",
    )
    assert manage(empty_database, "check_books") == (0, "Every rule of the books holds.\n")
    assert manage(empty_database, "export_books", "MOVED", "-o", back, media=media)[0] == 0
    there, here = without_times(contents(back)), without_times(contents(file))
    assert there["manifest"]["last_hash"] == here["manifest"]["last_hash"] != ""
    assert there["manifest"]["trial_balance"] == here["manifest"]["trial_balance"]
    assert there["lines.csv"] == here["lines.csv"]
    code, said = manage(empty_database, "import_books", file, media=media)
    assert code == 1
    assert said == (
        "CommandError: These books are in this database already, as those of client MOVED. Books exist once: "
        "import them into another database.\n"
    )


def test_a_zip_can_be_written_to_standard_output(owner, capsysbinary):
    client = make_full_books(owner)
    call_command("export_books", client.code, output="-", stderr=io.StringIO())
    assert "manifest.json" in contents(io.BytesIO(capsysbinary.readouterr().out))
