"""One chain and one account: contracts, fees, and transactions whose receipts are checked.

Works with web3 6.11.4 to 8. Their differences are handled in the small functions at the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from unionveil.text import printable

from ..errors import (
    ChainError,
    InsufficientFunds,
    MissingExtra,
    NetworkMismatch,
    PublishError,
    TransactionFailed,
)
from ..jsjson import parse_json
from .contracts import artifact
from .fees import FeePolicy, Fees
from .networks import Addresses, Network

try:
    import requests
    import web3.exceptions
    import web3.middleware
    from eth_account.signers.local import LocalAccount
    from web3 import HTTPProvider, Web3
    from web3.contract.contract import Contract, ContractConstructor, ContractFunction
    from web3.logs import DISCARD
    from web3.types import RPCResponse, TxReceipt
except ModuleNotFoundError as error:
    raise MissingExtra("web3") from error

__all__ = ["DISCARD", "Contract", "ContractFunction", "LocalAccount", "TxReceipt"]  # of web3, for other wings

_T = TypeVar("_T")

Call = ContractFunction | ContractConstructor

GAS_MARGIN = 1.1
"""Gas limit relative to the estimate. Unused gas is not paid; state may change between estimate and block."""

_MOST_GAS = 2**24

_LEAST_GAS = 21_000  # of any transaction (Ethereum Yellow Paper, appendix G)


@dataclass(frozen=True)
class SignedTransaction:
    """A transaction ready to be sent, even repeatedly: the same bytes are mined at most once.

    Attributes:
        tx_hash: "0x...", 32 bytes.
        raw: "0x...", the signed bytes; not secret.
        nonce: the account's number for the transaction.
    """

    tx_hash: str
    raw: str
    nonce: int


@dataclass
class Chain:
    """A connection with a checked chain id, and the account that signs.

    Attributes:
        web3: the library's connection.
        network: names and addresses.
        account: signs; its key never leaves it.
        policy: limits on the price of gas.
        timeout_seconds: how long to wait for a receipt.
        confirmations: blocks, its own included, before a transaction counts.
        pause: waits, in seconds.
    """

    web3: Web3
    network: Network
    account: LocalAccount
    policy: FeePolicy = field(default_factory=FeePolicy)
    timeout_seconds: float = 300
    confirmations: int = 1
    pause: Callable[[float], None] = time.sleep

    @property
    def chain_id(self) -> int:
        """EIP-155 id."""
        return self.network.chain_id

    @property
    def address(self) -> str:
        """Checksum address of the account."""
        return str(self.account.address)

    @property
    def addresses(self) -> Addresses:
        """Ocean's contracts on this chain."""
        return self.network.addresses

    def contract(self, name: str, address: str) -> Contract:
        """A contract of `ocean-contracts` at an address.

        Args:
            name: e.g. "ERC721Template", "ERC20Template", "Dispenser".
            address: in any case.
        """
        return self.web3.eth.contract(address=Web3.to_checksum_address(address), abi=artifact(name).abi)

    def constructor(self, name: str, *arguments: object) -> ContractConstructor:
        """The transaction that deploys a contract of `ocean-contracts`; for `send`, `estimate_gas`."""
        made = artifact(name)
        return self.web3.eth.contract(abi=made.abi, bytecode=made.bytecode).constructor(*arguments)

    def balance(self) -> int:
        """The account's coins, in wei."""
        return ask(lambda: int(self.web3.eth.get_balance(self.account.address)), self)

    def fees(self) -> Fees:
        """The current price of gas, within the policy.

        Raises:
            ChainError: the chain asks for more than the policy allows, or does not answer.
        """
        base, policy = ask(self._base_fee, self), self.policy.within(self.network)
        if base is not None:
            proposed = ask(lambda: int(self.web3.eth.max_priority_fee), self)
            return policy.dynamic(base, proposed, self.network)
        if self.network.has_base_fee:
            raise ChainError(
                f"the RPC leaves out the base fee, which every block of {self.network.name} has (EIP-1559); "
                "nothing was signed; name another RPC with --rpc-url"
            )
        return policy.legacy(ask(lambda: int(self.web3.eth.gas_price), self))

    def _base_fee(self) -> int | None:
        base = self.web3.eth.get_block("latest").get("baseFeePerGas")
        return None if base is None else int(base)

    def estimate_gas(self, call: Call, value: int = 0, action: str = "") -> int:
        """Gas that the call needs in the current state.

        Raises:
            TransactionFailed: it would revert; carries the contract's reason.
        """
        transaction: Any = {"from": self.account.address, "value": value}
        return ask(lambda: int(call.estimate_gas(transaction)), self, action)

    def sign(
        self, call: Call, value: int = 0, action: str = "", nonce: int | None = None
    ) -> SignedTransaction:
        """Signs without sending, so that the hash can be recorded first.

        Args:
            call: a contract function with its arguments, or a constructor.
            value: wei to send along.
            action: a few words for errors.
            nonce: replaces an earlier transaction with that number; None takes the next one.

        Raises:
            TransactionFailed: it would revert.
            InsufficientFunds: the account cannot pay for gas and value.
            ChainError: the RPC does not answer, or the chain id changed.
        """
        self.check_chain_id()
        fees = self.fees()
        # Estimating already fails for an account that cannot pay, with a different message on every client.
        self._check_funds(_LEAST_GAS * fees.likely + value)
        gas = int(self.estimate_gas(call, value, action) * GAS_MARGIN)
        if gas > _MOST_GAS:
            raise ChainError(
                f"the RPC estimates {gas:,} gas ({action or 'a call'}), more than a transaction may take "
                f"({_MOST_GAS:,}, EIP-7825); nothing was signed; name another RPC with --rpc-url"
            )
        self._check_funds(gas * fees.highest + value)
        if nonce is None:
            count = self.web3.eth.get_transaction_count
            nonce = ask(lambda: int(count(self.account.address, "pending")), self)
        fields: Any = {
            "from": self.account.address,
            "chainId": self.chain_id,
            "nonce": nonce,
            "gas": gas,
            "value": value,
            **fees.fields,
        }
        transaction = dict(call.build_transaction(fields))
        transaction.pop("from", None)
        signed = self.account.sign_transaction(transaction)
        return SignedTransaction(Web3.to_hex(signed.hash), Web3.to_hex(_raw(signed)), nonce)

    def _check_funds(self, needed: int) -> None:
        available = self.balance()
        if needed > available:
            raise InsufficientFunds(self.address, needed, available, self.network.currency)

    def broadcast(self, signed: SignedTransaction, action: str = "") -> None:
        """Sends; it is not an error if the chain already knows the transaction.

        Raises:
            TransactionFailed: the RPC refuses it.
        """
        try:
            patiently(lambda: self.web3.eth.send_raw_transaction(signed.raw), self)  # type: ignore[arg-type]
        except Exception as error:
            if isinstance(error, requests.RequestException):
                raise _unreachable(self, error) from error
            if _is_known(error) or self.receipt(signed.tx_hash) is not None:
                return
            raise TransactionFailed(signed.tx_hash, _reason(error), action) from error

    def read(self, function: ContractFunction) -> Any:
        """Calls a contract's view function.

        Raises:
            ChainError: the RPC does not answer.
            TransactionFailed: the contract refuses to answer.
        """
        return ask(function.call, self)

    def receipt(self, tx_hash: str) -> TxReceipt | None:
        """The receipt; None if the transaction is not in a block.

        Raises:
            ChainError: the RPC does not answer.
        """
        return ask(lambda: self._receipt(tx_hash), self)

    def _receipt(self, tx_hash: str) -> TxReceipt | None:
        try:
            receipt = self.web3.eth.get_transaction_receipt(tx_hash)  # type: ignore[arg-type]
        except web3.exceptions.TransactionNotFound:
            return None
        if Web3.to_hex(receipt["transactionHash"]) != tx_hash:
            raise ValueError("the receipt is of another transaction")
        return receipt

    def wait(self, tx_hash: str, action: str = "") -> TxReceipt:
        """Waits until the transaction is in a block, and checks that it succeeded.

        An RPC that does not answer is asked again: the transaction is sent and must not be forgotten.

        Raises:
            TransactionFailed: it was reverted.
            ChainError: it is still pending after `timeout_seconds`; it may still be mined.
        """
        until, trouble = time.monotonic() + self.timeout_seconds, ""
        while True:
            receipt = None
            try:
                receipt, trouble = self._receipt(tx_hash), ""
            except Exception as error:
                trouble = f" ({translated(error, self, action)})"
            if receipt is not None:
                break
            if time.monotonic() >= until:
                raise ChainError(
                    f"transaction {tx_hash} is not in a block after {self.timeout_seconds:.0f} s and may "
                    f"still come{trouble}; running the same command again continues to wait"
                )
            self.pause(self._poll_seconds)
        if receipt["status"] != 1:
            raise TransactionFailed(tx_hash, "the contract reverted it", action)
        return receipt

    @property
    def _poll_seconds(self) -> float:
        return 1 if self.network.is_live else 0.02

    def confirmed(self, receipt: TxReceipt) -> TxReceipt:
        """Waits for the wanted number of confirmations; returns the receipt as it is then.

        Raises:
            ChainError: the chain dropped the transaction, or produces no blocks.
        """
        if self.confirmations <= 1:
            return receipt
        wanted = int(receipt["blockNumber"]) + self.confirmations - 1
        last, until = -1, 0.0
        while (block := ask(lambda: int(self.web3.eth.block_number), self)) < wanted:
            if block > last:
                last, until = block, time.monotonic() + self.timeout_seconds
            if time.monotonic() >= until:
                raise ChainError(
                    f"no new block for {self.timeout_seconds:.0f} s; running the same command again "
                    "continues to wait"
                )
            self.pause(self._poll_seconds)
        tx_hash = Web3.to_hex(receipt["transactionHash"])
        found = self.receipt(tx_hash)
        if found is None:
            raise ChainError(
                f"the chain dropped transaction {tx_hash} (a reorganization); "
                "running the same command again looks for it"
            )
        return found

    def send(self, call: Call, value: int = 0, action: str = "") -> TxReceipt:
        """Signs, sends, waits and checks.

        Raises:
            TransactionFailed: see `sign`, `broadcast`, `wait`.
        """
        signed = self.sign(call, value, action)
        self.broadcast(signed, action)
        return self.confirmed(self.wait(signed.tx_hash, action))

    def next_nonce(self) -> int:
        """Number of the account's next transaction, counting only those in blocks."""
        return ask(lambda: int(self.web3.eth.get_transaction_count(self.account.address, "latest")), self)

    def check_chain_id(self) -> None:
        """Raises NetworkMismatch unless the RPC serves the chain of `network`."""
        actual = ask(lambda: int(self.web3.eth.chain_id), self)
        if actual != self.chain_id:
            raise NetworkMismatch(self.chain_id, actual)


