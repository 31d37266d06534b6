"""The reports of a client's books: figures, ways in and back, who sees them, and nonsense in the address."""

import re
from datetime import date
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.ledger.services import reverse_entry
from apps.profiles.models import Basis, LegalForm
from apps.profiles.roles import Role
from tests.factories import make_account, make_books, make_draft, make_owner, make_posted, make_staff
from tests.ledger.scenarios import Story

pytestmark = pytest.mark.django_db

REPORTS = [
    "trial_balance", "profit_and_loss", "balance_sheet",
    "general_ledger", "account_register", "journal_listing",
]  # fmt: skip


def address(books, name):
    return reverse(f"admin:{name}", args=[books.code])


class Reader:
    """A person who reads the reports of a client."""

    def __init__(self, http, books, user=None):
        self.http, self.books = http, books
        http.force_login(user or make_owner())

    def open(self, name, **query):
        answer = self.http.get(address(self.books, name), query)
        assert answer.status_code == 200
        return answer

    def rows(self, name, **query):
        """Return the rows of a statement: name, or code and name, and the figures."""
        rows = self.open(name, **query).context["statement"].rows
        return {
            f"{row.code} {row.name}".strip(): [
                None if cell.value is None else f"{cell.value:.2f}" for cell in row.cells
            ]
            for row in rows
            if row.style != "heading"
        }

    def register(self, **query):
        return self.open("account_register", **query).context["register"]


@pytest.fixture
def owner():
    return make_owner()


@pytest.fixture
def harbor(owner):
    story = Story(
        1,
        owner,
        years=[("2025-12-01", "2025-12-31"), ("2026-01-01", "2026-12-31")],
        legal_form=LegalForm.COMPANY,
    )
    story.post(*range(1, 8))
    reverse_entry(story.entries[7], by=owner, date=date(2026, 1, 1))
    story.post(10)
    reverse_entry(story.entries[6], by=owner, date=date(2026, 1, 20))
    story.post(12, 13)
    return story


@pytest.fixture
def marlow(owner):
    story = Story(
        2,
        owner,
        years=[("2026-01-01", "2026-03-31"), ("2026-04-01", "2027-03-31")],
        legal_form=LegalForm.COMPANY,
        base_currency="GBP",
    )
    story.post(*range(1, 9), 10, 11, 12, 13, 14)
    return story


@pytest.fixture
def pantry(owner):
    story = Story(8, owner, years=[("2025-10-01", "2026-09-30")], legal_form=LegalForm.NON_PROFIT)
    story.post(*range(1, 8))
    return story


# Figures


def test_the_trial_balance_of_a_day(client, harbor):
    rows = Reader(client, harbor.client).rows("trial_balance", day="2026-01-31")
    assert rows == {
        "1010 Checking": ["29962.23", None],
        "3000 Member's capital": [None, "20000.00"],
        "3900 Retained earnings": [None, "3529.20"],
        "4000 Sales": [None, "6150.00"],
        "6300 Office supplies": [None, "315.40"],
        "6400 Utilities": ["32.37", None],
        "Total": ["29994.60", "29994.60"],
    }


def test_the_trial_balance_over_a_time(client, harbor):
    reader = Reader(client, harbor.client)
    rows = reader.rows("trial_balance", mode="range", start="2026-01-01", end="2026-01-31")
    assert rows["1010 Checking"] == ["24640.00", "6150.00", "827.77", "29962.23"]
    assert rows["4000 Sales"] == ["0.00", "0.00", "6150.00", "-6150.00"]
    assert rows["Total"] == ["0.00", "7773.17", "7773.17", "0.00"]


def test_profit_and_loss_by_month(client, harbor):
    reader = Reader(client, harbor.client)
    rows = reader.rows("profit_and_loss", start="2025-12-01", end="2026-01-31", split="month")
    assert rows["4000 Sales"] == ["8400.00", "6150.00", "14550.00"]
    assert rows["6300 Office supplies"] == ["630.80", "-315.40", "315.40"]
    assert rows["6400 Utilities"] == ["480.00", "32.37", "512.37"]
    assert rows["Profit (loss -)"] == ["3529.20", "6433.03", "9962.23"]


def test_profit_and_loss_beside_the_fiscal_year_before(client, harbor):
    reader = Reader(client, harbor.client)
    rows = reader.rows("profit_and_loss", start="2026-01-01", end="2026-12-31", compare="year")
    assert rows["4000 Sales"] == ["6150.00", "8400.00", "-2250.00", "-26.80"]
    assert rows["Profit (loss -)"] == ["6433.03", "3529.20", "2903.83", "82.30"]


