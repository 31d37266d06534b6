"""The pages of periods: what they show and offer to whom, their dialogs, and who is due on which day."""

import re
from datetime import UTC, date, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.ledger import dashboard
from apps.ledger.models import ClosedPeriod, FiscalYear, JournalEntry, Period
from apps.ledger.queries.periods import proposed_year
from apps.ledger.services import close_through, lock_through, open_fiscal_year, post_entry, reopen_period
from apps.profiles.roles import Role
from tests.factories import (
    give_access,
    make_account,
    make_books,
    make_client,
    make_draft,
    make_owner,
    make_posted,
    make_staff,
    make_year,
)

pytestmark = pytest.mark.django_db

SALE = (("1010", "50.00"), ("4000", "-50.00"))
TODAY = date(2026, 5, 10)
local_date = timezone.localdate


@pytest.fixture(autouse=True)
def today(monkeypatch):
    monkeypatch.setattr(timezone, "localdate", lambda: TODAY)


@pytest.fixture
def owner():
    return make_owner()


@pytest.fixture
def books(owner):
    return make_books(make_client("ACORN", name="Acorn Bakery"))[0]


@pytest.fixture
def manager(books):
    return make_staff(books, Role.MANAGER, "mona")


def month(client, number):
    return Period.objects.get(client=client, start=date(2026, number, 1), is_adjusting=False)


def address(name, client, *arguments):
    return reverse(f"admin:{name}", args=[client.code, *arguments])


def get(http, user, page, client, *arguments, **query):
    http.force_login(user)
    return http.get(address(page, client, *arguments), query)


def post(http, user, page, client, *arguments, **data):
    http.force_login(user)
    return http.post(address(page, client, *arguments), data)


