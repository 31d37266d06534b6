"""What must be true of the database before anything is served from it."""

from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, ProgrammingError, connection
from django.db.migrations.loader import MigrationLoader
from django.utils.translation import gettext as _

OLDEST_POSTGRESQL = 15


class MigrationGaps(NamedTuple):
    """Migrations only one side has: the database (it is newer), or the code (they wait to be applied)."""

    unknown: list[str]
    unapplied: list[str]


def migration_gaps() -> MigrationGaps:
    """
    Compare the migrations applied with those of the code.

    Django says "No migrations to apply" to a database newer than the code, and breaks at the first
    insert: that is what a rollback or a restore leaves behind.
    """
    loader = MigrationLoader(connection)
    applied, known = set(loader.applied_migrations), set(loader.disk_migrations or {})
    return MigrationGaps(
        unknown=sorted(f"{app}.{name}" for app, name in applied - known),
        unapplied=sorted(f"{app}.{name}" for app, name in set(loader.graph.nodes) - applied),
    )


def refuse_newer_database() -> None:
    """Raise ImproperlyConfigured when the database was migrated by a newer LedgerFlow."""
    if unknown := migration_gaps().unknown:
        raise ImproperlyConfigured(
            _("The database is newer than this LedgerFlow: it has %(names)s. Start the newer version.")
            % {"names": ", ".join(unknown[:3]) + (" …" if len(unknown) > 3 else "")}
        )


def refuse_unfit_database() -> None:
    """
    Raise ImproperlyConfigured for a database that must not be served from.

    A database that does not answer passes: it may be starting. /readyz goes on saying so.
    """
    try:
        connection.ensure_connection()
    except OperationalError:
        return
    except ProgrammingError as error:  # what libpq calls an option it does not know
        raise ImproperlyConfigured(_("DATABASE_URL has an option that PostgreSQL does not take.")) from error
    if connection.pg_version < OLDEST_POSTGRESQL * 10_000:  # type: ignore[attr-defined]
        raise ImproperlyConfigured(
            _("PostgreSQL %(version)s or newer is needed.") % {"version": OLDEST_POSTGRESQL}
        )
    if settings.PRODUCTION and _role_is_superuser():
        raise ImproperlyConfigured(
            _("DATABASE_URL signs in as a database superuser: guards would not hold. Use a role of its own.")
        )
    refuse_newer_database()


def _role_is_superuser() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        return bool(cursor.fetchone()[0])
