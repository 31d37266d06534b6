"""The screens in a real browser: they open without a complaint, and the traps of the theme stay closed."""

import re

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from apps.core import jobs
from apps.core.models import Job, JobState
from apps.profiles.groups import make_groups
from apps.profiles.models import StaffAccess
from apps.profiles.roles import Role
from tests import tasks
from tests.core.test_jobs import fresh, work
from tests.core.test_walk import LABELS, OPENS, address, make_person, make_row
from tests.e2e.browser import PHONE
from tests.factories import PASSWORD, make_client, make_staff, make_user

pytestmark = pytest.mark.django_db(transaction=True)

SIDEBAR = {
    **dict.fromkeys(
        ["viewer", "preparer"],
        [
            "Today", "Clients", "Journal", "Close", "Jobs",
            "Accounts", "Contacts", "Classes", "Tax codes", "Fiscal years", "Exchange rates",
            "Access rights",
        ],
    ),
    **dict.fromkeys(
        ["reviewer", "manager"],
        [
            "Today", "Clients", "Journal", "Close", "Jobs",
            "Accounts", "Contacts", "Classes", "Tax codes", "Fiscal years", "Exchange rates",
            "Tax ids seen", "Access rights",
        ],
    ),
    "auditor": [
        "Today", "Clients", "Journal", "Close", "Jobs",
        "Accounts", "Contacts", "Classes", "Tax codes", "Fiscal years", "Exchange rates", "Tax ids seen",
        "Access rights", "People", "Groups", "Sign-ins", "Wrong passwords", "Checks of the books",
    ],
    "backups": ["Today", "Jobs", "Backups"],
    "owner": [
        "Today", "Clients", "Journal", "Close", "Jobs",
        "Accounts", "Contacts", "Classes", "Tax codes", "Fiscal years", "Exchange rates", "Tax ids seen",
        "Access rights", "People", "Groups", "Sign-ins", "Wrong passwords", "Checks of the books",
        "Backups",
    ],
}  # fmt: skip


@pytest.fixture
def acorn():
    make_groups()  # the flush between these tests takes them
    return make_client("ACORN", name="Acorn Bakery")


@pytest.mark.parametrize("name", SIDEBAR)
def test_each_role_signs_in_and_sees_its_own_menu(name, acorn, page_of, complaints):
    page = page_of(make_person(name, acorn))
    links = page.locator("#nav-sidebar-apps a").all_text_contents()
    assert [text.strip().splitlines()[-1].strip() for text in links] == SIDEBAR[name]
    expect(page).to_have_title(re.compile("^Today"))
    assert complaints == []


@pytest.mark.parametrize("label", LABELS)
def test_every_list_and_form_opens_without_a_complaint(label, acorn, page_of, complaints, live_server):
    owner = make_user("owner", is_superuser=True)
    page = page_of(owner)
    row = make_row(label, acorn, owner)
    pages = {"change" if name == "view" else name for name in OPENS[label]["owner"] - {"delete"}}
    for name in sorted(pages):
        response = page.goto(live_server.url + address(label, name, None if name in ("list", "add") else row))
        assert response.status == 200
        page.wait_for_load_state("networkidle")
    assert complaints == []


def test_the_palette_finds_a_client_and_opens_it(acorn, page_of):
    page = page_of(make_staff(acorn, Role.VIEWER))
    page.keyboard.press("Control+k")
    page.locator("#search-input-command").press_sequentially("acor")
    expect(page.locator("#command-results").get_by_text("Acorn Bakery", exact=True)).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{reverse('admin:profiles_client_change', args=[acorn.pk])}")


def test_a_typed_row_survives_the_removal_of_the_row_above(acorn, page_of, live_server):
    manager, one, two = make_staff(acorn, Role.MANAGER), make_user("one"), make_user("two")
    page = page_of(manager)
    page.goto(live_server.url + reverse("admin:profiles_client_change", args=[acorn.pk]))
    for index, user in enumerate([one, two], start=1):
        page.get_by_role("link", name=re.compile("Add another")).click()
        page.locator(f"[name=staff_access-{index}-user]").select_option(str(user.pk))
        page.locator(f"[name=staff_access-{index}-role]").select_option("reviewer")
    page.locator(".delete-template:visible").first.click()
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url(f"**{reverse('admin:profiles_client_changelist')}")
    assert set(StaffAccess.objects.values_list("user__username", "role")) == {
        (manager.username, "manager"), ("two", "reviewer")
    }  # fmt: skip


