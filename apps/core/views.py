"""Pages outside the admin."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string


def server_error(request: HttpRequest) -> HttpResponse:
    """Say what happened without a traceback; needs no database, which may be what failed."""
    database_is_away = issubclass(sys.exc_info()[0] or Exception, OperationalError | InterfaceError)
    name, status = ("503", 503) if database_is_away else ("500", 500)
    return HttpResponse(render_to_string(f"{name}.html"), status=status)
