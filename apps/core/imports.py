"""
Records out of files: clients, accounts, contacts and the like, previewed row by row and then taken whole.

A RecordResource says what the columns of a kind of record are; ``look_at`` and ``take`` read a file with it.
django-import-export does the rows. What it leaves open is closed here: rows are scoped to the person, each is
asked for its own right, a wrong row stops the file, look-ups are made once for all rows, and what is taken is
what was shown.
"""

import datetime
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from import_export.fields import Field
from import_export.instance_loaders import BaseInstanceLoader
from import_export.resources import Diff, Resource
from import_export.results import RowResult
from import_export.widgets import Widget
from tablib import Dataset

from apps.core import guards
from apps.core.access import visible
from apps.core.history import sign
from apps.core.tables.reading import Cell, Table
from apps.core.tables.values import amount_of, date_of
from apps.core.tables.writing import unharmed

MOST_ROWS = 5_000
UPLOADS = "imports"  # the folder of files between their preview and their import
KEPT_FOR = 24 * 3600  # seconds
LINE = "\0line"  # the row's line in the file, beside its columns
YES, NO = {"yes", "y", "true", "1", "x"}, {"no", "n", "false", "0"}
OUTCOMES = {
    RowResult.IMPORT_TYPE_NEW: "new",
    RowResult.IMPORT_TYPE_UPDATE: "changed",
    RowResult.IMPORT_TYPE_SKIP: "same",
}


# --- what a cell can hold ---


class TextWidget(Widget):
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> str:
        return unharmed(str(value or ""))

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return str(value or "")


class YesWidget(TextWidget):
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> bool | None:  # type: ignore[override]
        text = str(value or "").lower()
        if text and text not in YES | NO:
            raise ValueError(_("“%(text)s” is neither yes nor no.") % {"text": text[:40]})
        return text in YES if text else None

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return _("yes") if value else _("no")


class DayWidget(TextWidget):
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> datetime.date | None:  # type: ignore[override]
        return date_of(value)


class NumberWidget(TextWidget):
    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Decimal | None:  # type: ignore[override]
        return amount_of(value)

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        return "" if value is None else f"{Decimal(value).normalize():f}"


