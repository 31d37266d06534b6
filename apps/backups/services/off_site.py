"""Everything off site in one go: backups, the archive, and what is let go."""

from dataclasses import dataclass, field

from django.conf import settings
from django.core.exceptions import ValidationError

from apps.backups.connector import Report
from apps.backups.services.archiving import prune_archive, push_archive
from apps.backups.services.copying import prune_copies, push_backups, quiet


@dataclass
class Copied:
    """What was copied: backups by name, and how many pieces of the archive."""

    backups: list[str] = field(default_factory=list)
    pieces: int = 0


def copy_off_site(*, by: str, report: Report = quiet) -> Copied:
    """
    Copy off site what is not there yet; then, where the settings say so, let go there what was let go here.

    A backup that cannot be copied does not keep the archive here. Raises ValidationError with all that
    failed; then nothing is deleted.
    """
    done, failed = Copied(), []
    try:
        done.backups = push_backups(by=by, report=report)
    except ValidationError as error:
        failed += error.error_list
    try:
        done.pieces = push_archive(by=by, report=report)
    except ValidationError as error:
        told = {one.message for one in failed}
        failed += [one for one in error.error_list if one.message not in told]
    if failed:
        raise ValidationError(failed)
    if settings.OFFSITE_PRUNE:
        prune_copies(by=by)
        prune_archive(by=by)
    return done
