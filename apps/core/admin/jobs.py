from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from procrastinate.contrib.django.admin import ProcrastinateJobAdmin  # noqa: F401  (registers it)
from procrastinate.contrib.django.models import ProcrastinateJob
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from apps.core import jobs
from apps.core.admin.base import ReadOnlyAdminMixin, ScopedAdminMixin
from apps.core.models import Job, JobState

LABELS = {
    JobState.WAITING: "info",
    JobState.RUNNING: "primary",
    JobState.CANCELLING: "warning",
    JobState.DONE: "success",
    JobState.FAILED: "danger",
    JobState.CANCELLED: "info",
    JobState.LOST: "danger",
}


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return JobState.choices

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.in_state(self.value()) if self.value() in JobState.values else queryset


admin.site.unregister(ProcrastinateJob)  # the queue's own view shows everyone's jobs with their arguments


@admin.register(Job)
class JobAdmin(ReadOnlyAdminMixin, ScopedAdminMixin, ModelAdmin):
    """Long work: how far it is, stop it, do it again. People see their own."""

    list_display = ["title", "state", "progress", "message", "asked_by", "asked_at", "ended_at"]
    list_filter = [StateFilter, ("asked_at", RangeDateTimeFilter)]
    list_filter_submit = True
    list_fullwidth = True
    list_select_related = ["run", "asked_by"]
    search_fields = ["title", "message"]
    show_full_result_count = False
    list_before_template = "core/follow_jobs.html"

    fields = ["title", "state_now", "progress", "message", "result", "asked_by", "asked_at", "ended_at"]
    readonly_fields = fields
    change_form_before_template = "core/follow_jobs.html"

    actions = None
    actions_detail = ["cancel", "again"]

    empty_hint = _("Work that takes longer than a moment shows here: backups, large imports.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        return super().get_queryset(request).asked_by(request.user).select_related("run", "asked_by")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        following = self.get_queryset(request).filter(run__status__in=["todo", "doing"]).exists()
        return super().changelist_view(request, {**(extra_context or {}), "following": following})

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        job = self._job(request, object_id)
        following = job is not None and not job.is_over
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "following": following}
        )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return request.user.is_staff

    def has_cancel_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        job = self._job(request, object_id)
        return job is not None and self._is_theirs(request, job) and not job.is_over

    def has_again_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        job = self._job(request, object_id)
        return (
            job is not None and self._is_theirs(request, job) and job.is_over and job.state != JobState.LOST
        )

    @display(description=_("state"), label=LABELS)
    def state(self, job: Job) -> tuple[str, str]:
        return job.state, job.state.label

    @display(description=_("state"))
    def state_now(self, job: Job) -> str:
        return job.state.label  # Unfold draws labels in lists only

    @display(description=_("progress"))
    def progress(self, job: Job) -> str:
        if job.percent is None:
            return "–"
        return format_html(
            '<progress class="lf-progress" max="100" value="{}" aria-label="{}"></progress> {} %',
            job.percent,
            _("progress"),
            job.percent,
        )

    @display(description=_("result"))
    def result(self, job: Job) -> str:
        return format_html('<a href="{}">{}</a>', job.result_url, _("Open")) if job.result_url else "–"

    @action(
        description=_("Stop"),
        icon="stop_circle",
        variant=ActionVariant.DANGER,
        permissions=["cancel"],
        dialog={
            "title": _("Stop this job?"),
            "description": _("It stops at its next step; what it was in the middle of is undone."),
            "form_submit_text": _("Stop job"),
        },
    )
    def cancel(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        job = self._job(request, object_id)
        return self._do(request, job, jobs.cancel, _("The job is being stopped."))

    @action(
        description=_("Do again"),
        icon="replay",
        permissions=["again"],
        dialog={
            "title": _("Do this job again?"),
            "description": _("The same work is queued once more."),
            "form_submit_text": _("Do again"),
        },
    )
    def again(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        job = self._job(request, object_id)
        return self._do(request, job, jobs.run_again, _("The job is queued again."))

    def _do(self, request: HttpRequest, job: Job, verb: Any, success: Any) -> HttpResponse:
        try:
            verb(job)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, success)
        return HttpResponse(headers={"HX-Redirect": reverse("admin:core_job_change", args=[job.pk])})

    def _job(self, request: HttpRequest, object_id: str | None) -> Job | None:
        return self.get_object(request, unquote(object_id)) if object_id else None

    def _is_theirs(self, request: HttpRequest, job: Job) -> bool:
        return request.user.is_superuser or job.asked_by_id == request.user.pk
