"""The look of the admin: name, mark, colours, sidebar by job."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from apps.backups.pages import PAGES as BACKUP_PAGES
from apps.ledger.pages import PAGES


def _may(permission: str) -> Any:
    return lambda request: request.user.has_perm(permission)


def _item(title: Any, icon: str, link: str, permission: Any = None) -> dict[str, Any]:
    """Return a sidebar item that lights up on its own pages, and on no other's."""
    url = reverse_lazy(link)

    def active(request: HttpRequest) -> bool:
        return request.path == url if link == "admin:index" else request.path.startswith(str(url))

    item = {"title": title, "icon": icon, "link": url, "active": active}
    return {**item, "permission": permission} if permission else item


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "LedgerFlow",
    "SITE_HEADER": "LedgerFlow",
    "SITE_SUBHEADER": _("Back office"),
    "SITE_URL": None,
    "SITE_ICON": lambda request: static("core/mark.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("core/mark.svg")}
    ],
    "SHOW_VIEW_ON_SITE": False,
    "ENVIRONMENT": "apps.core.dashboard.environment",
    "LOGIN": {"form": "apps.core.forms.SignInForm"},
    "DASHBOARD_CALLBACK": "apps.core.dashboard.dashboard",
    "COMMAND": {"search_models": False, "search_callback": "apps.core.dashboard.search"},
    "STYLES": [lambda request: static("core/ledgerflow.css")],
    "SCRIPTS": [lambda request: static("core/ledgerflow.js")],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        # Slate with a little green in it, and a deep teal: calm for eight hours, 4.5:1 in both themes.
        "base": {
            "50": "oklch(98.4% .003 200)",
            "100": "oklch(96.4% .005 200)",
            "200": "oklch(92.4% .008 205)",
            "300": "oklch(86.6% .012 210)",
            "400": "oklch(70.6% .02 215)",
            "500": "oklch(54.6% .024 218)",
            "600": "oklch(44% .026 220)",
            "700": "oklch(36.6% .026 222)",
            "800": "oklch(27.4% .024 224)",
            "900": "oklch(20.6% .022 226)",
            "950": "oklch(14% .018 228)",
        },
        "primary": {
            "50": "oklch(97.6% .015 190)",
            "100": "oklch(94.4% .032 190)",
            "200": "oklch(89.6% .056 190)",
            "300": "oklch(82.4% .08 190)",
            "400": "oklch(73% .092 190)",
            "500": "oklch(61.4% .09 192)",
            "600": "oklch(50.6% .08 194)",
            "700": "oklch(43.6% .07 196)",
            "800": "oklch(37.4% .058 198)",
            "900": "oklch(32.4% .048 200)",
            "950": "oklch(24% .038 202)",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    _item(_("Today"), "today", "admin:index"),
                    _item(
                        _("Clients"),
                        "business_center",
                        "admin:profiles_client_changelist",
                        _may("profiles.view_client"),
                    ),
                    _item(
                        _("Journal"),
                        "receipt_long",
                        "admin:ledger_journalentry_changelist",
                        _may("ledger.view_journalentry"),
                    ),
                    _item(_("Close"), "event_available", "admin:close", _may("ledger.view_period")),
                    _item(_("Jobs"), "pending_actions", "admin:core_job_changelist"),
                ],
            },
            {
                "title": _("Set-up"),
                "collapsible": True,
                "items": [
                    _item(
                        _("Accounts"),
                        "account_tree",
                        "admin:ledger_account_changelist",
                        _may("ledger.view_account"),
                    ),
                    _item(
                        _("Contacts"),
                        "contacts",
                        "admin:ledger_contact_changelist",
                        _may("ledger.view_contact"),
                    ),
                    _item(
                        _("Classes"),
                        "sell",
                        "admin:ledger_costcentre_changelist",
                        _may("ledger.view_costcentre"),
                    ),
                    _item(
                        _("Tax codes"),
                        "percent",
                        "admin:ledger_taxcode_changelist",
                        _may("ledger.view_taxcode"),
                    ),
                    _item(
                        _("Fiscal years"),
                        "calendar_month",
                        "admin:ledger_fiscalyear_changelist",
                        _may("ledger.view_fiscalyear"),
                    ),
                    _item(
                        _("Exchange rates"),
                        "currency_exchange",
                        "admin:ledger_exchangerate_changelist",
                        _may("ledger.view_exchangerate"),
                    ),
                    _item(
                        _("Tax ids seen"),
                        "visibility",
                        "admin:ledger_taxidaccess_changelist",
                        _may("ledger.view_taxidaccess"),
                    ),
                    _item(
                        _("Access rights"),
                        "key",
                        "admin:profiles_staffaccess_changelist",
                        _may("profiles.view_staffaccess"),
                    ),
                    _item(_("People"), "person", "admin:core_user_changelist", _may("core.view_user")),
                    _item(_("Groups"), "group", "admin:auth_group_changelist", _may("auth.view_group")),
                    _item(_("Sign-ins"), "login", "admin:core_signin_changelist", _may("core.view_signin")),
                    _item(
                        _("Wrong passwords"),
                        "lock_person",
                        "admin:core_wrongpassword_changelist",
                        _may("core.view_wrongpassword"),
                    ),
                    _item(
                        _("Checks of the books"),
                        "verified",
                        "admin:ledger_bookcheck_changelist",
                        _may("ledger.view_bookcheck"),
                    ),
                    _item(_("Backups"), "backup", "admin:backups", _may("backups.use_backups")),
                ],
            },
        ],
    },
    "SITE_VIEWS": [*BACKUP_PAGES, *PAGES],
}
