import os

import pytest
from django.db import connections

from tests.e2e.browser import DESK, chromium, is_installed, sign_in
from tests.factories import PASSWORD

# Playwright's synchronous interface runs an event loop in this thread; the ORM is still used by one thread.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def browser():
    if not is_installed():
        if os.environ.get("CI"):
            pytest.fail("No Chromium starts here, and CI can install one.")
        pytest.skip("No Chromium starts here; install one, or name it in CHROMIUM.")
    with chromium() as started:
        yield started
        connections.close_all()  # those of this thread while a loop ran in it: nobody sees them afterwards


@pytest.fixture
def complaints():
    """What the browser complained about: script errors, refused content, failed requests."""
    return []


@pytest.fixture
def new_page(browser, complaints):
    contexts = []

    def complain_of_request(request):
        if request.failure != "net::ERR_ABORTED":  # the page was left, or became a download
            complaints.append(f"{request.url} {request.failure}")

    def open_page(*, dark=False, viewport=DESK):
        context = browser.new_context(viewport=viewport, color_scheme="dark" if dark else "light")
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("requestfailed", complain_of_request)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page_of(new_page, live_server):
    """Return a page on which that person has signed in."""

    def open_for(user, **options):
        page = new_page(**options)
        sign_in(page, live_server.url, user.username, PASSWORD)
        return page

    return open_for
