"""
The whole story in a browser, on web, worker and database of their own: books are imported, backed up,
tested, destroyed behind the guards, restored from the screen, and the restore is undone and done again.
"""

import os
import re
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import expect

from tests.e2e.browser import PHONE, sign_in
from tests.e2e.test_imports import JOURNAL, shoot
from tests.factories import PASSWORD
from tests.stack import Stack

SHOTS = os.environ.get("SHOTS")

PREPARE = f"""
from django.contrib.auth.models import Group
from apps.profiles.groups import BACKUPS
from apps.profiles.roles import Role
from tests.factories import make_client, make_staff, make_user
client = make_client("ACORN", name="Acorn Bakery")
mona = make_staff(client, Role.MANAGER, "mona")
mona.groups.add(Group.objects.get(name=BACKUPS))
for user in (mona, make_user("vera")):
    user.set_password("{PASSWORD}"); user.save()
"""
RUINED = """
SET session_replication_role = replica;
DELETE FROM ledger_journalline WHERE date >= '2015-06-01';
DELETE FROM ledger_journalentry WHERE date >= '2015-06-01';
DELETE FROM ledger_accounttotal WHERE month >= '2015-06-01';
"""
A_MINUTE = 60_000


@pytest.fixture
def stack(tmp_path):
    stack = Stack(tmp_path)
    stack.start()
    stack.manage("shell", "--verbosity=0", "-c", PREPARE)
    yield stack
    stack.stop()


@pytest.fixture
def address(stack):
    return f"http://127.0.0.1:{stack.port}"


@pytest.fixture
def page(new_page, address):
    page = new_page()
    sign_in(page, address, "mona", PASSWORD)
    return page


def import_journal(page, address):
    page.goto(f"{address}/admin/books/ACORN/import/")
    page.get_by_label("Choose a file").set_input_files(JOURNAL)
    page.get_by_role("button", name="Look through it").click()
    page.get_by_label("posted").check()
    page.get_by_role("button", name="Import 1,062 entries").click()
    expect(page.get_by_text("1,062 entries imported.")).to_be_visible(timeout=A_MINUTE)


def trial_balance(page, address):
    page.goto(f"{address}/admin/books/ACORN/trial-balance/?to=2015-12-31")
    return page.locator("table").first.inner_text()


def history(page, address):
    page.goto(f"{address}/admin/ledger/journalentry/900/history/")
    return page.locator("#content, main").first.inner_text()


def restore(page, address, stack):
    page.goto(f"{address}/admin/backups/")
    page.get_by_role("row", name=re.compile("By hand")).get_by_role("link", name="Restore…").click()
    expect(page.get_by_text(re.compile("1 client, as many as in the backup"))).to_be_visible()
    if SHOTS:
        shoot(page, "backups-restore")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Restore it").click()
    expect(page.get_by_text(re.compile("^Restoring into a scratch database")).first).to_be_visible(
        timeout=A_MINUTE
    )
    shoot(page, "backups-running")
    expect(page.get_by_role("heading", name="The backup is restored")).to_be_visible(timeout=2 * A_MINUTE)
    shoot(page, "backups-done")
    page.get_by_role("link", name="Sign in").click()
    expect(page.get_by_label("Username")).to_be_visible()
    sign_in(page, address, "mona", PASSWORD)


