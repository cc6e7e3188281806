"""Orders, provider fees and the escrow (core/utils/feesHandler.ts, validateOrders.ts, escrow.ts)."""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from eth_account.messages import encode_defunct
from web3 import Web3

from unionveil_ocean.chain.connection import Chain
from unionveil_ocean.errors import ChainError

from .settings import Hooks, Settings
from .wire import Json, Refusal


class Orders:
    """Signs fees, and reads orders from the chain.

    Args:
        chain: with the node's own account.
        settings: the fee.
        hooks: faults.
    """

    def __init__(self, chain: Chain, settings: Settings, hooks: Hooks) -> None:
        self._chain, self._settings, self._hooks = chain, settings, hooks

    def answer(self, asset: Json, ddo: Json, service: Json, consumer: str) -> Json:
        """The answer of initializeCompute about one asset."""
        answer: Json = {
            "validOrder": False,
            "did": ddo["id"],
            "serviceId": service["id"],
            "datatoken": service["datatokenAddress"],
            "chainId": self._chain.chain_id,
            "consumerAddress": consumer,
        }
        tx_hash, has_fee = asset.get("transferTxId"), False
        if tx_hash and self.is_valid(tx_hash, ddo, service):
            answer["validOrder"] = tx_hash
            has_fee = self._has_fee(tx_hash, service)
        if not has_fee:
            answer["providerFee"] = self._hooks.change_fee(self._provider_fee(service))
        return answer

    def _provider_fee(self, service: Json) -> Json:
        """As core/utils/feesHandler.ts createProviderFee."""
        chain, token, amount = self._chain, str(self._chain.addresses.ocean), self._settings.fee_wei
        content = {"dt": service["datatokenAddress"], "id": service["id"]}
        data, until = json.dumps(content, separators=(",", ":")).encode(), int(service["timeout"])
        digest = Web3.solidity_keccak(
            ["bytes", "address", "address", "uint256", "uint256"],
            [data, chain.address, token, amount, until],
        )
        signed = chain.account.sign_message(encode_defunct(primitive=bytes(digest)))
        return {
            "providerFeeAddress": chain.address,
            "providerFeeToken": token,
            "providerFeeAmount": str(amount),
            "providerData": "0x" + data.hex(),
            "v": signed.v,
            "r": f"0x{signed.r:064x}",
            "s": f"0x{signed.s:064x}",
            "validUntil": until,
        }

    def is_valid(self, tx_hash: str, ddo: Json, service: Json) -> bool:
        """As core/utils/validateOrders.ts."""
        if self._hooks.forgets_orders:
            return False
        datatoken = service["datatokenAddress"]
        for reused in self._events(tx_hash, datatoken, "OrderReused"):
            tx_hash = Web3.to_hex(reused["args"]["orderTxId"])
        index = [one["id"] for one in ddo["services"]].index(service["id"])
        for event in self._events(tx_hash, datatoken, "OrderStarted"):
            args = event["args"]
            is_ours = self._chain.address in (args["consumer"], args["payer"])
            age = time.time() - args["timestamp"]
            is_fresh = service["timeout"] == 0 or age <= service["timeout"]
            if is_ours and args["serviceIndex"] == index and is_fresh:
                return True
        return False

    def _has_fee(self, tx_hash: str, service: Json) -> bool:
        if self._hooks.forgets_fees:
            return False
        for event in self._events(tx_hash, service["datatokenAddress"], "ProviderFee"):
            data = json.loads(bytes(event["args"]["providerData"]))
            is_mine = event["args"]["providerFeeAddress"] == self._chain.address
            if is_mine and data.get("id") == service["id"]:
                return True
        return False

    def _events(self, tx_hash: str, datatoken: str, name: str) -> list[Any]:
        try:
            receipt = self._chain.receipt(tx_hash)
        except ChainError:  # not a hash
            return []
        event = self._chain.contract("ERC20Template", datatoken).events[name]()
        found = []
        for log in receipt["logs"] if receipt is not None else ():
            if log["address"].lower() == datatoken.lower():
                try:
                    found.append(event.process_log(log))
                except Exception:  # noqa: S112 - an event of another kind
                    continue
        return found

    def lock_payment(self, job_id: str, owner: str, token: str, cost_wei: int, seconds: int) -> None:
        """As core/utils/escrow.ts createLock.

        Raises:
            Refusal: the owner's funds or authorization do not suffice.
        """
        chain = self._chain
        escrow = chain.contract("Escrow", str(chain.addresses.escrow))
        if escrow.functions.getUserFunds(owner, token).call()[0] < cost_wei:
            raise Refusal(400, f"User {owner} does not have enough funds")
        found = escrow.functions.getAuthorizations(token, owner, chain.address).call()
        if len(found) != 1:
            raise Refusal(400, f"No escrow auths found for: chain={chain.chain_id}, token={token}")
        _, most, locked, most_seconds, most_locks, locks = found[0]
        if locked + cost_wei > most:
            raise Refusal(400, "No valid escrow auths found(will go over limit)")
        if most_seconds < seconds:
            raise Refusal(400, "No valid escrow auths found(maxLockSeconds too low)")
        if locks + 1 > most_locks:
            raise Refusal(400, "No valid escrow auths found(too many active locks)")
        number = int(hashlib.sha256(job_id.encode()).hexdigest(), 16)
        chain.send(escrow.functions.createLock(number, token, owner, cost_wei, seconds))
