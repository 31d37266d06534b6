"""Pages outside the admin."""

import sys

from django.contrib import admin
from django.core.paginator import InvalidPage
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string


def palette(request: HttpRequest) -> HttpResponse:
    """Unfold's search, without its traceback for a page that does not exist."""
    try:
        return admin.site.search(request)  # type: ignore[attr-defined]
    except InvalidPage:
        raise Http404 from None


def server_error(request: HttpRequest) -> HttpResponse:
    """Say what happened without a traceback; needs no database, which may be what failed."""
    database_is_away = issubclass(sys.exc_info()[0] or Exception, OperationalError | InterfaceError)
    name, status = ("503", 503) if database_is_away else ("500", 500)
    return HttpResponse(render_to_string(f"{name}.html"), status=status)
