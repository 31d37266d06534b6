"""Copying backups off site, and bringing them back."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from apps.backups import log, media
from apps.backups.catalogue import Backup, State, backup_named, backups, facts_in, made_at, result_of
from apps.backups.connector import Report, manifest_of
from apps.backups.offsite import keys, records
from apps.backups.offsite.objects import SEALED, UNFINISHED, Stored, bring, path_for, sealed_name, send
from apps.backups.offsite.records import Copy, Sent
from apps.backups.services.backing_up import LOCK as BACKUPS
from apps.backups.services.backing_up import reason_of
from apps.backups.storage import DUMP, INCOMING, METADATA, file_sha256, folder, hold, put, write

LOCK = "offsite"
MEDIA = "media.jsonl"
MOST_METADATA_BYTES = 10 * 2**20
FEWEST_COPIES = 2


def quiet(message: str) -> None:
    """A report to nobody."""


def refuse_unready() -> None:
    """Raise ValidationError: ``off`` while no bucket is named, ``unproven`` while a key is not proven."""
    refuse_without_bucket()
    keys.refuse_unproven()


def refuse_without_bucket() -> None:
    if not records.is_configured():
        raise ValidationError(_("OFFSITE_BUCKET is not set: there is no place off site."), code="off")


@contextmanager
def recorded(what: str, name: str, by: str) -> Iterator[None]:
    """Write down how it failed, and tell what this disk does as a sentence."""
    try:
        yield
    except (ValidationError, OSError) as error:
        log.record(what, by=by, outcome="failed", name=name, message=reason_of(error))
        if isinstance(error, ValidationError):
            raise
        raise ValidationError(reason_of(error), code="failed") from error
    except BaseException as error:
        log.record(what, by=by, outcome="stopped", name=name, message=str(error))
        raise


@contextmanager
def only_one() -> Iterator[None]:
    """Hold what one copies or fetches at a time holds, and delete what one that was killed has left."""
    with hold(LOCK):
        for path in (folder() / INCOMING).glob(f"{UNFINISHED}*"):
            path.unlink(missing_ok=True)
        yield


def push_backups(name: str = "", *, by: str, report: Report = quiet) -> list[str]:
    """
    Copy every tested backup off site that is not there whole, newest first, or one by name; return which.

    One that fails does not keep the others, unless the bucket is out of reach. Raises ValidationError:
    ``off``, ``unproven``, ``busy`` while another copies, ``untested`` for a name, or what failed. A copy
    that failed is not listed, and the next push makes it whole.
    """
    from apps.backups.offsite.bucket import OUT_OF_REACH, offsite

    refuse_unready()
    with only_one():
        done: list[str] = []
        failed: list[ValidationError] = []
        with recorded("push", name, by):
            waiting = [_tested(name)] if name else [one for one in backups() if one.state == State.TESTED]
            there = offsite().sizes()
        sent = Sent(MEDIA)
        for one in waiting:
            if (copy := records.copy_of(one.name)) and copy.is_whole(there, keys.recipients()):
                continue
            try:
                with recorded("push", one.name, by):
                    _push(one, there, sent, report)
                log.record("push", by=by, outcome="done", name=one.name)
                done.append(one.name)
            except ValidationError as error:
                if error.code in OUT_OF_REACH or one.name in {kept.name for kept in backups()}:
                    failed.append(error)  # else it was let go meanwhile
                if error.code in OUT_OF_REACH:
                    break
        if failed:
            raise failed[0] if len(failed) == 1 else ValidationError(failed)
        return done


def prune_copies(*, by: str) -> list[str]:
    """
    Delete the copies whose backups are no longer kept here, and the media files that only those needed.

    Only what was copied from here is deleted, and never when that would leave fewer than two copies of
    backups that are here. Return which went.
    """
    from apps.backups.offsite.bucket import offsite

    refuse_without_bucket()
    with only_one():
        here = {one.name for one in backups()}
        copies = records.copies()
        gone = [one for one in copies if one.name not in here]
        if len(copies) - len(gone) < FEWEST_COPIES:
            return []
        for copy in gone:
            with recorded("prune", copy.name, by):
                offsite().remove(sorted(copy.objects, key=lambda name: not name.endswith(METADATA)))
                records.forget_copy(copy.name)
            log.record("prune", by=by, outcome="done", name=copy.name)
        _prune_media([one.name for one in copies if one.name in here])
        return [one.name for one in gone]


def names_in_bucket() -> list[str]:
    """Return the names of the finished copies in the bucket, newest first."""
    from apps.backups.offsite.bucket import offsite

    refuse_without_bucket()
    listed = [name.removesuffix(METADATA) for name in offsite().sizes() if name.endswith(METADATA)]
    named = [(moment, name) for name in listed if _is_a_name(name) and (moment := made_at(name))]
    return [name for _moment, name in sorted(named, reverse=True)]


def fetch_backup(
    name: str = "", *, identities: list[Any] | None = None, by: str, report: Report = quiet
) -> Backup:
    """
    Bring a copy back among the backups of this machine, the newest without a name, and return it.

    Each file is compared before it gets its name, and the metadata comes last: until then it is not
    listed, and what is here stays as it is. What came whole is not fetched again by the next try. Backups
    and their deletion wait meanwhile. Raises ValidationError: ``unknown``, ``here``, ``key``, ``damaged``,
    ``missing``.
    """
    refuse_without_bucket()

    def wait() -> None:
        report(_("Waiting for a backup that is being made."))

    with only_one(), hold(BACKUPS, wait=wait), recorded("fetch", name, by):
        name = _known_in_bucket(name)
        if any(one.name == name for one in backups()):
            raise ValidationError(_("%(name)s is here already.") % {"name": name}, code="here")
        _fetch(name, identities or [], report)
        log.record("fetch", by=by, outcome="done", name=name)
        return backup_named(name)


def _tested(name: str) -> Backup:
    backup = backup_named(name)
    if backup.state != State.TESTED:
        raise ValidationError(
            _("%(name)s was not copied: only a backup that passed its test is.") % {"name": name},
            code="untested",
        )
    return backup


def _files_of(name: str, facts: dict[str, Any]) -> list[tuple[Path, str | None]]:
    """Return a backup's own files, and the checksums its metadata knows."""
    return [
        (folder() / name, facts["sha256"]),
        (manifest_of(name), facts["manifest_sha256"]),
        (media.list_of(name), facts["media"].get("sha256")),
        (result_of(name), None),
    ]


