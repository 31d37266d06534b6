"""Everything that was done to a client and its books in a time, out of every history."""

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.core import trail
from apps.core.models import User
from apps.ledger.models import (
    Account,
    Contact,
    CostCentre,
    FiscalYear,
    JournalEntry,
    JournalImport,
    JournalMapping,
    TaxCode,
    TaxIdAccess,
)
from apps.ledger.reports.times import DAY
from apps.profiles.models import Client, StaffAccess

#: Who did it, where no person did.
SYSTEM = "system"


@dataclass(frozen=True)
class AuditedKind:
    """Records that the audit report tells together: models, with their parts, and logs."""

    name: str
    title: str | Promise
    models: Sequence[type[Model]]


#: In the order a person chooses from. What builds on the ledger adds its own.
AUDITED = [
    AuditedKind("entries", _("Entries"), [JournalEntry]),
    AuditedKind("accounts", _("Accounts"), [Account]),
    AuditedKind("contacts", _("Contacts and tax ids"), [Contact, TaxIdAccess]),
    AuditedKind("classes", _("Classes"), [CostCentre]),
    AuditedKind("tax_codes", _("Tax codes"), [TaxCode]),
    AuditedKind("years", _("Fiscal years and periods"), [FiscalYear]),
    AuditedKind("imports", _("Imports"), [JournalImport, JournalMapping]),
    AuditedKind("client", _("Client and access"), [Client]),
]


def audit_sources(
    client: Client, start: datetime.date, end: datetime.date, *, person: str = "", kind: str = ""
) -> list[trail.Source]:
    """
    Return what the audit report of a client reads: the histories of its records between two days.

    Both days count whole, as the practice's clocks show them. ``person`` is a user's id, or ``SYSTEM``.
    """
    first, after = moments(start, end)
    within = Q(history_date__gte=first, history_date__lt=after)
    if person:
        within &= Q(history_user_id=None if person == SYSTEM else int(person))

    def narrowed(telling: trail.Telling) -> QuerySet[Any]:
        column = "id" if telling.model is Client else "client_id"
        return telling.rows().filter(within, **{column: client.pk})

    models = [model for one in AUDITED if kind in ("", one.name) for model in one.models]
    return [source for model in models for source in _with_parts(trail.telling_of(model), narrowed)]


def moments(start: datetime.date, end: datetime.date) -> tuple[datetime.datetime, datetime.datetime]:
    """Return when a first day begins and a last day is over, in the practice's time zone."""
    first, after = (datetime.datetime.combine(day, datetime.time.min) for day in (start, end + DAY))
    return timezone.make_aware(first), timezone.make_aware(after)


def people_of(client: Client) -> QuerySet[User]:
    """Return who may have done something here: those with access, now or earlier, and superusers."""
    had = StaffAccess.history.filter(client_id=client.pk).values("user_id")  # type: ignore[attr-defined]
    return User.objects.filter(Q(pk__in=had) | Q(is_superuser=True)).order_by("username")


def _with_parts(
    telling: trail.Telling, narrowed: Callable[[trail.Telling], QuerySet[Any]]
) -> list[trail.Source]:
    parts = [(part, trail.telling_of(part.model)) for part in telling.parts]
    return [
        trail.Source(telling, narrowed(telling)),
        *(trail.Source(of_part, narrowed(of_part), part) for part, of_part in parts),
    ]
