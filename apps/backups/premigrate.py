"""A backup before migrations, when there is anything to apply and anything to lose."""

import logging
from collections import deque
from typing import Any

from django.conf import settings
from django.core.management import CommandError
from django.db import connections
from django.utils.translation import gettext as _

from apps.backups import services
from apps.backups.catalogue import Reason
from apps.backups.people import who_calls
from apps.backups.services.backing_up import reason_of

logger = logging.getLogger(__name__)

_done_for: deque[Any] = deque(maxlen=1)  # the plan last backed up for: the signal comes once per app


def back_up_before_migrating(
    *, using: str, plan: list[Any], verbosity: int = 1, stdout: Any = None, **kwargs: Any
) -> None:
    """
    Receive ``pre_migrate``: back up, or stop the migration before its first step.

    The signal reaches every way to migrate (the command, call_command, a deploy), which an
    overridden command or an entry script would not. Raises CommandError when the backup fails.
    """
    if using != "default" or not plan or any(plan is done for done in _done_for) or _is_new(using):
        return
    _done_for.append(plan)
    if not settings.BACKUP_BEFORE_MIGRATE:
        logger.warning("Migrating without a backup: BACKUP_BEFORE_MIGRATE is off.")
        return
    if verbosity and stdout:
        stdout.write(_("Backing up before %(count)s migrations.") % {"count": len(plan)} + "\n")
    try:
        services.back_up(reason=Reason.BEFORE_MIGRATION, by=who_calls())
    except Exception as error:  # whatever it was, migrating without a backup is not the answer
        raise CommandError(
            _("Nothing was migrated, because the backup before it failed: %(why)s")
            % {"why": reason_of(error)}
        ) from error


def _is_new(using: str) -> bool:
    """Return whether nothing was ever migrated here, so that there is nothing to lose."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if "django_migrations" not in connection.introspection.table_names(cursor):
            return True
        cursor.execute("SELECT EXISTS (SELECT FROM django_migrations)")
        return cursor.fetchone() == (False,)