@pytest.mark.skipif(not JOURNAL.exists(), reason="The sample ledgers are not part of the project")
def test_books_are_destroyed_and_come_back(page, address, stack):
    page.goto(f"{address}/admin/backups/")
    expect(page.get_by_text("Make the first one now")).to_be_visible()
    shoot(page, "backups-empty")
    import_journal(page, address)
    before, told = trial_balance(page, address), history(page, address)
    assert "62,274.59" in before

    page.goto(f"{address}/admin/")
    page.get_by_role("link", name=re.compile("Newest tested backup.*None yet", re.S)).click()
    page.get_by_role("button", name="Back up now").click()
    expect(page.get_by_text(re.compile("Stored default-ledgerflow"))).to_be_visible(timeout=A_MINUTE)
    page.goto(f"{address}/admin/backups/")
    expect(page.get_by_text("No backup has been tested yet.")).to_be_visible()
    page.get_by_role("button", name="Test").click()
    expect(page.get_by_text("It gives back what was backed up")).to_be_visible(timeout=A_MINUTE)
    page.goto(f"{address}/admin/backups/")
    expect(page.get_by_text(re.compile(r"Newest tested backup: .* old, .*1,062 entries"))).to_be_visible()
    shoot(page, "backups-tested")

    with psycopg.connect(**{**stack.database, "user": "postgres"}) as session:
        session.execute(RUINED)
    ruined = trial_balance(page, address)
    assert ruined != before

    restore(page, address, stack)
    assert trial_balance(page, address) == before
    assert history(page, address) == told

    page.goto(f"{address}/admin/backups/")
    shoot(page, "backups-kept")
    page.get_by_role("link", name="Undo the restore…").click()
    page.get_by_label("Your password").fill("not mine")
    page.get_by_role("button", name="Go back").click()
    expect(page.get_by_text("This is not your password.")).to_be_visible()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Go back").click()
    expect(page.get_by_role("heading", name="The restore is undone")).to_be_visible(timeout=A_MINUTE)
    sign_in(page, address, "mona", PASSWORD)
    assert trial_balance(page, address) == ruined

    restore(page, address, stack)
    assert trial_balance(page, address) == before

    # What the worker does goes on too: it lost its database three times.
    page.goto(f"{address}/admin/backups/")
    page.get_by_role("button", name="Back up now").click()
    expect(page.get_by_text(re.compile("Stored default-ledgerflow"))).to_be_visible(timeout=2 * A_MINUTE)


def test_the_screen_says_what_failed_and_fits_a_phone(new_page, page, address, stack):
    stack.manage("backup")
    stack.manage("backup_test")
    stack.manage("backup")
    folder = Path(stack.environment["BACKUP_DIR"])
    damaged = sorted(folder.glob("*.psql.bin"))[-1]
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    page.goto(f"{address}/admin/backups/")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text(re.compile("It failed its test"))).to_be_visible(timeout=A_MINUTE)
    page.goto(f"{address}/admin/backups/")
    expect(page.get_by_text(re.compile("failed its test: The file is not what was stored"))).to_be_visible()
    shoot(page, "backups-failed")
    for name, look in {"dark": {"dark": True}, "phone": {"viewport": PHONE}}.items():
        other = new_page(**look)
        sign_in(other, address, "mona", PASSWORD)
        other.goto(f"{address}/admin/backups/")
        shoot(other, f"backups-failed-{name}")
        wide = other.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide
    page.get_by_role("row", name=re.compile("Failed its test")).get_by_role("link", name="Restore…").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Restore it").click()
    expect(page.get_by_role("heading", name="It did not go through")).to_be_visible(timeout=A_MINUTE)
    shoot(page, "backups-did-not")
    page.get_by_role("link", name="Back to the backups").click()
    page.get_by_role("link", name="Delete…").last.click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("This is one of the last two tested backups").first).to_be_visible()
    page.get_by_role("link", name="Back to the backups").click()
    page.get_by_role("link", name="Delete…").first.click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("The backup is deleted.")).to_be_visible()
    page.get_by_role("link", name="Download…").click()
    page.get_by_label("Your password").fill(PASSWORD)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).stat().st_size == sorted(folder.glob("*.psql.bin"))[0].stat().st_size


def test_every_table_is_dropped_and_a_command_brings_them_back(new_page, address, stack):
    stack.manage("backup")
    with psycopg.connect(**stack.database) as session:
        tables = session.execute("SELECT format('%I', tablename) FROM pg_tables WHERE schemaname = 'public'")
        session.execute("DROP TABLE {} CASCADE".format(", ".join(name for (name,) in tables)))
    assert stack.get("/admin/login/") in (200, 500)
    assert stack.get("/readyz") == 503
    stack.manage("restore_backup", "--noinput")
    sign_in(new_page(), address, "mona", PASSWORD)
    if stack.processes["worker"].poll() is not None:  # it had no tables to look for work in
        stack.start_process("worker", "worker")  # as docker or make run would
    stack.until(lambda: stack.get("/readyz") == 200, 60)
