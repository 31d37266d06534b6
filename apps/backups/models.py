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
