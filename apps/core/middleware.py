"""What every request passes through."""

import time
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import unquote

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]

# Unfold's Alpine needs 'unsafe-eval' and inline styles; its record pop-ups are frames of the same page.
POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "frame-ancestors 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
    ]
)
RENEW_AFTER = 5 * 60


def no_nul_in_addresses(get_response: GetResponse) -> GetResponse:
    """Refuse a NUL character in an address: no browser of ours sends it, and PostgreSQL has no such thing."""

    def respond(request: HttpRequest) -> HttpResponse:
        if "\0" in request.path or "\0" in unquote(request.META.get("QUERY_STRING", "")):
            raise BadRequest("A NUL character in the address.")
        return get_response(request)

    return respond


def content_security_policy(get_response: GetResponse) -> GetResponse:
    """Let pages load and post to nothing but this server."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.setdefault("Content-Security-Policy", POLICY)
        return response

    return respond


def sliding_session(get_response: GetResponse) -> GetResponse:
    """
    Renew the session of a person who is at work, at most once in five minutes.

    Someone in the middle of a long form must not be signed out by the clock, and saving the
    session at every request would be a write for every read.
    """

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        user = getattr(request, "user", None)
        if user is not None and user.is_authenticated:
            now = int(time.time())
            if now - request.session.get("renewed", 0) > RENEW_AFTER:
                request.session["renewed"] = now
        return response

    return respond


def client_address(request: HttpRequest) -> str:
    """
    Return the address a sign-in comes from.

    Behind the proxy that is the last hop of X-Forwarded-For, the one the proxy itself wrote;
    earlier ones are whatever the visitor claimed.
    """
    hop = request.headers.get("X-Forwarded-For", "").split(",")[-1].strip() if settings.TRUSTED_PROXY else ""
    for candidate in (hop, hop.rpartition(":")[0].strip("[]")):  # some proxies write the port as well
        try:
            return str(ip_address(candidate))
        except ValueError:
            continue
    return str(request.META.get("REMOTE_ADDR", ""))
