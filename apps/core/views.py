"""Pages outside the admin."""

import sys

import psycopg
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
    name, status = ("503", 503) if _is_database_away(sys.exc_info()[1]) else ("500", 500)
    return HttpResponse(render_to_string(f"{name}.html"), status=status)


def _is_database_away(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, is a database that cannot be reached or written to now."""
    away: tuple[type[BaseException], ...] = (OperationalError, InterfaceError)
    away += (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction)
    while error is not None and not isinstance(error, away):
        error = error.__cause__
    return error is not None
