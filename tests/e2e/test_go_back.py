"""Going back to a moment from the screen, on web, worker, archive and database of their own."""

import os
import re
import time

import psycopg
import pytest
from django.utils import timezone
from playwright.sync_api import expect

from apps.backups.archive import layout
from tests.e2e.browser import PHONE, sign_in
from tests.e2e.test_backups import A_MINUTE, PREPARE, RUINED, import_journal, trial_balance
from tests.e2e.test_imports import JOURNAL, shoot
from tests.factories import PASSWORD
from tests.stack import Stack


@pytest.fixture
def stack(tmp_path, settings):
    stack = Stack(tmp_path, archive=True)
    settings.ARCHIVE_FOLDER = str(stack.archive)
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


def open_go_back(page, address):
    page.goto(f"{address}/admin/backups/")
    page.get_by_role("link", name="Go back to…").click()


@pytest.mark.skipif(not JOURNAL.exists(), reason="The sample ledgers are not part of the project")
def test_books_are_ruined_and_a_moment_before_is_looked_at_and_brought_back(new_page, page, address, stack):
    open_go_back(page, address)
    expect(page.get_by_text("The archive leads to no moment yet")).to_be_visible()
    expect(page.get_by_text("The archive's service does not run")).to_be_visible()
    shoot(page, "go-back-empty")
    stack.start_archive()
    import_journal(page, address)
    page.goto(f"{address}/admin/backups/go-back/")
    page.get_by_role("button", name="Make a base backup now").click()
    expect(page.get_by_text(re.compile("The base backup .* is verified"))).to_be_visible(timeout=A_MINUTE)
    time.sleep(1)
    before = trial_balance(page, address)
    stack.manage("archive", "beat")
    time.sleep(1)
    moment = timezone.now().replace(microsecond=0)
    time.sleep(1)
    with psycopg.connect(**{**stack.database, "user": "postgres"}) as session:
        session.execute(RUINED)
    ruined = trial_balance(page, address)
    assert ruined != before
    stack.manage("archive", "beat")

    open_go_back(page, address)
    shoot(page, "go-back")
    page.get_by_label("Go back to").fill("2020-01-01T10:00:00")
    page.get_by_role("button", name="Look first").click()
    expect(page.get_by_text(re.compile("The archive leads back to"))).to_be_visible()
    shoot(page, "go-back-refused")
    page.get_by_label("Go back to").fill(timezone.localtime(moment).strftime("%Y-%m-%dT%H:%M:%S"))
    page.get_by_role("button", name="Look first").click()
    expect(page.get_by_role("heading", name=re.compile("Bringing up|The moment is up"))).to_be_visible()
    shoot(page, "go-back-running")
    page.get_by_role("link", name="See what differs").click(timeout=A_MINUTE)
    expect(page.get_by_text("1,062 entries")).to_be_visible()
    expect(page.get_by_text("The books of 0 of 1 clients are the same")).to_be_visible()
    shoot(page, "go-back-look")
    for name, look in {"dark": {"dark": True}, "phone": {"viewport": PHONE}}.items():
        other = new_page(**look)
        sign_in(other, address, "mona", PASSWORD)
        for what in ("", "look/"):
            other.goto(f"{address}/admin/backups/go-back/{what}")
            shoot(other, f"go-back-{what.strip('/')}{name}")
            wide = other.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
            assert not wide
    assert trial_balance(page, address) == ruined

    page.goto(f"{address}/admin/backups/go-back/look/")
    page.get_by_role("link", name="Go back to this moment…").click()
    shoot(page, "go-back-deed")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Go back").click()
    expect(page.get_by_role("heading", name="The database is as it was")).to_be_visible(timeout=2 * A_MINUTE)
    shoot(page, "go-back-done")
    sign_in(page, address, "mona", PASSWORD)
    assert trial_balance(page, address) == before
    page.goto(f"{address}/admin/backups/")
    expect(page.get_by_text("Out of the archive", exact=True)).to_be_visible()

    page.get_by_role("link", name="Undo the restore…").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Go back").click()
    expect(page.get_by_role("heading", name="The restore is undone")).to_be_visible(timeout=A_MINUTE)
    sign_in(page, address, "mona", PASSWORD)
    assert trial_balance(page, address) == ruined


def test_the_screen_says_why_a_moment_did_not_come_and_what_a_drill_found(page, address, stack):
    stack.start_archive()
    stack.manage("archive", "base")
    time.sleep(1)
    stack.manage("archive", "beat")
    stack.manage("archive", "beat")
    open_go_back(page, address)
    page.get_by_role("button", name="Try it out now").click()
    expect(page.get_by_text(re.compile("came back as it was noted"))).to_be_visible(timeout=A_MINUTE)
    open_go_back(page, address)
    expect(page.get_by_text(re.compile("It was last tried out .* came back as it was noted"))).to_be_visible()

    base = layout.eras()[-1].bases[-1]
    biggest = max((base.path / "base").rglob("[0-9]*"), key=lambda path: path.stat().st_size)
    os.truncate(biggest, 8192)
    open_go_back(page, address)
    page.get_by_role("button", name="Look first").click()
    expect(page.get_by_role("heading", name="It did not go through")).to_be_visible(timeout=A_MINUTE)
    expect(page.get_by_text(re.compile("The base backup is damaged"))).to_be_visible()
    shoot(page, "go-back-failed")