class _Provider(HTTPProvider):
    """Refuses answers that are nested so deeply that parsing them would crash the process."""

    # A method in web3 6, a static one later; it is called on an object in both.
    def decode_rpc_response(self, raw_response: bytes) -> RPCResponse:  # type: ignore[override]
        parse_json(raw_response.decode("utf-8", "replace"))
        answer: RPCResponse = super().decode_rpc_response(raw_response)
        return answer


def connect(
    network: Network,
    rpc_url: str | None,
    account: LocalAccount,
    policy: FeePolicy | None = None,
    confirmations: int = 1,
    pause: Callable[[float], None] = time.sleep,
) -> Chain:
    """Connects, and checks that it is the right chain and has Ocean's contracts.

    Args:
        network: to connect to.
        rpc_url: None takes the network's public one.
        account: signs.
        policy: limits on the price of gas.
        confirmations: see `Chain`.
        pause: see `Chain`.

    Raises:
        ChainError: the RPC does not answer, or there is no contract at the factory's address.
        NetworkMismatch: the RPC serves another chain.
    """
    url = rpc_url or network.rpc_url
    if url is None:
        raise ChainError(f"no public RPC is known for {network.name}; give one with --rpc-url")
    if not shown_url(url).startswith(("http://", "https://")):
        raise ChainError(
            f"the RPC address {shown_url(url)} must begin with http:// or https://, and name a host and no "
            "port above 65535"
        )
    connection = Web3(_Provider(url, request_kwargs={"timeout": 30}))
    connection.middleware_onion.inject(_poa_middleware(), layer=0)
    chain = Chain(
        connection, network, account, policy or FeePolicy(), confirmations=confirmations, pause=pause
    )
    chain.check_chain_id()
    factory = Web3.to_checksum_address(network.addresses.factory)
    if not ask(lambda: connection.eth.get_code(factory), chain):
        raise ChainError(
            f"there is no contract at {factory}, where Ocean's factory should be on {network.name}; "
            "check the RPC, or the address file"
        )
    return chain


