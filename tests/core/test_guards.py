"""People are never deleted and history is never rewritten, whatever path is tried."""

import pytest
from django.contrib.auth.models import Group
from django.core import management
from django.core.serializers import serialize
from django.db import IntegrityError, connection, models, transaction
from django.urls import reverse

from apps.core import guards
from apps.core.models import User
from apps.profiles.models import Client, StaffAccess
from apps.profiles.roles import Role
from tests.factories import make_client, make_staff, make_user

pytestmark = pytest.mark.django_db

HISTORIES = [User.history.model, Client.history.model, StaffAccess.history.model]


def run_sql(statement, *arguments):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else TRUNCATE trips over deferred checks first
        cursor.execute(statement, arguments)


def refused(attempt):
    """Return the sentence an attempt is refused with."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        attempt()
    return guards.sentence(caught.value)


@pytest.fixture
def records():
    client = make_client()
    user = make_staff(client, Role.VIEWER)
    user.groups.add(Group.objects.create(name="Somebody"))
    return client, user


@pytest.mark.parametrize(
    "attempt",
    [
        lambda user: user.delete(),
        lambda user: User.objects.filter(pk=user.pk).delete(),
        lambda user: User.objects.filter(pk=user.pk)._raw_delete("default"),
        lambda user: run_sql("DELETE FROM core_user WHERE id = %s", user.pk),
        lambda user: run_sql("TRUNCATE core_user CASCADE"),
    ],
    ids=["delete", "queryset", "raw delete", "SQL", "truncate"],
)
def test_a_person_is_never_deleted(attempt):
    user = make_user()
    assert "never deleted" in refused(lambda: attempt(user))
    assert User.objects.filter(pk=user.pk).exists()


@pytest.mark.parametrize("history", HISTORIES, ids=lambda model: model.__name__)
@pytest.mark.parametrize("path", ["save", "update", "delete", "bulk_update", "SQL", "truncate", "loaddata"])
def test_history_is_append_only(records, history, path, tmp_path):
    row = history.objects.order_by("pk").last()
    row.history_change_reason = "rewritten"
    table = history._meta.db_table
    fixture = tmp_path / "rows.json"
    fixture.write_text(serialize("json", [row]))
    attempts = {
        "save": row.save,
        "update": lambda: history.objects.filter(pk=row.pk).update(history_change_reason="rewritten"),
        "delete": row.delete,
        "bulk_update": lambda: history.objects.bulk_update([row], ["history_change_reason"]),
        "SQL": lambda: run_sql(f"UPDATE {table} SET history_change_reason = 'rewritten'"),
        "truncate": lambda: run_sql(f"TRUNCATE {table} CASCADE"),
        "loaddata": lambda: management.call_command("loaddata", fixture, verbosity=0),
    }
    before = list(history.objects.order_by("pk").values())
    assert refused(attempts[path]) == "History cannot be changed or removed."
    assert list(history.objects.order_by("pk").values()) == before


def test_every_model_with_history_is_guarded():
    from django.apps import apps

    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE '%_append_only'")
        guarded = {table for (table,) in cursor.fetchall()}
    historical = {
        model._meta.db_table for model in apps.get_models() if model.__name__.startswith("Historical")
    }
    records = {"ledger_bookcheck", "ledger_closedperiod", "ledger_taxidaccess"}  # of what happened
    assert guarded - historical == records
    assert historical <= guarded


def test_a_refused_save_shows_the_sentence_and_keeps_what_was_typed(client, monkeypatch):
    """A guard that the form's own checks do not foresee: here a rename that the database refuses."""
    run_sql(
        "CREATE TRIGGER core_test_guard BEFORE UPDATE ON profiles_client"
        " FOR EACH ROW WHEN (NEW.notes = 'forbidden') EXECUTE FUNCTION core_refuse()"
    )
    monkeypatch.setitem(guards._sentences, "core_test_guard", "These notes are not allowed.")
    acorn = make_client("ACORN")
    manager = make_staff(acorn, Role.MANAGER)
    colleague = make_user("colleague")
    client.force_login(manager)
    form = client.get(reverse("admin:profiles_client_change", args=[acorn.pk])).context["adminform"].form
    typed = {name: value for name, value in form.initial.items() if value is not None}
    typed |= {
        "name": "Typed with care",
        "notes": "forbidden",
        "staff_access-TOTAL_FORMS": "2",
        "staff_access-INITIAL_FORMS": "1",
        "staff_access-0-id": StaffAccess.objects.get().pk,
        "staff_access-0-client": acorn.pk,
        "staff_access-0-user": manager.pk,
        "staff_access-0-role": "manager",
        "staff_access-1-client": acorn.pk,
        "staff_access-1-user": colleague.pk,
        "staff_access-1-role": "reviewer",
    }
    answer = client.post(reverse("admin:profiles_client_change", args=[acorn.pk]), typed)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "These notes are not allowed." in page
    assert "Typed with care" in page
    assert answer.context["inline_admin_formsets"][0].formset.forms[1]["role"].value() == "reviewer"
    acorn.refresh_from_db()
    assert acorn.name == "Acorn Ltd"
    assert StaffAccess.objects.count() == 1


def test_two_who_save_the_same_new_record_read_a_sentence():
    make_client("TWICE")
    assert refused(
        lambda: Client.objects.bulk_create([Client(code="TWICE", name="x", legal_form="company")])
    ) == ("Another client has this code.")


def test_an_unknown_refusal_is_a_sentence_without_sql():
    run_sql("CREATE TABLE things (id int CONSTRAINT things_small CHECK (id < 5))")
    said = refused(lambda: run_sql("INSERT INTO things VALUES (9)"))
    assert said == "The database refused this change (rule things_small). Nothing was saved."


@pytest.mark.parametrize("model", [Client, StaffAccess])
def test_every_constraint_has_a_sentence(model):
    for constraint in model._meta.constraints:
        assert isinstance(constraint, models.BaseConstraint)
        assert constraint.name in guards._sentences
        assert "violated" not in str(guards._sentences[constraint.name])
