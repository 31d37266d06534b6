"""
Database guards: rules that hold on every path a write can take.

A guard is a trigger made in a migration. It refuses with ERRCODE 23514 (check_violation) and names
itself as the constraint, so that Python can turn the name into a sentence for people.
"""

from django.db import DatabaseError, DataError, IntegrityError, migrations, models
from django.db.models import ProtectedError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.registry import Text

#: What the database raises when it refuses what somebody wrote.
REFUSALS = (IntegrityError, DataError)

_sentences: dict[str, Text] = {}

REFUSE_FUNCTION = """
CREATE FUNCTION core_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = '23514', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME,
        MESSAGE = format('%s on %s is refused by %s', TG_OP, TG_TABLE_NAME, TG_NAME);
END $$
"""


class Refuse(migrations.RunSQL):
    """Migration operation: refuse an event (such as ``DELETE``) on a table, under a constraint's name."""

    def __init__(self, name: str, *, event: str, table: str) -> None:
        level = "STATEMENT" if event == "TRUNCATE" else "ROW"
        super().__init__(
            f'CREATE TRIGGER "{name}" BEFORE {event} ON "{table}" '
            f"FOR EACH {level} EXECUTE FUNCTION core_refuse()",
            f'DROP TRIGGER "{name}" ON "{table}"',
        )


def append_only(table: str) -> list[Refuse]:
    """Return the operations that let a history table grow and never change."""
    return [
        Refuse(f"{table}_append_only", event="UPDATE OR DELETE", table=table),
        Refuse(f"{table}_no_truncate", event="TRUNCATE", table=table),
    ]


def explain(constraint: str, sentence: Text) -> None:
    """Give a constraint the sentence that people read when it refuses."""
    _sentences[constraint] = sentence


def explain_model(model: type[models.Model]) -> None:
    """Give the named constraints of a model the messages they carry; a key without one reads like any key."""
    for constraint in model._meta.constraints:
        has_own = constraint.violation_error_message != constraint.default_violation_error_message
        if has_own or not isinstance(constraint, models.UniqueConstraint):
            explain(constraint.name, constraint.get_violation_error_message())  # type: ignore[arg-type]


def constraint_of(error: DatabaseError) -> str:
    """Return the name of the constraint or guard that refused; empty where the database gave none."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""


def sentence(error: DatabaseError) -> str:
    """Return what one of the REFUSALS means for the person who asked; never SQL."""
    name, diagnosis = constraint_of(error), getattr(error.__cause__, "diag", None)
    message = getattr(diagnosis, "message_primary", None) or ""
    if isinstance(error, ProtectedError) or message.startswith("update or delete on table"):
        return _("Other records depend on this one.")
    if name in _sentences:
        return str(_sentences[name])
    if name.endswith(("_append_only", "_no_truncate")):
        return _("History cannot be changed or removed.")
    match getattr(diagnosis, "sqlstate", None):
        case "23505":
            return _("The same record was saved a moment ago, by you or by a colleague.")
        case "23503":
            return _("Other records depend on this one, or one it depends on is gone.")
        case "23502":
            return _("Something that is required is missing. Nothing was saved.")
        case "22003":
            return _("A number is too large. Nothing was saved.")
        case "22001":
            return _("A text is too long. Nothing was saved.")
    if isinstance(error, DataError):
        return _("A value cannot be stored as it is. Nothing was saved.")
    return _("The database refused this change (rule %(name)s). Nothing was saved.") % {"name": name or "?"}


NEVER_DELETED = gettext_lazy("People are never deleted: deactivate them instead.")
explain("core_user_never_deleted", NEVER_DELETED)
explain("core_user_no_truncate", NEVER_DELETED)
