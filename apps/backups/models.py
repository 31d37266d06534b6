from django.db import models
from django.utils.translation import gettext_lazy as _


class Backup(models.Model):
    """
    A backup, for the permissions about it. It has no table: the storage is the truth.

    A list kept in the database would be rewound by the very restore it is needed for.
    """

    class Meta:
        managed = False
        default_permissions = ()
        permissions = [("use_backups", _("Can make, see and restore backups"))]
        verbose_name = _("backup")
        verbose_name_plural = _("backups")

    def __str__(self) -> str:
        return str(self.pk)


class Heartbeat(models.Model):
    """
    The one row that is written each minute while there is an archive.

    It makes a database on which nobody works visibly alive in the archive, and tells in a recovered one
    which minute that is of. Where it was seen to arrive is noted outside, see archive.heartbeat.
    """

    at = models.DateTimeField(verbose_name=_("at"))

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.at)
