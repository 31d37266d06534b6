"""Going back to a moment: which can be had, what was different then, and the deed."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from apps.backups import services, tasks
from apps.backups.archive import layout
from apps.backups.archive.moments import LATEST, in_practice_time, moment_of
from apps.backups.archive.watch import problems
from apps.backups.losses import losses_since
from apps.backups.services.going_back import last_drill, last_look, said, target_at
from apps.backups.views.backups import BackupsPage, DeedView, follow, refuse_while_one_runs, start_job, who

SHOWN_AS = "%Y-%m-%dT%H:%M:%S"


class MomentForm(forms.Form):
    """Asks for a moment as the practice's clock showed it; where that came twice, as text with its offset."""

    moment = forms.CharField(
        label=_("Go back to"),
        widget=forms.TextInput(attrs={"type": "datetime-local", "step": "1", "autofocus": True}),
        error_messages={"required": _("Say which moment.")},
    )

    def clean_moment(self) -> datetime:
        text: str = self.cleaned_data["moment"]
        try:
            found = moment_of(text)
            if found is None:
                raise ValidationError(_("Say which moment."), code="time")
            return target_at(found).moment
        except ValidationError as error:
            if error.code == "time" and not _is_of_the_clock(text):
                self.fields["moment"].widget.attrs["type"] = "text"
            raise


class ArchivePage(BackupsPage):
    """A page that is there where there is an archive."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if self.has_permission() and not layout.is_on():
            raise Http404
        return super().dispatch(request, *args, **kwargs)


class GoBackView(ArchivePage):
    """Which moments can be had, and choosing one."""

    title = _("Go back to…")
    template_name = "backups/go_back.html"

    def post(self, request: HttpRequest) -> HttpResponse:
        form = MomentForm(request.POST)
        if not form.is_valid():
            return self.render_to_response(self.get_context_data(form=form))
        moment = form.cleaned_data["moment"]
        if "look" not in request.POST:
            return redirect("admin:go_back_to", _in_address(moment))
        try:
            refuse_while_one_runs()
        except ValidationError as error:
            form.add_error(None, error)
            return self.render_to_response(self.get_context_data(form=form))
        return follow(services.start_look(moment, by=who(request)))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = layout.windows()
        last = found[-1].until if found else timezone.now()
        kwargs.setdefault("form", MomentForm(initial={"moment": timezone.localtime(last).strftime(SHOWN_AS)}))
        return super().get_context_data(
            windows=[(said(one.since), said(one.until)) for one in reversed(found)],
            gaps=[
                (said(before.until), said(after.since))
                for before, after in zip(found, found[1:], strict=False)
            ],
            problems=problems(),
            zone=timezone.get_default_timezone_name(),
            drill=last_drill(),
            look=last_look(),
            LATEST=LATEST,
            **kwargs,
        )


class LookView(ArchivePage):
    """The moment that is up, beside now."""

    title = _("An earlier moment beside now")
    template_name = "backups/look.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        look = last_look()
        return super().get_context_data(
            look=look,
            then=said(look.moment) if look else "",
            compared=said(look.compared_at) if look else "",
            address=reverse("admin:go_back_to", args=[_in_address(look.moment)]) if look else "",
            **kwargs,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            services.look_away(by=who(request))
            messages.success(request, _("What was looked at is dropped. Nothing was changed."))
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        return redirect("admin:go_back")


class GoBackToView(DeedView):
    """The deed, with what would be lost."""

    button = _("Go back")
    back_to = ("admin:go_back", _("Back to choosing a moment"))

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if self.has_permission() and not layout.is_on():
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    @cached_property
    def moment(self) -> datetime | None:
        try:
            return moment_of(self.kwargs["moment"])
        except ValidationError as error:
            raise Http404 from error

    @property
    def title(self) -> str:
        if self.moment is None:
            return _now("Go back to the last moment in the archive")
        return _now("Go back to %(when)s") % {"when": said(self.moment)}

    @property
    def sentences(self) -> list[Any]:
        last = layout.last_reach()
        since = self.moment or (last.until if last else timezone.now())
        return [
            _now("What was done after %(when)s goes.") % {"when": said(since)},
            *losses_since(since),
            _("That moment is brought up beside the live database and tested before anything changes."),
            _("While the databases change over, whoever saves waits; then everybody signs in again."),
            _("What is there now is backed up first, and the database itself is kept until you drop it."),
        ]

    def act(self, form: Any) -> HttpResponseBase:
        if self.moment is not None:
            target_at(self.moment)
        refuse_while_one_runs()
        return follow(services.start_restore_to(self.moment, by=who(self.request)))


class MakeBaseView(ArchivePage):
    """Asks the worker for a base backup."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        return start_job(request, tasks.make_base, _now("Make a base backup of the archive"))


class DrillView(ArchivePage):
    """Asks the worker to try the archive out."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        return start_job(request, tasks.run_drill, _now("Try the archive out"))


def _in_address(moment: datetime) -> str:
    return moment.astimezone(timezone.get_default_timezone()).isoformat()


def _is_of_the_clock(text: str) -> bool:
    """Return whether a text is a moment that the practice's clock showed once."""
    try:
        in_practice_time(datetime.fromisoformat(text.strip()).replace(tzinfo=None))
    except ValueError:
        return True
    except ValidationError:
        return False
    return True
