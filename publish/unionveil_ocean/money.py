"""Converts money to text and back: the only place where smallest units become decimals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Context, Decimal, InvalidOperation, localcontext

TOKEN_DECIMALS = 18
"""Decimals of datatokens, OCEAN and every coin that pays for gas."""

TOKEN_WEI = 10**TOKEN_DECIMALS
"""One datatoken in its smallest unit; one datatoken is one order."""

GWEI = 10**9

MOST_UNITS = 2**256 - 1
"""The largest amount that a contract can name."""

_MOST_CHARACTERS = 100
_EXACT = Context(prec=3 * _MOST_CHARACTERS)


@dataclass(frozen=True)
class Amount:
    """An amount of a token.

    Attributes:
        token: checksum address.
        symbol: of the token.
        decimals: of the token.
        units: in the token's smallest unit.
    """

    token: str
    symbol: str
    decimals: int
    units: int

    def __str__(self) -> str:
        return money(self.units, self.symbol, self.decimals)


def total(amounts: Iterable[Amount]) -> tuple[Amount, ...]:
    """Sums by token; zero sums are left out."""
    sums: dict[str, Amount] = {}
    for amount in amounts:
        before = sums[amount.token].units if amount.token in sums else 0
        sums[amount.token] = replace(amount, units=before + amount.units)
    return tuple(amount for amount in sums.values() if amount.units)


def money(units: int, symbol: str, decimals: int = TOKEN_DECIMALS, *, digits: int | None = None) -> str:
    """An amount with its symbol, e.g. "2.5 OCEAN".

    Args:
        units: in the smallest unit.
        symbol: of the token or coin.
        decimals: of the token or coin.
        digits: significant digits to round to; None is exact.
    """
    if digits is not None:
        units = int(Decimal(f"{Decimal(units):.{digits}g}"))
    whole, part = divmod(units, 10**decimals)
    fraction = f".{part:0{decimals}d}".rstrip("0") if part else ""
    return f"{whole}{fraction} {symbol}"


def gwei(wei: int) -> str:
    """The price of a unit of gas, with three significant digits."""
    return money(wei, "gwei", 9, digits=3)


def units_of(text: str, decimals: int = TOKEN_DECIMALS) -> int:
    """Parses a decimal number into smallest units.

    Raises:
        ValueError: not a number, not larger than 0, too many decimals, or larger than `MOST_UNITS`.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"a number has at most {_MOST_CHARACTERS} characters")
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a number") from error
    if not amount.is_finite() or amount <= 0:
        raise ValueError(f"{text!r} must be larger than 0")
    if amount.adjusted() + decimals >= len(str(MOST_UNITS)):
        raise ValueError(f"{text!r} is larger than any amount of a token")
    with localcontext(_EXACT):
        units = amount * 10**decimals
        if units < 1 or units != units.to_integral_value():
            raise ValueError(f"{text!r} has more than {decimals} decimals")
    if units > MOST_UNITS:
        raise ValueError(f"{text!r} is larger than any amount of a token")
    return int(units)