def test_the_shortcut_for_a_new_record_does_not_leave_a_half_filled_form(acorn, page_of, live_server):
    page = page_of(make_user("owner", is_superuser=True))
    here = live_server.url + reverse("admin:profiles_client_change", args=[acorn.pk])
    page.goto(here)
    page.get_by_label("Name", exact=False).first.fill("Half typed")
    page.locator("[name=legal_form]").focus()
    page.keyboard.press("c")
    page.wait_for_timeout(500)
    assert page.url == here
    expect(page.locator("[name=name]")).to_have_value("Half typed")


def test_a_running_job_moves_on_the_screen_and_is_stopped_from_it(acorn, page_of, live_server):
    user = make_staff(acorn, Role.MANAGER)
    page = page_of(user)
    job = jobs.start(tasks.slow, by=user, title="Count sheep")
    page.goto(live_server.url + reverse("admin:core_job_change", args=[job.pk]))
    expect(page.get_by_text("Waiting").first).to_be_visible()
    page.locator("a[href$='/cancel/']").click()
    expect(page.get_by_text("Stop this job?")).to_be_visible()
    page.get_by_role("button", name="Stop job").click()
    expect(page.get_by_text("The job is being stopped.")).to_be_visible()
    assert fresh(job).state == JobState.CANCELLED
    page.locator("a[href$='/again/']").click()
    page.get_by_role("button", name="Do again").last.click()
    expect(page.get_by_text("The job is queued again.")).to_be_visible()
    work()
    expect(page.get_by_text("All done.")).to_be_visible(timeout=8000)  # nobody reloaded the page


def test_backing_up_from_the_start_page(acorn, page_of, live_server, backup_folder):
    page = page_of(make_user("owner", is_superuser=True))
    page.get_by_role("link", name=re.compile("Newest tested backup")).click()
    page.get_by_role("button", name="Back up now").click()
    work()
    expect(page.get_by_text(re.compile(r"Stored default-ledgerflow"))).to_be_visible(timeout=8000)
    assert Job.objects.count() == 1
    assert any(path.stat().st_size for path in backup_folder.iterdir())


def test_two_tabs_saving_the_same_new_client(page_of, live_server):
    """The second one reads a sentence and finds everything still typed."""
    make_groups()
    owner = make_user("owner", is_superuser=True)
    tabs = [page_of(owner), page_of(owner)]
    for tab in tabs:
        tab.goto(live_server.url + reverse("admin:profiles_client_add"))
        tab.locator("[name=name]").fill("Acorn Bakery")
        tab.locator("[name=code]").fill("ACORN")
        tab.locator("[name=legal_form]").select_option("company")
        tab.get_by_role("button", name="Save", exact=True).click()
        tab.wait_for_load_state()
    expect(tabs[1].get_by_text("Another client has this code.").first).to_be_visible()
    expect(tabs[1].locator("[name=name]")).to_have_value("Acorn Bakery")


def test_a_page_fits_a_phone(acorn, page_of, live_server):
    page = page_of(make_staff(acorn, Role.VIEWER), viewport=PHONE)
    for url in (reverse("admin:index"), reverse("admin:profiles_client_change", args=[acorn.pk])):
        page.goto(live_server.url + url)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= PHONE["width"], url


def test_signing_out_ends_the_session(acorn, page_of, live_server):
    page = page_of(make_staff(acorn, Role.VIEWER))
    page.request.post(
        live_server.url + reverse("admin:logout"),
        headers={"X-CSRFToken": next(c["value"] for c in page.context.cookies() if c["name"] == "csrftoken")},
    )
    page.goto(live_server.url + reverse("admin:profiles_client_changelist"))
    expect(page.get_by_label("Password")).to_be_visible()


def test_wrong_passwords_are_told_without_saying_who_exists(acorn, new_page, live_server):
    make_staff(acorn, Role.VIEWER, "vera")
    said = []
    for name in ("vera", "nobody"):
        page = new_page()
        page.goto(f"{live_server.url}/admin/login/")
        page.get_by_label("Username").fill(name)
        page.get_by_label("Password").fill("not " + PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_text("correct username").first).to_be_visible()
        said.append(page.locator("#page").inner_text())
    assert said[0] == said[1]
