"""The price of gas, and limits on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import httpx

from ..errors import ChainError
from ..money import gwei
from .networks import Network


@dataclass(frozen=True)
class FeePolicy:
    """Limits on the price of gas.

    Attributes:
        max_fee_wei: cap on one unit of gas, base fee and tip together; None is the network's own cap.
        max_tip_wei: cap on the tip; RPCs have been seen to propose hundreds of gwei.
        base_fee_factor: how far the base fee may rise while a transaction waits. It rises by at most 1/8 per
            block (EIP-1559), so a factor of 2 lasts six full blocks.
        min_tip_wei: smallest tip that the chain's validators accept.
    """

    max_fee_wei: int | None = None
    max_tip_wei: int = 50 * 10**9
    base_fee_factor: float = 2.0
    min_tip_wei: int = 0

    def within(self, network: Network) -> FeePolicy:
        """The same policy, with the network's limits where it has none of its own."""
        return self if self.max_fee_wei is not None else replace(self, max_fee_wei=network.max_fee_wei)

    def legacy(self, price: int) -> Fees:
        """The fees of a chain without a base fee; see `dynamic`."""
        self._check_cap(price)
        return Fees({"gasPrice": price}, price, price)

    def dynamic(self, base: int, proposed_tip: int, network: Network) -> Fees:
        """The fees of a chain with a base fee (EIP-1559), all in wei.

        Raises:
            ChainError: the chain asks for more than the cap.
        """
        tip = max(min(proposed_tip, self.max_tip_wei), self.min_tip_wei, network.min_tip_wei)
        self._check_cap(base + tip)
        highest = int(base * self.base_fee_factor) + tip
        if self.max_fee_wei is not None:
            highest = min(highest, self.max_fee_wei)
        return Fees({"maxFeePerGas": highest, "maxPriorityFeePerGas": tip}, base + tip, highest)

    def _check_cap(self, price: int) -> None:
        if self.max_fee_wei is not None and price > self.max_fee_wei:
            raise ChainError(
                f"gas costs {gwei(price)} now, the cap is {gwei(self.max_fee_wei)}; "
                "wait, or raise --max-fee-gwei"
            )


@dataclass(frozen=True)
class Fees:
    """Price of one unit of gas, all in wei.

    Attributes:
        fields: of the transaction: maxFeePerGas and maxPriorityFeePerGas, or gasPrice on a legacy chain.
        likely: paid if the next block is like the last.
        highest: the most that can be paid.
    """

    fields: dict[str, int]
    likely: int
    highest: int


def gas_price_of(network: Network, timeout_seconds: float = 3) -> int:
    """Wei that a unit of gas costs on a network now, as its public RPC proposes it; needs no account.

    Raises:
        ChainError: no RPC is known, or it gives no answer in time.
    """
    if network.rpc_url is None:
        raise ChainError(f"no public RPC is known for {network.name}")
    question = {"jsonrpc": "2.0", "id": 1, "method": "eth_gasPrice", "params": []}
    try:
        answer = httpx.post(network.rpc_url, json=question, timeout=timeout_seconds).json()
        return int(answer["result"], 16)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ChainError(f"the RPC of {network.name} gives no answer ({type(error).__name__})") from error
