"""History of changes, the same for every model."""

from collections.abc import Sequence
from typing import Any

from django.db import models
from simple_history.models import HistoricalRecords


class IndexedHistory(HistoricalRecords):
    """A history with indexes of its own, for what is asked of a long one besides one record's rows."""

    def __init__(self, *args: Any, indexes: Sequence[models.Index] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.indexes = tuple(indexes)

    def get_meta_options(self, model: type[models.Model]) -> dict[str, Any]:
        options = super().get_meta_options(model)
        return {**options, "indexes": (*options.get("indexes", ()), *self.indexes)}


def history(**options: Any) -> HistoricalRecords:
    """
    Return the history of a model: who changed what, when, and why.

    Each use needs ``guards.append_only`` on the history table in a migration, so that what was
    written stays written. ``indexes`` are those of the history table.
    """
    return IndexedHistory(history_id_field=models.BigAutoField(), **options)


def sign(record: Any, *, by: Any, reason: str = "") -> None:
    """Say who changes a record, and why, before it is saved: its history will have it."""
    record._history_user, record._change_reason = by, reason
