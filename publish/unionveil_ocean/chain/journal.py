"""Records what a publication has done so far, so that a second run continues instead of minting twice.

A transaction is recorded, signed, before it is sent. A run that finds it looks for its receipt, sends the
same bytes again if there is no receipt, and signs again only with the same number (nonce), or after another
transaction used that number: the chain takes at most one of them. No key, password or file address is ever
written; signed transactions are public by nature.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ChainError, JournalError, TransactionFailed
from ..jsjson import JsonObject, stringify
from .connection import Call, Chain, SignedTransaction, TxReceipt

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


_LATE_SECONDS = 30


class _Attempt(BaseModel):
    model_config = ConfigDict(extra="forbid")
    tx_hash: str
    raw: str
    nonce: int


class Step(BaseModel):
    """One step of a publication.

    Attributes:
        inputs: digest of the step's inputs; another digest means another publication.
        attempts: signed transactions, oldest first; the chain takes at most one of them.
        result: of the step; None until it is done.
        gas_used: by its transaction.
        tx_hash: of the transaction that is in a block.
    """

    model_config = ConfigDict(extra="forbid")
    inputs: str
    attempts: list[_Attempt] = Field(default_factory=list)
    result: JsonObject | None = None
    gas_used: int | None = None
    tx_hash: str | None = None


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: int = 1
    chain_id: int
    account: str
    steps: dict[str, Step] = Field(default_factory=dict)


def default_folder() -> Path:
    """The default folder of journals: the user's state folder."""
    return Path(platformdirs.user_state_dir("unionveil", appauthor=False)) / "publish"


def digest_of(value: object) -> str:
    """Hexadecimal SHA-256 of a JSON value."""
    return hashlib.sha256(stringify(value).encode()).hexdigest()


