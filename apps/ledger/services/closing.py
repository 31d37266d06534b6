"""Closing periods in order, locking them, and reopening them latest first."""

import datetime
from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import formats
from django.utils.translation import gettext as _

from apps.core.history import sign
from apps.core.models import User
from apps.ledger.close_checks import Finding, findings
from apps.ledger.models import ClosedPeriod, Period, PeriodState
from apps.ledger.queries.changes import digest, snapshot
from apps.ledger.services.transactions import because, lock_client, refusals_as_sentences, require
from apps.profiles.models import Client


class InTheWay(ValidationError):
    """Closing was refused: ``findings`` says by what, each with the list that clears it."""

    def __init__(self, found: Sequence[Finding]) -> None:
        self.findings = list(found)
        clear = (
            _("Clear this first, or say why it is closed anyway.")
            if all(finding.can_be_overridden for finding in found)
            else _("Clear this first.")
        )
        super().__init__(f"{'; '.join(finding.what for finding in found)}. {clear}", code="in_the_way")


def close_through(
    client: Client, day: datetime.date, *, by: User, reason: str = "", adjusting: bool = False
) -> list[ClosedPeriod]:
    """
    Soft-close every open period that ends on or before a day, in order, and return what was stored of each.

    Posting waits meanwhile, so an entry is in what is stored or is refused. What the close checks find
    refuses it, unless a reason is given; both are kept. ``adjusting`` closes the adjusting periods of the
    years that end by then, too. Raises PermissionDenied, and ValidationError: ``in_the_way``
    (an InTheWay), ``nothing_to_close``.
    """
    require(by, "ledger.close_period", client)
    return _close(client, day, PeriodState.SOFT_CLOSED, by=by, reason=reason, adjusting=adjusting)


def lock_through(
    client: Client, day: datetime.date, *, by: User, reason: str = "", adjusting: bool = False
) -> list[ClosedPeriod]:
    """
    Lock every period that ends on or before a day, open ones included: nobody posts into them any more.

    Otherwise like ``close_through``. What the books say is stored again for a period that was soft-closed
    before: entries may have been posted into it with a reason, and locking it accepts them.
    """
    require(by, "ledger.lock_period", client)
    return _close(client, day, PeriodState.LOCKED, by=by, reason=reason, adjusting=adjusting)


def reopen_period(period: Period, *, by: User, reason: str) -> list[Period]:
    """
    Open a period and every later one that is closed, latest first, and return them.

    The adjusting period of its year opens with a month, because it closes after them; by itself it
    opens alone. What was stored at the close stays. Raises PermissionDenied, and ValidationError:
    ``open``, or ``ledger_period_reopen_reason`` without a reason.
    """
    require(by, "ledger.lock_period", period)
    with refusals_as_sentences(), because(reason):
        lock_client(period.client_id)
        periods = to_reopen(period)
        if not periods:
            raise ValidationError(_("%(period)s is open already.") % {"period": period}, code="open")
        for one in periods:
            _change(one, PeriodState.OPEN, by=by, reason=reason)
        return periods


def to_close(client: Client, day: datetime.date, state: str, *, adjusting: bool = False) -> list[Period]:
    """Return the periods that bringing a client's books to a state through a day would change, in order."""
    less_closed = Q(state=PeriodState.OPEN)
    if state == PeriodState.LOCKED:
        less_closed |= Q(state=PeriodState.SOFT_CLOSED)
    periods = Period.objects.filter(less_closed, client=client, end__lte=day)
    return list(
        (periods if adjusting else periods.filter(is_adjusting=False)).order_by("end", "is_adjusting")
    )


def to_reopen(period: Period) -> list[Period]:
    """Return the periods that reopening one opens, latest first; none when it is open."""
    is_closed = ~Q(state=PeriodState.OPEN)
    if not Period.objects.filter(is_closed, pk=period.pk).exists():
        return []
    if period.is_adjusting:
        return [Period.objects.get(pk=period.pk)]
    later = Period.objects.filter(is_closed, client=period.client_id, end__gte=period.end)
    return list(later.order_by("-end", "-is_adjusting"))


def _close(
    client: Client, day: datetime.date, state: PeriodState, *, by: User, reason: str, adjusting: bool
) -> list[ClosedPeriod]:
    with refusals_as_sentences():
        client = lock_client(client.pk)
        periods = to_close(client, day, state, adjusting=adjusting)
        if not periods:
            raise ValidationError(
                _("Everything through %(day)s is closed already.")
                % {"day": formats.date_format(day, "j M Y")},
                code="nothing_to_close",
            )
        found = findings(client, periods[-1].end)
        if not all(finding.can_be_overridden and reason.strip() for finding in found):
            raise InTheWay(found)
        for period in periods:
            _change(period, state, by=by, reason=reason)
        return ClosedPeriod.objects.bulk_create(
            [_closed(client, period, found, by=by, reason=reason) for period in periods]
        )


def _change(period: Period, state: PeriodState, *, by: User, reason: str) -> None:
    period.state = state
    sign(period, by=by, reason=reason)
    period.save(update_fields=["state"])


def _closed(
    client: Client, period: Period, found: Sequence[Finding], *, by: User, reason: str
) -> ClosedPeriod:
    rows = snapshot(client, period.end)
    return ClosedPeriod(
        client=client,
        period=period,
        state=period.state,
        closed_by=by,
        reason=reason,
        overridden=[
            {"check": finding.check, "count": finding.count, "what": finding.what} for finding in found
        ],
        trial_balance=rows,
        hash=digest(rows),
    )
