"""Whatever is changed in a restored copy is found, and named; where its rows lie on the disk is not."""

from contextlib import closing

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection
from psycopg import sql

from apps.backups import databases, manifest, services
from apps.backups.catalogue import State, backup_named
from apps.backups.services import testing
from tests.backups.conftest import drop_copies, execute_in
from tests.factories import make_books, make_client, make_posted

pytestmark = pytest.mark.xdist_group("backup tampering")

LINES = "SELECT id FROM ledger_journalline WHERE is_posted ORDER BY id"
FIRST, SECOND = f"({LINES} LIMIT 1)", f"({LINES} LIMIT 1 OFFSET 1)"

TAMPERED = {
    "one cent": (
        f"UPDATE ledger_journalline SET amount = amount + 0.01 WHERE id = {FIRST}",
        ["Table ledger_journalline has other content in 4 rows."],
    ),
    "a line put on another account": (
        "UPDATE ledger_journalline SET account_id = (SELECT id FROM ledger_account WHERE code = '6200')"
        f" WHERE id = {SECOND}",
        ["Table ledger_journalline has other content in 4 rows."],
    ),
    "values of two rows swapped": (
        "UPDATE ledger_account a SET name = b.name FROM ledger_account b"
        " WHERE (a.code, b.code) IN (('6100', '6200'), ('6200', '6100'))",
        ["Table ledger_account has other content in 7 rows."],
    ),
    "NULL instead of an empty text": (
        "ALTER TABLE ledger_journalentry ALTER COLUMN review_note DROP NOT NULL;"
        "UPDATE ledger_journalentry SET review_note = NULL",
        [
            "Table ledger_journalentry has other content in 2 rows.",
            "Column ledger_journalentry.review_note is not what it was.",
        ],
    ),
    "a value instead of NULL": (
        "UPDATE core_user SET last_login = '2026-01-01' WHERE id = (SELECT min(id) FROM core_user)",
        ["Table core_user has other content in"],
    ),
    "a row deleted": (
        f"DELETE FROM ledger_journalline WHERE id = {FIRST}",
        ["Table ledger_journalline has 3 rows, not 4."],
    ),
    "a row added": (
        "INSERT INTO django_content_type (app_label, model) VALUES ('a', 'b')",
        ["Table django_content_type has"],
    ),
    "an index missing": ("DROP INDEX {index}", ["Index ledger_journalline.{index} is missing."]),
    "a trigger missing": (
        "DROP TRIGGER {trigger} ON ledger_journalline",
        ["Trigger ledger_journalline.{trigger} is missing."],
    ),
    "a trigger disabled": (
        "ALTER TABLE ledger_journalline DISABLE TRIGGER {trigger}",
        ["Trigger ledger_journalline.{trigger} is not what it was."],
    ),
    "a foreign key missing": (
        "ALTER TABLE ledger_journalline DROP CONSTRAINT {key}",
        ["Constraint ledger_journalline.{key} is missing."],
    ),
    "a check missing": (
        "ALTER TABLE ledger_journalline DROP CONSTRAINT {check}",
        ["Constraint ledger_journalline.{check} is missing."],
    ),
    "a migration missing": (
        "DELETE FROM django_migrations WHERE app = 'ledger' AND name = '0043_facts_for_backups'",
        ["Table django_migrations has", "Migration ledger.0043_facts_for_backups is missing."],
    ),
    "a table too many": (
        "CREATE TABLE extra (id int); GRANT SELECT ON extra TO PUBLIC",
        ["Table extra is too much."],
    ),
    "a table missing": ("DROP TABLE core_job CASCADE", ["Table core_job is missing."]),
    "a column of another type": (
        "ALTER TABLE profiles_client ALTER COLUMN name TYPE varchar(999)",
        ["Column profiles_client.name is not what it was."],
    ),
    "a column without its default": (
        "ALTER TABLE django_session ALTER COLUMN session_data SET DEFAULT 'x'",
        ["Column django_session.session_data is not what it was."],
    ),
    "a sequence behind": (
        "SELECT setval(pg_get_serial_sequence('ledger_account', 'id'), 1)",
        ["The sequence of ledger_account is behind its keys."],
    ),
    "a function that lets everything pass": (
        "CREATE OR REPLACE FUNCTION core_refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'",
        ["Function core_refuse() is not what it was."],
    ),
    "a parenthesis moved in a function": (
        "SET check_function_bodies = off; DO $$ BEGIN EXECUTE"
        " replace(pg_get_functiondef('core_refuse'::regproc), 'BEGIN', 'BEGIN ()'); END $$",
        ["Function core_refuse() is not what it was."],
    ),
    "an entry that does not balance": (
        f"UPDATE ledger_journalline SET amount = amount * 2 WHERE id = {FIRST}",
        ["Table ledger_journalline has other content in 4 rows."],
    ),
    "totals that are too large": (
        "UPDATE ledger_accounttotal SET debit = debit * 2 WHERE debit > 0",
        ["Table ledger_accounttotal has other content", "Trial balances of ACORN: debits "],
    ),
    "a view that adds up something else": (
        "DO $$ BEGIN EXECUTE 'CREATE OR REPLACE VIEW manifest_trial_balances AS '"
        " || replace(pg_get_viewdef('manifest_trial_balances'::regclass), 'posted''', 'x'''); END $$",
        ["Trial balances of ACORN: posted 0", "View manifest_trial_balances is not what it was."],
    ),
}
NAMES = {
    "index": "SELECT indexrelid::regclass::text"
    "  FROM pg_index LEFT JOIN pg_constraint ON conindid = indexrelid"
    " WHERE indrelid = 'ledger_journalline'::regclass AND conname IS NULL ORDER BY 1 LIMIT 1",
    "trigger": "SELECT tgname FROM pg_trigger WHERE tgrelid = 'ledger_journalline'::regclass"
    " AND NOT tgisinternal ORDER BY 1 LIMIT 1",
    "key": "SELECT conname FROM pg_constraint WHERE conrelid = 'ledger_journalline'::regclass"
    " AND contype = 'f' ORDER BY 1 LIMIT 1",
    "check": "SELECT conname FROM pg_constraint WHERE conrelid = 'ledger_journalline'::regclass"
    " AND contype = 'c' ORDER BY 1 LIMIT 1",
}


