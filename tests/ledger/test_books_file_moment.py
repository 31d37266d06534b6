"""An export is of one moment, whatever people do while it is written."""

import threading

import pytest
from django.db import DatabaseError, connection

from apps.ledger.books_file import writing
from apps.ledger.books_file.snapshot import one_moment
from apps.ledger.models import Contact
from tests.factories import make_books, make_client, make_posted
from tests.ledger.books_files import contents, exported

pytestmark = pytest.mark.django_db(transaction=True)


def meanwhile(what):
    """Do something in another connection, as another person would, and wait until it is committed."""

    def do():
        try:
            what()
        finally:
            connection.close()

    thread = threading.Thread(target=do)
    thread.start()
    thread.join()


def test_what_is_saved_while_an_export_is_written_is_not_in_it(monkeypatch):
    client, _accounts = make_books(make_client("ACORN"))
    make_posted(client, ("1010", "50"), ("4000", "-50"))
    write_table, written = writing._write_table, []

    def while_others_work(archive, table, *arguments):
        facts = write_table(archive, table, *arguments)
        if table.name == "client":
            meanwhile(lambda: Contact.objects.create(client=client, name="Late"))
            meanwhile(lambda: make_posted(client, ("1010", "7"), ("4000", "-7")))
        written.append(table.name)
        return facts

    monkeypatch.setattr(writing, "_write_table", while_others_work)
    files = contents(exported(client))
    assert written[:3] == ["client", "accounts", "contacts"]
    assert client.entries.count() == 2
    assert b"Late" not in files["contacts.csv"]
    assert files["entries.csv"].count(b"\n") == 2
    assert b'"last_position": 1' in files["manifest.json"]


def test_nothing_can_be_written_within_the_moment():
    client = make_client("ACORN")
    with pytest.raises(DatabaseError, match="read-only"), one_moment():
        Contact.objects.create(client=client, name="No")
