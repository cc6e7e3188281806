"""Checks before a job starts (core/compute/initialize.ts, startCompute.ts; core/compute/utils.ts)."""

from __future__ import annotations

import hashlib

from unionveil_ocean.chain.connection import Chain

from .environments import Environments, check_features, check_resources, cost_wei
from .index import Index, service_of
from .jobs import Jobs
from .nonces import Nonces
from .orders import Orders
from .storage import Storage, Vault
from .wire import Json, Received, Refusal

_LOCK_MARGIN_SECONDS = 600


class Starts:
    """Initializes and starts jobs.

    Args:
        chain: with the node's own account.
        nonces: check who asks.
        index: of DDOs.
        vault: opens the addresses of files.
        storage: fetches files.
        environments: of the node.
        orders: on the chain.
        jobs: run what is started.
    """

    def __init__(
        self,
        chain: Chain,
        nonces: Nonces,
        index: Index,
        vault: Vault,
        storage: Storage,
        environments: Environments,
        orders: Orders,
        jobs: Jobs,
    ) -> None:
        self._chain, self._nonces, self._index, self._vault = chain, nonces, index, vault
        self._storage, self._environments, self._orders, self._jobs = storage, environments, orders, jobs

    def initialize(self, received: Received) -> Json:
        given = received.json
        if not given.get("algorithm"):
            raise Refusal(400, "Missing algorithm")
        environment = self._environments.of(given)
        self._checksums(given["algorithm"])
        seconds = int(given.get("maxJobDuration") or environment["maxJobDuration"])
        amount = cost_wei(environment, given.get("payment") or {}, seconds)
        answers = []
        for asset in (given["algorithm"], *given["datasets"]):
            if asset is not given["algorithm"]:
                self._check_trust(given["algorithm"], asset)
            ddo, service = self._asset(asset)
            self._vault.files_of(service)
            answers.append(self._orders.answer(asset, ddo, service, environment["consumerAddress"]))
        return {
            "algorithm": answers[0],
            "datasets": answers[1:],
            "payment": {
                "escrowAddress": self._chain.addresses.escrow,
                "payee": self._chain.address,
                "chainId": self._chain.chain_id,
                "minLockSeconds": seconds + _LOCK_MARGIN_SECONDS,
                "token": given["payment"]["token"],
                "amount": str(amount),
            },
        }

    def start_free(self, received: Received) -> list[Json]:
        given = received.json
        owner = self._nonces.authenticate(given, "freeStartCompute")
        environment = self._environments.of(given)
        if "free" not in environment:
            raise Refusal(400, "Error: This env does not support free jobs")
        check_features(environment)
        check_resources(environment["free"]["resources"], given.get("resources"))
        for asset in (given["algorithm"], *given["datasets"]):
            _check_credentials(self._asset(asset)[0], owner)
        self._environments.check_access(environment["free"].get("access"), owner)
        return self._jobs.begin(given, owner, is_paid=False)

    def start_paid(self, received: Received) -> list[Json]:
        given = received.json
        if not given.get("maxJobDuration"):
            raise Refusal(400, 'Missing one ( "maxJobDuration" ) or more required field(s)')
        owner = self._nonces.authenticate(given, "startCompute")
        environment = self._environments.of(given)
        check_features(environment)
        check_resources(environment["resources"], given.get("resources"))
        self._environments.check_access(environment["access"], owner)
        self._checksums(given["algorithm"])
        for asset in (given["algorithm"], *given["datasets"]):
            if asset is not given["algorithm"]:
                self._check_trust(given["algorithm"], asset)
            _check_credentials(self._asset(asset)[0], owner)
            self._check_order(asset)
        seconds = int(given["maxJobDuration"])
        cost = cost_wei(environment, given.get("payment") or {}, seconds)
        job_id, token = self._jobs.new_id(given), given["payment"]["token"]
        self._orders.lock_payment(job_id, owner, token, cost, seconds + _LOCK_MARGIN_SECONDS)
        return self._jobs.begin(given, owner, is_paid=True, job_id=job_id)

    def _asset(self, asset: Json) -> tuple[Json, Json]:
        ddo = self._index.ordable(asset["documentId"])
        return ddo, service_of(ddo, asset.get("serviceId"))

    def _check_order(self, asset: Json) -> None:
        ddo, service = self._asset(asset)
        if not asset.get("transferTxId"):
            raise Refusal(500, f"Missing transferTxId for DDO {ddo['id']}")
        if not self._orders.is_valid(asset["transferTxId"], ddo, service):
            raise Refusal(
                500,
                f"TxId Service {asset['transferTxId']} is not valid for DDO {ddo['id']} "
                f"and service {service['id']}",
            )

    def _checksums(self, algorithm: Json) -> tuple[str, str]:
        """SHA-256 of the algorithm's files and of its container section."""
        ddo, service = self._asset(algorithm)
        files = "".join(self._storage.metadata(file)["checksum"] for file in self._vault.files_of(service))
        container = ddo["metadata"]["algorithm"]["container"]
        section = hashlib.sha256((container["entrypoint"] + container["checksum"]).encode()).hexdigest()
        return files, section

    def _check_trust(self, algorithm: Json, dataset: Json) -> None:
        """As core/compute/utils.ts validateAlgoForDataset; raises Refusal."""
        did = algorithm["documentId"]
        files, container = self._checksums(algorithm)
        ddo, service = self._asset(dataset)
        if service["type"] == "access":
            return
        rules = service.get("compute") or {}
        publishers = [str(one).lower() for one in rules.get("publisherTrustedAlgorithmPublishers") or []]
        wanted = {"did": did, "filesChecksum": files, "containerSectionChecksum": container}
        service_id = algorithm.get("serviceId")
        for entry in rules.get("publisherTrustedAlgorithms") or []:
            fits = all(entry.get(key) in ("*", value) for key, value in wanted.items())
            if fits and entry.get("serviceId", service_id) in ("*", service_id):
                return
        nft = self._index.ordable(did)["nftAddress"].lower()
        if "*" not in publishers and nft not in publishers:
            raise Refusal(400, f"Algorithm {did} not allowed to run on the dataset: {ddo['id']}")


def _check_credentials(ddo: Json, owner: str) -> None:
    """As utils/credentials.ts checkCredentials, for lists of addresses; raises Refusal."""
    credentials = ddo.get("credentials") or {}
    allowed, denied = (
        [{one.lower() for one in item["values"]} for item in credentials.get(kind) or []]
        for kind in ("allow", "deny")
    )
    own = {"*", owner.lower()}
    if any(own & values for values in denied) or not all(own & values for values in allowed):
        raise Refusal(403, f"Error: Access to asset {ddo['id']} was denied")
