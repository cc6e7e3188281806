"""The networks with Ocean's contracts: chain ids, contract addresses, default URLs of services.

Contract addresses come from `ocean-contracts`; a file of the same form (`--address-file`, or the environment
variable ADDRESS_FILE that Ocean's own tools read) adds or replaces networks, for example private chains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import MissingExtra, SettingError
from ..money import GWEI
from .addresses import checksum_address
from .escrows import RELEASED_ESCROWS


@dataclass(frozen=True)
class Addresses:
    """Checksum addresses of Ocean's contracts on one chain; None if a contract is not deployed there.

    Attributes:
        factory: ERC721Factory, which makes data NFTs and datatokens.
        fixed_rate: FixedRateExchange, which sells datatokens.
        dispenser: Dispenser, which gives datatokens away.
        ocean: OCEAN, an ERC-20 token.
        escrow: Escrow, which holds payments for compute; see `Network.escrows`.
        router: FactoryRouter, which knows the approved contracts and fees.
        fee_collector: the community's fee collector.
    """

    factory: str
    fixed_rate: str
    dispenser: str
    ocean: str | None = None
    escrow: str | None = None
    router: str | None = None
    fee_collector: str | None = None


@dataclass(frozen=True)
class Network:
    """A chain with Ocean's contracts.

    Attributes:
        name: as `ocean-contracts` writes it.
        chain_id: EIP-155 id.
        addresses: of the contracts.
        currency: symbol of the coin that pays for gas.
        rpc_url: a public RPC that needs no key; None if we know of none.
        explorer_url: block explorer, without a trailing slash.
        min_tip_wei: smallest priority fee that the network's validators accept.
        max_fee_wei: default cap on the price of one unit of gas.
        has_base_fee: whether every block is known to have one (EIP-1559).
        market_url: Ocean Market, if it lists the network's assets, without a trailing slash.
        is_live: False for an embedded chain, whose assets vanish when the program ends.
        released_escrows: checksum addresses of Ocean's escrows, of all releases that had one on this chain.
    """

    name: str
    chain_id: int
    addresses: Addresses
    currency: str = "ETH"
    rpc_url: str | None = None
    explorer_url: str | None = None
    min_tip_wei: int = 0
    max_fee_wei: int = 500 * GWEI
    has_base_fee: bool = False
    market_url: str | None = None
    is_live: bool = True
    released_escrows: tuple[str, ...] = ()

    @property
    def escrows(self) -> tuple[str, ...]:
        """All escrows through which a node may be paid, that of the installed contracts first."""
        own = (self.addresses.escrow,) if self.addresses.escrow else ()
        return (*own, *(one for one in self.released_escrows if one not in own))

    def transaction_link(self, tx_hash: str) -> str | None:
        """The block explorer's page of a transaction; None if there is no explorer."""
        return f"{self.explorer_url}/tx/{tx_hash}" if self.explorer_url else None

    def market_link(self, did: str) -> str | None:
        """The market's page of an asset; None if no market lists it."""
        return f"{self.market_url}/asset/{did}" if self.market_url else None


@dataclass(frozen=True)
class _Services:
    """Facts that `ocean-contracts` does not carry.

    Currency and explorer come from ethereum-lists/chains and ocean.js' ConfigHelper. The RPCs are public ones
    that need no key, run by PublicNode or the chain's own operators; heavy users bring their own.
    """

    currency: str
    rpc_url: str | None
    explorer_url: str | None
    min_tip_wei: int = 0
    max_fee_wei: int = 500 * GWEI


_MARKET_URL = "https://market.oceanprotocol.com"
_IN_MARKET = frozenset({11155111, 11155420})
"""Chains that Ocean Market lists (its app.config.cjs, `chainIdsSupported`)."""

_BASE_FEE = frozenset({1, 10, 137, 8453, 11155111, 11155420})
"""Chains whose every block has a base fee: Ethereum, Sepolia and Polygon since London, and the OP Stack
(Optimism, Base and their test networks) since Bedrock."""


_SERVICES = {
    1: _Services("ETH", "https://ethereum-rpc.publicnode.com", "https://etherscan.io"),
    10: _Services("ETH", "https://mainnet.optimism.io", "https://optimistic.etherscan.io"),
    56: _Services("BNB", "https://bsc-dataseed.binance.org", "https://bscscan.com"),
    # Polygon's validators drop transactions below a tip of 25 gwei (Polygon's gas documentation).
    137: _Services(
        "POL", "https://polygon-bor-rpc.publicnode.com", "https://polygonscan.com", 25 * GWEI, 5000 * GWEI
    ),
    246: _Services("EWT", "https://rpc.energyweb.org", "https://explorer.energyweb.org"),
    1285: _Services("MOVR", "https://moonriver.api.onfinality.io/public", "https://moonriver.moonscan.io"),
    8453: _Services("ETH", "https://mainnet.base.org", "https://basescan.org"),
    23294: _Services("ROSE", "https://sapphire.oasis.io", "https://explorer.oasis.io/mainnet/sapphire"),
    23295: _Services(
        "TEST", "https://testnet.sapphire.oasis.io", "https://explorer.oasis.io/testnet/sapphire"
    ),
    32456: _Services("GX", "https://rpc.dev.pontus-x.eu", "https://explorer.dev.pontus-x.eu"),
    11155111: _Services("ETH", "https://ethereum-sepolia-rpc.publicnode.com", "https://sepolia.etherscan.io"),
    11155420: _Services("ETH", "https://sepolia.optimism.io", "https://sepolia-optimism.etherscan.io"),
}


