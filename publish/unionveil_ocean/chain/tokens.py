"""ERC-20 tokens: what an account has, what it may be asked for, what it allows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..assets.pricing import token_facts
from ..errors import InsufficientFunds
from .connection import Call, Chain

__all__ = ["Amount", "allowance", "approve", "balance_of", "check_funds", "total"]


_ERC20 = "ERC20Template"
"""A contract of ocean-contracts that has all of ERC-20."""


@dataclass(frozen=True)
class Amount:
    """So much of a token.

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

    @classmethod
    def of(cls, chain: Chain, token: str, units: int) -> Amount:
        """An amount with the token's own symbol and decimals.

        Raises:
            SettingError: there is no ERC-20 at the address.
        """
        symbol, decimals = token_facts(chain, token)
        return cls(chain.web3.to_checksum_address(token), symbol, decimals, units)

    def __str__(self) -> str:
        whole, part = divmod(self.units, 10**self.decimals)
        digits = f"{part:0{self.decimals}d}".rstrip("0") if part else ""
        return f"{whole}{'.' if digits else ''}{digits} {self.symbol}"


def balance_of(chain: Chain, token: str, owner: str | None = None) -> int:
    """What an account has, in the token's smallest unit; by default the one that signs."""
    return int(chain.read(chain.contract(_ERC20, token).functions.balanceOf(owner or chain.address)))


def allowance(chain: Chain, token: str, spender: str) -> int:
    """What the account lets a contract take."""
    return int(chain.read(chain.contract(_ERC20, token).functions.allowance(chain.address, spender)))


def approve(chain: Chain, amount: Amount, spender: str) -> Call:
    """Lets a contract take exactly this amount, and no more."""
    return chain.contract(_ERC20, amount.token).functions.approve(spender, amount.units)


def total(amounts: Iterable[Amount]) -> tuple[Amount, ...]:
    """Sums by token, without those that are nothing."""
    sums: dict[str, Amount] = {}
    for amount in amounts:
        before = sums[amount.token].units if amount.token in sums else 0
        sums[amount.token] = Amount(amount.token, amount.symbol, amount.decimals, before + amount.units)
    return tuple(amount for amount in sums.values() if amount.units)


def check_funds(chain: Chain, amounts: Iterable[Amount]) -> None:
    """Checks that the account can pay all of it together.

    Raises:
        InsufficientFunds: it lacks a token.
    """
    for amount in total(amounts):
        available = balance_of(chain, amount.token)
        if available < amount.units:
            raise InsufficientFunds(chain.address, amount.units, available, amount.symbol, amount.decimals)