def test_the_balance_sheet_computes_what_was_not_closed(client, harbor):
    rows = Reader(client, harbor.client).rows("balance_sheet", day="2026-01-31")
    assert rows["Total assets"] == ["29962.23"]
    assert rows["Total liabilities"] == ["0.00"]
    assert rows["3900 Retained earnings"] == ["3529.20"]
    assert rows["Profit of the current year (computed)"] == ["6433.03"]
    assert rows["Total equity"] == rows["Total liabilities and equity"] == ["29962.23"]


def test_late_adjustments_before_and_after(client, marlow):
    reader = Reader(client, marlow.client)
    year = {"start": "2026-01-01", "end": "2026-03-31"}
    assert reader.rows("profit_and_loss", **year)["Profit (loss -)"] == ["4758.75"]
    before = reader.open("profit_and_loss", **year, adjustments="before")
    assert "Before adjustments" in before.content.decode()
    rows = reader.rows("profit_and_loss", **year, adjustments="before")
    assert rows["Profit (loss -)"] == ["6825.00"]
    assert "6700 Accountancy" not in rows
    sheet = reader.rows("balance_sheet", day="2026-05-31", compare="last")
    assert sheet["3900 Retained earnings"][:2] == ["4758.75", "0.00"]
    assert sheet["Profit of the current year (computed)"][:2] == ["2060.00", "4758.75"]
    assert sheet["Total equity"][:2] == ["11818.75", "9758.75"]
    first_closed = reader.rows("trial_balance", day="2026-03-31", adjustments="before")
    assert first_closed["Total"] == ["34925.00", "34925.00"]


def test_what_was_taken_over_is_no_months_activity(client, pantry):
    reader = Reader(client, pantry.client)
    rows = reader.rows("profit_and_loss", start="2025-10-01", end="2026-04-30", split="month")
    nothing = ["0.00"] * 6
    assert rows["4000 Donations and grants"] == ["31400.00", *nothing, "2350.00", "33750.00"]
    assert rows["6500 Depreciation"] == ["0.00", *nothing, "80.00", "80.00"]
    assert rows["Profit (loss -)"] == ["8745.35", *nothing, "-610.40", "8134.95"]
    april = reader.rows("profit_and_loss", start="2026-04-01", end="2026-04-30")
    assert april["Profit (loss -)"] == ["-610.40"]
    march = reader.rows("profit_and_loss", start="2026-03-01", end="2026-03-31")
    assert march["Profit (loss -)"] == ["8745.35", "0.00", "8745.35"]


def test_a_sole_traders_equity_as_before_closing(client, owner):
    story = Story(
        10,
        owner,
        years=[("2025-01-01", "2025-12-31"), ("2026-01-01", "2026-12-31")],
        legal_form=LegalForm.SOLE_TRADER,
    )
    story.post(*range(1, 12), 14)
    reader = Reader(client, story.client)
    sheet = reader.rows("balance_sheet", day="2025-12-31")
    assert sheet["3100 Owner's draw"] == ["-3886.40"]
    assert sheet["Profit of the current year (computed)"] == ["18110.00"]
    assert sheet["Total equity"] == ["22363.60"]
    balance = reader.rows("trial_balance", day="2026-01-31")
    assert balance["3000 Owner's capital"] == [None, "22363.60"]
    assert balance["3100 Owner's draw"] == ["500.00", None]
    capital = reader.register(account="3000", start="2026-01-01", end="2026-01-31")
    assert f"{capital.opening.computed:.2f}" == "-15963.60"
    assert f"{capital.closing.amount:.2f}" == "-22363.60"


def test_loan_payments_by_month(client, owner):
    story = Story(6, owner, years=[("2026-01-01", "2026-12-31")], legal_form=LegalForm.COMPANY)
    story.post(*range(1, 9))
    rows = Reader(client, story.client).rows(
        "profit_and_loss", start="2026-01-01", end="2026-04-30", split="month"
    )
    assert rows["6750 Loan interest"] == ["0.00", "120.00", "116.95", "113.88", "350.83"]
    assert rows["Profit (loss -)"] == ["-240.00", "-120.00", "3783.05", "-150.39", "3272.66"]


# Ways in and back


