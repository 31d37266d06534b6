"""Dates as people type them."""

import datetime
import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class DayField(forms.Field):
    """
    A day: 2026-01-31, or in short 15 (of this month), 3-15 (of this year), t (today). Code ``day``.

    The field's script makes a full date of what is short, going by the month it shows; without it the
    month is today's. Other orders are not guessed: 1/2/2026 is two days.
    """

    default_error_messages = {
        "required": _("Give a date."),
        "day": _(
            "“%(text)s” is no date. Write it as 2026-01-31, as 15 for a day of this month, or t for today."
        ),
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.TextInput, **options)
        self.widget.attrs |= {
            "data-day": "",
            "autocomplete": "off",
            "maxlength": 20,
            "placeholder": "YYYY-MM-DD",
        }

    def to_python(self, value: Any) -> datetime.date | None:
        text = str(value or "").strip().lower()
        if not text:
            return None
        try:
            return _day(text, timezone.localdate())
        except ValueError:
            shown = text if len(text) <= 20 else text[:20] + "…"
            raise ValidationError(self.error_messages["day"], code="day", params={"text": shown}) from None

    def prepare_value(self, value: Any) -> Any:
        return value.isoformat() if isinstance(value, datetime.date) else value


def _day(text: str, today: datetime.date) -> datetime.date:
    if text == "t":
        return today
    if not (found := re.fullmatch(r"(?:(?:([0-9]{4})-)?([0-9]{1,2})-)?([0-9]{1,2})", text)):
        raise ValueError
    year, month, day = found.groups()
    return datetime.date(int(year or today.year), int(month or today.month), int(day))
