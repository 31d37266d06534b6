"""Foreign keys that cannot leave the client they belong to."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, models
from django.db.backends.ddl_references import Statement, Table
from django.utils.translation import gettext_lazy as _


class SameClient(models.BaseConstraint):
    """
    A composite foreign key ``(client_id, <field>_id, *also) -> (client_id, id, *also)``.

    It stands beside a ``ForeignKey(db_constraint=False)``, so that PostgreSQL, and not only forms,
    refuses a reference into another client's books. ``also`` names further columns both rows share.
    NO ACTION and checked at once: a refusal deferred to COMMIT could not be shown on any form.
    """

    violation_error_code = "other_client"
    default_violation_error_message = _("That record belongs to another client, or is gone.")

    def __init__(self, *, field: str, name: str, also: tuple[str, ...] = ()) -> None:
        super().__init__(name=name)
        self.field, self.also = field, tuple(also)

    def constraint_sql(self, model: Any, schema_editor: Any) -> str:
        # The target may not exist yet while its own table is being made: added when all tables are.
        schema_editor.deferred_sql.append(self.create_sql(model, schema_editor))
        return ""

    def create_sql(self, model: Any, schema_editor: Any) -> Any:
        relation = model._meta.get_field(self.field)
        target = relation.related_model._meta
        quote = schema_editor.quote_name
        shared = [model._meta.get_field(name).column for name in self.also]
        return Statement(
            "ALTER TABLE %(table)s ADD CONSTRAINT %(name)s FOREIGN KEY (%(columns)s) "
            "REFERENCES %(target)s (%(keys)s) DEFERRABLE INITIALLY IMMEDIATE",
            table=Table(model._meta.db_table, quote),
            name=quote(self.name),
            columns=", ".join(map(quote, ["client_id", relation.column, *shared])),
            target=Table(target.db_table, quote),
            keys=", ".join(map(quote, ["client_id", target.pk.column, *shared])),
        )

    def remove_sql(self, model: Any, schema_editor: Any) -> Any:
        return Statement(
            "ALTER TABLE %(table)s DROP CONSTRAINT %(name)s",
            table=Table(model._meta.db_table, schema_editor.quote_name),
            name=schema_editor.quote_name(self.name),
        )

    def validate(
        self,
        model: Any,
        instance: models.Model,
        exclude: Any = None,
        using: str = DEFAULT_DB_ALIAS,
    ) -> None:
        if exclude and (self.field in exclude or "client" in exclude):
            return
        related_id = getattr(instance, model._meta.get_field(self.field).attname)
        if related_id is None:
            return
        related = model._meta.get_field(self.field).related_model
        same = {"pk": related_id, **{name: getattr(instance, name) for name in ("client_id", *self.also)}}
        if not related._base_manager.using(using).filter(**same).exists():
            raise ValidationError(self.get_violation_error_message(), code=self.violation_error_code)

    def deconstruct(self) -> Any:
        path, arguments, options = super().deconstruct()
        options.pop("violation_error_code", None)  # the class has it
        options["field"] = self.field
        if self.also:
            options["also"] = self.also
        return path, arguments, options

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SameClient):
            return NotImplemented
        return (self.name, self.field, self.also) == (other.name, other.field, other.also)

    __hash__ = models.BaseConstraint.__hash__


def target_key(name: str, *also: str) -> models.UniqueConstraint:
    """Return the unique constraint that composite foreign keys point at."""
    return models.UniqueConstraint(fields=["client", "id", *also], name=name)
