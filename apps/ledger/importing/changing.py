"""An entry of a file over the one of the books that it names, or that came from the same place."""

from dataclasses import fields
from typing import Any

from apps.core.models import User
from apps.ledger.importing.plan import Planner
from apps.ledger.models import JournalEntry, JournalLine
from apps.ledger.services.annotations import LINE_NOTES, annotate
from apps.ledger.services.drafts import Line, save_draft

ENTRY_FACTS = ["date", "kind", "description", "document_number", "document_date"]
LINE_FACTS = [field.name for field in fields(Line) if field.name != "recodes"]
NEW_KEYS = """
UPDATE ledger_importedentry k SET facts_key = i.facts_key, lines_key = i.lines_key, date = i.date
  FROM import_entry i, ledger_journalentry e
 WHERE i.entry_no = %(no)s AND e.id = i.matched_id AND k.entry_uuid = e.uuid
"""


class ChangedEntry:
    """
    What a file says of an entry now: a draft is written over, of a posted one the notes.

    What the file has no column for stays as it is.
    """

    def __init__(self, planner: Planner, entry_no: int, pk: int, *, by: User, reason: str) -> None:
        self._staging, self._entry_no = planner.staging, entry_no
        self._columns = planner.read_as.columns.keys() | {"date", "account", "amount"}
        self._entry = JournalEntry.objects.select_related("client").get(pk=pk)
        self._said: dict[str, Any] = {"by": by, "reason": reason}

    def write(self) -> None:
        """Raises what ``save_draft`` and ``annotate`` raise."""
        [facts] = self._staged("import_entry", ENTRY_FACTS, "entry_no")
        given = {name: value for name, value in facts.items() if name in self._columns}
        if self._entry.is_posted:
            annotate(self._entry, notes=given, line_notes=self._line_notes(), **self._said)
            return
        save_draft(self._entry, lines=self._lines(), **given, **self._said)
        self._staging.run(NEW_KEYS, no=self._entry_no)

    def _line_notes(self) -> dict[int, dict[str, Any]]:
        pairs = dict(
            self._staging.rows(
                "SELECT line, line_id FROM import_pair WHERE entry_no = %(no)s", no=self._entry_no
            )
        )
        return {
            pairs[line["line"]]: {name: line[name] for name in LINE_NOTES if name in self._columns}
            for line in self._file_lines()
        }

    def _lines(self) -> list[tuple[int | None, Line]]:
        stored = list(self._entry.lines.order_by("line_number"))
        lines: list[tuple[int | None, Line]] = []
        for place, given in enumerate(self._file_lines()):
            before = stored[place] if place < len(stored) else None
            values = {
                name: given[name] if name in self._columns or before is None else getattr(before, name)
                for name in LINE_FACTS
            }
            lines.append((before.pk if before else None, Line(**values)))
        return lines

    def _file_lines(self) -> list[dict[str, Any]]:
        names = ["line", *(JournalLine._meta.get_field(name).attname for name in LINE_FACTS)]  # type: ignore[union-attr]
        lines = self._staged("import_line", names, "line")
        for name in LINE_FACTS:
            field: Any = JournalLine._meta.get_field(name)
            if field.is_relation:
                records = field.related_model.objects.in_bulk(
                    {line[field.attname] for line in lines} - {None}
                )
                for line in lines:
                    line[name] = records.get(line[field.attname])
        return lines

    def _staged(self, table: str, names: list[str], order: str) -> list[dict[str, Any]]:
        sql = f"SELECT {', '.join(names)} FROM {table} WHERE entry_no = %(no)s ORDER BY {order}"  # noqa: S608
        return [dict(zip(names, row, strict=True)) for row in self._staging.rows(sql, no=self._entry_no)]
