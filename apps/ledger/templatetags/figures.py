"""Money on screens: thousands apart, two decimals or what the currency has, minus with its sign."""

from decimal import Decimal

from django import template
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from apps.ledger.reports.statement import Cell

register = template.Library()


@register.filter
def money(value: Decimal | None, decimals: int = 2) -> SafeString | str:
    """Write an amount; what is negative has a sign and a class, what is nothing is left empty."""
    if value is None:
        return ""
    text = number_format(value + 0, decimals, force_grouping=True)  # no -0.00
    if value > 0:
        return text
    return format_html('<span class="{}">{}</span>', "lf-negative" if value < 0 else "lf-zero", text)


@register.filter
def side(value: Decimal, decimals: int = 2) -> SafeString:
    """Write a balance, debit positive, with the side it stands on."""
    text = number_format(abs(value), decimals, force_grouping=True)
    name = "" if not value else _("Dr") if value > 0 else _("Cr")
    return format_html('{} <span class="lf-side">{}</span>', text, name)


@register.filter
def nonzero(value: Decimal, decimals: int = 2) -> SafeString | str:
    """Write an amount of a column that is empty where there is nothing: debit, credit."""
    return money(value, decimals) if value else ""


@register.filter
def per_cent(value: Decimal | None) -> SafeString | str:
    """Write a change in per cent with one decimal."""
    if value is None:
        return "–"
    text = f"{number_format(value, 1, force_grouping=True)} %"
    return format_html('<span class="lf-negative">{}</span>', text) if value < 0 else text


@register.simple_tag
def figure(cell: Cell, decimals: int) -> SafeString | str:
    """Write a figure of a statement, as the way to what is behind it where there is one."""
    if cell.kind == "percent":
        return per_cent(cell.value)
    if cell.value is None:
        return ""
    text = side(cell.value, decimals) if cell.kind == "side" else money(cell.value, decimals)
    return format_html('<a href="{}">{}</a>', cell.url, text) if cell.url else text


@register.simple_tag
def entry_url(entry_id: int) -> str:
    """Return the address of an entry's own page."""
    return reverse("admin:ledger_journalentry_change", args=[entry_id])


@register.filter
def size(value: Decimal, decimals: int = 2) -> str:
    """Write an amount without its sign, for a column that is one side."""
    return number_format(abs(value), decimals, force_grouping=True)