def event_of(contract: Contract, name: str, receipt: TxReceipt) -> dict[str, Any]:
    """Arguments of the first event with a name that a contract emitted in a transaction.

    Raises:
        ChainError: the contract emitted no such event.
    """
    for event in contract.events[name]().process_receipt(receipt, errors=DISCARD):
        if event["address"] == contract.address:
            return dict(event["args"])
    raise ChainError(f"transaction {Web3.to_hex(receipt['transactionHash'])} has no event {name}")


def shown_url(url: str) -> str:
    """A URL without its user, password, path and query, which may be secret (RPCs put keys there).

    What is not a URL with a host becomes "?".
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:  # of brackets, and of the port
        return "?"
    if not host:
        return "?"
    return f"{parts.scheme}://{host}:{port}" if port else f"{parts.scheme}://{host}"


def ask(question: Callable[[], _T], chain: Chain, action: str = "") -> _T:
    """Calls, patiently, and turns the libraries' exceptions into our errors."""
    try:
        return patiently(question, chain)
    except PublishError:
        raise
    except Exception as error:
        raise translated(error, chain, action) from error


def patiently(question: Callable[[], _T], chain: Chain) -> _T:
    """Repeats a call while the RPC reports too many requests; it has done nothing in that case."""
    for pause in _BUSY_PAUSES:
        try:
            return question()
        except Exception as error:
            if not _is_busy(error):
                raise
        chain.pause(pause)
    return question()


