"""Moving in, in a browser: a journal of three years comes in as it is, with its accounts and years."""

import os
import re
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from apps.ledger.models import JournalEntry
from apps.profiles.roles import Role
from tests.factories import make_books, make_client, make_staff

pytestmark = pytest.mark.django_db(transaction=True)

SAMPLES = Path(os.environ.get("LEDGERFLOW_SAMPLES", "../shared/samples"))
JOURNAL = SAMPLES / "ledgers/derived_beancount_example_usd_journal.csv"
SHOTS = os.environ.get("SHOTS")


def shoot(page, name):
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


@pytest.mark.skipif(not JOURNAL.exists(), reason="The sample ledgers are not part of the project")
def test_a_journal_comes_in_as_it_is(page_of, live_server, complaints):
    client = make_client("ACORN", name="Acorn Bakery")
    page = page_of(make_staff(client, Role.MANAGER))
    page.goto(live_server.url + reverse("admin:books", args=["ACORN"]))
    page.get_by_role("navigation", name="Books").get_by_text("Import").click()
    shoot(page, "1-upload")
    page.get_by_label("Choose a file").set_input_files(JOURNAL)
    page.get_by_role("button", name="Look through it").click()
    expect(page.locator(".lf-import-counts")).to_contain_text("1,062 new")
    shoot(page, "2-preview")
    page.get_by_label("posted").check()
    page.get_by_role("button", name="Import 1,062 entries").click()
    expect(page.get_by_text("1,062 entries imported.")).to_be_visible(timeout=60_000)
    shoot(page, "3-result")
    assert JournalEntry.objects.posted().count() == 1062
    page.get_by_role("link", name="Its entries").click()
    expect(page.locator("#result_list tbody tr").first).to_be_visible()
    shoot(page, "4-entries")

    page.goto(live_server.url + reverse("admin:trial_balance", args=["ACORN"]) + "?to=2015-12-31")
    shoot(page, "5-trial-balance")

    page.goto(live_server.url + reverse("admin:journal_imports", args=["ACORN"]))
    page.get_by_label("Choose a file").set_input_files(JOURNAL)
    page.get_by_role("button", name="Look through it").click()
    expect(page.locator(".lf-import-counts")).to_contain_text(
        re.compile("0\\s+new.*1,062\\s+here already", re.S)
    )
    shoot(page, "6-again")
    assert complaints == []


BAD = """date,ref,account,debit,credit,memo
2026-01-05,1,1010,100.00,,
2026-01-05,1,4000,,90.00,"=1+1"
31/02/2026,2,6100,50.00,,Rent
2026-01-06,2,1010,,50.00,
2026-01-07,3,Petty cash,"1.234,56",,
2026-01-07,3,1010,,10,
"""


@pytest.mark.parametrize(
    ("dark", "viewport"), [(False, None), (True, None), (False, {"width": 390, "height": 844})]
)
def test_wrong_rows_are_said_first(page_of, live_server, complaints, tmp_path, dark, viewport):
    client, _accounts = make_books(make_client("ACORN", name="Acorn Bakery"))
    path = tmp_path / "bad.csv"
    path.write_text(BAD)
    page = page_of(
        make_staff(client, Role.REVIEWER), dark=dark, **({"viewport": viewport} if viewport else {})
    )
    page.goto(live_server.url + reverse("admin:journal_imports", args=["ACORN"]))
    page.get_by_label("Choose a file").set_input_files(path)
    page.get_by_role("button", name="Look through it").click()
    expect(page.locator(".lf-import-counts")).to_contain_text("3 wrong")
    shoot(page, f"7-bad-{'dark' if dark else 'phone' if viewport else 'light'}")
    expect(page.get_by_text("Debits and credits differ by 10.00.")).to_be_visible()
    expect(page.get_by_text("There is no day 31/02/2026")).to_be_visible()
    assert complaints == []
