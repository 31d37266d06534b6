"""A chart of accounts as a CSV file: read, shown, taken whole or not at all."""

from contextlib import suppress

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from apps.ledger.charts.csv_file import MOST_ROWS, decode, read_chart
from apps.ledger.models import Account
from apps.ledger.services.charts import import_chart
from apps.profiles.models import Client
from apps.profiles.roles import Role
from tests.factories import make_account, make_client, make_owner, make_staff

pytestmark = pytest.mark.django_db

GOOD = """code,name,kind,section,parent,currency,role,postable
1010,Checking,asset,bank,1000,,,
1000,Assets,Assets,,,,,no
1020,"Euro account, Paris",asset,Bank and cash,1000,eur,,yes
3900,Retained earnings,equity,,,,retained_earnings,
6100,Rent,expense,,,,,
"""


@pytest.fixture
def client_of_practice():
    return make_client("ACORN")


def read(text, client, **existing):
    return read_chart(text, client, existing)


def test_a_whole_chart_is_imported_whatever_the_order_of_its_rows(client_of_practice):
    owner = make_owner()
    done = import_chart(client_of_practice, GOOD, by=owner)
    assert [account.code for account in done.added] == ["1000", "1010", "1020", "3900", "6100"]
    accounts = {account.code: account for account in client_of_practice.accounts.select_related("parent")}
    assert accounts["1010"].parent == accounts["1000"]
    assert (accounts["1000"].is_postable, accounts["1000"].kind) == (False, "asset")
    assert (accounts["1020"].currency, accounts["1020"].name) == ("EUR", "Euro account, Paris")
    assert accounts["6100"].section == "operating_expense"
    assert Account.history.filter(history_user=owner, history_change_reason="Imported").count() == 5


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters_and_a_mark_at_the_beginning_are_read(client_of_practice, delimiter):
    text = "\ufeff" + GOOD.replace('"Euro account, Paris"', "Euro account").replace(",", delimiter)
    assert len(read(text, client_of_practice).planned) == 5


def test_codes_in_the_chart_are_counted_and_left(client_of_practice):
    mine = make_account(client_of_practice, "6100", name="Shop rent")
    done = import_chart(client_of_practice, GOOD, by=make_owner())
    assert done.kept == ["6100"]
    mine.refresh_from_db()
    assert mine.name == "Shop rent"


def test_an_account_may_stand_under_one_of_the_chart(client_of_practice):
    heading = make_account(client_of_practice, "6000", is_postable=False)
    import_chart(client_of_practice, "code,name,kind,parent\n6100,Rent,expense,6000", by=make_owner())
    assert client_of_practice.accounts.get(code="6100").parent == heading


WRONG = {
    "x,Rent,thing": "“thing” is no kind of account",
    ",Rent,expense": "The code is missing.",
    "1,,expense": "The name is missing.",
    "1,Rent,": "The kind is missing.",
    f"{'9' * 61},Rent,expense": "up to 60 characters",
    f"1,{'x' * 201},expense": "up to 200 characters",
    '1,"two\nlines",expense': "one line",
    "1,Rent,expense,bank": "not one for accounts of this kind",
    "1,Rent,expense,banking": "“banking” is no section",
    "1,Rent,expense,,9": "no account 9 to stand under",
    "1,Rent,expense,,7": "of another kind",
    "1,Rent,expense,,1": "cannot stand under itself",
    "1,Rent,expense,,,XXX": "“XXX” is no currency",
    "1,Rent,expense,,,,king": "“king” is no role",
    "1,Rent,expense,,,,capital": "Only an equity account",
    "1,Rent,expense,,,,,perhaps": "yes or no",
    "1,Result,equity,,,,retained_earnings": "8 is for retained earnings already",
}


@pytest.mark.parametrize("row", WRONG)
def test_a_wrong_row_is_told_with_its_line_and_nothing_is_imported(client_of_practice, row):
    make_account(client_of_practice, "7", "asset")
    make_account(client_of_practice, "8", "equity", role="retained_earnings")
    text = f"code,name,kind,section,parent,currency,role,postable\n5,Fine,asset\n\n{row}\n"
    existing = {account.code: account for account in client_of_practice.accounts.all()}
    chart = read_chart(text, client_of_practice, existing)
    assert [(one.line, WRONG[row] in one.sentence) for one in chart.wrong] == [(4, True)], chart.wrong
    with pytest.raises(ValidationError) as caught:
        import_chart(client_of_practice, text, by=make_owner())
    assert caught.value.code == "wrong_rows"
    assert client_of_practice.accounts.count() == 2