class ChoiceWidget(TextWidget):
    """One of some values, by its value, its label, or another word for it."""

    def __init__(self, choices: Any, also: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.choices, self.also = choices, also or {}

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> str | None:  # type: ignore[override]
        text = str(value or "")
        wanted = text.casefold().replace("_", " ")
        choices = list(self.choices() if callable(self.choices) else self.choices)
        for one, label in choices:
            if wanted and wanted in (str(one).casefold().replace("_", " "), str(label).casefold()):
                return str(one)
        if not wanted or wanted in self.also:
            return self.also.get(wanted)
        offered = [str(one) for one, _label in choices if one]
        raise ValueError(
            _("“%(text)s” is none of these: %(choices)s.")
            % {"text": text[:40], "choices": ", ".join(offered[:12]) + (" …" if len(offered) > 12 else "")}
        )


class RecordWidget(TextWidget):
    """Another record, by its natural key among those that ``find`` knows for the row's client."""

    def __init__(self, find: Callable[[Any, str], Any], missing: Any) -> None:
        super().__init__()
        self.find, self.missing = find, missing

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        text = unharmed(str(value or ""))
        if not text:
            return None
        found = self.find(row, text)
        if found is None:
            raise ValueError(str(self.missing) % {"text": text[:60]})
        return found


def column(
    title: str, attribute: str, widget: Widget | None = None, *, keeps_when_empty: bool = False
) -> Field:
    """Return a column of a resource; an empty cell clears the value unless it is to be kept."""
    made = Field(attribute=attribute, column_name=title, widget=widget or TextWidget())
    made.saves_null_values = not keeps_when_empty
    return made


def client_column() -> Field:
    """Return the column that says whose record it is; what a row says there is looked up, never set."""
    return Field(attribute="client__code", column_name="client", widget=TextWidget(), readonly=True)


# --- what a kind of record is ---


class Changes(Diff):
    """What a row changes: (column, from, to) of each value that becomes another."""

    def __init__(self, resource: Any, instance: Any, new: bool) -> None:
        self.titles = [one.column_name for one in resource.get_user_visible_fields()]
        super().__init__(resource, instance, new)

    def as_html(self) -> list[tuple[str, str, str]]:
        before = [""] * len(self.left) if self.new else self.left
        return [
            (title, str(old), str(new))
            for title, old, new in zip(self.titles, before, self.right, strict=True)
            if str(old) != str(new)
        ]


class RecordResource(Resource):
    """
    The columns of a kind of record that belongs to a client.

    ``key`` are the columns that a record is known by, its client apart; ``known_as`` other names of columns.
    """

    key: ClassVar[tuple[str, ...]] = ("code",)
    needed: ClassVar[tuple[str, ...]] = ("code",)
    known_as: ClassVar[dict[str, str]] = {}
    example: ClassVar[list[str]] = []
    is_repeatable = False
    takes_no_client = False

    class Meta:
        clean_model_instances = False  # validate_instance asks what needs no query; the database has the rest
        skip_unchanged = True
        report_skipped = True
        use_transactions = True
        instance_loader_class = BaseInstanceLoader  # get_or_init_instance looks into what is known

    def __init__(self, *, user: Any, client: Any = None, file_name: str = "") -> None:
        super().__init__()
        self.user, self.client = user, client
        self.reason = _("Imported from %(file)s") % {"file": file_name}
        self.clients: dict[str, Any] = {}
        self.known: dict[tuple[Any, ...], Any] = {}
        self.seen: dict[tuple[Any, ...], int] = {}

    # what the apps fill in

    def client_model(self) -> Any:
        return self._meta.model._meta.get_field("client").related_model

    def key_of(self, instance: Any) -> tuple[Any, ...]:
        """Return by what a record is known in its client's books, as ``key_in`` does for a row."""
        return tuple(
            str(getattr(instance, self.fields[name].attribute) or "").casefold() for name in self.key
        )

    def key_in(self, row: dict[str, Any]) -> tuple[Any, ...]:
        names = [self.fields[name].column_name for name in self.key]
        return tuple(unharmed(str(row.get(name) or "")).casefold() for name in names)

    def arrange(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the rows in an order in which each finds what it refers to."""
        return rows

    def prepare(self, clients: list[Any]) -> None:
        """Look up, once for all rows, what they may refer to."""

    def store(self, instance: Any, is_new: bool) -> None:
        instance.save()

    # what import-export asks

    def get_queryset(self) -> QuerySet[Any]:
        return visible(self._meta.model._default_manager.all(), self.user)

    def _check_import_id_fields(self, headers: Any) -> None:
        """What has to be there is asked of the header before."""

    def get_diff_class(self) -> type[Diff]:
        return Changes

    def before_import(self, dataset: Dataset, **kwargs: Any) -> None:
        model = self.client_model()
        codes = {str(code).upper() for code in dataset["client"]} if "client" in dataset.headers else set()
        found = visible(model._default_manager.filter(code__in=codes), self.user)
        self.clients = {one.code: one for one in found}
        clients = [*self.clients.values(), *([self.client] if self.client else [])]
        for instance in self.get_queryset().filter(client__in=clients).select_related("client"):
            self.known[(instance.client_id, *self.key_of(instance))] = instance
        self.prepare(clients)

    def before_import_row(self, row: Any, **kwargs: Any) -> None:
        row["\0client"] = client = self._client_of(row)
        self.check_key(row, client.pk)

    def check_key(self, row: Any, *client: int) -> None:
        """Raise ValidationError for a row that does not say which record it is, or says it again."""
        key = (*client, *self.key_in(row))
        if not all(self.key_in(row)):
            raise ValidationError(
                _("It is not said which record this is: %(names)s.") % {"names": ", ".join(self.key)}
            )
        if not self.is_repeatable and key in self.seen:
            raise ValidationError(_("The same stands on row %(line)s already.") % {"line": self.seen[key]})
        self.seen[key] = row[LINE]

    def _client_of(self, row: Any) -> Any:
        code = str(row.get("client") or "").upper()
        client = self.clients.get(code) if code else self.client
        if client is None:
            raise ValidationError(
                _("There is no client %(code)s that you may do this for.") % {"code": code[:20]}
                if code
                else _("The client is missing.")
            )
        return client

    def get_or_init_instance(self, instance_loader: Any, row: Any) -> tuple[Any, bool]:
        client = row["\0client"]
        if found := self.known.get((client.pk, *self.key_in(row))):
            return found, False
        return self._meta.model(client=client), True

    def validate_instance(
        self, instance: Any, import_validation_errors: Any = None, validate_unique: bool = True
    ) -> None:
        errors = dict(import_validation_errors or {})
        verb = "change" if instance.pk else "add"
        opts = self._meta.model._meta
        if not self.user.has_perm(f"{opts.app_label}.{verb}_{opts.model_name}", instance):
            raise ValidationError(
                _("You may not change this for that client.")
                if instance.pk
                else _("You may not add this for that client.")
            )
        relations = [
            one.name for one in opts.fields if one.is_relation
        ]  # found by now, or said to be missing
        try:
            instance.clean_fields(exclude=[*errors, *relations])
        except ValidationError as error:
            errors = error.update_error_dict(errors)
        if errors:
            raise ValidationError(errors)

    def save_instance(self, instance: Any, is_create: bool, row: Any, **kwargs: Any) -> None:
        sign(instance, by=self.user, reason=self.reason)
        try:
            with transaction.atomic():  # a refusal must not spoil the rows that follow
                self.store(instance, is_create)
        except guards.REFUSALS as error:
            raise ValidationError(guards.sentence(error)) from error
        self.remember(instance)

    def remember(self, instance: Any) -> None:
        self.known[(instance.client_id, *self.key_of(instance))] = instance


# --- a file read with it ---


@dataclass
class PreviewRow:
    """A row as a person sees it: ``changes`` are (column, from, to), ``problems`` sentences."""

    line: int
    outcome: str
    label: str
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass
class Preview:
    rows: list[PreviewRow]
    ignored: list[str]
    notes: list[str]

    def count(self, outcome: str) -> int:
        return sum(row.outcome == outcome for row in self.rows)

    @property
    def counts(self) -> dict[str, int]:
        return {outcome: self.count(outcome) for outcome in ("wrong", "new", "changed", "same")}

    @property
    def digest(self) -> str:
        """The SHA-256 of all that would be done: what is taken is what was shown, or nothing."""
        return hashlib.sha256(json.dumps([asdict(row) for row in self.rows]).encode()).hexdigest()


def look_at(resource: RecordResource, table: Table) -> Preview:
    """
    Return what a file would do, and do nothing.

    Raises ValidationError for a file that cannot be read as a whole: ``rows``, ``columns``, ``empty``, or
    those of the table.
    """
    return _run(resource, table, dry_run=True)


def take(resource: RecordResource, table: Table, digest: str) -> Preview:
    """
    Import a file whole, if that does what ``digest`` stands for; else nothing. Returns what was done.

    Raises ValidationError: ``changed`` when it would do something else by now, ``wrong``, or as ``look_at``.
    """
    with transaction.atomic():
        preview = _run(resource, table, dry_run=False)
        if preview.digest != digest:
            raise ValidationError(
                _("Nothing was imported: the records have changed since the preview. Look at it once more."),
                code="changed",
            )
        if preview.count("wrong"):
            raise ValidationError(_("Nothing was imported: some rows are wrong."), code="wrong")
    return preview


def _run(resource: RecordResource, table: Table, *, dry_run: bool) -> Preview:
    rows, ignored = _rows(resource, table)
    rows = resource.arrange(rows)
    headers = list(dict.fromkeys(name for row in rows for name in row))
    dataset = Dataset(*([row.get(name, "") for name in headers] for row in rows), headers=headers)
    result = resource.import_data(
        dataset,
        dry_run=dry_run,
        use_transactions=True,
        rollback_on_validation_errors=True,
        raise_errors=False,
    )
    for error in result.base_errors:
        raise error.error
    preview = [_preview_row(row, done, resource) for row, done in zip(rows, _in_order(result), strict=True)]
    preview.sort(key=lambda row: row.line)
    return Preview(preview, ignored, table.notes)


def _in_order(result: Any) -> Iterator[Any]:
    yield from result.rows


def _preview_row(row: dict[str, Any], done: Any, resource: RecordResource) -> PreviewRow:
    label = " ".join(str(row.get(resource.fields[name].column_name) or "") for name in resource.key)
    if done.validation_error:
        return PreviewRow(row[LINE], "wrong", label, problems=_sentences(done.validation_error, resource))
    if done.errors:
        raise done.errors[0].error
    return PreviewRow(row[LINE], OUTCOMES[done.import_type], label, changes=list(done.diff or []))


def _sentences(error: ValidationError, resource: RecordResource) -> list[str]:
    if not hasattr(error, "error_dict"):
        return error.messages
    titles = {one.attribute: one.column_name for one in resource.fields.values()}
    return [
        f"{titles.get(name, name)}: {message}" if name in titles else message
        for name, messages in error.message_dict.items()
        for message in messages
    ]


def _rows(resource: RecordResource, table: Table) -> tuple[list[dict[str, Any]], list[str]]:
    header: dict[int, str] = {}
    ignored: list[str] = []
    rows: list[dict[str, Any]] = []
    for line, cells in table.rows():
        if not header:
            header, ignored = _header(resource, cells)
            table.refuse_merged(after=line)
            continue
        if len(rows) == MOST_ROWS:
            raise ValidationError(
                _("There are more than %(most)s rows: split the file.") % {"most": f"{MOST_ROWS:,}"},
                code="rows",
            )
        values = {name: _as_text(cells[at]) if at < len(cells) else "" for at, name in header.items()}
        rows.append({**values, LINE: line})
    if not rows:
        raise ValidationError(_("There are no rows under the header."), code="empty")
    return rows, ignored


def _header(resource: RecordResource, cells: Iterable[Cell]) -> tuple[dict[int, str], list[str]]:
    titles = {one.column_name.casefold(): one.column_name for one in resource.fields.values()}
    names = {**resource.known_as, **titles}
    found: dict[int, str] = {}
    ignored = []
    for at, cell in enumerate(cells):
        name = " ".join(str(cell or "").replace("*", "").casefold().split())
        title = names.get(name)
        if title and title not in found.values():
            found[at] = title
        elif name and name != "uuid":
            ignored.append(str(cell))
    missing = [resource.fields[name].column_name for name in resource.needed]
    missing = [name for name in missing if name not in found.values()]
    if missing:
        raise ValidationError(
            _("The first row names the columns. These are missing: %(names)s.")
            % {"names": ", ".join(missing)},
            code="columns",
        )
    return found, ignored


def _as_text(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case Decimal():
            return f"{cell:f}"
        case datetime.date():
            return cell.isoformat()
    return cell
