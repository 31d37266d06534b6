"""Who may see which rows. The rule itself is registered by the app that knows clients."""

from typing import Any

from django.db.models import Model, QuerySet

from apps.core.registry import scopes


def visible[Row: Model](queryset: QuerySet[Row], user: Any, permission: str | None = None) -> QuerySet[Row]:
    """
    Return the rows of ``queryset`` that ``user`` may see, or may use ``permission`` on.

    Lists, autocompletes, form choices, exports and jobs all narrow their rows here and nowhere else.
    """
    for scope in scopes:
        queryset = scope(queryset, user, permission)
    return queryset
