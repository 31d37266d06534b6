"""Amounts as people type them."""

import re
from decimal import Decimal, localcontext
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from apps.ledger.models.journal import MOST

LONGEST = 100  # characters: no sum that somebody types is longer
PLAIN = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
DECIMAL_COMMA = re.compile(r"[0-9.]*,[0-9]*")
BLANKS = dict.fromkeys(map(ord, " \t\u00a0\u2009\u202f"))  # as some languages group thousands


class AmountField(forms.Field):
    """
    A sum as it is typed, "1,234.56" or "120+35.50", as a Decimal with no more decimals than its currency.

    A comma groups thousands. Where it might be a decimal comma nothing is guessed. The field's script says
    the same, for people to see; what it lets pass is asked here again. Error codes: ``amount``, ``comma``,
    ``decimals``, ``large``.
    """

    default_error_messages = {
        "required": _("Give an amount."),
        "amount": _("“%(text)s” is no amount. Write it as 1,234.56, or as a sum such as 120+35.50."),
        "comma": _("Write decimals after a point: “%(text)s” could mean two amounts."),
        "decimals": _("%(text)s has more than %(decimals)s decimals."),
        "large": _("An amount is a number below 1,000,000,000,000,000."),
    }

    def __init__(self, *, decimals: int, **options: Any) -> None:
        super().__init__(widget=forms.TextInput, **options)
        self.decimals = decimals
        self.widget.attrs |= {"inputmode": "decimal", "autocomplete": "off", "maxlength": LONGEST}

    def to_python(self, value: Any) -> Decimal | None:
        text = str(value or "").translate(BLANKS).replace("−", "-")
        if not text:
            return None
        if len(text) > LONGEST:
            raise self._error("amount", text[:20] + "…")
        with localcontext(prec=2 * LONGEST):  # no digit that was typed is rounded away
            amount = sum((self._term(sign, number, text) for sign, number in self._terms(text)), Decimal(0))
        if abs(amount) >= MOST:
            raise self._error("large", text)
        if amount != round(amount, self.decimals):
            raise self._error("decimals", text)
        return round(amount, self.decimals)

    def prepare_value(self, value: Any) -> Any:
        """Show a stored amount as people read it, and what was typed as it was typed."""
        return as_typed(value, self.decimals) if isinstance(value, Decimal) else value

    def _terms(self, text: str) -> list[tuple[str, str]]:
        terms = re.findall(r"([+-]?)([^+-]+)", text)
        if "".join(sign + number for sign, number in terms) != text or not all(
            sign for sign, _number in terms[1:]
        ):
            raise self._error("amount", text)
        return terms

    def _term(self, sign: str, number: str, text: str) -> Decimal:
        if GROUPED.fullmatch(number):
            # "1,234" is one thousand and more, unless the currency's own decimals are three
            if self.decimals == 3 and number.count(",") == 1 and "." not in number:
                raise self._error("comma", text)
        elif not PLAIN.fullmatch(number):
            raise self._error("comma" if DECIMAL_COMMA.fullmatch(number) else "amount", text)
        return Decimal(f"{sign}{number.replace(',', '')}")

    def _error(self, code: str, text: str) -> ValidationError:
        params = {"text": text, "decimals": self.decimals}
        return ValidationError(self.error_messages[code], code=code, params=params)


def as_typed(amount: Decimal, decimals: int) -> str:
    """Return an amount with its currency's decimals and thousands grouped, as the fields take it."""
    return formats.number_format(amount, decimals, force_grouping=True)
