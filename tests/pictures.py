"""
Take the pictures of the documentation: python -m tests.pictures

From the demo, in a real Chromium, so that they show what a reader will see. With a folder as argument they
go there instead, in both themes and at a phone's width too, to be looked at.
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.e2e.browser import DESK, PHONE, chromium, sign_in
from tests.stack import ROOT, Stack

PICTURES = ROOT / "docs" / "pictures"
FOR_READERS = [
    "today",
    "clients",
    "client",
    "books",
    "chart",
    "entry-new",
    "periods",
    "profit-and-loss",
    "audit",
    "import-good",
    "import-wrong",
    "records-import",
    "export",
]
PAGES = {
    "today": "/admin/",
    "clients": "/admin/profiles/client/",
    "client": "/admin/profiles/client/1/change/",
    "client-new": "/admin/profiles/client/add/",
    "client-history": "/admin/profiles/client/1/history/",
    "access": "/admin/profiles/staffaccess/",
    "access-right": "/admin/profiles/staffaccess/1/change/",
    "access-removed": "/admin/profiles/staffaccess/1/delete/",
    "people": "/admin/core/user/",
    "person": "/admin/core/user/1/change/",
    "person-new": "/admin/core/user/add/",
    "groups": "/admin/auth/group/",
    "group": "/admin/auth/group/1/change/",
    "jobs": "/admin/core/job/",
    "sign-ins": "/admin/core/signin/",
    "wrong-passwords": "/admin/core/wrongpassword/",
    "backups": "/admin/backups/",
    "go-back": "/admin/backups/go-back/",
    "books": "/admin/books/ACORN/",
    "chart": "/admin/books/ACORN/chart/",
    "entry-new": "/admin/books/ACORN/entries/new/",
    "entry": "/admin/books/ACORN/entries/5/",
    "entry-history": "/admin/ledger/journalentry/5/history/",
    "entries": "/admin/ledger/journalentry/",
    "periods": "/admin/books/ACORN/periods/",
    "year-history": "/admin/books/ACORN/years/1/history/",
    "close": "/admin/close/",
    "trial-balance": "/admin/books/ACORN/trial-balance/",
    "profit-and-loss": "/admin/books/ACORN/profit-and-loss/?split=quarter",
    "balance-sheet": "/admin/books/ACORN/balance-sheet/",
    "general-ledger": "/admin/books/ACORN/general-ledger/",
    "journal": "/admin/books/ACORN/journal/",
    "audit": "/admin/books/ACORN/audit/",
    "imports": "/admin/books/ACORN/import/",
    "records-import": "/admin/ledger/account/import/?client=1",
    "export": "/admin/ledger/journalentry/export/?status__exact=draft",
    "import-good": "/admin/books/ACORN/import/",
    "import-wrong": "/admin/books/ACORN/import/",
    "accounts": "/admin/ledger/account/",
    "contacts": "/admin/ledger/contact/",
    "tax-codes": "/admin/ledger/taxcode/",
    "nothing-matches": "/admin/profiles/client/?q=zebra",
    "not-found": "/admin/nonsense/",
}


def type_entry(page):
    """Type an entry of five lines, as somebody who knows the keys does."""
    head = ["15", "INV-204", "November, by transfer", None]
    lines = [("6110", "1450", ""), ("6220", "64.50", ""), ("6230", "89", ""), ("6210", "80+42.35", "Paper"),
             ("1010", "=", "")]  # fmt: skip
    for text in [*head, *(cell for line in lines for cell in line)]:
        page.keyboard.type(text or "")
        page.wait_for_timeout(150)
        page.keyboard.press("Tab")


#: A journal as another program writes it, and the same with mistakes in it.
JOURNAL = """Journal,,,,,,
"January - March 2026",,,,,,

Date,Num,Name,Memo/Description,Account,Debit,Credit
01/15/2026,501,Corner Café,Cakes for the week,1010 Checking,"1,240.00",
,,,,4010 Sales of goods,,"1,240.00"
,,,,,"1,240.00","1,240.00"
01/31/2026,502,Miller & Sons,Flour and sugar,5250 Baking supplies,318.60,
,,,,1010 Checking,,318.60
,,,,,318.60,318.60
"""
MISTAKES = JOURNAL.replace("01/31/2026", "01/32/2026").replace(',,"1,240.00"', ',,"1,204.00"', 1)


ACCOUNTS = """code\tname\tkind\tunder
1010\tChecking account\tasset\t
5250\tBaking supplies\texpense\t
4010\tSales of goods\tincome\t
"""


def upload(page, name, text):
    """Upload a journal and wait for what would be done with it."""
    file = {"name": name, "mimeType": "text/csv", "buffer": text.encode()}
    page.locator("input[type=file]").set_input_files([file])
    page.get_by_role("button", name="Look through it").click()
    page.locator(".lf-import-counts").wait_for()


def take(browser, stack, words, folder, pages, *, user="owner", dark=False, viewport=DESK, suffix=""):
    context = browser.new_context(viewport=viewport, color_scheme="dark" if dark else "light")
    page = context.new_page()
    address = f"http://127.0.0.1:{stack.port}"
    page.goto(f"{address}/admin/login/")
    page.wait_for_load_state("networkidle")
    if suffix:
        page.screenshot(path=folder / f"sign-in{suffix}.png")
    sign_in(page, address, user, words[user])
    for name in pages:
        page.goto(address + PAGES[name])
        page.wait_for_load_state("networkidle")
        if name == "entry-new":
            type_entry(page)
        elif name == "records-import":
            page.locator("textarea").fill(ACCOUNTS)
            page.get_by_role("button", name="Look at it").click()
            page.wait_for_load_state("networkidle")
        elif name.startswith("import-"):
            text = JOURNAL if name == "import-good" else MISTAKES
            upload(page, "journal-2026-q1.csv", text)
        page.screenshot(path=folder / f"{name}{suffix}.png")
    context.close()


def main() -> None:
    to_look_at = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as temporary:
        stack = Stack(Path(temporary), kind="test" if to_look_at else "development", archive=True)
        stack.start()
        stack.start_archive()
        try:
            passwords = Path(temporary) / "passwords"
            stack.manage("demo", "--passwords", str(passwords))
            for command in ("backup", "backup_test", "backup", "archive base"):
                stack.manage(*command.split())
            time.sleep(1)  # from the next second on the archive leads back
            for command in ("beat", "beat", "drill"):
                stack.manage("archive", command)
            words = dict(line.split() for line in passwords.read_text().splitlines())
            with chromium() as browser:
                if to_look_at is None:
                    PICTURES.mkdir(exist_ok=True)
                    desk = {"width": 1440, "height": 640}
                    take(browser, stack, words, PICTURES, FOR_READERS, user="manager", viewport=desk)
                    take(
                        browser, stack, words, PICTURES, ["backups", "go-back"], user="backups", viewport=desk
                    )
                    return
                to_look_at.mkdir(parents=True, exist_ok=True)
                for suffix, options in {
                    "-light": {},
                    "-dark": {"dark": True},
                    "-phone": {"viewport": PHONE},
                }.items():
                    take(browser, stack, words, to_look_at, PAGES, suffix=suffix, **options)
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
