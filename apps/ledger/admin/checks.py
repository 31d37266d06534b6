from typing import Any

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import display

from apps.core.admin.base import ReadOnlyAdminMixin, ScopedAdminMixin
from apps.ledger.checking.card import faults_in
from apps.ledger.models import BookCheck


@admin.register(BookCheck)
class BookCheckAdmin(ReadOnlyAdminMixin, ScopedAdminMixin, ModelAdmin):
    """When the books were checked, and what broke a rule."""

    list_display = ["at", "result", "clients", "lines", "took"]
    list_fullwidth = True
    show_full_result_count = False

    fields = ["at", "faults", "clients", "lines", "took"]

    @display(description=_("result"), label={True: "success", False: "danger"})
    def result(self, check: BookCheck) -> tuple[bool, str]:
        return check.is_clean, faults_in(check)

    @display(description=_("took"))
    def took(self, check: BookCheck) -> str:
        return _now("%(seconds)s s") % {"seconds": f"{check.duration.total_seconds():.1f}"}

    @display(description=_("faults"))
    def faults(self, check: BookCheck) -> str:
        if check.is_clean:
            return _now("None: every rule of the books holds.")
        rows: list[tuple[Any, ...]] = [
            (_books(failure["client"]), failure["what"], failure["count"]) for failure in check.failures
        ]
        return format_html(
            '<div class="lf-listing"><table><thead><tr><th scope="col">{}</th><th scope="col">{}</th>'
            '<th scope="col">{}</th></tr></thead><tbody>{}</tbody></table></div>',
            _now("Client"),
            _now("The first record that breaks the rule"),
            _now("Records"),
            format_html_join("", '<tr><td>{}</td><td>{}</td><td class="lf-figure">{}</td></tr>', rows),
        )


def _books(code: str) -> str:
    if not code:
        return _now("The database")
    return format_html('<a href="{}">{}</a>', reverse("admin:books", args=[code]), code)
