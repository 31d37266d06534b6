"""The Backups screen, and what is done from it."""

import time
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import authenticate, update_session_auth_hash
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django.views.generic import TemplateView
from unfold.views import UnfoldSiteViewMixin

from apps.backups import log, services, tasks
from apps.backups.archive import layout
from apps.backups.catalogue import Backup, State, backup_named
from apps.backups.databases import Copy, kept_copies
from apps.backups.health import health
from apps.backups.losses import contents, losses
from apps.backups.offsite import records
from apps.backups.runs import LOCK, ask_to_stop, last_run
from apps.backups.services.keeping import is_one_of_the_last
from apps.backups.storage import folder, is_held
from apps.core.jobs import start

PERMISSION = "backups.use_backups"
PILLS = {State.TESTED: "green", State.READ_BACK: "amber", State.STORED: "amber", State.FAILED: "red"}
DEEDS = {
    "backup": _("Backup"),
    "test": _("Test"),
    "restore": _("Restore"),
    "undo": _("Undo of a restore"),
    "delete": _("Delete"),
    "drop": _("Drop a kept database"),
    "download": _("Download"),
    "go back": _("Go back in time"),
    "look": _("Look at an earlier moment"),
    "look away": _("Drop what was looked at"),
    "base": _("Base backup of the archive"),
    "drill": _("Drill of the archive"),
    "push": _("Copy off site"),
    "push archive": _("Copy the archive off site"),
    "fetch": _("Fetch a copy"),
    "fetch archive": _("Fetch the archive"),
    "prune": _("Delete a copy off site"),
    "prune archive": _("Thin out the archive off site"),
}
#: What a run is called while it goes on and when it is done, by what it does.
RUNS = {
    "restore": (_("Restoring the backup"), _("The backup is restored")),
    "undo": (_("Undoing the restore"), _("The restore is undone")),
    "go back": (_("Going back in time"), _("The database is as it was")),
    "look": (_("Bringing up an earlier moment"), _("The moment is up beside today")),
}
OUTCOMES = {"begun": _("Begun"), "done": _("Done"), "failed": _("Failed"), "stopped": _("Stopped")}
MOST_LOG_LINES = 30
SALT = "backups.run"
DAY = 24 * 3600
SECONDS_TO_START = 30


class BackupsPage(UnfoldSiteViewMixin, TemplateView):
    """A page for superusers and the group of backups."""

    title = _("Backups")
    permission_required = (PERMISSION,)

    def named(self, name: str) -> Backup:
        try:
            return backup_named(name)
        except ValidationError as error:
            raise Http404 from error


class BackupsView(BackupsPage):
    """What backups there are, whether they are well, and what can be done with each."""

    template_name = "backups/backups.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        now = health()
        run = last_run()
        copied = {one.name for one in records.copies()}
        return super().get_context_data(
            health=now,
            rows=[
                {
                    "backup": one,
                    "holds": contents(one),
                    "pill": PILLS[one.state],
                    "is_off_site": one.name in copied,
                }
                for one in now.every
            ],
            copies_off_site=records.is_configured(),
            copies=kept_copies(),
            run=run,
            run_token=signing.dumps(run["id"], salt=SALT) if run else "",
            going=RUNS.get(run["what"], ("",))[0] if run else "",
            has_archive=layout.is_on(),
            log=[_in_words(line) for line in log.newest(MOST_LOG_LINES)],
            **kwargs,
        )


class BackUpNowView(BackupsPage):
    """Asks the worker for a backup; the job page follows it."""

    http_method_names = ["get", "post"]

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return redirect("admin:backups")

    def post(self, request: HttpRequest) -> HttpResponse:
        return start_job(request, tasks.back_up, _now("Back up the database"))


class CopyOffSiteView(BackupsPage):
    """Asks the worker to copy off site what is not there yet."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        return start_job(request, tasks.copy_off_site, _now("Copy the backups off site"))


class TestBackupView(BackupsPage):
    """Asks the worker to test a backup."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        backup = self.named(name)
        title = _now("Test the backup of %(when)s") % {"when": _when(backup.taken_at)}
        return start_job(request, tasks.run_test, title, name=backup.name)


