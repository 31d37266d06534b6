"""A real Chromium, for the browser tests and for the pictures in the documentation."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Error, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Without these a headless Chromium looks for its maker's servers at every start.
QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1400, "height": 900}


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the Chromium that CHROMIUM names, else the machine's, else Playwright's own."""
    named = os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root has none to give
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=named, args=[*QUIET, *sandbox])
        try:
            yield browser
        finally:
            browser.close()


def is_installed() -> bool:
    """Whether there is a Chromium that starts."""
    try:
        with chromium():
            return True
    except Error:
        return False


def sign_in(page: Page, address: str, username: str, password: str) -> None:
    """Sign in as a person does, with the keyboard."""
    page.goto(f"{address}/admin/login/")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/admin/")