def known_networks(address_file: Path | None = None) -> dict[str, Network]:
    """All networks by name, in the order of `ocean-contracts`.

    Args:
        address_file: JSON of the form of `ocean-contracts`' address.json; its networks come on top.

    Raises:
        MissingExtra: `ocean-contracts` is not installed.
        SettingError: the file cannot be read, or an entry lacks a contract.
    """
    try:
        shipped = json.loads(files("addresses").joinpath("address.json").read_text("utf-8"))
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise MissingExtra("ocean-contracts") from error
    networks = {name: _network(name, entry) for name, entry in shipped.items() if _is_whole(entry)}
    if address_file is not None:
        try:
            own = json.loads(address_file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise SettingError(f"the address file {address_file} cannot be read: {error}") from error
        if not isinstance(own, dict):
            raise SettingError(f"the address file {address_file} must hold an object of networks by name")
        for name, entry in own.items():
            if not isinstance(entry, dict) or not _is_whole(entry):
                raise SettingError(
                    f"network {name!r} in {address_file} needs {', '.join(_REQUIRED)}, as in address.json"
                )
            try:
                networks[name] = _network(name, entry)
            except ValueError as error:
                raise SettingError(f"network {name!r} in {address_file} is not valid: {error}") from error
    return networks


def find_network(name: str, address_file: Path | None = None) -> Network:
    """The network with a name, or with a chain id written as a number.

    Raises:
        SettingError: unknown; the message lists near matches.
    """
    networks = known_networks(address_file)
    if name.isdecimal() and len(name) <= _MOST_DIGITS:
        return network_of_chain(int(name), address_file)
    key = name.lower()
    if key not in networks:
        close = get_close_matches(key, networks, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(networks)}"
        raise SettingError(f"unknown network {name!r}; {hint}")
    return networks[key]


def network_of_chain(chain_id: int, address_file: Path | None = None) -> Network:
    """The network with a chain id.

    Raises:
        SettingError: Ocean's contracts are not known to be there.
    """
    for network in reversed(known_networks(address_file).values()):
        if network.chain_id == chain_id:
            return network
    raise SettingError(
        f"no Ocean contracts are known on chain {chain_id}; for your own chain give --address-file"
    )


_MOST_DIGITS = 15
"""Of a chain id; JavaScript and thereby nodes are exact so far."""

_REQUIRED = ("chainId", "ERC721Factory", "FixedPrice", "Dispenser")


_ADDRESSES = (*_REQUIRED[1:], "Ocean", "Escrow", "Router", "OPFCommunityFeeCollector")


def _address(key: str, value: object) -> str:
    try:
        return checksum_address(str(value))
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _is_whole(entry: Mapping[str, Any]) -> bool:
    return all(entry.get(key) for key in _REQUIRED)


def _network(name: str, entry: Mapping[str, Any]) -> Network:
    """Raises ValueError: the chain id or an address is wrong."""
    chain_id = entry["chainId"]
    if not isinstance(chain_id, int) or not 0 < chain_id < 10**_MOST_DIGITS:
        raise ValueError("chainId must be a whole number")
    found = {key: _address(key, entry[key]) for key in _ADDRESSES if entry.get(key)}
    services = _SERVICES.get(chain_id, _Services("coins", None, None))
    return Network(
        name=name,
        chain_id=chain_id,
        addresses=Addresses(
            factory=found["ERC721Factory"],
            fixed_rate=found["FixedPrice"],
            dispenser=found["Dispenser"],
            ocean=found.get("Ocean"),
            escrow=found.get("Escrow"),
            router=found.get("Router"),
            fee_collector=found.get("OPFCommunityFeeCollector"),
        ),
        currency=services.currency,
        rpc_url=services.rpc_url,
        explorer_url=services.explorer_url,
        min_tip_wei=services.min_tip_wei,
        max_fee_wei=services.max_fee_wei,
        has_base_fee=chain_id in _BASE_FEE,
        market_url=_MARKET_URL if chain_id in _IN_MARKET else None,
        released_escrows=RELEASED_ESCROWS.get(chain_id, ()),
    )
