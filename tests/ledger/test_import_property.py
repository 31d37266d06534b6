"""Any journal, written in any dialect: the books say what was written, or a sentence says why not."""

import csv
import io
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from itertools import accumulate

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import transaction
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from apps.ledger.checking import check_books
from apps.ledger.importing.mapping import JournalFormat
from apps.ledger.models import JournalEntry, JournalLine
from apps.ledger.services.imports import import_journal, look_through, read_otherwise, upload_journal
from tests.factories import make_books, make_client, make_owner

pytestmark = pytest.mark.django_db

# What a text may hold in a file of ours: no control characters, no blanks at its ends.
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" ,;\t|\"'=+-@"),
    max_size=30,
).map(lambda text: " ".join(text.split()))
accounts = st.sampled_from(
    ["1010", "2010", "4000", "6100", "6200", 'Odd "name", with; marks', "Zürich:Kasse"]
)
amounts = st.decimals(min_value="0.01", max_value="99999999.99", places=2)
days = st.dates(date(2024, 2, 27), date(2027, 3, 1))


@st.composite
def entries(draw):
    """A date, a description, and lines that add up to nothing."""
    parts = draw(st.lists(st.tuples(accounts, amounts, st.booleans(), texts), min_size=1, max_size=4))
    lines = [(account, -amount if negative else amount, memo) for account, amount, negative, memo in parts]
    rest = -sum(amount for _account, amount, _memo in lines)
    if rest:
        lines.append((draw(accounts), rest, ""))
    elif len(lines) < 2:
        lines.append(("1010", -lines[0][1], ""))
    return draw(days), draw(texts), lines


dialects = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;\t|"),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
        "date_format": st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y%m%d"]),
        "decimal_mark": st.sampled_from(".,"),
        "grouped": st.booleans(),
        "two_columns": st.booleans(),
        "grouping": st.sampled_from(["reference", "reference_and_date", "blank", "balance"]),
        "excel": st.booleans(),
    }
)


def write(journal, dialect):
    """Write a journal in a dialect, and return the bytes and how they are to be read."""
    amount_columns = ["Debit", "Credit"] if dialect["two_columns"] else ["Amount"]
    rows = [["Ref", "Date", "Description", "Account", *amount_columns, "Memo"]]
    for number, (day, description, lines) in enumerate(journal, start=1):
        for place, (account, amount, memo) in enumerate(lines):
            head = [
                f"R{number}",
                day if dialect["excel"] else day.strftime(dialect["date_format"]),
                description,
            ]
            if dialect["grouping"] == "blank" and place:
                head = ["", "", ""]
            figures = [max(amount, 0), max(-amount, 0)] if dialect["two_columns"] else [amount]
            rows.append([*head, account, *(figure_in(dialect, one) for one in figures), memo])
    read_as = {name: dialect[name] for name in ("date_format", "decimal_mark", "grouping")}
    columns = {"date": "Date", "description": "Description", "account": "Account", "memo": "Memo"}
    if dialect["grouping"] != "balance":
        columns["reference"] = "Ref"
    columns |= {name.lower(): name for name in amount_columns}
    return content_of(rows, dialect), read_as | {"columns": columns}


def balances_on_the_way(entry):
    sums = list(accumulate(amount for _account, amount, _memo in entry[2]))
    return 0 in sums[:-1]


def figure_in(dialect, amount):
    if not amount and dialect["two_columns"]:
        return ""
    if dialect["excel"]:
        return float(amount)
    text = f"{amount:,.2f}" if dialect["grouped"] else f"{amount:.2f}"
    return text.translate(str.maketrans(",.", ".,")) if dialect["decimal_mark"] == "," else text


def content_of(rows, dialect):
    if dialect["excel"]:
        book = Workbook()
        for row in rows:
            book.active.append(
                [None if cell == "" else f"'{cell}" if is_formula(cell) else cell for cell in row]
            )
        file = io.BytesIO()
        book.save(file)
        return file.getvalue()
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=dialect["delimiter"]).writerows(rows)
    return text.getvalue().encode(dialect["encoding"])


