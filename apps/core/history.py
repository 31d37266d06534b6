"""History of changes, the same for every model."""

from typing import Any

from django.db import models
from simple_history.models import HistoricalRecords


def history(**options: Any) -> HistoricalRecords:
    """
    Return the history of a model: who changed what, when, and why.

    Each use needs ``guards.append_only`` on the history table in a migration, so that what was
    written stays written.
    """
    return HistoricalRecords(history_id_field=models.BigAutoField(), **options)


def sign(record: Any, *, by: Any, reason: str = "") -> None:
    """Say who changes a record, and why, before it is saved: its history will have it."""
    record._history_user, record._change_reason = by, reason
