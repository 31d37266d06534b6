"""Every rule of the books holds on every path a write can take; docs/guards.md is this test's result."""

import os
import re
from datetime import date
from pathlib import Path

import pytest
from django.contrib.messages import get_messages
from django.core.exceptions import ValidationError
from django.core.serializers.base import DeserializationError
from django.db import DatabaseError, DataError, connection, transaction
from django.db.models import ProtectedError
from django.test import Client

from apps.core import guards
from apps.ledger.models import Account, Contact, CostCentre, JournalEntry, JournalLine
from tests.ledger.attacks import GROUPS
from tests.ledger.attacks.posting import (
    COPIED_TO_LINES,
    FROZEN_IN_ENTRIES,
    FROZEN_IN_LINES,
    OPEN_IN_ENTRIES,
    OPEN_IN_LINES,
)
from tests.ledger.attacks.screens import SCREENS, Screen
from tests.ledger.attacks.world import make_world
from tests.ledger.attempts import Change, run_sql

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("guards")]  # their attacks are made once

TABLE = Path("docs/guards.md")
ATTACKS = {what: (guard, make) for attacks in GROUPS.values() for what, guard, make in attacks}
INTRODUCTION = """# What the books refuse

Every rule of the books, tried on every path a write can take, and what the person who tried it reads. A
test makes this table and fails when it is out of date (`make guards` writes it anew).

*save*, *update*, *bulk_update*, *bulk_create*, *delete*, *queryset delete* and *raw delete* are Django's
own ways to write, past every form and service; *loaddata* reads a fixture; *SQL* and *TRUNCATE CASCADE* are
statements sent to the database as they are. At the end the same through the screens.
"""


@pytest.fixture(scope="module")
def outcomes(django_db_setup, django_db_blocker):
    """What became of every attack on every path: ``{attack: {path: (guard, sentence)}}``."""
    with django_db_blocker.unblock(), transaction.atomic():
        world = make_world()
        run_sql("SET CONSTRAINTS ALL IMMEDIATE")
        found = {what: outcomes_of(make, world) for what, (_guard, make) in ATTACKS.items()}
        transaction.set_rollback(True)
    return found


def outcomes_of(make_attempt, world):
    with transaction.atomic():
        run_sql("SET CONSTRAINTS ledger_period_covers, ledger_year_covered DEFERRED")
        found = {path: outcome(write) for path, write in make_attempt(world).paths()}
        transaction.set_rollback(True)
    return found


def outcome(write):
    """Return the name of what refuses a write, and the sentence that people read."""
    try:
        with transaction.atomic():
            write()
            run_sql("SET CONSTRAINTS ALL IMMEDIATE")
    except (DatabaseError, ValidationError, DeserializationError) as error:
        return name_of(error), sentence_of(error)
    return None, "It was stored."


def name_of(error):
    if isinstance(error, ValidationError | DeserializationError):
        return "Django"
    if isinstance(error, ProtectedError):
        return "protected"
    if isinstance(error, DataError):
        return error.__cause__.sqlstate
    name = guards.constraint_of(error)
    if "_fk_" in name:
        return "foreign key"
    return "emptied" if name.endswith(("_emptied", "_no_truncate")) else name or repr(error)


def sentence_of(error):
    while isinstance(error, DeserializationError):
        error = error.__cause__ or error.__context__
    return " ".join(error.messages) if isinstance(error, ValidationError) else guards.sentence(error)


class WatchedClient(Client):
    """A browser; how the books were before its last request is in ``before``."""

    before = None

    def post(self, *args, **kwargs):
        self.before = fingerprint()
        return super().post(*args, **kwargs)