def links(answer):
    """Return the address behind each figure of a page, by the anchor it stands at."""
    found = re.findall(r'<td class="lf-number" id="([^"]+)"><a href="([^"]+)"', answer.content.decode())
    return {anchor: url.replace("&amp;", "&") for anchor, url in found}


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("trial_balance", {"day": "2026-04-30"}),
        ("profit_and_loss", {"start": "2025-10-01", "end": "2026-04-30", "split": "quarter"}),
        ("balance_sheet", {"day": "2026-04-30", "compare": "month"}),
    ],
)
def test_every_figure_leads_to_lines_that_come_to_it(client, pantry, name, query):
    reader = Reader(client, pantry.client)
    answer = reader.open(name, **query)
    ways = links(answer)
    cells = [cell for row in answer.context["statement"].rows for cell in row.cells if cell.anchor in ways]
    registers = [cell for cell in cells if "/register/" in cell.url]
    assert len(registers) >= 7
    for cell in registers:
        behind = reader.http.get(cell.url).context
        shown = behind["register"]
        moves = name == "profit_and_loss"
        stands = shown.sums.amount if moves else shown.closing.amount
        assert abs(stands) == abs(cell.value), (cell.anchor, cell.url)
        back = urlsplit(behind["way_back"])
        assert back.fragment == cell.anchor
        assert {key: value[0] for key, value in parse_qs(back.query).items()} == query


def test_sums_lead_to_the_general_ledger(client, harbor):
    reader = Reader(client, harbor.client)
    ways = links(reader.open("profit_and_loss", start="2026-01-01", end="2026-01-31"))
    ledger = reader.http.get(ways["revenue-2"]).context["ledger"]
    assert [part.movement.account.code for part in ledger.parts] == ["4000"]
    ledger = reader.http.get(ways["profit-2"]).context["ledger"]
    assert f"{sum(part.movement.closing for part in ledger.parts):.2f}" == "-6433.03"


@pytest.mark.parametrize(
    "way",
    ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "relative",
     "/admin/", "/admin/logout/", "/admin/books/OTHER/trial-balance/"],
)  # fmt: skip
def test_the_way_back_leads_nowhere_but_into_these_books(client, harbor, way):
    answer = Reader(client, harbor.client).open("account_register", account="1010", back=way)
    assert answer.context["way_back"] == ""
    assert "evil" not in answer.content.decode()


def test_a_report_says_whose_it_is_and_what_it_counts(client):
    books, _accounts = make_books()
    books.basis = Basis.CASH
    books.save()
    make_posted(books, ("1010", "5.00"), ("4000", "-5.00"))
    draft = make_draft(books, ("1010", "5.00"))
    make_draft(make_books()[0], ("1010", "5.00"))
    reader = Reader(client, books)
    for name in REPORTS:
        page = reader.open(name, day="2026-12-31", start="2026-01-01", end="2026-12-31").content.decode()
        for said in [str(books), "Accrual", "31 Dec 2026", "UTC", "accrual basis", ">draft</a> of this time"]:
            assert said in page, (name, said)
    url = re.search(r'One <a href="([^"]+)">draft', page)[1].replace("&amp;", "&")
    assert list(client.get(url).context["cl"].result_list) == [draft]


# Registers


def test_a_register_goes_on_from_what_stood_before(client, harbor):
    shown = Reader(client, harbor.client).register(account="1010", start="2026-01-15", end="2026-01-31")
    assert f"{shown.opening.amount:.2f}" == "24127.63"
    assert [f"{one.balance.amount:.2f}" for one in shown.lines] == ["23812.23", "29962.23"]
    assert [one.contra for one in shown.lines] == ["2010", "4000"]


