"""A chain inside this process, with Ocean's real contracts on it.

eth-tester with py-evm runs the same bytecode as the public networks, so a publication can be tried, and its
gas measured, without an account, a node or a network. The chain vanishes when the program ends.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

from ..assets.pricing import FixedRate, Free, creation_call
from ..chain.connection import Call, Chain, ContractFunction, ask
from ..chain.contracts import artifact
from ..chain.fees import FeePolicy
from ..chain.networks import Addresses, Network
from ..errors import MissingExtra, SettingError
from ..money import TOKEN_WEI

try:
    from eth_account import Account
    from eth_account.signers.local import LocalAccount
    from eth_tester import EthereumTester, PyEVMBackend
    from web3 import Web3
    from web3.providers.eth_tester import EthereumTesterProvider
    from web3.types import RPCEndpoint, RPCResponse, Wei
except ModuleNotFoundError as error:
    raise MissingExtra("eth-tester[py-evm]") from error


# What ocean-contracts' deploy script passes where the balancer template used to be.
_DEAD_ADDRESS = "0x000000000000000000000000000000000000dEaD"


# With the margin, below what one transaction may take (EIP-7825: 2**24); all of Ocean's take less.
_MUCH_GAS = 15_000_000


class EmbeddedChain(Chain):
    """A chain in this process.

    Attributes:
        accounts: ten accounts with a million coins each; the first is `account` and owns Ocean's contracts.
    """

    accounts: tuple[LocalAccount, ...] = ()

    def as_account(self, account: LocalAccount) -> EmbeddedChain:
        """The same chain, with another account signing."""
        other = EmbeddedChain(self.web3, self.network, account, self.policy, self.timeout_seconds)
        other.accounts = self.accounts
        return other

    def estimate_gas(self, call: Call, value: int = 0, action: str = "") -> int:
        """Returns far more than enough: an estimate of py-evm would run the call about twenty times.

        Raises:
            TransactionFailed: it would revert.
        """
        if isinstance(call, ContractFunction):
            ask(lambda: call.call({"from": self.account.address, "value": Wei(value)}), self, action)
        return _MUCH_GAS

    def mint_ocean(self, address: str, amount_wei: int) -> None:
        """Gives OCEAN to an address."""
        owner = self.as_account(self.accounts[0])
        token = owner.contract("OceanToken", str(self.addresses.ocean))
        owner.send(token.functions.mint(address, amount_wei), action="mint OCEAN")


class _OneAtATime(EthereumTesterProvider):
    """Serializes requests: py-evm is not thread-safe, and a node double asks from a thread of its own."""

    def __init__(self, tester: EthereumTester) -> None:
        super().__init__(tester)
        self._lock = threading.RLock()

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        with self._lock:
            return super().make_request(method, params)


def embedded_chain() -> EmbeddedChain:
    """A new chain with Ocean's contracts, deployed in the order of ocean-contracts' own script. About 2 s.

    Raises:
        MissingExtra: eth-tester or py-evm is not installed.
    """
    backend = PyEVMBackend()
    web3 = Web3(_OneAtATime(EthereumTester(backend)))
    accounts = tuple(Account.from_key(key.to_bytes()) for key in backend.account_keys)
    nowhere = Addresses("", "", "")
    network = Network("embedded", web3.eth.chain_id, nowhere, is_live=False)
    chain = EmbeddedChain(web3, network, accounts[0], FeePolicy(), 30)
    chain.accounts = accounts
    chain.network = Network("embedded", web3.eth.chain_id, deploy_ocean(chain), is_live=False)
    return chain


def deploy_ocean(chain: Chain) -> Addresses:
    """Deploys Ocean's contracts on a private chain, in the order of ocean-contracts' script.

    Args:
        chain: its account will own them and gets a million OCEAN.
    """
    owner = chain.address

    def deploy(name: str, *arguments: object) -> str:
        receipt = chain.send(chain.constructor(name, *arguments), action=f"deploy {name}")
        return str(receipt["contractAddress"])

    ocean = deploy("OceanToken", owner)
    collector = deploy("OPFCommunityFeeCollector", owner, owner)
    router = deploy("FactoryRouter", owner, ocean, _DEAD_ADDRESS, collector, [])
    fixed_rate = deploy("FixedRateExchange", router)
    dispenser = deploy("Dispenser", router)
    factory = deploy("ERC721Factory", deploy("ERC721Template"), deploy("ERC20Template"), router)
    approve = chain.contract("FactoryRouter", router).functions
    chain.send(approve.addFactory(factory))
    chain.send(approve.addFixedRateContract(fixed_rate))
    chain.send(approve.addDispenserContract(dispenser))
    chain.send(chain.contract("OceanToken", ocean).functions.mint(owner, Web3.to_wei(1_000_000, "ether")))
    addresses = Addresses(
        factory=factory,
        fixed_rate=fixed_rate,
        dispenser=dispenser,
        ocean=ocean,
        escrow=deploy("Escrow", router, collector) if _has("Escrow") else None,
        router=router,
        fee_collector=collector,
    )
    # A chain's first asset costs 4 % more gas, because counters leave zero; public chains are past that.
    deployed = replace(chain, network=replace(chain.network, addresses=addresses))
    for pricing in (Free(), FixedRate(TOKEN_WEI, ocean, "OCEAN", 18)):
        deployed.send(creation_call(deployed, "First", "FIRST", pricing))
    return addresses


def _has(name: str) -> bool:
    """Whether the installed ocean-contracts has a contract: the ones that ocean-lib pins have no escrow."""
    try:
        artifact(name)
    except SettingError:
        return False
    return True
