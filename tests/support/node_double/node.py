"""A small Ocean node for tests: a real HTTP server on loopback that checks what ocean-node checks.

Its endpoints, checks and sentences are those of ocean-node (the file is named at each part). It reads the
chain through the chain object it is given, whose account is the node's own.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import shutil
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ecies
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_keys.datatypes import PrivateKey
from web3 import Web3

from .runner import ProcessRunner, Runner, outputs_tar

ZERO = "0x" + "0" * 40
ENGINE = "0x" + "e" * 64
ENVIRONMENT = f"{ENGINE}-test-env"
MOST_CHECKSUM_BYTES = (10 << 20) + 65536
"""utils/asset.ts: a node stops after the chunk in which it passes 10 MiB."""


_PATH = "/c2d_storage/job/data"
_NOT_FOUND = "Request failed with status code 404"


class Refusal(Exception):
    """An HTTP answer other than 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass
class Received:
    """A request as a handler sees it."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body or b"{}")


@dataclass
class DoubleJob:
    """A job and what it left."""

    job_id: str
    owner: str
    environment: str
    algorithm: dict[str, Any]
    datasets: list[dict[str, Any]]
    metadata: dict[str, Any] | None
    folder: Path
    is_paid: bool
    status: int = 10
    status_text: str = "Pulling algorithm image"
    exit_code: int | None = None
    finished: float | None = None
    files: list[tuple[str, str, bytes]] = field(default_factory=list)
    created: float = field(default_factory=time.time)

    def answer(self, *, with_results: bool) -> dict[str, Any]:
        # compute_engine_docker.getComputeJobStatus: the engine's hash is not in front of the id here.
        results = [
            {"filename": name, "filesize": len(data), "type": kind, "index": index}
            for index, (name, kind, data) in enumerate(self.files)
        ]
        return {
            "owner": self.owner,
            "jobId": self.job_id,
            "dateCreated": str(self.created),
            "dateFinished": None if self.finished is None else str(self.finished),
            "status": self.status,
            "statusText": self.status_text,
            "results": results if with_results else [],
            "environment": self.environment,
            "metadata": self.metadata,
            "terminationDetails": {"exitCode": self.exit_code, "OOMKilled": None},
            "isFree": not self.is_paid,
        }


class NodeDouble:
    """The node.

    Args:
        chain: with the node's own account, which needs coins to lock payments.
        runner: runs the algorithm.
        fee_wei: what it wants for serving an asset, in OCEAN's smallest unit.
        price: of one cpu for one minute in whole OCEAN; None offers no paid jobs.
        offers_free: whether it gives jobs away.

    Attributes:
        access: accounts that paid jobs run for, as in the configuration of a node.
        free_access: the same for free jobs; None leaves the field out.
        enables_network: whether containers reach the network.
        features: what the environment is for; None is a node before version 4.
        pack: makes the archive of a job's outputs.
        gateway: of IPFS and Arweave; None where none is configured.
        rate_limit: requests in a minute; None allows any number, so that tests are quick.
        clock: seconds, for the rate limit.
        refused: requests that the rate limit refused.
        fault: answers instead of the node, or raises; None lets the node answer.
        change: changes the value of an answer before it is sent.
        after: called when the node has done its work, before the answer is sent.
    """

    def __init__(
        self,
        chain: Any,
        runner: Runner | None = None,
        *,
        fee_wei: int = 0,
        price: float | None = 0.5,
        offers_free: bool = True,
    ) -> None:
        self.chain = chain
        self.runner = runner or ProcessRunner()
        self.fee_wei = fee_wei
        self.price = price
        self.offers_free = offers_free
        self.access: dict[str, Any] = {"addresses": [], "accessLists": None}
        self.free_access: dict[str, Any] | None = {"addresses": [], "accessLists": []}
        self.enables_network = False
        self.features: dict[str, bool] | None = None
        self.pack: Callable[[Path], bytes] = outputs_tar
        self.gateway: str | None = None
        self.rate_limit: int | None = None
        self.clock: Callable[[], float] = time.monotonic
        self.refused = 0
        self._window = (0.0, 0)
        self.requests: list[Received] = []
        self.fault: Callable[[Received], bytes | None] = lambda _: None
        self.after: Callable[[Received], None] = lambda _: None
        self.change: Callable[[Received, Any], Any] = lambda _, value: value
        self.jobs: dict[str, DoubleJob] = {}
        self._nonces: dict[str, int] = {}
        self._ddos: dict[str, dict[str, Any]] = {}
        # An operator chooses where indexing begins; eth-tester needs long for blocks that are of no interest.
        self._next_block = chain.web3.eth.block_number + 1
        self._lock = threading.RLock()
        self._key = Web3.to_hex(chain.account.key)
        self._public = PrivateKey(chain.account.key).public_key.to_hex()
        self._folder = Path(tempfile.mkdtemp(prefix="node-double-"))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._threads: list[threading.Thread] = []
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> NodeDouble:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.wait_for_jobs()
        shutil.rmtree(self._folder, ignore_errors=True)

    def wait_for_jobs(self) -> list[DoubleJob]:
        """All jobs, ended."""
        for thread in self._threads:
            thread.join(60)
        return list(self.jobs.values())

    # -- the wire --------------------------------------------------------------------------------------

    def _handler(double) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - two selves in one place
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def _any(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                received = Received(self.command, parts.path, query, body)
                double.requests.append(received)
                limited = double.limit()
                instead = None if limited else double.fault(received)
                if limited:
                    status, kind, data = 429, "text/html", limited.encode()
                elif instead is None:
                    status, kind, data = double.answer(received)
                    double.after(received)
                else:
                    status, kind, data = 200, "application/json", instead
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError, TimeoutError):  # a client that went away
                    super().handle()

            do_GET = do_POST = do_PUT = _any  # noqa: N815

        return Handler

    def limit(self) -> str | None:
        """As utils/validators.ts checkRequestsRateLimit: a fixed window, in which refusals do not count."""
        if self.rate_limit is None:
            return None
        with self._lock:
            (begun, count), now = self._window, self.clock()
            if count == 0 or now - begun > 60:
                self._window = (now, 1)
            elif count >= self.rate_limit:
                self.refused += 1
                return f"Rate limit exceeded. Try again in {math.ceil(60 - (now - begun))} seconds."
            else:
                self._window = (begun, count + 1)
            return None

    def answer(self, received: Received) -> tuple[int, str, bytes]:
        path = received.path
        routes: dict[tuple[str, str], Callable[[Received], Any]] = {
            ("GET", "/api/services/nonce"): self._nonce,
            ("POST", "/api/services/encrypt"): self._encrypt,
            ("POST", "/api/services/fileInfo"): self._file_info,
            ("POST", "/api/aquarius/assets/ddo/validate"): self._validate,
            ("GET", "/api/services/computeEnvironments"): lambda _: self.environments(),
            ("POST", "/api/services/initializeCompute"): self._initialize,
            ("POST", "/api/services/compute"): self._start_paid,
            ("POST", "/api/services/freeCompute"): self._start_free,
            ("GET", "/api/services/compute"): self._status,
            ("GET", "/api/services/computeResult"): self._result,
        }
        route = routes.get((received.method, path))
        if route is None and path.startswith("/api/aquarius/assets/ddo/"):
            route = self._ddo
        try:
            with self._lock:
                value = self.change(received, (route or _not_found)(received))
        except Refusal as refusal:
            # httpRoutes/compute.ts answers errors of the start as JSON, the others as text.
            is_start = received.method == "POST" and path.endswith("ompute") and "initialize" not in path
            text = json.dumps(refusal.text) if is_start else refusal.text
            return refusal.status, "text/plain", text.encode()
        if isinstance(value, bytes):
            return 200, "application/octet-stream", value
        return 200, "application/json", json.dumps(value).encode()

    # -- who is asking (core/utils/nonceHandler.ts) ----------------------------------------------------

    def _nonce(self, received: Received) -> Any:
        return {"nonce": str(self._nonces.get(received.query["userAddress"].lower(), 0))}

    def _authenticate(self, given: dict[str, Any], command: str, key: str = "consumerAddress") -> str:
        address, nonce, signature = (given.get(name) for name in (key, "nonce", "signature"))
        if not (address and nonce and signature):
            raise Refusal(
                401,
                "Invalid authentication, you need to provide either a token or an address, signature, "
                "message and nonce",
            )
        if int(nonce) <= self._nonces.get(address.lower(), 0):
            raise Refusal(401, f"nonce: {nonce} is not a valid nonce")
        digest = Web3.keccak(text=f"{address}{nonce}{command}")
        try:
            signer = Account.recover_message(
                encode_defunct(primitive=bytes(digest).lstrip(b"\0")), signature=signature
            )
        except Exception:
            signer = ""
        if signer.lower() != address.lower():
            raise Refusal(401, "consumer address and nonce signature mismatch")
        self._nonces[address.lower()] = int(nonce)
        return str(address)

    # -- provider (core/handler/encryptHandler.ts, fileInfoHandler.ts) ---------------------------------

    def _encrypt(self, received: Received) -> bytes:
        self._authenticate(received.query, "encrypt")
        if not received.body:
            raise Refusal(400, "Missing required body")
        return ("0x" + ecies.encrypt(self._public, received.body).hex()).encode()

    def decrypt(self, files: str) -> dict[str, Any]:
        try:
            return json.loads(ecies.decrypt(self._key, bytes.fromhex(files.removeprefix("0x"))))
        except Exception as error:
            raise Refusal(500, "Unable to decrypt files, files not served by the current node!") from error

    def _file_info(self, received: Received) -> Any:
        given = received.json
        if given.get("did"):
            service = self._service(self._ordable(given["did"]), given.get("serviceId"))
            return [self._metadata(file) for file in self.decrypt(service["files"])["files"]]
        if given.get("type") not in ("url", "ipfs", "arweave"):
            raise Refusal(400, "Invalid request parameters")
        return [self._metadata(given)]

    def _metadata(self, file: dict[str, Any]) -> dict[str, Any]:
        # utils/asset.ts fetchFileMetadata: what cannot be fetched counts as an empty file.
        url = self._url(file)
        data = (_fetch(url) or b"")[:MOST_CHECKSUM_BYTES]
        return {
            "valid": True,
            "contentLength": str(len(data)),
            "contentType": "application/octet-stream",
            "checksum": hashlib.sha256(data).hexdigest(),
            "name": urlsplit(url).path.split("/")[-1],
            "type": file["type"],
        }

    def _url(self, file: dict[str, Any]) -> str:
        # components/storage/IpfsStorage.ts, ArweaveStorage.ts
        match file["type"]:
            case "ipfs":
                place = f"/ipfs/{file['hash']}"
            case "arweave":
                place = f"/{file['transactionId']}"
            case _:
                return str(file["url"])
        if self.gateway is None:
            raise Refusal(500, f"Error validating the {file['type']} file: gateway is not configured!")
        return self.gateway + place

    def _validate(self, received: Received) -> Any:
        given = received.json
        ddo = given.get("ddo") or {}
        if not str(ddo.get("id", "")).startswith("did:op"):
            raise Refusal(400, "Missing or invalid DID")
        self._authenticate(given, "validateDDO", "publisherAddress")
        metadata = ddo.get("metadata") or {}
        is_whole = (
            ddo.get("version")
            and metadata.get("type") in ("algorithm", "dataset")
            and len(metadata.get("name", "")) >= 4
            and len(metadata.get("description", "")) >= 10
            and ddo.get("services")
        )
        if metadata.get("type") == "algorithm":
            container = (metadata.get("algorithm") or {}).get("container") or {}
            is_whole = is_whole and all(
                container.get(key) for key in ("entrypoint", "image", "tag", "checksum")
            )
        if not is_whole:
            raise Refusal(400, "Validation error: [object Object]")
        return {"hash": hashlib.sha256(received.body).hexdigest(), "publicKey": self.chain.address}

    # -- index (Indexer/processors/MetadataEventProcessor.ts) ------------------------------------------

    def _ddo(self, received: Received) -> Any:
        self.index()
        found = self._ddos.get(received.path.rsplit("/", 1)[-1])
        # Of an asset that is not active a stub is left, which no node serves.
        if found is None or found["version"] == "deprecated":
            raise Refusal(404, "DDO not found")
        return found

    def index(self) -> None:
        web3 = self.chain.web3
        last = web3.eth.block_number
        if self._next_block > last:
            return
        events = self.chain.contract("ERC721Template", self.chain.addresses.factory).events
        logs = web3.eth.get_logs({"fromBlock": self._next_block, "toBlock": last})
        self._next_block = last + 1
        for log in logs:
            if not log["topics"]:
                continue
            for name in ("MetadataCreated", "MetadataUpdated", "MetadataState"):
                try:
                    event = getattr(events, name)().process_log(log)
                except Exception:  # noqa: S112 - it is an event of another kind
                    continue
                self._index(event, name)

    def _index(self, event: Any, name: str) -> None:
        address = event["address"]
        did = "did:op:" + hashlib.sha256(f"{address}{self.chain.chain_id}".encode()).hexdigest()
        state = event["args"]["state"]
        if state in (2, 3):
            self._ddos[did] = {
                "id": did,
                "version": "deprecated",
                "chainId": self.chain.chain_id,
                "nftAddress": address,
                "indexedMetadata": {"nft": {"state": state}},
            }
            return
        if name == "MetadataState":
            if did in self._ddos:
                self._ddos[did]["indexedMetadata"]["nft"]["state"] = state
            return
        flags = int.from_bytes(bytes(event["args"]["flags"]), "big")
        data, wanted = bytes(event["args"]["data"]), bytes(event["args"]["metaDataHash"])
        if flags & 2:
            try:
                data = ecies.decrypt(self._key, data)
            except ValueError:  # another node encrypted it; the indexer logs that and goes on
                return
            digest = hashlib.sha256(data).digest()
        else:
            digest = hashlib.sha256(("0x" + data.hex()).encode()).digest()
        ddo = json.loads(data)
        if digest != wanted or ddo.get("id") != did:
            return
        self._ddos[did] = {
            **ddo,
            "nftAddress": address,
            "chainId": self.chain.chain_id,
            "indexedMetadata": {
                "nft": {"state": state, "address": address},
                "event": {
                    "txid": Web3.to_hex(event["transactionHash"]),
                    "contract": address,
                    "block": event["blockNumber"],
                },
            },
        }

    def _ordable(self, did: str) -> dict[str, Any]:
        self.index()
        ddo = self._ddos.get(did)
        if ddo is None:
            raise Refusal(500, f"DDO {did} not found")
        # downloadHandler.isOrderingAllowedForAsset: `in` looks at indices, so 0 and 1 pass.
        if ddo["indexedMetadata"]["nft"]["state"] not in (0, 1):
            raise Refusal(
                500, "Nft not present in the asset or the state is different than ACTIVE or UNLISTED."
            )
        return ddo

    @staticmethod
    def _service(ddo: dict[str, Any], service_id: str | None) -> dict[str, Any]:
        for service in ddo.get("services", []):
            if service["id"] == service_id:
                return service
        raise Refusal(500, f"Cannot find service {service_id} in DDO {ddo['id']}")

    # -- compute (core/compute/*.ts, c2d/compute_engine_docker.ts) -------------------------------------

    @property
    def token(self) -> str:
        return str(self.chain.addresses.ocean)

    def environments(self) -> list[dict[str, Any]]:
        resources = [
            {"id": "cpu", "total": 2, "min": 1, "max": 2},
            {"id": "ram", "total": 4, "min": 1, "max": 4},
            {"id": "disk", "total": 10, "min": 1, "max": 10},
            {"id": "gpu0", "type": "gpu", "description": "A card", "total": 1, "min": 0, "max": 1},
        ]
        fees = {
            str(self.chain.chain_id): [
                {"feeToken": self.token, "prices": [{"id": "cpu", "price": self.price}]}
            ]
        }
        environment: dict[str, Any] = {
            "id": ENVIRONMENT,
            "description": "A test's own",
            "consumerAddress": self.chain.address,
            "fees": {} if self.price is None else fees,
            "maxJobDuration": 3600,
            "minJobDuration": 60,
            "resources": resources,
            "access": self.access,
            "enableNetwork": self.enables_network,
            "platform": {"architecture": "x86_64", "os": "linux"},
        }
        if self.features is not None:
            environment["features"] = self.features
        if self.offers_free:
            access = {} if self.free_access is None else {"access": self.free_access}
            environment["free"] = {"maxJobDuration": 600, "maxJobs": 2, "resources": resources, **access}
        return [environment]

    def _checksums(self, algorithm: dict[str, Any]) -> tuple[str, str]:
        ddo = self._ordable(algorithm["documentId"])
        service = self._service(ddo, algorithm.get("serviceId"))
        files = "".join(self._metadata(file)["checksum"] for file in self.decrypt(service["files"])["files"])
        container = ddo["metadata"]["algorithm"]["container"]
        section = hashlib.sha256((container["entrypoint"] + container["checksum"]).encode()).hexdigest()
        return files, section

    def _check_trust(self, algorithm: dict[str, Any], dataset: dict[str, Any]) -> None:
        did = algorithm["documentId"]
        files, container = self._checksums(algorithm)
        ddo = self._ordable(dataset["documentId"])
        service = self._service(ddo, dataset.get("serviceId"))
        if service["type"] == "access":
            return
        rules = service.get("compute") or {}
        trusted = rules.get("publisherTrustedAlgorithms") or []
        publishers = [str(one).lower() for one in rules.get("publisherTrustedAlgorithmPublishers") or []]
        wanted = {
            "did": did,
            "filesChecksum": files,
            "containerSectionChecksum": container,
            "serviceId": algorithm.get("serviceId"),
        }
        for entry in trusted:
            if all(
                entry.get(key) in ("*", value)
                for key, value in wanted.items()
                if key in entry or key != "serviceId"
            ):
                return
        nft = self._ordable(did)["nftAddress"].lower()
        if "*" in publishers or nft in publishers:
            return
        raise Refusal(400, f"Algorithm {did} not allowed to run on the dataset: {ddo['id']}")

    def _environment(self, given: dict[str, Any]) -> dict[str, Any]:
        for environment in self.environments():
            if environment["id"] == given.get("environment"):
                return environment
        raise Refusal(500, "Invalid C2D Environment")

    def _cost_wei(self, environment: dict[str, Any], payment: dict[str, Any], seconds: int) -> int:
        offers = environment["fees"].get(str(payment.get("chainId")), [])
        prices = next((one["prices"] for one in offers if one["feeToken"] == payment.get("token")), None)
        if prices is None:
            raise Refusal(
                500,
                "This compute env does not accept payments on chain: "
                f"{payment.get('chainId')} using token {payment.get('token')}",
            )
        seconds = max(min(seconds, environment["maxJobDuration"]), environment["minJobDuration"])
        cpus = next((one["amount"] for one in payment.get("resources") or [] if one["id"] == "cpu"), 1)
        return int(prices[0]["price"] * 10**18) * cpus * -(-seconds // 60)

    def _lock_seconds(self, seconds: int) -> int:
        return seconds + 600

    def _initialize(self, received: Received) -> Any:
        given = received.json
        if not given.get("algorithm"):
            raise Refusal(400, "Missing algorithm")
        environment = self._environment(given)
        self._checksums(given["algorithm"])
        seconds = int(given.get("maxJobDuration") or environment["maxJobDuration"])
        amount = self._cost_wei(environment, given.get("payment") or {}, seconds)
        answers = []
        for asset in (given["algorithm"], *given["datasets"]):
            if asset is not given["algorithm"]:
                self._check_trust(given["algorithm"], asset)
            answers.append(self._order_answer(asset, environment))
        return {
            "algorithm": answers[0],
            "datasets": answers[1:],
            "payment": {
                "escrowAddress": self.chain.addresses.escrow,
                "payee": self.chain.address,
                "chainId": self.chain.chain_id,
                "minLockSeconds": self._lock_seconds(seconds),
                "token": given["payment"]["token"],
                "amount": str(amount),
            },
        }

    def _order_answer(self, asset: dict[str, Any], environment: dict[str, Any]) -> dict[str, Any]:
        ddo = self._ordable(asset["documentId"])
        service = self._service(ddo, asset.get("serviceId"))
        self.decrypt(service["files"])
        answer: dict[str, Any] = {
            "validOrder": False,
            "did": ddo["id"],
            "serviceId": service["id"],
            "datatoken": service["datatokenAddress"],
            "chainId": self.chain.chain_id,
            "consumerAddress": environment["consumerAddress"],
        }
        has_fee = False
        if asset.get("transferTxId") and self.is_order(asset["transferTxId"], ddo, service):
            answer["validOrder"] = asset["transferTxId"]
            has_fee = self.has_fee(asset["transferTxId"], service)
        if not has_fee:
            answer["providerFee"] = self.provider_fee(service)
        return answer

    def provider_fee(self, service: dict[str, Any]) -> dict[str, Any]:
        # core/utils/feesHandler.ts createProviderFee
        data = json.dumps(
            {"dt": service["datatokenAddress"], "id": service["id"]}, separators=(",", ":")
        ).encode()
        until = int(service["timeout"])
        digest = Web3.solidity_keccak(
            ["bytes", "address", "address", "uint256", "uint256"],
            [data, self.chain.address, self.token, self.fee_wei, until],
        )
        signed = self.chain.account.sign_message(encode_defunct(primitive=digest))
        return {
            "providerFeeAddress": self.chain.address,
            "providerFeeToken": self.token,
            "providerFeeAmount": str(self.fee_wei),
            "providerData": "0x" + data.hex(),
            "v": signed.v,
            "r": f"0x{signed.r:064x}",
            "s": f"0x{signed.s:064x}",
            "validUntil": until,
        }

    def _events(self, tx_hash: str, datatoken: str, name: str) -> list[Any]:
        try:
            receipt = self.chain.web3.eth.get_transaction_receipt(tx_hash)
        except Exception:
            return []
        event = getattr(self.chain.contract("ERC20Template", datatoken).events, name)()
        found = []
        for log in receipt["logs"]:
            if log["address"].lower() == datatoken.lower():
                try:
                    found.append(event.process_log(log))
                except Exception:  # noqa: S112 - it is an event of another kind
                    continue
        return found

    def is_order(self, tx_hash: str, ddo: dict[str, Any], service: dict[str, Any]) -> bool:
        # core/utils/validateOrders.ts
        datatoken = service["datatokenAddress"]
        for reused in self._events(tx_hash, datatoken, "OrderReused"):
            tx_hash = Web3.to_hex(reused["args"]["orderTxId"])
        index = [one["id"] for one in ddo["services"]].index(service["id"])
        for event in self._events(tx_hash, datatoken, "OrderStarted"):
            args = event["args"]
            is_ours = self.chain.address in (args["consumer"], args["payer"])
            age = time.time() - args["timestamp"]
            is_fresh = service["timeout"] == 0 or age <= service["timeout"]
            if is_ours and args["serviceIndex"] == index and is_fresh:
                return True
        return False

    def has_fee(self, tx_hash: str, service: dict[str, Any]) -> bool:
        for event in self._events(tx_hash, service["datatokenAddress"], "ProviderFee"):
            data = json.loads(bytes(event["args"]["providerData"]))
            is_mine = event["args"]["providerFeeAddress"] == self.chain.address
            if is_mine and data.get("id") == service["id"]:
                return True
        return False

    def _start_free(self, received: Received) -> Any:
        given = received.json
        owner = self._authenticate(given, "freeStartCompute")
        environment = self._environment(given)
        if "free" not in environment:
            raise Refusal(400, "Error: This env does not support free jobs")
        self._check_features(environment)
        self._check_resources(environment["free"]["resources"], given.get("resources"))
        for asset in (given["algorithm"], *given["datasets"]):
            self._service(self._ordable(asset["documentId"]), asset.get("serviceId"))
        self._check_access(environment["free"].get("access"), owner)
        return self._begin(given, owner, is_paid=False)

    @staticmethod
    def _check_resources(offered: list[dict[str, Any]], wanted: list[dict[str, Any]] | None) -> None:
        # compute_engine_base.ts checkAndFillMissingResources
        most = {one["id"]: one["max"] for one in offered}
        for one in wanted or ():
            if one["amount"] > most.get(one["id"], 0):
                raise Refusal(400, f"Error: Not enough {one['id']} resources. Requested {one['amount']}")

    @staticmethod
    def _check_features(environment: dict[str, Any]) -> None:
        # startCompute.ts of version 4
        if (environment.get("features") or {}).get("computeJobs") is False:
            raise Refusal(403, "Compute jobs are not enabled on this environment")

    def _check_access(self, access: dict[str, Any] | None, owner: str) -> None:
        # core/compute/startCompute.ts validateAccess: without access lists, addresses are not looked at.
        if access is None or access["accessLists"] is None:
            return
        if not access["accessLists"] and not access["addresses"]:
            return
        if owner in access["addresses"]:
            return
        for lists in access["accessLists"]:
            for address in lists.get(str(self.chain.chain_id), []):
                if self.chain.contract("ERC20Template", address).functions.balanceOf(owner).call():
                    return
        raise Refusal(403, "Access denied")

    def _start_paid(self, received: Received) -> Any:
        given = received.json
        if not given.get("maxJobDuration"):
            raise Refusal(400, 'Missing one ( "maxJobDuration" ) or more required field(s)')
        owner = self._authenticate(given, "startCompute")
        environment = self._environment(given)
        self._check_features(environment)
        self._check_resources(environment["resources"], given.get("resources"))
        self._check_access(environment["access"], owner)
        self._checksums(given["algorithm"])
        for asset in (given["algorithm"], *given["datasets"]):
            ddo = self._ordable(asset["documentId"])
            service = self._service(ddo, asset.get("serviceId"))
            if asset is not given["algorithm"]:
                self._check_trust(given["algorithm"], asset)
            if not asset.get("transferTxId"):
                raise Refusal(500, f"Missing transferTxId for DDO {ddo['id']}")
            if not self.is_order(asset["transferTxId"], ddo, service):
                raise Refusal(
                    500,
                    f"TxId Service {asset['transferTxId']} is not valid for DDO {ddo['id']} "
                    f"and service {service['id']}",
                )
        seconds = int(given["maxJobDuration"])
        cost = self._cost_wei(environment, given.get("payment") or {}, seconds)
        job_id = self._new_id(given)
        self._lock_payment(job_id, owner, given["payment"]["token"], cost, self._lock_seconds(seconds))
        return self._begin(given, owner, is_paid=True, job_id=job_id)

    def _lock_payment(self, job_id: str, owner: str, token: str, cost: int, seconds: int) -> None:
        # core/utils/escrow.ts createLock
        escrow = self.chain.contract("Escrow", self.chain.addresses.escrow)
        if escrow.functions.getUserFunds(owner, token).call()[0] < cost:
            raise Refusal(400, f"User {owner} does not have enough funds")
        found = escrow.functions.getAuthorizations(token, owner, self.chain.address).call()
        if len(found) != 1:
            raise Refusal(400, f"No escrow auths found for: chain={self.chain.chain_id}, token={token}")
        _, most, locked, most_seconds, most_locks, locks = found[0]
        if locked + cost > most:
            raise Refusal(400, "No valid escrow auths found(will go over limit)")
        if most_seconds < seconds:
            raise Refusal(400, "No valid escrow auths found(maxLockSeconds too low)")
        if locks + 1 > most_locks:
            raise Refusal(400, "No valid escrow auths found(too many active locks)")
        number = int(hashlib.sha256(job_id.encode()).hexdigest(), 16)
        self.chain.send(escrow.functions.createLock(number, token, owner, cost, seconds))

    def _new_id(self, given: dict[str, Any]) -> str:
        text = json.dumps(given) + str(time.time_ns())
        return hashlib.sha256(text.encode()).hexdigest()

    def _begin(self, given: dict[str, Any], owner: str, *, is_paid: bool, job_id: str = "") -> Any:
        container = (given["algorithm"].get("meta") or {}).get("container") or {}
        if not container.get("image"):
            raise Refusal(400, "Unable to extract docker image null from algoritm")
        job_id = job_id or self._new_id(given)
        job = DoubleJob(
            job_id=job_id,
            owner=owner,
            environment=given["environment"],
            algorithm=given["algorithm"],
            datasets=given["datasets"],
            metadata=given.get("metadata"),
            folder=self._folder / job_id,
            is_paid=is_paid,
        )
        self.jobs[job_id] = job
        thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return [{**job.answer(with_results=False), "jobId": f"{ENGINE}-{job_id}"}]

    def _run(self, job: DoubleJob) -> None:
        data = job.folder / "data"
        for name in ("inputs", "outputs", "transformations", "ddos", "logs"):
            (data / name).mkdir(parents=True)
        configuration: list[str] = []
        try:
            job.status, job.status_text = 30, "Provisioning data"
            configuration.append("Writing algocustom data to '/data/inputs/algoCustomData.json'")
            custom = job.algorithm.get("algocustomdata") or {}
            (data / "inputs" / "algoCustomData.json").write_text(json.dumps(custom))
            with self._lock:
                program = self._first_file(job.algorithm)
            if not _save(self._url(program), data / "transformations" / "algorithm"):
                job.status, job.status_text = 32, "Algorithm provisioning failed"
                configuration.append(
                    f"Unable to write algorithm to path: {_PATH}/transformations/algorithm: {_NOT_FOUND}"
                )
                return
            for asset in job.datasets:
                with self._lock:
                    file = self._first_file(asset)
                name = urlsplit(self._url(file)).path.split("/")[-1]
                configuration.append(f"Downloading asset to {name}")
                if not _save(self._url(file), data / "inputs" / name):
                    job.status, job.status_text = 31, "Data provisioning failed"
                    configuration.append(
                        f"Unable to write input data to path: {_PATH}/inputs/{name}: {_NOT_FOUND}"
                    )
                    return
            job.status, job.status_text = 40, "Running algorithm "
            container = job.algorithm["meta"]["container"]
            job.exit_code, log = self.runner(data, container, job.algorithm.get("envs") or {})
            outputs = self.pack(data / "outputs")
            job.status, job.status_text = 71, "Job settling"
            job.files = [("algorithm.log", "algorithmLog", log), ("outputs.tar", "output", outputs)]
        except Exception as error:
            job.status, job.status_text = 41, f"Failed to run algorithm: {error}"
        finally:
            log = "".join(f"{line}\n" for line in configuration).encode()
            job.files.insert(0, ("configuration.log", "configurationLog", log))
            job.finished = time.time()

    def _first_file(self, asset: dict[str, Any]) -> dict[str, Any]:
        ddo = self._ddos[asset["documentId"]]
        return self.decrypt(self._service(ddo, asset["serviceId"])["files"])["files"][0]

    def _status(self, received: Received) -> Any:
        owner = received.query.get("consumerAddress")
        wanted = received.query.get("jobId", "").removeprefix(ENGINE + "-")
        return [
            job.answer(with_results=True)
            for job in self.jobs.values()
            if (not wanted or job.job_id == wanted) and (not owner or job.owner == owner)
        ]

    def _result(self, received: Received) -> bytes:
        query = received.query
        owner = self._authenticate(query, "getComputeResult")
        job = self.jobs.get(query["jobId"].removeprefix(ENGINE + "-"))
        if job is None:
            raise Refusal(500, f"Cannot find job with id {query['jobId']}")
        if job.owner != owner:
            raise Refusal(500, f"{owner} is not authorized to get results for job with id {job.job_id}")
        return job.files[int(query["index"])][2]


def _not_found(_: Received) -> Any:
    raise Refusal(404, "Not found")


def _fetch(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - a test's own server
            return bytes(answer.read())
    except (urllib.error.URLError, OSError, ValueError):
        return None


def _save(url: str, path: Path) -> bool:
    data = _fetch(url)
    if data is None:
        return False
    path.write_bytes(data)
    return True