def test_a_code_twice_and_parents_in_a_circle_are_wrong(client_of_practice):
    text = "code,name,kind,parent\n1,A,asset,3\n2,B,asset,1\n3,C,asset,2\n4,D,asset,\n4,E,asset,\n"
    wrong = {one.line: one.sentence for one in read(text, client_of_practice).wrong}
    assert sorted(wrong) == [2, 3, 4, 6]
    assert "line 5" in wrong[6]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("code,name,kind\n", "empty"),
        ("code,title\n1,Rent", "columns"),
        ("1010,Checking,asset", "columns"),
        ("code,name,kind\n1,\0,asset", "text"),
        ('code,name,kind\n1,"' + "x" * 200_000, "text"),
        ("code,name,kind\n" + "1,A,asset\n" * (MOST_ROWS + 1), "rows"),
        ("code,name,kind\n" + "x" * (1024 * 1024), "too_big"),
    ],
)
def test_what_cannot_be_read_at_all_says_why(client_of_practice, text, code):
    with pytest.raises(ValidationError) as caught:
        read(text, client_of_practice)
    assert caught.value.code == code


def test_files_in_other_encodings_are_read_or_refused():
    assert decode("Büro".encode()) == decode(b"\xef\xbb\xbf" + "Büro".encode()) == "Büro"
    assert decode("Büro".encode("cp1252")) == "Büro"
    for content in (b"\x81\x8d\xff", b"x" * (1024 * 1024 + 1)):
        with pytest.raises(ValidationError):
            decode(content)


CELLS = st.text(st.characters(codec="utf-8"), max_size=12)


@given(st.lists(st.lists(CELLS | st.sampled_from(["asset", "equity", "1", "2"]), max_size=8), max_size=8))
def test_any_text_is_read_or_refused_with_a_sentence(rows):
    text = "code,name,kind,section,parent,currency,role,postable\n"
    text += "\n".join(",".join(cells) for cells in rows)
    with suppress(ValidationError):  # a sentence; any other exception fails
        chart = read_chart(text, Client(base_currency="USD"), {})
        assert all(one.sentence and one.line > 1 for one in chart.wrong)


class TestThePage:
    address = "/admin/books/acorn/chart/import/"

    def test_shows_counts_first_and_imports_what_it_showed(self, client, client_of_practice):
        client.force_login(make_staff(client_of_practice, Role.PREPARER))
        page = client.post(self.address, {"text": GOOD, "preview": "1"})
        assert "Import 5 accounts" in page.content.decode()
        assert not client_of_practice.accounts.exists()
        done = client.post(self.address, {"text": GOOD, "import": "1"}, follow=True)
        assert "5 accounts opened." in done.content.decode()
        assert client_of_practice.accounts.count() == 5

    def test_a_file_is_shown_as_text_that_can_be_corrected(self, client, client_of_practice):
        client.force_login(make_staff(client_of_practice, Role.PREPARER))
        file = SimpleUploadedFile("chart.csv", (GOOD + "7,Odd,thing\n").encode())
        page = client.post(self.address, {"file": file, "import": "1"}).content.decode()
        assert "Checking,asset,bank" in page
        assert "“thing” is no kind of account" in page
        assert 'name="import"' not in page
        assert not client_of_practice.accounts.exists()

    @pytest.mark.parametrize(
        "data",
        [{}, {"text": " "}, {"text": "\0"}, {"text": "<script>alert(1)</script>"}, {"text": "a,b\n1,2"}],
    )
    def test_bad_input_is_a_sentence_and_stays_in_the_form(self, client, client_of_practice, data):
        client.force_login(make_staff(client_of_practice, Role.PREPARER))
        page = client.post(self.address, {**data, "import": "1"})
        assert page.status_code == 200
        assert page.context["form"].errors
        assert "<script>alert" not in page.content.decode()
        assert not client_of_practice.accounts.exists()

    def test_a_bad_file_is_a_sentence(self, client, client_of_practice):
        client.force_login(make_staff(client_of_practice, Role.PREPARER))
        for content in (b"", b"\x81\x8d\xff", b"x" * (1024 * 1024 + 1)):
            page = client.post(self.address, {"file": SimpleUploadedFile("chart.csv", content)})
            assert page.status_code == 200
            assert page.context["form"].errors

    def test_opens_for_a_preparer_of_that_client_only(self, client, client_of_practice):
        other = make_client("BLUEBELL")
        for user, status in [
            (make_staff(client_of_practice, Role.VIEWER), 403),
            (make_staff(other, Role.MANAGER), 404),
            (make_staff(client_of_practice, Role.PREPARER), 200),
        ]:
            client.force_login(user)
            assert client.get(reverse("admin:chart_import", args=["ACORN"])).status_code == status
        with pytest.raises(PermissionDenied):
            import_chart(client_of_practice, GOOD, by=make_staff(other, Role.MANAGER))