def is_formula(cell):
    return isinstance(cell, str) and cell.startswith("=")


def written(journal):
    return Counter(
        (day, text, tuple((account, amount, memo) for account, amount, memo in lines))
        for day, text, lines in journal
    )


def stored(client):
    by_entry = {}
    lines = JournalLine.objects.filter(entry__client=client).select_related("entry", "account")
    for line in lines.order_by("entry", "line_number"):
        key = (line.entry_id, line.entry.date, line.entry.description)
        by_entry.setdefault(key, []).append((line.account.code, line.amount, line.memo))
    return Counter((day, text, tuple(lines)) for (_pk, day, text), lines in by_entry.items())


def unmarked(text):
    """What is read of a text that begins as a marked formula does."""
    return text[1:] if text[:1] == "'" and text.lstrip("'")[:1] in ("=", "+", "-", "@") else text


KINDS = {'Odd "name", with; marks': "=expense", "Zürich:Kasse": "=asset"}
quick = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def read(client, content, options, by):
    one = upload_journal(client, ContentFile(content, "journal"), by=by)
    kept = {name: one.options[name] for name in ("header_line", "sheet", "encoding", "delimiter")}
    read_as = JournalFormat.from_json(one.options | options | kept | {"accounts": KINDS, "posts": True})
    return look_through(read_otherwise(one, read_as, by=by), by=by)


@quick
@given(journal=st.lists(entries(), min_size=1, max_size=5), dialect=dialects)
def test_the_books_say_what_was_written(journal, dialect):
    # Where an entry ends when it balances, one that balances on the way cannot be written.
    assume(dialect["grouping"] != "balance" or not any(map(balances_on_the_way, journal)))
    with transaction.atomic():
        owner = make_owner()
        client, _accounts = make_books(make_client())
        content, options = write(journal, dialect)
        one = read(client, content, {**options, "delimiter": dialect["delimiter"]}, owner)
        assert one.preview["counts"]["wrong"] == 0, [row["problem"] for row in one.preview["wrong"]]
        import_journal(one, by=owner)
        expected = written(
            [
                (day, unmarked(text), [(account, amount, unmarked(memo)) for account, amount, memo in lines])
                for day, text, lines in journal
            ]
        )
        assert stored(client) == expected
        assert check_books([client.pk]) == []
        assert read(client, content, options, owner).preview["counts"]["new"] == 0
        transaction.set_rollback(True)


@quick
@given(
    journal=st.lists(entries(), min_size=1, max_size=3),
    dialect=dialects,
    changes=st.lists(
        st.tuples(st.integers(0, 5000), st.binary(min_size=0, max_size=3)), min_size=1, max_size=4
    ),
)
def test_damaged_bytes_are_a_sentence_or_whole_entries(journal, dialect, changes):
    with transaction.atomic():
        owner = make_owner()
        client, _accounts = make_books(make_client())
        content, options = write(journal, dialect)
        damaged = bytearray(content)
        for place, put in changes:
            place %= len(damaged) + 1
            damaged[place : place + len(put)] = put
        try:
            one = read(client, bytes(damaged), options, owner)
            import_journal(one, by=owner)
        except ValidationError:
            assert not JournalEntry.objects.filter(client=client).exists()
        else:
            assert all(
                entry.imbalance() == Decimal(0) for entry in JournalEntry.objects.filter(client=client)
            )
            assert client.entries.count() == one.preview["counts"]["new"]
        transaction.set_rollback(True)


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)), st.dates(date(1900, 1, 1), date(2199, 12, 31)))
def test_years_that_are_missing_hold_the_days_and_follow_each_other(one, other):
    from apps.ledger.importing.plan import years_around

    first, last = min(one, other), max(one, other)
    last = min(last, first + timedelta(days=3650))
    years = sorted(years_around([], first, last, "04-06"))
    assert years[0][0] <= first
    assert years[-1][1] >= last
    assert all(a[1] + timedelta(days=1) == b[0] for a, b in zip(years, years[1:], strict=False))