def _push(backup: Backup, there: dict[str, int], sent: Sent, report: Report) -> None:
    recipients = keys.recipients()
    stored = []
    for path, sha256 in _files_of(backup.name, backup.facts):
        stored.append(
            send(
                _object_of(path),
                partial(open, path, "rb"),
                recipients=recipients,
                report=report,
                sha256=sha256,
            )
        )
    _push_media(backup.name, there, sent, report)
    now = datetime.now(UTC)
    told = json.loads((folder() / f"{backup.name}{METADATA}").read_bytes()) | {
        "offsite": {
            "pushed_at": now.isoformat(timespec="seconds"),
            "recipients": recipients,
            "objects": [asdict(one) for one in stored],
        }
    }
    content = json.dumps(told, indent=1).encode()
    stored.append(
        send(f"{backup.name}{METADATA}", partial(io.BytesIO, content), recipients=[], report=report)
    )
    records.keep_copy(
        Copy(backup.name, backup.taken_at, now, recipients, {one.name: one.bytes for one in stored})
    )


def _push_media(name: str, there: dict[str, int], sent: Sent, report: Report) -> None:
    recipients = keys.recipients()
    for entry in media.entries_of(name):
        path = media.pooled(entry.sha256)
        stored_as = sealed_name(_object_of(path), recipients)
        if sent.is_there(stored_as, there, recipients, entry.size):
            continue
        stored = send(
            _object_of(path),
            partial(open, path, "rb"),
            recipients=recipients,
            report=report,
            sha256=entry.sha256,
        )
        sent.add(stored, recipients, entry.size)
        there[stored.name] = stored.bytes


