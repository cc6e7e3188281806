"""Nonces and signatures (core/utils/nonceHandler.ts)."""

from __future__ import annotations

from eth_account import Account
from eth_account.messages import encode_defunct
from web3 import Web3

from .wire import Json, Received, Refusal


class Nonces:
    """The last nonce of every account."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def serve(self, received: Received) -> Json:
        return {"nonce": str(self._last.get(received.query["userAddress"].lower(), 0))}

    def authenticate(self, given: Json, command: str, key: str = "consumerAddress") -> str:
        """The address that signed a command.

        Args:
            given: address, nonce and signature.
            command: that the signature is for.
            key: name of the address.

        Raises:
            Refusal: 401, if one of them is missing or wrong.
        """
        address, nonce, signature = (given.get(name) for name in (key, "nonce", "signature"))
        if not (address and nonce and signature):
            raise Refusal(
                401,
                "Invalid authentication, you need to provide either a token or an address, signature, "
                "message and nonce",
            )
        if int(nonce) <= self._last.get(address.lower(), 0):
            raise Refusal(401, f"nonce: {nonce} is not a valid nonce")
        if _signer(f"{address}{nonce}{command}", signature).lower() != address.lower():
            raise Refusal(401, "consumer address and nonce signature mismatch")
        self._last[address.lower()] = int(nonce)
        return str(address)


def _signer(message: str, signature: str) -> str:
    digest = bytes(Web3.keccak(text=message)).lstrip(b"\0")
    try:
        return str(Account.recover_message(encode_defunct(primitive=digest), signature=signature))
    except Exception:
        return ""
