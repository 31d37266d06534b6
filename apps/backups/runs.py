"""
The restore that runs, or ran last: a file beside the backups.

A restore ends every session of the database, so how far it is can be told by no table of it.
"""

import json
import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.backups.databases import kept_copies
from apps.backups.storage import folder, is_held, replace

STATUS = "restore.json"
STOP = "restore.stop"
LOCK = "restore"
SECONDS_BETWEEN = 0.3


class Stopped(ValidationError):
    """Somebody asked for it; nothing was changed."""


class Run:
    """Tells how far a restore is, and hears when somebody wants it stopped."""

    def __init__(self, what: str, name: str, by: str, identity: str, say: Any = None) -> None:
        self._say = say or (lambda message: None)
        self._told = 0.0
        self.can_be_stopped = True
        self.facts: dict[str, Any] = {
            "id": identity,
            "what": what,
            "name": name,
            "by": by,
            "state": "running",
            "began": _now(),
            "message": "",
            "steps": [],
        }
        (folder() / STOP).unlink(missing_ok=True)
        self._write()

    def report(self, message: str) -> None:
        """Say what is being done; what only counts on replaces the message before. May raise Stopped."""
        if self.can_be_stopped and (folder() / STOP).exists():
            raise Stopped(_("It was stopped; nothing was changed."), code="stopped")
        if not message or message == self.facts["message"]:
            return
        stem = message.partition(":")[0]
        is_new = stem != self.facts["message"].partition(":")[0]
        if not is_new and time.monotonic() - self._told < SECONDS_BETWEEN:
            return
        self.facts["message"] = message
        if is_new:
            self.facts["steps"].append({"at": _now(), "step": stem})
            self._say(message)
        self._told = time.monotonic()
        self._write()

    def tell(self, **facts: Any) -> None:
        """Have facts on the disk before what follows."""
        self.facts.update(facts)
        self._write()

    def end(self, state: str, message: str, **facts: Any) -> None:
        """``state`` is ``done``, ``failed`` or ``stopped``."""
        self.facts.update(facts, state=state, message=message, ended=_now())
        with suppress(OSError):  # a full disk may be why; who looks sees that the process is gone
            self._write()

    def _write(self) -> None:
        self.facts["pid"] = os.getpid()
        replace(folder() / STATUS, json.dumps(self.facts).encode())


def last_run() -> dict[str, Any] | None:
    """
    Return what is known of the restore that runs or ran last, or None when there was none.

    One whose process was killed says ``interrupted``, or ``done`` when the swap was already through.
    """
    try:
        facts = json.loads((folder() / STATUS).read_bytes())
        facts["began"] = datetime.fromisoformat(facts["began"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if facts["state"] == "running" and not is_held(LOCK):
        if _is_kept(facts.get("kept", "")):
            return {**facts, "state": "done", "message": _("It is done; its process was ended right after.")}
        message = _("Its process was ended in the middle; nothing was changed.")
        return {**facts, "state": "interrupted", "message": message}
    return facts


def ask_to_stop() -> None:
    """Ask the running restore to stop; it does at its next step, unless it is swapping already."""
    (folder() / STOP).touch(mode=0o600)


def _is_kept(name: str) -> bool:
    try:
        return bool(name) and name in {copy.name for copy in kept_copies()}
    except psycopg.Error:
        return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
