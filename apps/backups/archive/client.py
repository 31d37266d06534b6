"""Asking archiver.sh for something, and making sentences of what it answers."""

import os
import secrets
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from apps.backups.archive.layout import archive
from apps.backups.connector import Report

SILENT_SECONDS = 20
TICK = 0.1
KEPT_SECONDS = 24 * 3600


def is_alive() -> bool:
    """Return whether archiver.sh works: it says so several times a second."""
    try:
        return time.time() - (archive() / "alive").stat().st_mtime < SILENT_SECONDS
    except FileNotFoundError:
        return False


def receiving() -> str:
    """Return the era whose log is being received now; empty when none is."""
    try:
        return (archive() / "receiving").read_text().strip()
    except FileNotFoundError:
        return ""


def why_not_receiving() -> str:
    """Return what PostgreSQL said last; empty when it said nothing."""
    try:
        return (archive() / "receiver.why").read_text().strip()
    except FileNotFoundError:
        return ""


def ask(*words: str, report: Report = lambda message: None) -> str:
    """
    Have archiver.sh do something and return what it answers.

    ``report`` is told how far it is, and what it raises stops it. Raises ValidationError with a sentence when
    it failed, and archiver.sh's word as code; code ``silent`` when nobody works there.
    """
    name = f"{time.time_ns()}-{secrets.token_hex(4)}"
    request, answer = archive() / "requests" / name, archive() / "answers" / name
    try:
        _post(request, "\n".join(words) + "\n")
        try:
            while not answer.exists():
                if not is_alive():
                    raise ValidationError(_("The archive's service does not run."), code="silent")
                if not _is_being_done(request) and not answer.exists():
                    raise ValidationError(
                        _("The archive's service could not answer; its disk may be full."), code="archive"
                    )
                waits = _("Waiting for the archive's service.") if request.exists() else ""
                report(waits or _how_far(Path(f"{answer}.progress")))
                time.sleep(TICK)
        except BaseException:
            request.unlink(missing_ok=True)
            if Path(f"{request}.begun").exists():
                Path(f"{request}.stop").touch(mode=0o600)
            raise
        verdict, *told = answer.read_text().splitlines()
        answer.unlink()
    except OSError as error:
        raise ValidationError(_("The archive: %(why)s.") % {"why": error.strerror}, code="archive") from error
    finally:
        _clear_old_answers()
    if verdict != "done":
        raise ValidationError(sentence(" ".join(told)), code=(told or ["archive"])[0].partition(" ")[0])
    return " ".join(told)


def sentence(words: str) -> str:
    """Return what archiver.sh says it failed for, in a sentence for people."""
    code, _space, rest = words.partition(" ")
    says = {"why": rest or _("it gave no reason")}
    if code == "no-space":
        needed, free = [*rest.split(), "0", "0"][:2]
        return _("A copy needs %(needed)s MB beside the archive, and %(free)s MB are free.") % {
            "needed": f"{int(needed):,}",
            "free": f"{int(free):,}",
        }
    if code == "other-version":
        made_by, here = rest.split()
        return _(
            "That moment was under PostgreSQL %(made_by)s, and the archive's service is PostgreSQL %(here)s: "
            "go back to it with PostgreSQL %(made_by)s elsewhere, and restore the backup that this leaves."
        ) % {"made_by": made_by, "here": here}
    template = {
        "base-damaged": _("The base backup is damaged: %(why)s."),
        "damaged": _(
            "The log is damaged: segment %(why)s cannot be read, so what came after it is out of reach."
        ),
        "missing": _("The log has a gap: segment %(why)s is missing, so what came after it is out of reach."),
        "not-reached": _("The time asked for was not reached: %(why)s."),
        "not-receiving": _("The archive does not receive the log, so no base backup can be made."),
        "not-made": _("The base backup was not made: %(why)s."),
        "no-copy": _("The base backup could not be unpacked: %(why)s."),
        "nothing-after": _("Nothing was found in the log."),
        "interrupted": _("The archive's service was ended in the middle; try again."),
    }.get(code)
    return template % says if template else words


def _how_far(progress: Path) -> str:
    try:
        step, _space, rest = progress.read_text().strip().partition(" ")
    except FileNotFoundError:
        return ""
    if step == "replaying" and rest:
        moment = timezone.localtime(datetime.fromtimestamp(float(rest), UTC))
        return _("Replaying the log: %(time)s.") % {"time": date_format(moment, "DATETIME_FORMAT")}
    return {
        "copying": _("Copying the cluster."),
        "verifying": _("Checking every file of the base backup."),
        "unpacking": _("Unpacking the base backup."),
        "replaying": _("Replaying the log."),
    }.get(step, "")


def _is_being_done(request: Path) -> bool:
    return request.exists() or Path(f"{request}.begun").exists()


def _post(request: Path, text: str) -> None:
    if not is_alive():
        raise ValidationError(_("The archive's service does not run."), code="silent")
    incoming = Path(f"{request}.new")
    with open(os.open(incoming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    incoming.rename(request)


def _clear_old_answers() -> None:
    """Answers that nobody has read, because who asked was killed, and what asked to stop too late."""
    for path in (*(archive() / "answers").glob("*"), *(archive() / "requests").glob("*.stop")):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                path.unlink()
