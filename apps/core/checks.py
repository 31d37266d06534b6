"""System checks that Django does not have."""

from typing import Any

from django.core.checks import Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from apps.core.startup import refuse_unfit_database


@register(Tags.database)
def database_is_fit(*, databases: Any = None, **kwargs: Any) -> list[Error]:
    """Run with ``check --database default`` and before every migrate."""
    if not databases:
        return []
    try:
        refuse_unfit_database()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="core.E001")]
    return []