def _prune_media(kept: list[str]) -> None:
    """Delete media files that no kept copy needs; none while a list is missing, for nobody knows then."""
    from apps.backups.offsite.bucket import offsite

    if not all(media.list_of(name).exists() for name in kept):
        return
    try:
        needed = {_object_of(media.pooled(entry.sha256)) for name in kept for entry in media.entries_of(name)}
    except media.DamagedList:
        return
    sent = Sent(MEDIA)
    gone = [name for name in sent.names if name.removesuffix(SEALED) not in needed]
    if gone:
        offsite().remove(gone)
        sent.forget(gone)


def _fetch(name: str, identities: list[Any], report: Report) -> None:
    told = _metadata_of(name)
    facts, copied = facts_in(json.dumps(told).encode()), told["offsite"]
    for path, sha256 in _files_of(name, facts):
        _bring(sealed_name(_object_of(path), copied["recipients"]), path, sha256, identities, report)
    for entry in media.entries_of(name):
        _refuse_to_leave(entry.path)
        path = media.pooled(entry.sha256)
        source = sealed_name(_object_of(path), copied["recipients"])
        _bring(source, path, entry.sha256, identities, report)
    del told["offsite"]
    _put_new(folder() / f"{name}{METADATA}", json.dumps(told).encode())
    sizes = {one["name"]: one["bytes"] for one in copied["objects"]}
    pushed_at = datetime.fromisoformat(copied["pushed_at"])
    taken_at = backup_named(name).taken_at
    records.keep_copy(Copy(name, taken_at, pushed_at, copied["recipients"], sizes))


def _known_in_bucket(name: str) -> str:
    known = names_in_bucket()
    if not known:
        raise ValidationError(_("There is no copy of a backup in the bucket."), code="unknown")
    if name and name not in known:
        raise ValidationError(
            _("There is no copy of %(name)s in the bucket.") % {"name": name}, code="unknown"
        )
    return name or known[0]


def _metadata_of(name: str) -> dict[str, Any]:
    """Return the metadata of a copy. Raises ValidationError (code ``damaged``) when it is none of ours."""
    from apps.backups.offsite.bucket import offsite

    with offsite().reading(f"{name}{METADATA}") as (body, _facts):
        content = body.read(MOST_METADATA_BYTES)
    try:
        told: dict[str, Any] = json.loads(content)
        copied = told["offsite"]
        datetime.fromisoformat(copied["pushed_at"])
        [Stored(**one) for one in copied["objects"]]
        if not all(isinstance(one, str) for one in copied["recipients"]) or not facts_in(content):
            raise ValueError(copied)
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(f"{name}{METADATA}") from error
    return told


def _bring(name: str, final: Path, sha256: str | None, identities: list[Any], report: Report) -> None:
    """
    Bring one object back under its name here; a file that is there stays, and has to be the same.

    Without a checksum, that of the object counts: a test may have been made again since.
    """
    if final.exists():
        if sha256 and file_sha256(final) != sha256:
            raise ValidationError(
                _("Another file lies here as %(name)s; nothing was written over.")
                % {"name": final.relative_to(folder())},
                code="here",
            )
        return
    incoming = path_for(name)
    try:
        bring(name, incoming, keys=identities, report=report, sha256=sha256)
        put(incoming, final)
    finally:
        incoming.unlink(missing_ok=True)


def _put_new(final: Path, content: bytes) -> None:
    incoming = path_for(final.name)
    try:
        write(incoming, lambda file: file.write(content))
        put(incoming, final)
    finally:
        incoming.unlink(missing_ok=True)


def _refuse_to_leave(path: str) -> None:
    """Raise ValidationError for a media file that a forged list would restore outside of its folder."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValidationError(_("The list of media files was not made by a backup."), code="damaged")


def _object_of(path: Path) -> str:
    return path.relative_to(folder()).as_posix()


def _is_a_name(name: str) -> bool:
    return "/" not in name and name.endswith(DUMP)


def _damaged(name: str) -> ValidationError:
    return ValidationError(_("%(name)s is damaged in the bucket.") % {"name": name}, code="damaged")
