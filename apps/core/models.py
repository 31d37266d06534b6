from typing import Any, ClassVar

from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.models import AbstractUser, Group
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _
from simple_history import register

from apps.core.history import history


class UserManager(DjangoUserManager["User"]):
    def create_user(self, username: str, *args: Any, **fields: Any) -> "User":
        """Create a person; like everyone here, they may sign in to the back office."""
        fields.setdefault("is_staff", True)
        return super().create_user(username, *args, **fields)


class User(AbstractUser):
    """A person of the practice. Deactivated when they leave, never deleted: history names them."""

    is_staff = models.BooleanField(
        _("may sign in to the back office"),
        default=True,
        help_text=_("Everyone here works in the back office."),
    )

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]
    history = history(excluded_fields=["password", "last_login"], m2m_fields=["groups"])

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        ordering = ["username"]
        permissions = [("export_records", _("Can export what they may see"))]
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="core_user_username_unique",
                violation_error_message=_("Somebody has this username, in capitals or not."),
            ),
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a sign-in alone is no change worth a line in the history."""
        if set(kwargs.get("update_fields") or ()) != {"last_login"}:
            return super().save(*args, **kwargs)
        self.skip_history_when_saving = True
        try:
            super().save(*args, **kwargs)
        finally:
            del self.skip_history_when_saving


# Django's own model, with our history: what a group may do is a right like any other.
register(Group, app="apps.core", history_id_field=models.BigAutoField(), m2m_fields=["permissions"])


class JobState(models.TextChoices):
    """What a person needs to know of a job; derived from the queue, never stored beside it."""

    WAITING = "waiting", _("Waiting")
    RUNNING = "running", _("Running")
    CANCELLING = "cancelling", _("Stopping")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")
    LOST = "lost", _("Lost")


class JobQuerySet(models.QuerySet["Job"]):
    def asked_by(self, user: User) -> "JobQuerySet":
        """Jobs the user may see: their own, or all for those who watch over everyone's."""
        return self if user.has_perm("core.view_every_job") else self.filter(asked_by=user)

    def in_state(self, state: str) -> "JobQuerySet":
        """Jobs that are in a state now."""
        running = models.Q(run__status="doing")
        conditions = {
            JobState.WAITING: models.Q(run__status="todo"),
            JobState.RUNNING: running & models.Q(cancel_requested=False),
            JobState.CANCELLING: running & models.Q(cancel_requested=True),
            JobState.DONE: models.Q(run__status="succeeded", cancelled=False),
            JobState.FAILED: models.Q(run__status="failed"),
            JobState.CANCELLED: models.Q(run__status__in=["cancelled", "aborted"]) | models.Q(cancelled=True),
            JobState.LOST: models.Q(run__status=None),
        }
        return self.filter(conditions[JobState(state)])


class Job(models.Model):
    """
    Work a person asked for that takes longer than a request: who, what, how far, and how it ended.

    Whether it waits, runs or is over is the queue's knowledge (``run``), so the two cannot disagree.
    """

    run = models.OneToOneField(
        "procrastinate.ProcrastinateJob",
        models.DO_NOTHING,
        null=True,
        editable=False,
        db_constraint=False,  # the queue's rows are cleared by a restore; what was asked for stays on record
        related_name="+",
    )
    title = models.CharField(_("job"), max_length=200)
    asked_by = models.ForeignKey(User, models.PROTECT, verbose_name=_("asked by"), related_name="jobs")
    asked_at = models.DateTimeField(_("asked at"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, editable=False)
    # No foreign key: core does not know clients. The app that does scopes on this column.
    client_id = models.BigIntegerField(null=True, editable=False, db_index=True)
    permission = models.CharField(max_length=100, blank=True, editable=False)
    crashes = models.PositiveSmallIntegerField(default=0, editable=False)
    done = models.PositiveBigIntegerField(default=0, editable=False)
    total = models.PositiveBigIntegerField(null=True, editable=False)
    message = models.CharField(_("what happened"), max_length=500, blank=True, editable=False)
    result_url = models.CharField(max_length=500, blank=True, editable=False)
    cancel_requested = models.BooleanField(default=False, editable=False)
    cancelled = models.BooleanField(default=False, editable=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-asked_at", "-pk"]
        default_permissions = ()
        permissions = [("view_every_job", _("Can see everyone's jobs"))]
        indexes = [models.Index(fields=["asked_by", "-asked_at"], name="core_job_by_person")]

    def __str__(self) -> str:
        return self.title

    @property
    def state(self) -> JobState:
        """Return the state now; reads ``run``, so lists select it along."""
        match self.run.status if self.run else None:
            case "todo":
                return JobState.WAITING
            case "doing":
                return JobState.CANCELLING if self.cancel_requested else JobState.RUNNING
            case "succeeded":
                return JobState.CANCELLED if self.cancelled else JobState.DONE
            case "failed":
                return JobState.FAILED
            case "cancelled" | "aborted":
                return JobState.CANCELLED
        return JobState.LOST

    @property
    def is_over(self) -> bool:
        return self.state not in {JobState.WAITING, JobState.RUNNING, JobState.CANCELLING}

    @property
    def percent(self) -> int | None:
        """Progress in whole percent, or None while the amount of work is not known."""
        return min(100, self.done * 100 // self.total) if self.total else None


class SignIn(AccessLog):
    """django-axes' record of who signed in, in the words of this back office."""

    class Meta:
        proxy = True
        default_permissions = ("view",)
        verbose_name = _("sign-in")
        verbose_name_plural = _("sign-ins")

    def __str__(self) -> str:
        return f"{self.username} ({self.ip_address})"


class WrongPassword(AccessAttempt):
    """django-axes' count of failures; deleting one lifts the pause it caused."""

    class Meta:
        proxy = True
        default_permissions = ("view", "delete")
        verbose_name = _("wrong password")
        verbose_name_plural = _("wrong passwords")

    def __str__(self) -> str:
        return f"{self.username} ({self.ip_address})"
