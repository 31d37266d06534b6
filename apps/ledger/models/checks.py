"""What came of checking the books."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class BookCheck(models.Model):
    """
    A check of every client's books: what failed, or that nothing did. Only grows.

    ``failures`` is a list of what ``apps.ledger.checking.Failure`` holds, dates in ISO form.
    """

    at = models.DateTimeField(_("checked at"), auto_now_add=True, db_index=True)
    duration = models.DurationField(_("took"))
    clients = models.PositiveIntegerField(_("clients"))
    lines = models.PositiveBigIntegerField(_("lines"))
    failures = models.JSONField(_("failures"), default=list)

    class Meta:
        verbose_name = _("check of the books")
        verbose_name_plural = _("checks of the books")
        ordering = ["-at", "-pk"]
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"

    @property
    def is_clean(self) -> bool:
        return not self.failures
