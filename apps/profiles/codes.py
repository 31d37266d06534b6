"""Currencies and countries in use today, by their ISO codes, from the Unicode CLDR (Babel)."""

from functools import cache

from babel import Locale
from babel.numbers import get_territory_currencies

LOCALE = Locale("en")

# Minor units by ISO 4217; the CLDR's differ, because it counts the digits people write. The database's
# function ledger_decimals says the same, and a test compares them.
_MINOR_UNITS = """
    0: BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
    3: BHD IQD JOD KWD LYD OMR TND
    4: CLF UYW
"""
#: How many decimals the currencies have that do not have two.
DECIMALS = {
    code: int(digits)
    for digits, _, codes in (line.partition(":") for line in _MINOR_UNITS.strip().splitlines())
    for code in codes.split()
}


def decimal_places(currency: str) -> int:
    """Return how many decimals an amount in this currency may have."""
    return DECIMALS.get(currency, 2)


@cache
def countries() -> list[tuple[str, str]]:
    """Return (ISO 3166 code, name) of every country, by name."""
    return sorted(
        (
            (code, name)
            for code, name in LOCALE.territories.items()
            if len(code) == 2 and code not in {"EU", "EZ", "UN", "ZZ", "XA", "XB", "QO"}
        ),
        key=lambda item: item[1],
    )


@cache
def currencies() -> list[tuple[str, str]]:
    """Return (ISO 4217 code, "USD · US Dollar") of every currency that is legal tender somewhere today."""
    tender = {code for country, _name in countries() for code in get_territory_currencies(country)}
    return [(code, f"{code} · {LOCALE.currencies[code]}") for code in sorted(tender)]