def test_the_pages_of_a_register_join(client, monkeypatch):
    books, accounts = make_books()
    for number in range(1, 14):
        day = f"2026-0{1 + number % 3}-{1 + number:02}"
        make_posted(books, ("1010", f"{number}.10"), ("4000", f"-{number}.10"), day=day)
    make_draft(books, ("1010", "999"), day="2026-02-01")
    monkeypatch.setattr("apps.ledger.views.reports.register.PAGE", 4)
    reader = Reader(client, books)
    span = {"start": "2026-01-03", "end": "2026-03-12"}
    whole = [
        one.line for page in range(1, 5) for one in reader.register(account="1010", page=page, **span).lines
    ]
    assert whole == sorted(whole, key=lambda line: (line.date, line.pk))
    stands = 0
    for page in range(1, 5):
        shown = reader.register(account="1010", page=page, **span)
        assert (shown.page, shown.pages) == (page, -(-len(whole) // 4))
        assert shown.brought_forward.amount - shown.opening.amount == stands
        stands += sum(one.line.amount for one in shown.lines)
    assert shown.closing.amount == shown.opening.amount + stands == shown.lines[-1].balance.amount
    assert reader.register(account="1010", page=99, **span).page == 4


def test_an_account_in_a_foreign_currency_runs_in_it_too(client, owner):
    from decimal import Decimal

    from apps.ledger.services import Line, draft_entry, post_entry

    books, accounts = make_books()
    euros = make_account(books, "1020", "asset", "Euro account", currency="EUR")
    for day, amount, foreign in [("2026-01-05", "110", "100"), ("2026-02-05", "-33", "-30")]:
        lines = [
            Line(account=euros, amount=Decimal(amount), currency="EUR", foreign_amount=Decimal(foreign)),
            Line(account=accounts["4000"], amount=-Decimal(amount)),
        ]
        draft = draft_entry(client=books, by=owner, date=date.fromisoformat(day), lines=lines)
        post_entry(draft, by=owner)
    reader = Reader(client, books)
    shown = reader.register(account="1020", start="2026-02-01", end="2026-02-28")
    assert (shown.opening.foreign, shown.closing.foreign, shown.closing.amount) == (100, 70, 77)
    page = reader.open("account_register", account="1020", start="2026-02-01", end="2026-02-28")
    assert "Balance, EUR" in page.content.decode()


def test_closing_entries_stand_in_a_register_that_is_asked_for_them(client):
    books, _accounts = make_books()
    make_posted(books, ("1010", "50.00"), ("4000", "-50.00"))
    make_posted(books, ("4000", "50.00"), ("3900", "-50.00"), day="2026-12-31", kind="closing")
    reader = Reader(client, books)
    assert reader.register(account="4000").closing.amount == -50
    assert reader.register(account="4000", show="all").closing.amount == 0


def test_the_pages_of_the_general_ledger_join(client, monkeypatch):
    books, _accounts = make_books()
    for number in range(1, 9):
        code = ["6100", "6200"][number % 2]
        make_posted(books, (code, f"{number}.00"), ("1010", f"-{number}.00"), day=f"2026-01-{number + 9}")
    make_posted(books, ("1010", "100.00"), ("3000", "-100.00"), day="2026-01-02")
    monkeypatch.setattr("apps.ledger.views.reports.ledgers.PAGE", 5)
    reader = Reader(client, books)
    span = {"start": "2026-01-05", "end": "2026-01-31"}
    ids, last = [], {}
    for page in range(1, 5):
        shown = reader.open("general_ledger", page=page, **span).context["ledger"]
        for part in shown.parts:
            code = part.movement.account.code
            assert part.brought_forward.amount == last.get(code, part.movement.opening)
            ids += [one.line.pk for one in part.lines]
            last[code] = part.carried_forward.amount
            if part.ends:
                assert part.carried_forward.amount == part.movement.closing
    assert (shown.page, shown.pages, len(ids), len(set(ids))) == (4, 4, 16, 16)
    assert set(last) == {"1010", "3000", "6100", "6200"}


def test_a_range_of_codes(client, harbor):
    reader = Reader(client, harbor.client)
    span = {"start": "2025-12-01", "end": "2026-12-31"}
    for query, codes in [
        ({"first": "6200", "last": "63"}, ["6200", "6300"]),
        ({"first": "6300"}, ["6300", "6400"]),
        ({"part": "liability"}, ["2010", "2200"]),
        ({"part": "profit", "last": "6100"}, ["4000", "6100"]),
    ]:
        ledger = reader.open("general_ledger", **span, **query).context["ledger"]
        assert [part.movement.account.code for part in ledger.parts] == codes, query


def test_the_journal_in_pages(client, harbor, monkeypatch):
    monkeypatch.setattr("apps.ledger.views.reports.ledgers.ENTRIES", 5)
    reader = Reader(client, harbor.client)
    url = address(harbor.client, "journal_listing") + "?start=2025-12-01&end=2026-12-31"
    seen, pages = [], []
    while url:
        context = reader.http.get(url).context
        seen += [entry.pk for entry in context["journal"].entries]
        pages.append(url)
        url = context["ways"].get("following")
    assert len(pages) == 3
    assert len(seen) == len(set(seen)) == 12
    assert reader.http.get(context["ways"]["previous"]).context["journal"].entries[0].pk == seen[5]
    assert f"{context['journal'].debit:.2f}" == "41043.97"
    kinds = reader.open("journal_listing", start="2025-12-01", end="2026-12-31", kind="reversal")
    assert {entry.kind for entry in kinds.context["journal"].entries} == {"reversal"}


# Who, and how often the database is asked


@pytest.mark.parametrize("name", REPORTS)
def test_another_clients_reports_do_not_exist(client, harbor, name):
    other, _accounts = make_books()
    client.force_login(make_staff(other, Role.MANAGER))
    for wanted in ("", "csv", "xlsx"):
        query = {"format": wanted, "account": "1010"} if wanted else {}
        assert client.get(address(harbor.client, name), query).status_code == 404
        answer = client.get(address(other, name), query)
        assert answer.status_code == 200
        assert b"".join(answer)


def test_an_account_of_another_client_is_not_found(client, harbor):
    other, _accounts = make_books()
    make_account(other, "7777", name="Secret")
    page = Reader(client, harbor.client).open("account_register", account="7777")
    assert "There is no account “7777” in these books." in page.content.decode()
    assert "Secret" not in page.content.decode()


def test_another_clients_lines_are_in_no_report(client, harbor):
    reader = Reader(client, harbor.client)
    span = {"day": "2026-12-31", "start": "2025-12-01", "end": "2026-12-31", "account": "1010"}
    before = [figures(reader.open(name, **span)) for name in REPORTS]
    other, _accounts = make_books()
    make_posted(other, ("1010", "77.77"), ("4000", "-77.77"))
    assert [figures(reader.open(name, **span)) for name in REPORTS] == before


def figures(answer):
    return re.findall(r"[\d,]+\.\d\d", answer.content.decode())


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_asks_no_more_of_the_database_for_more_lines(client, name):
    books, accounts = make_books()
    reader = Reader(client, books)
    reader.open(name)  # the first page of a session costs its renewal, too
    asked = []
    for more in (2, 20):
        for number in range(more):
            make_account(books, f"7{number:03}-{more}", name=f"Cost {number}")
            for code in ("6100", f"7{number:03}-{more}"):
                make_posted(books, (code, "1.00"), ("1010", "-1.00"), day=f"2026-0{1 + 8 * (number % 2)}-15")
        with CaptureQueriesContext(connection) as queries:
            reader.open(
                name, account="1010", start="2026-01-10", end="2026-09-20", day="2026-09-20", split="month"
            )
        asked.append(len(queries))
    assert asked[0] == asked[1] <= 22, asked


# Nonsense

ODD = ["", "x", "2026-02-30", "9999-12-31", "0001-01-01", "-1", "1e9", "٢", "'; --", "\u2028", "9" * 400]


OPTIONS = [
    "day", "start", "end", "mode", "split", "compare", "adjustments", "closing", "zeros", "account", "show",
    "first", "last", "part", "kind", "page", "at", "back", "format",
]  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_nonsense_in_the_address_is_a_sentence_at_most(client, harbor, name):
    reader = Reader(client, harbor.client)
    right = {"account": "1010", "start": "2025-12-01", "end": "2026-12-31"}
    queries = [right | {option: "2026-02-30"} for option in OPTIONS]
    queries += [dict.fromkeys(OPTIONS, odd) for odd in ODD]
    queries += [
        right | {"page": "9" * 9, "at": at} for at in ("2026-01-01." + "9" * 18, "2026-01-01.x", "x.1")
    ]
    for query in queries:
        assert reader.http.get(address(harbor.client, name), query).status_code == 200, query


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"start": "2026-02-30"}, "From: “2026-02-30” is not a date."),
        ({"start": "2026-12-31", "end": "2026-01-01"}, "From: The first day is after the last one."),
        ({"end": "9999-12-31"}, "To: Choose a day between 1900 and 2199."),
        ({"start": "1990-01-01", "end": "2026-12-31", "split": "month"}, "That makes 444 columns."),
        ({"compare": "moon"}, "Compare with: “moon” is not one of the choices."),
    ],
)
def test_what_is_wrong_is_said_and_the_report_still_shows(client, harbor, query, sentence):
    page = Reader(client, harbor.client).open("profit_and_loss", **query)
    assert sentence in page.content.decode()
    assert page.context["statement"].rows
    wrong_file = Reader(client, harbor.client).open("profit_and_loss", **query, format="csv")
    assert sentence in wrong_file.content.decode()


def test_books_without_a_year_or_an_entry_say_what_to_do(client):
    from tests.factories import make_client

    empty = make_client()
    reader = Reader(client, empty)
    for name in REPORTS:
        assert "lf-report-empty" in reader.open(name).content.decode(), name
