"""The audit report: who did what to a client and its books in a time, newest first."""

import datetime
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from apps.core import trail
from apps.core.tables.writing import Column, Sheet, Value
from apps.core.trail.words import of_moment
from apps.ledger.queries.audit import AUDITED, SYSTEM, audit_sources, people_of
from apps.ledger.reports.times import Span
from apps.ledger.views.reports.base import PERMISSIONS, ReportView
from apps.ledger.views.reports.options import RangeOptions, choice
from apps.profiles.models import Client

EVENTS = 50
USUAL_DAYS = datetime.timedelta(days=29)


class AuditOptions(RangeOptions):
    """Days on which something was done, in the practice's time zone; not the dates of entries."""

    person = choice(_lazy("Person"), [])
    kind = choice(_lazy("Records"), [("", _lazy("All records"))])

    field_order = ["start", "end", "person", "kind"]

    def __init__(self, given: Any, *, client: Client, **options: Any) -> None:
        self.people = [(str(person.pk), str(person)) for person in people_of(client)]
        super().__init__(given, client=client, **options)

    def full_clean(self) -> None:
        self.fields["person"].choices = [  # type: ignore[attr-defined]
            ("", _("Everybody")),
            *self.people,
            (SYSTEM, _("The system")),
        ]
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            ("", _("All records")),
            *((kind.name, kind.title) for kind in AUDITED),
        ]
        super().full_clean()

    @property
    def usual(self) -> dict[str, Any]:
        return {"start": self.today - USUAL_DAYS, "end": self.today, "person": "", "kind": ""}

    def offered(self) -> list[tuple[str, dict[str, str]]]:
        days = Span(self.today, self.today, _("Today"))
        today = (days.name, {"start": days.start.isoformat(), "end": days.end.isoformat()})
        return [today, *super().offered()]


class AuditView(ReportView):
    """
    What was done in a time, by person and kind of record. A page begins at the place that ``?from`` names.

    Each record's own history is for everyone who may read the record. This report is for reviewers and
    above, and for auditors: it says who looked at tax ids and when each colleague worked, which is for those
    who answer for the books.
    """

    name = "audit"
    options_class = AuditOptions
    permission = PERMISSIONS["audit"]
    template_name = "ledger/reports/audit.html"

    @cached_property
    def begins(self) -> trail.Place | None:
        return trail.Place.read(self.request.GET.get("from", ""))

    @property
    def place(self) -> dict[str, str]:
        return {"from": str(self.begins)} if self.begins else {}

    @property
    def covers(self) -> str:
        return f"{self.options.span} ({timezone.get_default_timezone_name()})"

    @cached_property
    def facts(self) -> list[tuple[str, str]]:
        made = timezone.localtime()
        chosen = [
            (self.options.fields[name].label, dict(self.options.fields[name].choices)[value])
            for name in ("person", "kind")
            if (value := self.options.values[name])
        ]
        return [
            (_("Client"), str(self.client)),
            (_("Dates"), self.covers),
            *((str(label), str(value)) for label, value in chosen),
            (_("Made"), f"{formats.date_format(made, 'j M Y H:i')} {made:%Z}"),
        ]

    @property
    def notes(self) -> list[str]:
        return []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        page = trail.read_page(self._sources, begins=self.begins, size=EVENTS)
        return super().get_context_data(
            page=page,
            newest=self.address(),
            older=self.address(**{"from": str(page.following)}),
            **kwargs,
        )

    def sheet(self) -> Sheet:
        columns = [
            Column(_("Date"), "date"),
            Column(_("Time"), "code"),
            Column(_("Who")),
            Column(_("What was done")),
            Column(_("Kind of record"), "code"),
            Column(_("Record")),
            Column(_("Changes")),
            Column(_("Reason")),
        ]
        return Sheet(self.title, self.facts, columns, self._values())

    @property
    def _sources(self) -> list[trail.Source]:
        values = self.options.values
        return audit_sources(
            self.client, *self.options.span.days, person=values["person"] or "", kind=values["kind"] or ""
        )

    def _values(self) -> Iterator[list[Value]]:
        for event in trail.every_event(self._sources):
            day, time = of_moment(event.at)
            yield [
                day,
                time,
                event.who,
                event.told,
                event.of_kind,
                event.alone,
                event.all_changes,
                event.reason,
            ]