def translated(error: Exception, chain: Chain, action: str = "") -> PublishError:
    """Our error for an exception of the libraries about an RPC's answer, or its absence."""
    if isinstance(error, requests.RequestException):
        return _unreachable(chain, error)
    # eth-tester's own `TransactionFailed`, before web3 7.
    if isinstance(error, web3.exceptions.ContractLogicError) or type(error).__name__ == "TransactionFailed":
        return TransactionFailed(None, _reason(error), action)
    what = f" ({action})" if action else ""
    if _is_rpc_error(error):
        return ChainError(f"the RPC refuses{what}: {_reason(error)}")
    return ChainError(f"the RPC sent an answer that cannot be used{what}: {type(error).__name__}")


def has_no_answer(error: PublishError) -> bool:
    """Whether the chain reports that a contract did not answer: it does not exist, or lacks the function."""
    return isinstance(error, TransactionFailed) or isinstance(
        error.__cause__, web3.exceptions.BadFunctionCallOutput
    )


_BUSY_PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)

_BUSY_STATUS = frozenset({429, 502, 503, 504})

_BUSY_CODES = frozenset({429, -32005, -32016, -32029})
"""JSON-RPC codes for too many requests: those of EIP-1474, and those of some RPC services."""


def _is_busy(error: Exception) -> bool:
    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code in _BUSY_STATUS
    answer = getattr(error, "rpc_response", None) or {"error": error.args[0] if error.args else None}
    found = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        return False
    words = str(found.get("message", "")).lower()
    return found.get("code") in _BUSY_CODES or "rate limit" in words or "too many requests" in words


def _unreachable(chain: Chain, error: Exception) -> ChainError:
    where = shown_url(str(getattr(chain.web3.provider, "endpoint_uri", "")))
    return ChainError(
        f"the RPC at {where} gives no usable answer ({type(error).__name__}); check --rpc-url and the network"
    )


def _poa_middleware() -> Any:
    """Accepts blocks of proof-of-authority chains, whose extra data is longer."""
    names = ("ExtraDataToPOAMiddleware", "geth_poa_middleware")  # web3 7 and later, web3 6
    return next(getattr(web3.middleware, name) for name in names if hasattr(web3.middleware, name))


def _raw(signed: Any) -> bytes:
    """The signed bytes: `raw_transaction`, which eth-account before 0.13 called `rawTransaction`."""
    return bytes(getattr(signed, "raw_transaction", None) or signed.rawTransaction)


def _is_rpc_error(error: Exception) -> bool:
    """Web3RPCError of web3 7 and later; before that, a ValueError with the RPC's answer as a dict."""
    if isinstance(error, ValueError) and error.args and isinstance(error.args[0], dict):
        return True
    return isinstance(error, web3.exceptions.Web3Exception)


def _is_known(error: Exception) -> bool:
    """Whether an RPC refuses a transaction because it already has it; clients word this differently."""
    reason = _reason(error).lower()
    return "already known" in reason or "already imported" in reason or "known transaction" in reason


def _reason(error: Exception) -> str:
    """The chain's message in one line, from the various shapes that the libraries give it."""
    answer = error.args[0] if error.args else ""
    if isinstance(answer, dict):
        answer = answer.get("message", "")
    text = str(getattr(error, "message", None) or answer or error)
    line = " ".join(text.split()).removeprefix("execution reverted: ")
    return printable(line, quoted=False, most=300)
