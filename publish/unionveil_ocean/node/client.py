"""An Ocean node over HTTP: provider, index and compute in one.

Endpoints, commands and signatures follow ocean-node's `src/components/httpRoutes` and ocean.js'
`HttpProvider`. A call that the node's rate limit refused was not processed, and is sent again when the node
allows it. Other calls are repeated when the node is busy or away, but only if they change nothing: never one
that may have started or spent something.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from unionveil.text import printable

from ..errors import IndexingTimeout, MissingExtra, NodeError, SettingError
from ..jsjson import JsonObject, parse_json, stringify
from .answers import Environment, FileInfo, FileSize, Initialized, Job, indexed_transaction
from .polling import MOST_WAIT_SECONDS, poll_pauses, stated_wait
from .wire import IDENTITY, Watchdog, compression_of

try:
    import httpx
    from eth_account.messages import encode_defunct
    from eth_account.signers.local import LocalAccount
    from eth_utils.crypto import keccak
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name)) from error


_T = TypeVar("_T")

_TRIES = 4
_FIRST_PAUSE_SECONDS = 0.5
_BUSY = frozenset({502, 503, 504})
_RATE_LIMITED = 429
_MOST_ANSWER_BYTES = 8 << 20
_SHOWN_CHARACTERS = 300

_CHECKSUM_BYTES = 10 << 20
"""How far a node reads a file for `fileInfo` unless its owner sets MAX_CHECKSUM_LENGTH (`utils/asset.ts`)."""

_RESULT = "/api/services/computeResult"
_FILE_INFO = "/api/services/fileInfo"


def sign_command(account: LocalAccount, nonce: int, command: str) -> str:
    """The signature of a command: EIP-191 over the bytes of keccak256(address + nonce + command).

    Leading zero bytes of the digest are not signed: nodes verify `ethers.toBeArray` of it, which drops them.

    Args:
        account: that signs; its address is written with its checksum.
        nonce: larger than the node's last.
        command: name of the command, e.g. "encrypt".
    """
    digest = keccak(text=f"{account.address}{nonce}{command}")
    signature = account.sign_message(encode_defunct(primitive=digest.lstrip(b"\0"))).signature
    return "0x" + bytes(signature).hex()


class NodeClient:
    """The `Node` at a URL.

    Args:
        url: of the node, without a path.
        timeout_seconds: for every answer, from the first byte sent to the last byte read; results of jobs may
            take longer as long as bytes keep arriving.
        transport: replaces the network, for tests.
        pause: waits, in seconds.
        report: called with a line for each wait that the node's rate limit requires.

    Raises:
        SettingError: not a valid URL.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 60,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, TypeError):
            parsed = httpx.URL("")
        is_port = parsed.port is None or parsed.port < 1 << 16
        if parsed.scheme not in ("http", "https") or not parsed.host or not is_port:
            raise SettingError(
                "the node's URL must begin with http:// or https:// and name a host, and no port above 65535"
            )
        if parsed.userinfo or parsed.query:
            raise SettingError("the node's URL must hold no password and no question mark")
        self.url: Final = str(parsed).rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._pause = pause
        self._report = report
        self._used_nonces: dict[str, int] = {}
        self._watchdog = Watchdog(timeout_seconds)
        self._http = httpx.Client(
            base_url=self.url,
            timeout=timeout_seconds,
            transport=transport,
            follow_redirects=False,
            headers=IDENTITY,
        )

    def __enter__(self) -> NodeClient:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connections."""
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    # -- publishing ------------------------------------------------------------------------------------

    def nonce(self, address: str) -> int:
        """The last nonce that the node has seen from an address; 0 if it has seen none."""
        return self._patiently(lambda: self._nonce(address))

    def _nonce(self, address: str) -> int:
        path = "/api/services/nonce"
        answer = self._json("GET", path, params={"userAddress": address})
        try:
            return int(answer["nonce"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._wrong(path, "it names no nonce") from error

    def encrypt(
        self, files: Sequence[Mapping[str, object]], nft: str, datatoken: str, account: LocalAccount
    ) -> str:
        """Only this node can open them."""
        body = {"datatokenAddress": datatoken, "nftAddress": nft, "files": [dict(file) for file in files]}
        return self._encrypt(stringify(body).encode(), account)

    def encrypt_ddo(self, ddo: Mapping[str, object], account: LocalAccount) -> str:
        """As `encrypt`."""
        return self._encrypt(stringify(ddo).encode(), account)

    def _encrypt(self, body: bytes, account: LocalAccount) -> str:
        path = "/api/services/encrypt"
        text = self._signed(
            account,
            "encrypt",
            lambda signed: self._text(
                "POST",
                path,
                params=signed,
                content=body,
                headers={"Content-Type": "application/octet-stream"},
            ),
            is_safe=True,
        ).strip()
        if not text.startswith("0x") or len(text) < 4 or not _is_hex(text[2:]):
            raise self._wrong(path, "what it encrypted is not hexadecimal")
        return text

    def file_info(self, file: Mapping[str, object]) -> FileInfo:
        """Refuses an empty file (a node's answer if it cannot read one) and one read only in part."""
        path = _FILE_INFO
        found = self._asked(tuple[FileInfo, ...], "POST", path, json={**file, "checksum": True})
        if len(found) != 1:
            raise self._wrong(path, f"it lists {len(found)} files instead of one")
        if not found[0].is_readable:
            raise self._wrong(path, "the node cannot read the file: it is empty or out of reach")
        if found[0].size_bytes > _CHECKSUM_BYTES:
            raise self._wrong(
                path,
                f"the file is larger than {_CHECKSUM_BYTES >> 20} MiB, and nodes give no checksum of such",
            )
        return found[0]

    def can_read(self, file: Mapping[str, object]) -> bool:
        """Whether the node read any of it; a node reads at most `_CHECKSUM_BYTES`."""
        found = self._asked(tuple[FileSize, ...], "POST", _FILE_INFO, json=dict(file))
        return bool(found) and all(one.is_readable for one in found)

    def validate(self, ddo: Mapping[str, object], account: LocalAccount) -> None:
        """Lets the node check a DDO; its signature of it is not needed."""
        path = "/api/aquarius/assets/ddo/validate"

        def ask(signed: dict[str, str]) -> Any:
            address = {"publisherAddress": signed.pop("consumerAddress")}
            return self._json("POST", path, json={"ddo": dict(ddo), **address, **signed})

        answer = self._signed(account, "validateDDO", ask, is_safe=True)
        if not isinstance(answer, dict):
            raise self._wrong(path, "it is not an object")

    def ddo(self, did: str) -> JsonObject | None:
        """The DDO that the node has indexed; None if it has not indexed the asset."""
        path = f"/api/aquarius/assets/ddo/{did}"
        try:
            answer = self._patiently(lambda: self._json("GET", path))
        except NodeError as error:
            if error.status == 404:
                return None
            raise
        if not isinstance(answer, dict) or answer.get("id") != did:
            raise self._wrong(path, "it is not the DDO that was asked for")
        return answer

    def wait_until_indexed(self, did: str, tx_hash: str | None = None, seconds: float = 120) -> JsonObject:
        """Polls at the intervals of `poll_pauses`."""
        until = time.monotonic() + seconds
        for pause_seconds in poll_pauses():
            found = self.ddo(did)
            if found is not None and (tx_hash is None or indexed_transaction(found) == tx_hash.lower()):
                return found
            left = until - time.monotonic()
            if left <= 0:
                break
            self._pause(min(pause_seconds, left))
        raise IndexingTimeout(did, seconds)

    # -- compute ---------------------------------------------------------------------------------------

    def environments(self) -> tuple[Environment, ...]:
        """Environments that run jobs; may be empty."""
        return self._asked(tuple[Environment, ...], "GET", "/api/services/computeEnvironments")

    def initialize_compute(self, job: Mapping[str, object], consumer: str) -> Initialized:
        """Refused, for example, if the data set does not trust the algorithm."""
        path = "/api/services/initializeCompute"
        body = {**job, "consumerAddress": consumer}
        return self._asked(Initialized, "POST", path, json=body)

    def start_free(self, job: Mapping[str, object], account: LocalAccount) -> Job:
        """Starts a job that costs nothing; see `start_paid`."""
        return self._start("/api/services/freeCompute", "freeStartCompute", job, account)

    def start_paid(self, job: Mapping[str, object], account: LocalAccount) -> Job:
        """Starts a job that was ordered and paid for. If the node refuses, nothing runs."""
        return self._start("/api/services/compute", "startCompute", job, account)

    def _start(self, path: str, command: str, job: Mapping[str, object], account: LocalAccount) -> Job:
        answer = self._signed(
            account,
            command,
            lambda signed: self._json("POST", path, json={**job, **signed}),
            is_safe=False,
        )
        jobs = self._model(tuple[Job, ...], path, answer)
        if len(jobs) != 1:
            raise self._wrong(path, f"it lists {len(jobs)} jobs instead of one")
        return jobs[0]

    def jobs(self, consumer: str, job_id: str | None = None) -> tuple[Job, ...]:
        """Jobs of an account, or the one with an id."""
        params = {"consumerAddress": consumer, **({"jobId": job_id} if job_id else {})}
        return self._asked(tuple[Job, ...], "GET", "/api/services/compute", params=params)

    def fetch_result(
        self, job_id: str, index: int, account: LocalAccount, file: Path, most_bytes: int
    ) -> int:
        """Downloads one result of a job into a file, whole or not at all."""
        part = file.with_name(file.name + ".part")

        def download(signed: dict[str, str]) -> int:
            params = {"jobId": job_id, "index": str(index), **signed}
            with ExitStack() as stack:
                with self._watchdog.guard():
                    response = stack.enter_context(self._stream("GET", _RESULT, params=params))
                    self._check(response)
                return self._save(response, part, most_bytes)

        try:
            size = self._signed(account, "getComputeResult", download, is_safe=True)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
        return size

    def _save(self, response: httpx.Response, file: Path, most_bytes: int) -> int:
        written = 0
        with file.open("wb") as out:
            for chunk in response.iter_bytes():
                written += len(chunk)
                if written > most_bytes:
                    raise self._wrong(_RESULT, f"the result is larger than {most_bytes} bytes")
                out.write(chunk)
        return written

    # -- the wire --------------------------------------------------------------------------------------

    def _signed(
        self, account: LocalAccount, command: str, send: Callable[[dict[str, str]], _T], *, is_safe: bool
    ) -> _T:
        """Sends with the next nonce, and once more if another client of the same account used it meanwhile.

        A series of calls asks the node for its last nonce once; a failed call ends the series.
        """
        nonce_of = self._nonce if is_safe else self.nonce

        def attempt() -> _T:
            last = self._used_nonces.pop(account.address, None)
            nonce = (nonce_of(account.address) if last is None else last) + 1
            answer = send(
                {
                    "consumerAddress": account.address,
                    "nonce": str(nonce),
                    "signature": sign_command(account, nonce, command),
                }
            )
            self._used_nonces[account.address] = nonce
            return answer

        def attempt_twice() -> _T:
            try:
                return attempt()
            except NodeError as error:
                # The node checks it before anything else, so the refused call has changed nothing.
                if error.status == 401 and "not a valid nonce" in error.detail:
                    return attempt()
                raise

        return self._patiently(attempt_twice) if is_safe else self._in_turn(attempt_twice)

    def _stream(self, method: str, path: str, **request: Any) -> AbstractContextManager[httpx.Response]:
        return self._http.stream(method, path, extensions={"trace": self._watchdog.trace}, **request)

    def _text(self, method: str, path: str, **request: Any) -> str:
        until = time.monotonic() + self._timeout_seconds
        with self._watchdog.guard(), self._stream(method, path, **request) as response:
            self._check(response)
            return self._read(response, until).decode("utf-8", "replace")

    def _json(self, method: str, path: str, **request: Any) -> Any:
        text = self._text(method, path, **request)
        try:
            return parse_json(text)
        except ValueError as error:
            raise self._wrong(path, str(error)) from error

    def _read(self, response: httpx.Response, until: float) -> bytes:
        parts, size = [], 0
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > _MOST_ANSWER_BYTES:
                raise self._wrong(response.url.path, f"it is longer than {_MOST_ANSWER_BYTES >> 20} MiB")
            if time.monotonic() > until:
                raise NodeError(self._shown(response.url.path), None, self._too_slow())
            parts.append(chunk)
        return b"".join(parts)

    def _check(self, response: httpx.Response) -> None:
        compression = compression_of(response)
        if compression is not None:
            raise self._wrong(response.url.path, f"it is compressed ({compression}), which was not asked for")
        if response.status_code == 200:
            return
        until = time.monotonic() + self._timeout_seconds
        detail = _said(self._read(response, until).decode("utf-8", "replace"))
        if response.has_redirect_location:
            place = printable(response.headers["location"], quoted=False, most=_SHOWN_CHARACTERS)
            detail = f"it redirects to {place}; give that URL"
        wait = stated_wait(response.headers.get("retry-after"), detail)
        raise NodeError(self._shown(response.url.path), response.status_code, detail, wait)

    def _patiently(self, call: Callable[[], _T]) -> _T:
        """Repeats a call that changes nothing when the node is busy or away, but not when it is slow."""
        for turn in range(_TRIES):
            try:
                return self._in_turn(call)
            except NodeError as error:
                cause = error.__cause__
                is_away = isinstance(cause, httpx.TransportError) and not isinstance(
                    cause, httpx.TimeoutException
                )
                if not (is_away or error.status in _BUSY) or turn == _TRIES - 1:
                    raise
            self._pause(_FIRST_PAUSE_SECONDS * 2**turn)
        raise AssertionError("the last turn returns or raises")

    def _in_turn(self, call: Callable[[], _T]) -> _T:
        """Waits as long as the node's rate limit requires; a refused call was not processed."""
        waited, stand_in = 0.0, _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._translated(call)
            except NodeError as error:
                # One second more: the node rounds up, but its clock and ours start at different moments.
                wait = stand_in if error.retry_seconds is None else error.retry_seconds + 1
                waited += wait
                if error.status != _RATE_LIMITED or waited > MOST_WAIT_SECONDS:
                    raise
            self._report(f"the node's rate limit is reached; waiting {wait:.0f} s")
            self._pause(wait)
            stand_in *= 2

    def _translated(self, call: Callable[[], _T]) -> _T:
        try:
            return call()
        except httpx.TimeoutException as error:
            raise NodeError(self.url, None, self._too_slow()) from error
        except httpx.ConnectError as error:
            raise NodeError(self.url, None, "no connection") from error
        except httpx.HTTPError as error:
            # Only the type of the error: its text may quote the request with its signature.
            raise NodeError(self.url, None, f"the connection broke ({type(error).__name__})") from error

    def _asked(self, kind: type[_T], method: str, path: str, **request: Any) -> _T:
        """The answer to a request that changes nothing."""
        return self._model(kind, path, self._patiently(lambda: self._json(method, path, **request)))

    def _model(self, kind: type[_T], path: str, answer: object) -> _T:
        try:
            return TypeAdapter(kind).validate_python(answer)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the answer"
            raise self._wrong(path, f"{where}: {first['msg']}") from error

    def _wrong(self, path: str, why: str) -> NodeError:
        return NodeError(self._shown(path), 200, printable(why, quoted=False, most=_SHOWN_CHARACTERS))

    def _shown(self, path: str) -> str:
        return self.url + path

    def _too_slow(self) -> str:
        return f"nothing complete within {self._timeout_seconds:g} s"


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True


def _said(text: str) -> str:
    """The node's message from an answer that is a JSON string, an object with an error, or plain text."""
    try:
        value = parse_json(text)
    except ValueError:
        value = text
    if isinstance(value, dict):
        value = next((value[key] for key in ("error", "message", "reason") if key in value), value)
    words = value if isinstance(value, str) else json.dumps(value)
    return printable(" ".join(words.split()), quoted=False, most=_SHOWN_CHARACTERS)
