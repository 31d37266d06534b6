"""What a trail is made of: events, and what each of them changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from os.path import commonprefix

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

ADDED, CHANGED, REMOVED = "+", "~", "-"
NOTHING = "–"
LONGEST = 100  # letters of a value on a page
LED_IN = 20  # letters before the place where two long texts begin to differ


@dataclass(frozen=True)
class Change:
    """A field of a record: what it was and what it became, in words; an empty text is nothing."""

    label: str
    old: str
    new: str

    @property
    def short(self) -> tuple[str, str]:
        """Both values cut to what a page has room for, from where they differ."""
        start = max(0, len(commonprefix([self.old, self.new])) - LED_IN) if self.old and self.new else 0
        if max(len(self.old), len(self.new)) <= LONGEST:
            start = 0
        return _cut(self.old, start), _cut(self.new, start)

    @property
    def text(self) -> str:
        """The change in one line: ``rate 20 → 25``; what was empty before, or is now, is left out."""
        return " ".join([self.label, *_from_to(self.old, self.new)])

    @property
    def short_text(self) -> str:
        return " ".join([self.label, *_from_to(*self.short)])


@dataclass(frozen=True)
class Event:
    """
    What one person did at one moment to one record, and to what is part of it.

    ``did`` is a sentence with places for ``{who}`` and ``{what}``; ``what`` names the record among its like,
    ``alone`` says what it is a part of, too. ``parts`` are the events of lines and the like, which have no
    sentence of their own on a page.
    """

    at: datetime
    who: str
    kind: str
    did: str
    what: str
    alone: str
    of_kind: str
    reason: str = ""
    changes: Sequence[Change] = ()
    parts: Sequence["Event"] = ()
    url: str = ""
    is_part: bool = False

    @property
    def sentence(self) -> SafeString:
        """Say it all: who did what to which record."""
        what = format_html('<a href="{}">{}</a>', self.url, self.alone) if self.url else self.alone
        return self._say(what, _("{who} changed <strong>{field}</strong> of {what} from {old} to {new}"))

    @property
    def sentence_at_home(self) -> SafeString:
        """Say it on the page of the record itself, which need not be named for one change."""
        if self.is_part:
            return self.sentence
        return self._say(self.what, _("{who} changed <strong>{field}</strong> from {old} to {new}"))

    def _say(self, what: str, changed_one: str) -> SafeString:
        who = format_html("<strong>{}</strong>", self.who)
        if self.is_one_change:
            (change,) = self.changes
            old, new = (value or NOTHING for value in change.short)
            return format_html(changed_one, who=who, what=what, field=change.label, old=old, new=new)
        return format_html(self.did, who=who, what=what)

    @property
    def is_one_change(self) -> bool:
        """Whether the sentence says the change, so that no list of changes follows it."""
        return self.kind == CHANGED and len(self.changes) == 1 and not self.parts and self.did == did(CHANGED)

    @property
    def listed(self) -> Sequence[Change]:
        return () if self.is_one_change else self.changes

    @property
    def part_lines(self) -> list[SafeString]:
        """Each part in a line: ``changed line 2: account 6100 Rent → 6200 Software``."""
        return [
            format_html(
                "{}{}",
                part.did.format(who="", what=part.what).strip(),
                format_html(": {}", format_html_join("; ", "{}", ((one.short_text,) for one in part.changes)))
                if part.changes
                else "",
            )
            for part in self.parts
        ]

    @property
    def told(self) -> str:
        """The deed without who and when, for a column of a file."""
        return self.did.format(who="", what=self.what).strip()

    @property
    def all_changes(self) -> str:
        """Every change in full, for a column of a file."""
        own = [change.text for change in self.changes]
        return "; ".join([*own, *(_in_full(part) for part in self.parts)])


def did(kind: str) -> str:
    """Return the sentence for what is done to any record."""
    return {
        ADDED: _("{who} added {what}"),
        CHANGED: _("{who} changed {what}"),
        REMOVED: _("{who} removed {what}"),
    }[kind]


def _in_full(part: Event) -> str:
    changes = "; ".join(change.text for change in part.changes)
    return f"{part.told}: {changes}" if changes else part.told


def _from_to(old: str, new: str) -> list[str]:
    return [old or NOTHING, "→", new or NOTHING] if old and new else [old or new]


def _cut(text: str, start: int) -> str:
    cut = text[start : start + LONGEST]
    return f"{'…' if start else ''}{cut}{'…' if start + LONGEST < len(text) else ''}"
