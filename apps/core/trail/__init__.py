"""
The trail: rows of histories told as events. Who did what, from what to what, when and why.

``telling`` says how the history of a model is told and ``words`` how a value is; ``reading`` brings the rows
of many histories into one order, a page at a time, and puts what belongs together into one event.
"""

from apps.core.trail.events import Change, Event
from apps.core.trail.reading import Page, Place, every_event, read_page
from apps.core.trail.sentences import as_it_was
from apps.core.trail.telling import (
    LogTelling,
    Part,
    Source,
    Telling,
    admin_url,
    register,
    sources_about,
    telling_of,
)

__all__ = [
    "Change",
    "Event",
    "LogTelling",
    "Page",
    "Part",
    "Place",
    "Source",
    "Telling",
    "admin_url",
    "as_it_was",
    "every_event",
    "read_page",
    "register",
    "sources_about",
    "telling_of",
]
