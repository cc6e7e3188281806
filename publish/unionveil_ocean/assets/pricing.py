"""The cost of an order: nothing (a dispenser gives datatokens away), or a fixed price in an ERC-20 token."""

from __future__ import annotations

from dataclasses import dataclass

from ..chain.addresses import ZERO_ADDRESS, checksum_address
from ..chain.connection import Call, Chain
from ..chain.tokens import amount_of
from ..errors import SettingError
from ..money import TOKEN_DECIMALS, TOKEN_WEI, money, units_of


@dataclass(frozen=True)
class Free:
    """A dispenser gives anybody one datatoken at a time."""

    def describe(self) -> str:
        """In a few words."""
        return "free; a dispenser gives away one datatoken at a time"


@dataclass(frozen=True)
class FixedRate:
    """An exchange sells datatokens.

    Attributes:
        rate_wei: price of one datatoken in base tokens, always with 18 decimals.
        token: checksum address of the base token.
        symbol: of the base token.
        decimals: of the base token.
    """

    rate_wei: int
    token: str
    symbol: str
    decimals: int

    def describe(self) -> str:
        """In a few words."""
        return f"{money(self.rate_wei, self.symbol)} for each order (token {self.token})"


Pricing = Free | FixedRate


def pricing_of(price: str, token: str | None, chain: Chain) -> Pricing:
    """The pricing described by a price and a token.

    Args:
        price: "free", or a decimal number of base tokens.
        token: address of the base token; None is OCEAN.
        chain: where the token is.

    Raises:
        SettingError: not a number, more decimals than the token has, or no such token.
    """
    if price.strip().lower() in ("free", "0"):
        if token is not None:
            raise SettingError("a base token needs a price; give --price NUMBER, or leave --base-token out")
        return Free()
    address = token or chain.addresses.ocean
    if address is None:
        raise SettingError(
            f"there is no OCEAN on {chain.network.name}; name a token with --base-token ADDRESS"
        )
    try:
        base = amount_of(chain, checksum_address(address), 0)
    except ValueError as error:
        raise SettingError(f"base token: {error}") from error
    decimals = min(base.decimals, TOKEN_DECIMALS)
    try:
        units_of(price, decimals)  # refuses more decimals than the token has
        rate = units_of(price)
    except ValueError as error:
        raise SettingError(f"the price is neither 'free' nor a price in {base.symbol}: {error}") from error
    return FixedRate(rate, base.token, base.symbol, base.decimals)


def creation_call(chain: Chain, name: str, symbol: str, pricing: Pricing) -> Call:
    """The one transaction that creates data NFT, datatoken and its dispenser or exchange.

    Args:
        chain: to create them on.
        name: of the NFT and the datatoken.
        symbol: of both.
        pricing: of the datatoken.
    """
    factory = chain.contract("ERC721Factory", chain.addresses.factory)
    owner = chain.address
    nft = (name, symbol, 1, "", True, owner)
    # Template 1; name and symbol; minter, payment collector, market and fee token; fee, and a cap that the
    # template ignores while the factory wants more than 0.
    token: tuple[object, ...] = (1, [name, symbol], [owner, owner, ZERO_ADDRESS, ZERO_ADDRESS], [1, 0], [])
    if isinstance(pricing, Free):
        one_at_a_time = (chain.addresses.dispenser, TOKEN_WEI, TOKEN_WEI, True, ZERO_ADDRESS)
        return factory.functions.createNftWithErc20WithDispenser(nft, token, one_at_a_time)
    rate = (
        chain.addresses.fixed_rate,
        # Base token, owner, receiver of market fees, buyer (zero: anybody).
        [pricing.token, owner, owner, ZERO_ADDRESS],
        # Decimals of both tokens, rate, market fee, exchange mints what it sells.
        [pricing.decimals, 18, pricing.rate_wei, 0, 1],
    )
    return factory.functions.createNftWithErc20WithFixedRate(nft, token, rate)
