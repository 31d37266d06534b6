"""Who did something to a backup, for the records that lie with the backups."""

import getpass

from django.utils.translation import gettext as _

WORKER = "the schedule"


def who_calls() -> str:
    """Return who types a command: the account of the machine, where it has a name."""
    try:
        return _("%(account)s at the command line") % {"account": getpass.getuser()}
    except (KeyError, OSError, ImportError):
        return _("the command line")