def text(answer):
    """What a person reads, blanks as one."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def states(client):
    periods = Period.objects.filter(client=client).order_by("end", "is_adjusting")
    return "".join(period.state[0] for period in periods)


# The page


def test_the_page_says_how_far_the_books_are_closed_and_what_is_due(client, books, manager, owner):
    close_through(books, date(2026, 2, 28), by=owner)
    lock_through(books, date(2026, 1, 31), by=owner)
    page = text(get(client, manager, "periods", books))
    assert "Closed through February 2026 . Locked through January 2026." in page
    assert "2 months have ended and are open, the last of them April 2026." in page
    assert "Close through April 2026…" in page


def test_each_row_has_its_entries_drafts_and_what_stands_in_the_way(client, books, manager):
    make_posted(books, *SALE, day="2026-03-05")
    make_draft(books, *SALE, day="2026-03-06")
    make_draft(books, *SALE, day="2026-06-06")
    (each,) = get(client, manager, "periods", books).context["years"]
    rows = {row.period.start.month: row for row in each.rows if not row.period.is_adjusting}
    assert (rows[3].entries, rows[3].drafts) == (1, 1)
    assert [finding.what for finding in rows[4].findings] == ["1 draft up to 30 Apr 2026"]
    assert (rows[6].drafts, rows[6].findings, rows[6].has_ended) == (1, [], False)


def test_a_row_leads_to_the_drafts_of_its_month(client, books, manager):
    make_draft(books, *SALE, day="2026-03-06")
    page = get(client, manager, "periods", books).content.decode()
    link = re.search(r'class="lf-finding" href="([^"]+)"', page).group(1).replace("&amp;", "&")
    assert link.endswith(f"?client__id__exact={books.pk}&status__exact=draft&date_to=2026-03-31")
    listed = client.get(link)
    assert listed.context["cl"].result_count == 1
    assert "Back to closing Acorn Bakery" in text(listed)
    assert f'href="{address("periods", books)}"' in listed.content.decode()


def test_there_is_no_way_back_to_a_client_somebody_may_not_see(client, books, manager):
    theirs = make_client(name="Secret Bluebell")
    client.force_login(manager)
    query = {"client__id__exact": theirs.pk, "status__exact": "draft", "date_to": "2026-03-31"}
    page = client.get(reverse("admin:ledger_journalentry_changelist"), query, follow=True)
    assert "Secret" not in page.content.decode()


def test_suspense_leads_to_the_register_and_back(client, books, manager):
    make_account(books, "1900", "asset", "Suspense", role="suspense")
    make_posted(books, ("1900", "7"), ("1010", "-7"))
    page = get(client, manager, "periods", books).content.decode()
    link = re.search(r'href="([^"]+register[^"]+)"', page).group(1).replace("&amp;", "&")
    register = client.get(link)
    assert register.status_code == 200
    assert f'href="{address("periods", books)}"' in register.content.decode()


@pytest.mark.parametrize(
    ("role", "offered"),
    [
        (Role.VIEWER, set()),
        (Role.PREPARER, set()),
        (Role.REVIEWER, {"period_close", "year_close"}),
        (
            Role.MANAGER,
            {"period_close", "period_lock", "period_reopen", "year_open", "year_close", "year_remove"},
        ),
    ],
)
def test_each_role_is_offered_what_it_may_do_and_refused_the_rest(client, books, owner, role, offered):
    make_posted(books, *SALE)
    make_year(books, "2027-01-01", "2027-12-31")
    close_through(books, date(2026, 1, 31), by=owner)
    person = make_staff(books, role)
    page = get(client, person, "periods", books).content.decode()
    year = books.fiscal_years.last()
    for name in ("period_close", "period_lock", "period_reopen", "year_open", "year_close", "year_remove"):
        arguments = [year.pk] if name in ("year_close", "year_remove") else []
        first = books.fiscal_years.first().pk
        url = address(name, books, *([first] if name == "year_close" else arguments))
        assert (url in page) == (name in offered), name
        for method in (client.get, client.post):
            status = method(address(name, books, *arguments)).status_code
            assert (status == 403) == (name not in offered), (name, status)


def test_nothing_is_changed_by_looking(client, books, manager):
    get(client, manager, "period_close", books, through=month(books, 4).pk)
    assert states(books) == "o" * 13


def test_a_client_without_years_is_offered_the_calendar_year(client, manager):
    new = make_client("NEWCO")
    give_access(manager, new, Role.MANAGER)
    assert "There is no fiscal year yet." in text(get(client, manager, "periods", new))
    form = get(client, manager, "year_open", new).context["form"]
    assert (form["start"].initial, form["end"].initial) == (date(2026, 1, 1), date(2026, 12, 31))
    answer = post(client, manager, "year_open", new, start="2026-04-06", end="2027-04-05", name="")
    assert answer.status_code == 302
    assert new.fiscal_years.get().name == "2026/27"


def test_only_the_newest_years_are_shown_at_first(client, books, manager):
    for year in (2027, 2028):
        make_year(books, f"{year}-01-01", f"{year}-12-31")
    assert [one.year.name for one in get(client, manager, "periods", books).context["years"]] == [
        "2028",
        "2027",
    ]
    assert "Show 1 earlier year" in text(get(client, manager, "periods", books))
    whole = client.get(address("periods", books) + "?all").context["years"]
    assert len(whole) == 3


def test_the_page_costs_the_same_whatever_is_in_the_books(client, books, manager, owner):
    def queries():
        get(client, manager, "periods", books)
        with CaptureQueriesContext(connection) as found:
            client.get(address("periods", books))
        return len(found)

    close_through(books, date(2026, 1, 31), by=owner)
    before = queries()
    for day in range(1, 9):
        make_posted(books, *SALE, day=f"2026-02-{day:02}")
        make_draft(books, *SALE, day=f"2026-04-{day:02}")
    close_through(books, date(2026, 3, 31), by=owner)
    assert queries() == before


# Close and lock


def test_closing_by_the_dialog(client, books, manager):
    answer = post(client, manager, "period_close", books, through=month(books, 3).pk)
    assert answer.url == address("periods", books)
    assert states(books).startswith("ssso")
    assert "Closed: January 2026, February 2026 and March 2026." in text(client.get(answer.url))


def test_the_dialog_proposes_the_latest_month_that_has_ended(client, books, manager):
    page = get(client, manager, "period_close", books)
    assert page.context["dialog"].button == "Close through April 2026"
    assert "Closes January 2026 to April 2026 (4 periods)" in text(page)


def test_what_stands_in_the_way_is_listed_and_a_reason_asked_for(client, books, manager):
    make_draft(books, *SALE, day="2026-03-05")
    page = get(client, manager, "period_close", books)
    assert "1 draft up to 30 Apr 2026" in text(page)
    assert "Why it is closed anyway" in text(page)
    through = month(books, 4).pk
    again = post(client, manager, "period_close", books, through=through, anyway="1", reason="")
    assert "Say why: it stays in the history." in text(again)
    assert states(books) == "o" * 13
    post(client, manager, "period_close", books, through=through, anyway="1", reason="It can wait")
    assert ClosedPeriod.objects.filter(reason="It can wait").count() == 4


def test_a_month_without_anything_in_the_way_asks_for_no_reason(client, books, manager):
    make_draft(books, *SALE, day="2026-03-05")
    page = get(client, manager, "period_close", books, through=month(books, 2).pk)
    assert "reason" not in page.context["form"].fields
    assert page.context["dialog"].button == "Close through February 2026"


def test_what_came_up_while_the_dialog_was_open_is_listed_and_not_overridden(client, books, manager):
    through = month(books, 4).pk
    get(client, manager, "period_close", books)
    make_draft(books, *SALE, day="2026-04-05")
    again = post(client, manager, "period_close", books, through=through)
    assert states(books) == "o" * 13
    assert "1 draft up to 30 Apr 2026" in text(again)
    assert "reason" in again.context["form"].fields


def test_locking_and_the_adjusting_period(client, books, manager):
    post(client, manager, "period_lock", books, through=month(books, 12).pk, adjusting="on")
    assert states(books) == "l" * 13


def test_an_adjusting_period_is_closed_from_its_row(client, books, manager, owner):
    close_through(books, date(2026, 12, 31), by=owner)
    adjusting = books.periods.get(is_adjusting=True)
    page = get(client, manager, "period_close", books, through=adjusting.pk)
    assert page.context["form"]["adjusting"].value() is True
    assert "Closes Adjusting, 31 Dec 2026" in text(page)
    post(client, manager, "period_close", books, through=month(books, 12).pk, adjusting="on")
    assert states(books) == "s" * 13


def test_a_month_that_has_not_ended_is_said_to(client, books, manager):
    page = get(client, manager, "period_close", books, through=month(books, 5).pk)
    assert "May 2026 has not ended yet." in text(page)
    assert "has not ended" not in text(get(client, manager, "period_close", books))


def test_htmx_is_sent_on_and_not_into_the_dialog(client, books, manager):
    client.force_login(manager)
    answer = client.post(
        address("period_close", books), {"through": month(books, 1).pk}, headers={"HX-Request": "true"}
    )
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, address("periods", books))


@pytest.mark.parametrize("through", ["", "0", "x", "9" * 30, "-1", "²", "1; DROP TABLE"])
def test_nonsense_for_a_period_is_a_sentence(client, books, manager, through):
    answer = post(client, manager, "period_close", books, through=through)
    assert answer.status_code == 200
    assert answer.context["form"].errors["through"]
    assert get(client, manager, "period_close", books, through=through).status_code == 200
    assert states(books) == "o" * 13


def test_a_period_of_another_client_is_none(client, books, manager):
    theirs = make_books(make_client(name="Secret Bluebell"))[0]
    answer = post(client, manager, "period_close", books, through=month(theirs, 1).pk)
    assert answer.context["form"].errors["through"]
    assert post(client, manager, "period_close", theirs, through=month(theirs, 1).pk).status_code == 404
    assert get(client, manager, "period", books, month(theirs, 1).pk).status_code == 404
    year = theirs.fiscal_years.get()
    for name in ("year_close", "year_remove"):
        assert post(client, manager, name, books, year.pk).status_code == 404
    assert states(theirs) == "o" * 13
    assert FiscalYear.objects.filter(pk=year.pk).exists()


# Reopen


def test_reopening_names_what_it_opens_and_asks_why(client, books, manager, owner):
    lock_through(books, date(2026, 4, 30), by=owner)
    page = get(client, manager, "period_reopen", books, period=month(books, 2).pk)
    assert "Opens April 2026, March 2026 and February 2026." in text(page)
    again = post(client, manager, "period_reopen", books, period=month(books, 2).pk, reason=" ")
    assert "Say why: it stays in the history." in text(again)
    post(client, manager, "period_reopen", books, period=month(books, 2).pk, reason="A late bill")
    assert states(books) == "l" + "o" * 12
    page = text(get(client, manager, "periods", books))
    assert "April 2026 was closed and has been reopened." in page
    assert "Close again through April 2026…" in page


def test_closing_again_takes_one_step(client, books, manager, owner):
    lock_through(books, date(2026, 3, 31), by=owner)
    reopen_period(month(books, 1), by=owner, reason="A late bill")
    page = get(client, manager, "period_close", books)
    assert page.context["dialog"].button == "Close through March 2026"
    post(client, manager, "period_close", books, through=month(books, 3).pk)
    assert states(books).startswith("ssso")


def test_a_second_click_says_that_it_is_done(client, books, manager):
    for _ in range(2):
        answer = post(client, manager, "period_close", books, through=month(books, 3).pk)
    assert "This was closed or reopened meanwhile." in text(answer)
    assert ClosedPeriod.objects.count() == 3


def test_an_open_period_cannot_be_chosen_to_reopen(client, books, manager, owner):
    close_through(books, date(2026, 1, 31), by=owner)
    answer = post(client, manager, "period_reopen", books, period=month(books, 3).pk, reason="x")
    assert answer.context["form"].errors["period"]


def test_with_nothing_closed_there_is_nothing_to_reopen(client, books, manager):
    page = get(client, manager, "period_reopen", books)
    assert "Everything is open already." in text(page)
    assert 'type="submit" class="lf-button' not in page.content.decode()


# Years


def test_closing_a_year_shows_its_entries_first_and_says_their_numbers(client, books, manager):
    make_posted(books, *SALE)
    year = books.fiscal_years.get()
    page = text(get(client, manager, "year_close", books, year.pk))
    assert "Year-end close 2026" in page
    assert "4000 Sales 50.00 3900 Retained earnings 50.00" in page
    assert "2026 has not ended yet." in page
    answer = post(client, manager, "year_close", books, year.pk)
    assert "2026 is closed, by entry 2." in text(client.get(answer.url))
    assert "Nothing is left to close in 2026." in text(get(client, manager, "year_close", books, year.pk))
    post(client, manager, "year_close", books, year.pk)
    assert JournalEntry.objects.filter(kind="closing").count() == 1


def test_a_year_without_an_account_for_its_result_says_which_role_to_give(client, books, manager):
    make_posted(books, *SALE)
    books.accounts.filter(code__in=["3000", "3900"]).update(role="")
    page = get(client, manager, "year_close", books, books.fiscal_years.get().pk)
    assert "Give an equity account the role “Retained earnings”." in text(page)
    assert address("chart", books) in page.content.decode()
    assert post(client, manager, "year_close", books, books.fiscal_years.get().pk).status_code == 200


def test_a_reviewer_closes_a_year_with_a_reason_where_it_is_soft_closed(client, books, owner):
    make_posted(books, *SALE)
    close_through(books, date(2026, 12, 31), by=owner, adjusting=True)
    reviewer, year = make_staff(books, Role.REVIEWER), books.fiscal_years.get()
    assert "Say why" in text(post(client, reviewer, "year_close", books, year.pk, reason=""))
    assert post(client, reviewer, "year_close", books, year.pk, reason="Signed").status_code == 302


def test_the_next_year_begins_where_the_last_ends(client, books, manager):
    answer = post(client, manager, "year_open", books, start="2030-01-01", end="2027-06-30", name="Short")
    assert answer.status_code == 302
    year = books.fiscal_years.last()
    assert (year.name, str(year.start), str(year.end)) == ("Short", "2027-01-01", "2027-06-30")


def test_an_earlier_year_ends_where_the_first_begins(client, books, manager):
    client.force_login(manager)
    url = address("year_open", books) + "?side=earlier"
    assert client.get(url).context["form"]["start"].initial == date(2025, 1, 1)
    assert client.post(url, {"start": "2025-10-01", "end": "2026-09-30"}).status_code == 302
    assert str(books.fiscal_years.first().end) == "2025-12-31"


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        ("", "This field is required."),
        ("soon", "This is no date."),
        ("2026-12-31", "A fiscal year ends after it begins."),
        ("2028-07-31", "A fiscal year has up to 18 months."),
        ("9999-12-31", "Choose a day between 1900 and 2199."),
    ],
)
def test_a_year_that_cannot_be_is_a_sentence_and_what_was_typed_stays(client, books, manager, end, sentence):
    answer = post(client, manager, "year_open", books, end=end, name="Typed")
    assert sentence in text(answer)
    assert 'value="Typed"' in answer.content.decode()
    assert books.fiscal_years.count() == 1


def test_an_unused_year_can_be_removed_and_a_used_one_not(client, books, manager):
    make_posted(books, *SALE)
    make_year(books, "2027-01-01", "2027-12-31")
    used, unused = books.fiscal_years.all()
    page = get(client, manager, "periods", books).content.decode()
    assert address("year_remove", books, unused.pk) in page
    assert address("year_remove", books, used.pk) not in page
    assert "has posted entries" in text(post(client, manager, "year_remove", books, used.pk))
    assert post(client, manager, "year_remove", books, unused.pk).status_code == 302
    assert books.fiscal_years.get() == used


@pytest.mark.parametrize(
    ("start", "end", "expected", "earlier"),
    [
        ("2026-01-01", "2026-12-31", ("2027-01-01", "2027-12-31"), ("2025-01-01", "2025-12-31")),
        ("2025-12-01", "2025-12-31", ("2026-01-01", "2026-12-31"), ("2024-12-01", "2025-11-30")),
        ("2026-04-06", "2027-04-05", ("2027-04-06", "2028-04-05"), ("2025-04-06", "2026-04-05")),
        ("2023-03-01", "2024-02-28", ("2024-02-29", "2025-02-28"), ("2022-03-01", "2023-02-28")),
        ("2024-02-29", "2025-02-28", ("2025-03-01", "2026-02-28"), ("2023-02-28", "2024-02-28")),
        ("2026-02-01", "2027-01-30", ("2027-01-31", "2028-01-29"), ("2025-02-02", "2026-01-31")),
    ],
)
def test_years_are_proposed_beside_those_there_are(owner, start, end, expected, earlier):
    client = make_client()
    make_year(client, start, end)
    for is_earlier, (first, last) in ((False, expected), (True, earlier)):
        proposed = proposed_year(client, date(2026, 5, 10), earlier=is_earlier)
        assert [str(day) for day in proposed[:2]] == [first, last]
        fixed = {"start": date.fromisoformat(first), "end": date.fromisoformat(last)}
        assert open_fiscal_year(client, by=owner, **fixed)


# One period


def test_a_period_shows_what_changed_since_it_was_closed(client, books, manager, owner):
    make_posted(books, *SALE)
    close_through(books, date(2026, 3, 31), by=owner)
    assert "Nothing: the trial balance reads as it did." in text(
        get(client, manager, "period", books, month(books, 3).pk)
    )
    make_posted(books, ("6100", "20.00"), ("1010", "-20.00"), day="2026-04-02")
    reopen_period(month(books, 3), by=owner, reason="A late bill")
    make_posted(books, ("6100", "20.00"), ("1010", "-20.00"), day="2026-03-02")
    assert "changed since" in text(get(client, manager, "periods", books))
    page = text(get(client, manager, "period", books, month(books, 3).pk))
    assert re.search(r"1010 Checking\s+50\.00\s+30\.00\s+-20\.00", page)
    assert re.search(r"6100 Rent\s+0\.00\s+20\.00\s+\+ ?20\.00", page)
    assert "Entry 3" in page
    assert "Entry 2" not in page
    assert "reopened March 2026" in page
    assert "reason: A late bill" in page
    assert "hash does not fit" not in page


def test_a_snapshot_that_was_tampered_with_is_told(client, books, manager, owner):
    close_through(books, date(2026, 1, 31), by=owner)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE ledger_closedperiod DISABLE TRIGGER USER")
        cursor.execute('UPDATE ledger_closedperiod SET trial_balance = \'[["", "", "x", "1.00"]]\'')
    assert "hash does not fit" in text(get(client, manager, "period", books, month(books, 1).pk))


def test_an_earlier_close_can_be_compared_too(client, books, manager, owner):
    close_through(books, date(2026, 1, 31), by=owner)
    reopen_period(month(books, 1), by=owner, reason="A late bill")
    make_posted(books, *SALE)
    close_through(books, date(2026, 1, 31), by=owner)
    first = ClosedPeriod.objects.earliest("pk")
    assert "Nothing:" in text(get(client, manager, "period", books, month(books, 1).pk))
    page = text(get(client, manager, "period", books, month(books, 1).pk, closing=first.pk))
    assert "4000 Sales" in page
    assert get(client, manager, "period", books, month(books, 1).pk, closing="x").status_code == 200


# Who is due


def due(http, user, **query):
    http.force_login(user)
    return {row["client"].code: row for row in http.get(reverse("admin:close"), query).context["rows"]}


def test_clients_are_listed_with_their_oldest_open_month(client, books, manager, owner):
    other = make_books(make_client("BLUEBELL"))[0]
    give_access(manager, other, Role.VIEWER)
    give_access(manager, make_client("CEDAR"), Role.VIEWER)
    make_books(make_client("SECRET"))
    close_through(books, date(2026, 3, 31), by=owner)
    close_through(other, date(2026, 4, 30), by=owner)
    make_draft(books, *SALE, day="2026-04-05")
    rows = due(client, manager)
    assert list(rows) == ["ACORN"]
    assert (str(rows["ACORN"]["period"]), rows["ACORN"]["due"]) == ("April 2026", 1)
    assert [finding.count for finding in rows["ACORN"]["findings"]] == [1]
    assert set(due(client, manager, show="all")) == {"ACORN", "BLUEBELL", "CEDAR"}
    assert due(client, manager, show="nonsense", page="x").keys() == rows.keys()


def test_clients_whose_closed_books_changed_are_listed_until_the_next_close(client, books, manager, owner):
    close_through(books, date(2026, 3, 31), by=owner)
    assert due(client, manager, show="changed") == {}
    post_entry(make_draft(books, *SALE, day="2026-03-05"), by=owner, reason="Late")
    assert list(due(client, manager, show="changed")) == ["ACORN"]
    assert dashboard.changed_since_closing(manager).value == 1
    assert dashboard.changed_since_closing(make_staff(make_client(), Role.MANAGER)) is None


def test_the_list_costs_no_query_a_row(client, owner):
    def queries():
        due(client, owner)
        with CaptureQueriesContext(connection) as found:
            assert client.get(reverse("admin:close")).status_code == 200
        return len(found)

    def add(count):
        for _ in range(count):
            one = make_books()[0]
            make_draft(one, *SALE)

    add(2)
    before = queries()
    add(8)
    assert queries() == before
    assert before <= 14


def test_the_start_page_counts_what_waits(client, books, manager, owner):
    make_draft(books, *SALE)
    make_draft(make_books()[0], *SALE)
    assert dashboard.drafts_waiting(manager).value == 1
    assert dashboard.drafts_waiting(owner).value == 2
    assert (dashboard.months_due(manager).value, dashboard.months_due(owner).value) == (1, 2)
    assert [cells[1] for _url, cells in dashboard.drafts_by_client(manager).rows] == ["ACORN"]
    client.force_login(manager)
    page = client.get(reverse("admin:index"))
    assert reverse("admin:close") in page.content.decode()
    assert client.get(dashboard.drafts_waiting(manager).url).context["cl"].result_count == 1


@pytest.mark.parametrize(
    ("zone", "is_due"), [("Pacific/Auckland", True), ("UTC", False), ("America/New_York", False)]
)
def test_a_month_is_over_when_it_is_there(client, books, manager, settings, monkeypatch, zone, is_due):
    settings.TIME_ZONE = zone
    last_day = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)  # 1 February, 1:30 in Auckland
    monkeypatch.setattr(timezone, "localdate", local_date)
    monkeypatch.setattr(timezone, "now", lambda: last_day)
    assert bool(due(client, manager)) == is_due
    assert (dashboard.months_due(manager).value == 1) == is_due
    (each,) = get(client, manager, "periods", books).context["years"]
    assert each.rows[0].has_ended == is_due