def fingerprint():
    """Say in short what the books hold."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^(ledger|profiles)_'")
        counts = " UNION ALL ".join(
            f"SELECT '{table}', count(*), sum(hashtextextended(t::text, 0)) FROM {table} t"
            for (table,) in cursor.fetchall()
        )
        cursor.execute(f"{counts} ORDER BY 1")
        return cursor.fetchall()


@pytest.fixture(scope="module")
def on_screens(django_db_setup, django_db_blocker):
    """What became of every attack through a screen: ``{(attack, where): (sentence, is it as before)}``."""
    found = {}
    with django_db_blocker.unblock(), transaction.atomic():
        world = make_world()
        run_sql("SET CONSTRAINTS ALL IMMEDIATE")
        for what, where, attack in SCREENS:
            with transaction.atomic():
                http = WatchedClient()
                answer = attack(Screen(world, http))
                sentence = re.sub("“[0-9]+”", "“…”", read(answer))  # ids differ from run to run
                found[what, where] = sentence, http.before == fingerprint()
                transaction.set_rollback(True)
        transaction.set_rollback(True)
    return found


def read(answer):
    """What a person reads of a refusal."""
    if answer.status_code in (403, 404):
        return {403: "Not allowed (403).", 404: "No such page (404)."}[answer.status_code]
    if answer.status_code == 302:
        return " ".join(str(message) for message in get_messages(answer.wsgi_request))
    context = answer.context
    form = getattr(context.get("adminform"), "form", None) or context.get("form")
    formsets = [context[name] for name in ("lines",) if hasattr(context.get(name), "forms")]
    formsets += [inline.formset for inline in context.get("inline_admin_formsets") or []]
    said = [*(form.errors.values() if hasattr(form, "errors") else [])]
    for formset in formsets:
        said += [formset.non_form_errors(), *(one for row in formset.forms for one in row.errors.values())]
    sentences = [str(sentence) for errors in said for sentence in errors]
    sentences += [why for *_entry, why in context.get("refused") or []]
    return " ".join(sentences or [str(message) for message in context.get("messages") or []])


@pytest.mark.parametrize(("what", "where"), [attack[:2] for attack in SCREENS])
def test_refused_on_screens(on_screens, what, where):
    sentence, is_unchanged = on_screens[what, where]
    assert is_unchanged
    assert sentence.endswith((".", "?"))
    assert "(rule" not in sentence
    assert "ledger_" not in sentence


@pytest.mark.parametrize("typed_over", [{"kind": "asset"}, {"currency": "EUR"}, {"is_postable": ""}])
def test_the_form_of_a_used_account_leaves_alone_what_is_frozen(client, typed_over):
    world = make_world()
    before = Account.objects.filter(pk=world.accounts["6100"].pk).values().get()
    Screen(world, client).change(world.accounts["6100"], **typed_over)
    assert Account.objects.filter(pk=before["id"]).values().get() == before


@pytest.mark.parametrize("what", ATTACKS)
def test_refused_on_every_path(outcomes, what):
    expected = ATTACKS[what][0]
    for path, (name, sentence) in outcomes[what].items():
        assert name in ([expected] if isinstance(expected, str) else expected), (path, name, sentence)
        assert sentence.endswith((".", "!"))
        assert "(rule" not in sentence
        assert "ledger_" not in sentence


def test_no_two_attacks_have_one_name():
    assert len(ATTACKS) == sum(map(len, GROUPS.values()))


def test_every_column_of_what_is_posted_is_frozen_or_open():
    for model, frozen, opened in [
        (JournalEntry, FROZEN_IN_ENTRIES, OPEN_IN_ENTRIES),
        (JournalLine, FROZEN_IN_LINES, OPEN_IN_LINES | COPIED_TO_LINES),
    ]:
        columns = {field.name for field in model._meta.concrete_fields if not field.generated}
        assert columns - {"id"} == set(frozen) | opened


def test_the_table_in_the_documentation_is_what_was_seen(outcomes, on_screens):
    screens = [f"| {what} | {where} | {sentence} |" for (what, where), (sentence, _) in on_screens.items()]
    sections = [section(title, by_path(GROUPS[title], outcomes)) for title in GROUPS]
    table = "".join([INTRODUCTION, *sections, section("Through the screens", screens)])
    if os.environ.get("WRITE_GUARDS"):
        TABLE.write_text(table)
    assert TABLE.read_text() == table, "out of date: make guards"


def section(title, rows):
    return "\n".join(
        [f"\n## {title}\n", "| what is tried | path | what is read |", "|---|---|---|", *rows, ""]
    )


def by_path(attacks, outcomes):
    return [row for what, _guard, _make in attacks for row in rows_of(what, outcomes[what])]


def rows_of(what, found):
    by_sentence = {}
    for path, (_name, sentence) in found.items():
        by_sentence.setdefault(sentence, []).append(path)
    for sentence, paths in by_sentence.items():
        yield f"| {what} | {', '.join(paths)} | {sentence} |"


def test_every_rule_the_guards_name_has_its_sentence():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT (regexp_matches(prosrc, $$ledger_refuse\\('(\\w+)'$$, 'g'))[1] FROM pg_proc"
            " UNION SELECT tgname FROM pg_trigger WHERE tgfoid = 'core_refuse'::regproc"
            " AND tgname !~ '_(append_only|no_truncate)$'"
        )
        names = {name for (name,) in cursor.fetchall()}
    assert len(names) > 50
    assert names <= set(guards._sentences)


def test_every_check_of_the_books_has_its_sentence():
    """Keys have one for all of them, and the fields of a form know their own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint"
            " WHERE contype IN ('c', 'x') AND conrelid::regclass::text ~ '^ledger_(?!historical)'"
        )
        names = {name for (name,) in cursor.fetchall()}
    assert len(names) > 30
    assert names <= set(guards._sentences)
    assert not [name for name, sentence in guards._sentences.items() if "violated" in str(sentence)]


@pytest.mark.parametrize("name", sorted(OPEN_IN_ENTRIES | OPEN_IN_LINES))
def test_annotations_stay_open_on_every_path(name):
    world = make_world()
    record = world.posted if name in OPEN_IN_ENTRIES else world.line
    value = {
        "document_date": date(2026, 1, 1),
        "due_date": date(2026, 1, 1),
        "review": "question",
        "contact": world.mine[Contact],
        "cost_centre": world.mine[CostCentre],
    }.get(name, "Another text")
    for path, write in Change(record, **{name: value}).paths():
        if path == "loaddata" and name in OPEN_IN_ENTRIES:
            continue  # JSON cuts microseconds off, and so would change when the entry was posted
        with transaction.atomic():
            write()
            record.refresh_from_db()
            assert getattr(record, name) == value, path
            transaction.set_rollback(True)


def test_what_lines_copy_cannot_be_given():
    world = make_world()
    for line in (world.line, world.draft.lines.first()):
        JournalLine.objects.filter(pk=line.pk).update(
            date="2020-02-02", kind="bank", is_posted=not line.is_posted
        )
        copied = JournalLine.objects.select_related("entry").get(pk=line.pk)
        entry = copied.entry
        assert (copied.date, copied.kind, copied.is_posted) == (entry.date, entry.kind, entry.is_posted)
