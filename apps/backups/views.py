from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView
from unfold.views import UnfoldSiteViewMixin

from apps.backups.storage import newest_backup
from apps.backups.tasks import back_up
from apps.core.jobs import start


class BackUpNowView(UnfoldSiteViewMixin, TemplateView):
    """Asks the worker for a backup; the job page follows it."""

    title = _("Back up now")
    permission_required = ("backups.use_backups",)
    template_name = "backups/back_up_now.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(newest=newest_backup(), **kwargs)

    def post(self, request: HttpRequest) -> HttpResponse:
        title, permission = str(_("Back up the database")), self.permission_required[0]
        try:
            job = start(back_up, by=request.user, title=title, permission=permission)
        except ValidationError as error:  # asked for twice
            messages.warning(request, " ".join(error.messages))
            return redirect("admin:core_job_changelist")
        messages.success(request, _("The backup is queued."))
        return redirect("admin:core_job_change", job.pk)
