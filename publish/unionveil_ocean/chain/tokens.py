"""ERC-20 tokens: balances, and allowances of contracts."""

from __future__ import annotations

from collections.abc import Iterable

from unionveil.text import printable

from ..errors import InsufficientFunds, PublishError, SettingError
from ..money import Amount, total
from .connection import Call, Chain, Contract, has_no_answer

_MOST_SYMBOL = 20
"""Longest symbol shown; a contract may answer anything."""


def _token(chain: Chain, address: str) -> Contract:
    """A token, by the ABI of ERC-20 in `ocean-contracts`."""
    return chain.contract("ERC20Template", address)


def amount_of(chain: Chain, token: str, units: int) -> Amount:
    """An amount with the token's own symbol and decimals.

    Raises:
        SettingError: there is no ERC-20 at the address.
    """
    functions = _token(chain, token).functions
    try:
        symbol, decimals = str(chain.read(functions.symbol())), int(chain.read(functions.decimals()))
    except PublishError as error:
        if not has_no_answer(error):
            raise
        raise SettingError(
            f"there is no ERC-20 token at {token} on {chain.network.name} that answers ({error})"
        ) from error
    shown = printable(symbol, quoted=False, most=_MOST_SYMBOL)
    return Amount(chain.web3.to_checksum_address(token), shown, decimals, units)


def balance_of(chain: Chain, token: str, owner: str | None = None) -> int:
    """An account's balance in the token's smallest unit; by default that of the signing account."""
    return int(chain.read(_token(chain, token).functions.balanceOf(owner or chain.address)))


def allowance(chain: Chain, token: str, spender: str) -> int:
    """The amount that a contract may take from the account, in the token's smallest unit."""
    return int(chain.read(_token(chain, token).functions.allowance(chain.address, spender)))


def approve(chain: Chain, amount: Amount, spender: str) -> Call:
    """Lets a contract take exactly this amount."""
    return _token(chain, amount.token).functions.approve(spender, amount.units)


def check_funds(chain: Chain, amounts: Iterable[Amount]) -> None:
    """Checks that the account can pay all amounts together.

    Raises:
        InsufficientFunds: it lacks a token.
    """
    for amount in total(amounts):
        available = balance_of(chain, amount.token)
        if available < amount.units:
            raise InsufficientFunds(chain.address, amount.units, available, amount.symbol, amount.decimals)