class PasswordForm(forms.Form):
    """Asks the person at the screen for their password again: a screen is left open more often than known."""

    password = forms.CharField(
        label=_("Your password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(data, use_required_attribute=False)
        self._request = request

    def clean_password(self) -> str:
        name = self._request.user.get_username()
        password: str = self.cleaned_data["password"]
        user = authenticate(self._request, username=name, password=password)
        if user != self._request.user:
            raise ValidationError(_("This is not your password."))
        if user.get_session_auth_hash() != self._request.user.get_session_auth_hash():
            update_session_auth_hash(self._request, user)  # a newer Django hashed the password anew
        return password


class NameForm(forms.Form):
    """Has the name of a thing typed that goes for ever."""

    typed = forms.CharField(
        label=_("Type its name"), widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )

    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(data, use_required_attribute=False)


class PlainForm(forms.Form):
    def __init__(self, request: HttpRequest, data: Any = None) -> None:
        super().__init__(data)


class DeedView(BackupsPage):
    """One deed with its consequences, asked on a page of its own."""

    template_name = "backups/deed.html"
    form_class: Any = PasswordForm
    button: Any = ""
    back_to: tuple[str, Any] = ("admin:backups", _("Back to the backups"))
    is_danger = True

    @property
    def sentences(self) -> list[Any]:
        """What happens, and what would be lost."""
        raise NotImplementedError

    def act(self, form: Any) -> HttpResponseBase:
        """Do it. Raises ValidationError, which is shown over the form."""
        raise NotImplementedError

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self._show(self.form_class(request))

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        form = self.form_class(request, request.POST)
        if form.is_valid():
            try:
                return self.act(form)
            except ValidationError as error:
                form.add_error(None, error)
        return self._show(form)

    def _show(self, form: forms.Form) -> HttpResponse:
        return self.render_to_response(self.get_context_data(form=form, deed=self, title=self.title))


class BackupDeedView(DeedView):
    @cached_property
    def backup(self) -> Backup:
        return self.named(self.kwargs["name"])


class RestoreView(BackupDeedView):
    button = _("Restore it")

    @property
    def title(self) -> str:
        return _now("Restore the backup of %(when)s") % {"when": _when(self.backup.taken_at)}

    @property
    def sentences(self) -> list[Any]:
        state = {
            State.TESTED: _("It has been tested, and is tested again before anything changes."),
            State.FAILED: _("It failed its test, so it will be refused."),
        }.get(self.backup.state, _("It has not been tested yet; it is before anything changes."))
        return [
            *losses(self.backup),
            state,
            _("While the databases change over, whoever saves waits a moment."),
            _("Then everybody signs in again."),
            _("What is there now is backed up first, and the database itself is kept until you drop it."),
        ]

    def act(self, form: Any) -> HttpResponseBase:
        self.backup.manifest()
        refuse_while_one_runs()
        return follow(services.start_restore(self.backup.name, by=who(self.request)))


class UndoView(DeedView):
    title = _("Undo the last restore")
    button = _("Go back")

    @property
    def sentences(self) -> list[Any]:
        copy = next(iter(kept_copies()), None)
        if copy is None:
            return [_("There is no earlier database to go back to.")]
        return [
            _now("The database that was set aside on %(when)s comes back.") % {"when": _when(copy.since)},
            _("What was done since then goes with the database it replaces, which is kept in turn."),
            _("Everybody signs in again."),
        ]

    def act(self, form: Any) -> HttpResponseBase:
        if not kept_copies():
            raise ValidationError(_("There is no earlier database to go back to."), code="none")
        refuse_while_one_runs()
        return follow(services.start_undo(by=who(self.request)))


class DownloadView(BackupDeedView):
    title = _("Download a backup")
    button = _("Download")
    is_danger = False

    @property
    def sentences(self) -> list[Any]:
        return [
            self.backup.name,
            _("The file holds the books of all clients, their tax ids and everybody's password hashes."),
            _("Keep it as safe as the database."),
            _("Papers attached to entries are not in it; they lie in the backup folder."),
        ]

    def act(self, form: Any) -> HttpResponseBase:
        file = open(folder() / self.backup.name, "rb")  # noqa: SIM115  (the answer closes it)
        log.record("download", by=who(self.request), outcome="done", name=self.backup.name)
        return FileResponse(file, as_attachment=True, filename=self.backup.name)


class DeleteBackupView(BackupDeedView):
    title = _("Delete a backup")
    button = _("Delete it")
    form_class = PlainForm

    @property
    def sentences(self) -> list[Any]:
        if is_one_of_the_last(self.backup):
            return [
                self.backup.name,
                _("This is one of the last two tested backups; test a newer one first."),
            ]
        return [self.backup.name, _("There is no way back from this.")]

    def act(self, form: Any) -> HttpResponseBase:
        services.delete_backup(self.backup.name, by=who(self.request))
        messages.success(self.request, _("The backup is deleted."))
        return redirect("admin:backups")


class DropCopyView(DeedView):
    title = _("Drop a kept database")
    button = _("Drop it")
    form_class = NameForm

    @cached_property
    def copy(self) -> Copy:
        for one in kept_copies():
            if one.name == self.kwargs["name"]:
                return one
        raise Http404

    @property
    def sentences(self) -> list[Any]:
        return [self.copy.name, _("There is no way back from this, and no undo of the restore that kept it.")]

    def act(self, form: Any) -> HttpResponseBase:
        services.drop_kept_copy(self.copy.name, typed=form.cleaned_data["typed"], by=who(self.request))
        messages.success(self.request, _("The kept database is dropped."))
        return redirect("admin:backups")


@never_cache
@require_http_methods(["GET", "POST"])
def run_page(request: HttpRequest, token: str) -> HttpResponse:
    """
    How far a restore is, for whoever started it or was shown the way.

    It ends every session, so this page asks for none: its address is signed, and good for a day. It reads
    files only; the database may be changing over this very moment.
    """
    try:
        identity = signing.loads(token, salt=SALT, max_age=DAY)
    except signing.BadSignature:
        raise Http404 from None
    run = last_run()
    if run is None or run["id"] != identity:
        waited = time.time() - _made_at(token)
        state = "starting" if waited < SECONDS_TO_START else "lost"
        run = {"state": state, "id": identity, "steps": [], "what": ""}
    if request.method == "POST" and run["state"] == "running":
        ask_to_stop()
        return redirect("run_page", token)
    going, done = RUNS.get(run["what"], (_("Restoring"), _("It is done")))
    heading = {
        "starting": going,
        "running": going,
        "done": done,
        "stopped": _("It was stopped"),
    }.get(run["state"], _("It did not go through"))
    context = {
        "run": run,
        "token": token,
        "goes_on": run["state"] in ("starting", "running"),
        "going": going,
        "heading": heading,
    }
    return render(request, "backups/run.html", context)


def _in_words(line: dict[str, Any]) -> dict[str, Any]:
    label = DEEDS.get(line["what"], line["what"])
    return {**line, "label": label, "ended": OUTCOMES.get(line["outcome"], line["outcome"])}


def start_job(request: HttpRequest, task: Any, title: str, **arguments: Any) -> HttpResponse:
    try:
        job = start(
            task, by=request.user, title=title, permission=PERMISSION, **arguments, by_name=who(request)
        )
    except ValidationError as error:  # asked for twice
        messages.warning(request, " ".join(error.messages))
        return redirect("admin:core_job_changelist")
    return redirect("admin:core_job_change", job.pk)


def follow(identity: str) -> HttpResponse:
    return redirect("run_page", signing.dumps(identity, salt=SALT))


def refuse_while_one_runs() -> None:
    if is_held(LOCK):
        raise ValidationError(_("A restore is running; wait for its end."), code="busy")


def _made_at(token: str) -> float:
    return signing.b62_decode(token.split(":")[-2])


def who(request: HttpRequest) -> str:
    return str(request.user)


def _when(moment: Any) -> str:
    return date_format(timezone.localtime(moment), "DATETIME_FORMAT")
