"""Random books: what was backed up is what comes back, and the books in it check."""

import datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from apps.backups import databases, manifest, services
from apps.backups.services.testing import restored_copy
from apps.ledger.services import close_through, post_entry, reverse_entry
from tests.factories import CHART, make_books, make_client, make_draft, make_owner

pytestmark = pytest.mark.django_db(transaction=True)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
cents = st.integers(1, 10**11).map(lambda n: Decimal(n) / 100)
days = st.dates(datetime.date(2026, 1, 1), datetime.date(2026, 12, 31))
deeds = st.sampled_from(["draft", "post", "post", "reverse"])
legs = st.lists(st.tuples(st.sampled_from(sorted(CHART)), cents), min_size=1, max_size=4)
entries = st.lists(st.tuples(deeds, days, legs, texts), max_size=12)
books = st.lists(st.tuples(texts, entries, st.none() | days), min_size=1, max_size=3)


def keep(history, owner):
    """Do what a history says; what the books refuse, such as a day of a closed month, is not done."""
    for number, (name, entries, closed) in enumerate(history):
        client, _accounts = make_books(make_client(f"CLIENT-{number}", name=f"The {name}"))
        for deed, day, legs, description in entries:
            lines = [(code, str(amount)) for code, amount in legs]
            lines.append(("1010", str(-sum(amount for _code, amount in legs))))
            with attempted():
                entry = make_draft(client, *lines, day=str(day), by=owner, description=description)
                if deed != "draft":
                    post_entry(entry, by=owner)
                if deed == "reverse":
                    reverse_entry(entry, by=owner, date=day)
        if closed:
            with attempted():
                close_through(client, closed, by=owner)


class attempted:  # noqa: N801
    def __enter__(self):
        self.atomic = transaction.atomic()
        self.atomic.__enter__()

    def __exit__(self, kind, error, traceback):
        self.atomic.__exit__(kind, error, traceback)
        return isinstance(error, ValidationError)


@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # each example costs seconds, so none is made smaller
)
@given(books)
def test_what_comes_back_is_what_was_there(history):
    call_command("flush", verbosity=0, interactive=False)
    keep(history, make_owner())
    backup = services.back_up(by="Ben")
    with restored_copy(backup, by="Ben", report=lambda message: None) as copy:
        assert copy.test.findings == []
        with databases.connect(copy.name) as session:
            found = manifest.collect(session.cursor())
    wanted = backup.manifest()
    for one in (wanted, found):
        del one["tables"]["ledger_bookcheck"]  # where the test of the copy writes that its books check
    assert {part: found[part] for part in ("tables", "facts", "schema", "migrations")} == {
        part: wanted[part] for part in ("tables", "facts", "schema", "migrations")
    }
    assert wanted["tables"]["profiles_client"][0] == len(history)