class Copy:
    """A backup, restored once; each test looks at a copy of that copy."""

    def __init__(self, name, wanted):
        self.name, self.wanted = name, wanted
        with databases.connect(name) as session:
            self.names = {what: session.execute(query).fetchone()[0] for what, query in NAMES.items()}

    def filled(self, text):
        for what, name in self.names.items():
            text = text.replace("{" + what + "}", name)
        return text

    def findings(self, statement):
        tampered = databases.name_of_copy("try")
        with databases.connect(databases.MAINTENANCE, autocommit=True) as server:
            server.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(tampered), sql.Identifier(self.name)
                )
            )
            try:
                execute_in(tampered, self.filled(statement))
                return list(testing._compare(self.wanted, tampered, lambda message: None))
            finally:
                databases.drop(server, tampered)


@pytest.fixture(scope="module")
def copy(django_db_setup, django_db_blocker, tmp_path_factory):
    from dbbackup import settings as dbbackup_settings

    with django_db_blocker.unblock(), pytest.MonkeyPatch.context() as patch:
        assert databases.live_name().startswith("test_")  # made where a test of the run is marked django_db
        folder = tmp_path_factory.mktemp("tampering")
        patch.setitem(dbbackup_settings.STORAGE_OPTIONS, "location", str(folder))
        try:
            make_acorn()
            backup = backup_named(services.back_up(by="Ben").name)
            with testing.restored_copy(backup, by="Ben", report=lambda message: None) as one:
                assert one.test.is_clean
                execute_in(one.name, "DELETE FROM ledger_bookcheck")  # that the test has checked the books
                yield Copy(one.name, backup.manifest())
        finally:
            drop_copies()
            connection.close()
            call_command("flush", verbosity=0, interactive=False)
            connection.close()


def make_acorn():
    client, _accounts = make_books(make_client("ACORN"))
    make_posted(client, ("1010", "50"), ("4000", "-50"))
    make_posted(client, ("6100", "30"), ("1010", "-30"))
    return client


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_changed_is_named(copy, what):
    statement, expected = TAMPERED[what]
    findings = copy.findings(statement)
    for sentence in expected:
        wanted = copy.filled(sentence)
        assert [one for one in findings if one.startswith(wanted)], (wanted, findings)


def test_what_is_left_alone_is_identical(copy):
    assert copy.findings("SELECT 1") == []


def test_rows_in_another_order_are_identical(copy):
    line = "(SELECT ctid FROM ledger_journalline ORDER BY ctid LIMIT 1)"
    moved = f"UPDATE ledger_journalline SET line_number = line_number WHERE ctid = {line}"
    assert copy.findings(moved) == []


def test_many_differences_are_counted(copy):
    findings = copy.findings("DROP TABLE ledger_journalline, ledger_journalentry, ledger_account CASCADE")
    assert len(findings) == manifest.MOST_NAMED + 1
    assert findings[-1].endswith("other differences.")


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_is_not_what_was_backed_up_is_never_put_in_place(monkeypatch):
    make_acorn()
    backup = services.back_up(by="Ben")
    restore = testing._restore

    def restore_and_tamper(backup, scratch, report):
        yield from restore(backup, scratch, report)
        execute_in(scratch, TAMPERED["one cent"][0])

    monkeypatch.setattr(testing, "_restore", restore_and_tamper)
    with pytest.raises(ValidationError, match="ledger_journalline has other content in 4 rows") as refused:
        services.restore_backup(backup.name, by="Ben")
    assert refused.value.code == "test"
    assert backup_named(backup.name).state == State.FAILED
    with closing(databases.connect(databases.live_name())) as session:
        session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        assert manifest.differences(backup.manifest(), manifest.collect(session.cursor())) == []


@pytest.mark.django_db(transaction=True)
def test_books_that_were_wrong_before_the_backup_fail_its_test():
    make_acorn()
    execute_in(databases.live_name(), TAMPERED["an entry that does not balance"][0])
    backup = services.back_up(by="Ben")
    findings = services.run_test(backup.name, by="Ben").findings
    assert findings
    assert all(one.startswith("ACORN: ") for one in findings), findings
