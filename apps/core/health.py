"""
/healthz: the process answers. /readyz: it can do its work.

Answered before host and HTTPS checks, because probes call from inside the container.
"""

from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse

from apps.core.registry import health_warnings
from apps.core.startup import migration_gaps

WORKER_SEEN_SECONDS = 60


class HealthMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        match request.path:
            case "/healthz":
                return JsonResponse({"alive": True})
            case "/readyz":
                failures = not_ready()
                told = {"ready": not failures, "failures": failures, "warnings": warnings()}
                return JsonResponse(told, status=503 if failures else 200)
        return self.get_response(request)


def not_ready() -> list[str]:
    """Return why this node should get no work, in sentences that hold no secrets."""
    try:
        connection.close_if_unusable_or_obsolete()
        gaps = migration_gaps()
        if gaps.unknown:
            return ["The database is newer than this LedgerFlow."]
        if gaps.unapplied:
            return ["Migrations wait to be applied."]
        if not worker_is_alive():
            return [f"No worker was seen in the last {WORKER_SEEN_SECONDS} seconds."]
    except (DatabaseError, InterfaceError):
        connection.close()
        return ["The database does not answer."]
    return []


def warnings() -> list[str]:
    """Return what somebody should look at soon; none of it is a reason to send people elsewhere."""
    return [sentence for warn in health_warnings for sentence in warn()]


def worker_is_alive() -> bool:
    """Return whether a worker has reported lately."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM procrastinate_workers"
            " WHERE last_heartbeat > now() - make_interval(secs => %s))",
            [WORKER_SEEN_SECONDS],
        )
        return bool(cursor.fetchone()[0])