class Journal:
    """The steps of one publication, in a file of their own; a context manager.

    Args:
        path: of the file, which is created when the first step is written.
        chain: the chain and account of the publication.
        on_step: called with the name of each step that is signed, sent or done; tests interrupt here.
        anew: start without steps; the earlier run's file is renamed when the first step is written. None if
            the command does not offer that with --new.
        report: called with a line when a file is renamed.

    Raises:
        JournalError: on entering, if another run holds it, it cannot be read, or it is another account's.
    """

    def __init__(
        self,
        path: Path,
        chain: Chain,
        on_step: Callable[[str], None] | None = None,
        *,
        anew: bool | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.path = path
        self.chain = chain
        self._anew = bool(anew)
        self._way_out = "run it again with those" if anew is None else "start anew with --new"
        self._report = report
        self._on_step = on_step or (lambda _: None)
        self._content = _Content(chain_id=chain.chain_id, account=chain.address)
        self._lock: int | None = None

    def __enter__(self) -> Journal:
        """Locks and reads."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            if not _take(self._lock):
                self._unlock()
                raise JournalError(f"another run is using {self.path}; wait until it ends")
        except OSError as error:
            raise JournalError(
                f"the journal {self.path} cannot be written ({error.strerror}), and without it a failure "
                "could mint twice; name another folder with --journal-dir"
            ) from error
        try:
            self._read()
        except BaseException:
            self._unlock()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Unlocks; the file stays."""
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _read(self) -> None:
        if self._anew or not self.path.exists():
            return
        try:
            content = _Content.model_validate_json(self.path.read_bytes())
        except (OSError, ValidationError) as error:
            raise JournalError(
                f"the journal {self.path} cannot be read; look there for what was published, "
                "then move it away"
            ) from error
        if (content.chain_id, content.account) != (self.chain.chain_id, self.chain.address):
            raise JournalError(
                f"the journal {self.path} is of account {content.account} on chain {content.chain_id}; "
                f"this is {self.chain.address} on {self.chain.chain_id}; use that account, or another "
                "--journal-dir"
            )
        self._content = content

    @property
    def steps(self) -> Mapping[str, Step]:
        """All steps so far, by name."""
        return self._content.steps

    def result(self, name: str) -> JsonObject | None:
        """The result of a step; None if it is not done."""
        step = self._content.steps.get(name)
        return step.result if step else None

    def done(self, name: str, inputs: object) -> JsonObject | None:
        """The result of a step with these inputs; None if it is not done with them."""
        step = self._content.steps.get(name)
        return step.result if step is not None and step.inputs == digest_of(inputs) else None

    def is_of(self, name: str, inputs: object) -> bool:
        """Whether a step was not begun, or was begun with these inputs."""
        step = self._content.steps.get(name)
        return step is None or step.inputs == digest_of(inputs)

    def record(self, name: str, inputs: object, result: JsonObject) -> JsonObject:
        """Records a step that signed no transaction.

        Args:
            name: of the step.
            inputs: JSON value that determines the result; only its digest is kept.
            result: JSON.

        Returns:
            The result.
        """
        self._put(name, Step(inputs=digest_of(inputs), result=result))
        return result

    def begun(self, name: str) -> bool:
        """Whether a transaction of the step was signed, or the step is done."""
        step = self._content.steps.get(name)
        return step is not None and bool(step.attempts or step.result)

    @property
    def gas_used(self) -> dict[str, int]:
        """Gas of every transaction, by step."""
        return {
            name: step.gas_used for name, step in self._content.steps.items() if step.gas_used is not None
        }

    def transact(
        self,
        name: str,
        inputs: object,
        make_call: Callable[[], Call],
        read: Callable[[TxReceipt], JsonObject] = lambda _: {},
        on_sent: Callable[[str], None] = lambda _: None,
    ) -> JsonObject:
        """Does a step that consists of one transaction, once.

        Args:
            name: of the step.
            inputs: JSON value that determines the transaction.
            make_call: makes the contract's call.
            read: reads the result from the receipt.
            on_sent: called with the hash.

        Raises:
            JournalError: the step was begun with other inputs, and its transaction may be in a block.
            TransactionFailed: refused or reverted; the next run signs again.
            ChainError: not in a block yet; the next run continues to wait.
        """
        step = self._begun_step(name, digest_of(inputs))
        if step.result is not None:
            return step.result
        receipt = self._settled(step) or self._attempt(name, step, make_call, on_sent)
        receipt = self.chain.confirmed(receipt)
        tx_hash = "0x" + bytes(receipt["transactionHash"]).hex()
        if receipt["status"] != 1:
            step.attempts.clear()
            self._put(name, step, done=False)
            raise TransactionFailed(tx_hash, "the contract reverted it", name)
        step.result, step.gas_used, step.tx_hash = read(receipt), int(receipt["gasUsed"]), tx_hash
        self._put(name, step)
        return step.result

    def _begun_step(self, name: str, digest: str) -> Step:
        step = self._content.steps.get(name)
        if step is None or (step.inputs != digest and not step.attempts):
            return Step(inputs=digest)
        if step.inputs != digest:
            raise JournalError(
                f"the step {name!r} was begun with other settings (journal {self.path}); {self._way_out}"
            )
        return step

    def _settled(self, step: Step) -> TxReceipt | None:
        if step.result is not None:
            return None
        for attempt in step.attempts:
            receipt = self.chain.receipt(attempt.tx_hash)
            if receipt is not None:
                return receipt
        return None

    def _late_receipt(self, step: Step) -> TxReceipt | None:
        """Keeps asking for a while: one address may stand for several RPCs, some a few blocks behind."""
        until = time.monotonic() + (_LATE_SECONDS if self.chain.network.is_live else 0)
        while True:
            receipt = self._settled(step)
            if receipt is not None or time.monotonic() >= until:
                return receipt
            self.chain.pause(1)

    def _attempt(
        self, name: str, step: Step, make_call: Callable[[], Call], on_sent: Callable[[str], None]
    ) -> TxReceipt:
        """Sends the last attempt again, or signs again, and waits; see the top of this file."""
        last = step.attempts[-1] if step.attempts else None
        if last is not None and self.chain.next_nonce() > last.nonce:
            # Its number is used, by one of ours whose receipt comes later or by another transaction.
            receipt = self._late_receipt(step)
            if receipt is not None:
                return receipt
            last = None
        tx_hash = self._sign(name, step, make_call) if last is None else self._resend(name, step, make_call)
        on_sent(tx_hash)
        try:
            return self.chain.wait(tx_hash, name)
        except ChainError:
            # Another attempt may have been taken instead.
            settled = self._settled(step)
            if settled is None:
                raise
            return settled
        except TransactionFailed:
            reverted = self.chain.receipt(tx_hash)
            if reverted is None:
                raise
            return reverted

    def _resend(self, name: str, step: Step, make_call: Callable[[], Call]) -> str:
        last = step.attempts[-1]
        try:
            self.chain.broadcast(SignedTransaction(last.tx_hash, last.raw, last.nonce), name)
        except TransactionFailed:
            # E.g. gas became more expensive. With the same number, at most one of the two gets into a block.
            return self._sign(name, step, make_call, last.nonce)
        return last.tx_hash

    def _sign(self, name: str, step: Step, make_call: Callable[[], Call], nonce: int | None = None) -> str:
        signed = self.chain.sign(make_call(), action=name, nonce=nonce)
        step.attempts.append(_Attempt(tx_hash=signed.tx_hash, raw=signed.raw, nonce=signed.nonce))
        self._put(name, step, done=False)
        self._on_step(f"{name} signed")
        self.chain.broadcast(signed, name)
        self._on_step(f"{name} sent")
        return signed.tx_hash

    def _put(self, name: str, step: Step, *, done: bool = True) -> None:
        self._content.steps[name] = step
        text = self._content.model_dump_json(indent=1, exclude_none=True)
        part = self.path.with_suffix(".part")
        try:
            if self._anew and self.path.exists():
                self._report(f"note: the journal of the earlier run is now {move_away(self.path)}")
            self._anew = False
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except OSError as error:
            raise JournalError(f"the journal {self.path} cannot be written: {error.strerror}") from error
        if done:
            self._on_step(name)


def _take(descriptor: int) -> bool:
    """Locks an open file for this process; False if another process holds it. Closing the file unlocks it."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def move_away(path: Path) -> Path:
    """Renames a journal, so that the next run starts another publication; returns its new name."""
    number = 1
    while (target := path.with_name(f"{path.stem}.{number}.json")).exists():
        number += 1
    path.rename(target)
    return target


def read_result(path: Path, name: str) -> JsonObject | None:
    """The result of a journal's step, read without locking; None if there is no such journal or step."""
    step = read_steps(path).get(name)
    return step.result if step else None


def read_steps(path: Path) -> dict[str, Step]:
    """The steps of a journal by name, read without locking; empty if it cannot be read."""
    try:
        return _Content.model_validate_json(path.read_bytes()).steps
    except (OSError, ValidationError):
        return {}
