"""Values of fields in the words people read on a form."""

import datetime
from decimal import Decimal
from typing import Any

from django.db import models
from django.utils import formats, timezone
from django.utils.translation import gettext as _


def words(field: models.Field, value: Any) -> str:
    """Return a value in words: a choice by its label, a date as the project writes it; empty for nothing."""
    if value is None or value == "":
        return ""
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    match value:
        case bool():
            return _("yes") if value else _("no")
        case datetime.datetime():
            return formats.date_format(timezone.localtime(value), "DATETIME_FORMAT")
        case datetime.date():
            return formats.date_format(value)
        case Decimal():
            return plain_number(value)
        case int():
            return formats.number_format(value, force_grouping=True)
        case list():
            return ", ".join(map(str, value))
        case dict():
            return ", ".join(f"{name}: {one}" for name, one in value.items())
    return str(value)


def plain_number(value: Decimal) -> str:
    """Return a number with the decimals it needs and no more."""
    places = max(0, -int(value.normalize().as_tuple().exponent))
    return formats.number_format(value, places, force_grouping=True)


def of_moment(at: datetime.datetime) -> tuple[datetime.date, str]:
    """Return the day and the time of a moment as the practice's clocks show it, with the name of its zone."""
    here = timezone.localtime(at)
    return here.date(), f"{here:%H:%M:%S %Z}"
