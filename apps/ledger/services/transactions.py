"""What every write to the books shares: the right to do it, the lock, the reason, refusals as sentences."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, transaction

from apps.core import guards
from apps.ledger.models import JournalEntry
from apps.profiles.models import Client


def require(user: Any, permission: str, record: Any) -> None:
    """Raise PermissionDenied unless the user may do this for the record's client."""
    if not user.has_perm(permission, record):
        raise PermissionDenied


def lock_client(client_id: int) -> Client:
    """
    Take the lock that posting and closing share, until the transaction ends, and return the client.

    Entries are locked before it, in the order of their ids, never after: so two that do so cannot
    wait for each other.
    """
    return Client.objects.select_for_update(no_key=True).get(pk=client_id)


def lock_entries(ids: Iterable[int]) -> None:
    """Lock entries in the order of their ids, before the client is locked, until the transaction ends."""
    entries = JournalEntry.objects.select_for_update(no_key=True).filter(pk__in=list(ids))
    list(entries.order_by("pk").values_list("pk"))


@contextmanager
def because(reason: str) -> Iterator[None]:
    """Tell the guards why something out of the ordinary is done, for the statements inside."""
    if not reason:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('ledgerflow.reason', true)")
        before = cursor.fetchone()[0] or ""
        cursor.execute("SELECT set_config('ledgerflow.reason', %s, true)", [reason])
    yield
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('ledgerflow.reason', %s, true)", [before])


@contextmanager
def refusals_as_sentences() -> Iterator[None]:
    """One transaction; what a guard refuses in it is a ValidationError with the guard's name as its code."""
    try:
        with transaction.atomic():
            yield
    except guards.REFUSALS as error:
        raise ValidationError(guards.sentence(error), code=guards.constraint_of(error)) from error
