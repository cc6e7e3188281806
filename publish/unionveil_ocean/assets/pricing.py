"""What an order costs: nothing (a dispenser gives datatokens away), or a fixed rate of an ERC-20."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ..chain.connection import Call, Chain
from ..chain.contracts import ZERO_ADDRESS
from ..errors import SettingError
from .ddo import checksum_address

__all__ = ["TOKEN_WEI", "FixedRate", "Free", "Pricing", "creation_call", "pricing_of", "token_facts"]

TOKEN_WEI = 10**18
"""One datatoken in its smallest unit; one datatoken is one order."""


@dataclass(frozen=True)
class Free:
    """A dispenser gives anybody one datatoken at a time."""

    def describe(self) -> str:
        """A few words for a person."""
        return "free; a dispenser gives away one datatoken at a time"


@dataclass(frozen=True)
class FixedRate:
    """An exchange sells datatokens.

    Attributes:
        rate_wei: price of one datatoken in base tokens, with 18 decimals whatever the base token has.
        token: checksum address of the base token.
        symbol: of the base token.
        decimals: of the base token.
    """

    rate_wei: int
    token: str
    symbol: str
    decimals: int

    def describe(self) -> str:
        """A few words for a person."""
        price = Decimal(self.rate_wei) / TOKEN_WEI
        return f"{price.normalize():f} {self.symbol} for each order (token {self.token})"


Pricing = Free | FixedRate


def pricing_of(price: str, token: str | None, chain: Chain) -> Pricing:
    """The pricing that a person asked for.

    Args:
        price: "free", or a decimal number of base tokens.
        token: address of the base token; None is OCEAN.
        chain: where the token is.

    Raises:
        SettingError: no number, more decimals than the token has, or no such token.
    """
    if price.strip().lower() in ("free", "0"):
        if token is not None:
            raise SettingError("a base token needs a price; give --price NUMBER, or leave --base-token out")
        return Free()
    try:
        amount = Decimal(price)
    except InvalidOperation as error:
        raise SettingError(f"the price {price!r} is neither 'free' nor a number") from error
    if not amount.is_finite() or amount <= 0:
        raise SettingError(f"the price {price!r} must be larger than 0, or 'free'")
    address = token or chain.addresses.ocean
    if address is None:
        raise SettingError(
            f"there is no OCEAN on {chain.network.name}; name a token with --base-token ADDRESS"
        )
    try:
        address = checksum_address(address)
    except ValueError as error:
        raise SettingError(f"base token: {error}") from error
    symbol, decimals = token_facts(chain, address)
    if amount != amount.quantize(Decimal(1).scaleb(-decimals)):
        raise SettingError(f"the price {price} has more decimals than {symbol}, which has {decimals}")
    return FixedRate(int(amount * TOKEN_WEI), address, symbol, decimals)


def token_facts(chain: Chain, address: str) -> tuple[str, int]:
    """Symbol and decimals of an ERC-20.

    Raises:
        SettingError: there is no ERC-20 at the address.
    """
    token = chain.contract("MockERC20Decimals", address)
    try:
        return str(token.functions.symbol().call()), int(token.functions.decimals().call())
    except Exception as error:
        raise SettingError(
            f"there is no ERC-20 token at {address} on {chain.network.name} that answers "
            f"({type(error).__name__})"
        ) from error


def creation_call(chain: Chain, name: str, symbol: str, pricing: Pricing) -> Call:
    """The one transaction that makes data NFT, datatoken and its dispenser or exchange.

    Args:
        chain: where.
        name: of the NFT and the datatoken.
        symbol: of both.
        pricing: of the datatoken.
    """
    factory = chain.contract("ERC721Factory", chain.addresses.factory)
    owner = chain.address
    nft = (name, symbol, 1, "", True, owner)
    # Template 1; name and symbol; minter, payment collector, market and fee token; fee, and a cap that the
    # template ignores while the factory wants more than 0.
    token: Any = (1, [name, symbol], [owner, owner, ZERO_ADDRESS, ZERO_ADDRESS], [1, 0], [])
    if isinstance(pricing, Free):
        one_at_a_time: Any = (chain.addresses.dispenser, TOKEN_WEI, TOKEN_WEI, True, ZERO_ADDRESS)
        return factory.functions.createNftWithErc20WithDispenser(nft, token, one_at_a_time)
    rate: Any = (
        chain.addresses.fixed_rate,
        # Base token, owner, who gets market fees, who may buy (zero: anybody).
        [pricing.token, owner, owner, ZERO_ADDRESS],
        # Decimals of both tokens, rate, market fee, exchange mints what it sells.
        [pricing.decimals, 18, pricing.rate_wei, 0, 1],
    )
    return factory.functions.createNftWithErc20WithFixedRate(nft, token, rate)
