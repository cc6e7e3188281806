"""Jobs and their results (c2d/compute_engine_docker.ts, core/compute/getStatus.ts, getResults.ts)."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from .environments import ENGINE
from .index import Index, service_of
from .nonces import Nonces
from .settings import Hooks
from .storage import STORED, Storage, Vault
from .wire import Json, Received, Refusal

_PATH = "/c2d_storage/job/data"
_NOT_FOUND = "Request failed with status code 404"


@dataclass
class DoubleJob:
    """A job and what it left."""

    job_id: str
    owner: str
    environment: str
    algorithm: Json
    datasets: list[Json]
    metadata: Json | None
    folder: Path
    is_paid: bool
    status: int = 10
    status_text: str = "Pulling algorithm image"
    exit_code: int | None = None
    finished: float | None = None
    files: list[tuple[str, str, bytes]] = field(default_factory=list)
    created: float = field(default_factory=time.time)

    def answer(self, *, with_results: bool) -> Json:
        """As compute_engine_docker.getComputeJobStatus, which leaves the engine's hash out of the id."""
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


class Jobs:
    """Runs jobs, each in its own thread.

    Args:
        folder: for the files of jobs.
        lock: held by the node while it answers; jobs read the index under it.
        index: of DDOs.
        vault: opens the addresses of files.
        storage: fetches files.
        nonces: check who asks for results.
        hooks: the runner, and faults.

    Attributes:
        started: all jobs, by id.
    """

    def __init__(
        self,
        folder: Path,
        lock: threading.RLock,
        index: Index,
        vault: Vault,
        storage: Storage,
        nonces: Nonces,
        hooks: Hooks,
    ) -> None:
        self._folder, self._lock, self._hooks, self._nonces = folder, lock, hooks, nonces
        self._index, self._vault, self._storage = index, vault, storage
        self.started: dict[str, DoubleJob] = {}
        self._threads: list[threading.Thread] = []

    def new_id(self, given: Json) -> str:
        text = json.dumps(given) + str(time.time_ns())
        return hashlib.sha256(text.encode()).hexdigest()

    def begin(self, given: Json, owner: str, *, is_paid: bool, job_id: str = "") -> list[Json]:
        """Starts a job and returns the node's answer.

        Raises:
            Refusal: the request does not name an image.
        """
        container = (given["algorithm"].get("meta") or {}).get("container") or {}
        if not container.get("image"):
            raise Refusal(400, "Unable to extract docker image null from algoritm")
        job_id = job_id or self.new_id(given)
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
        self.started[job_id] = job
        thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._threads.append(thread)
        thread.start()
        return [{**job.answer(with_results=False), "jobId": f"{ENGINE}-{job_id}"}]

    def wait(self) -> list[DoubleJob]:
        """All jobs, ended."""
        for thread in self._threads:
            thread.join(60)
        return list(self.started.values())

    def _run(self, job: DoubleJob) -> None:
        data, log = job.folder / "data", ["Writing algocustom data to '/data/inputs/algoCustomData.json'"]
        for name in ("inputs", "outputs", "transformations", "ddos", "logs"):
            (data / name).mkdir(parents=True)
        try:
            job.status, job.status_text = 30, "Provisioning data"
            custom = job.algorithm.get("algocustomdata") or {}
            (data / "inputs" / "algoCustomData.json").write_text(json.dumps(custom))
            if self._provide_algorithm(job, data, log) and self._provide_inputs(job, data, log):
                self._execute(job, data)
        except Exception as error:
            job.status, job.status_text = 41, f"Failed to run algorithm: {error}"
        finally:
            text = "".join(f"{line}\n" for line in log).encode()
            job.files.insert(0, ("configuration.log", "configurationLog", text))
            job.finished = time.time()

    def _provide_algorithm(self, job: DoubleJob, data: Path, log: list[str]) -> bool:
        program = self._first_file(job.algorithm)
        if self._storage.save(program, data / "transformations" / "algorithm"):
            return True
        job.status, job.status_text = 32, "Algorithm provisioning failed"
        log.append(f"Unable to write algorithm to path: {_PATH}/transformations/algorithm: {_NOT_FOUND}")
        return False

    def _provide_inputs(self, job: DoubleJob, data: Path, log: list[str]) -> bool:
        for asset in job.datasets:
            file = self._first_file(asset)
            name = self._storage.name_of(file)
            log.append(f"Downloading asset to {name}")
            # As PersistentStorageLocalFS.getDockerMountObject mounts it.
            stored = data / "persistentStorage" / file.get("bucketId", "")
            if not self._storage.save(file, (stored if file["type"] == STORED else data / "inputs") / name):
                job.status, job.status_text = 31, "Data provisioning failed"
                log.append(f"Unable to write input data to path: {_PATH}/inputs/{name}: {_NOT_FOUND}")
                return False
        return True

    def _execute(self, job: DoubleJob, data: Path) -> None:
        job.status, job.status_text = 40, "Running algorithm "
        container = job.algorithm["meta"]["container"]
        job.exit_code, log = self._hooks.runner(data, container, job.algorithm.get("envs") or {})
        outputs = self._hooks.pack(data / "outputs")
        job.status, job.status_text = 71, "Job settling"
        job.files = [("algorithm.log", "algorithmLog", log), ("outputs.tar", "output", outputs)]

    def _first_file(self, asset: Json) -> Json:
        """The one file of an asset that a node hands to a job."""
        with self._lock:
            ddo = self._index.find(asset["documentId"]) or {}
            file = self._vault.files_of(service_of(ddo, asset["serviceId"]))[0]
        self._hooks.before_fetch(file)
        return file

    def status(self, received: Received) -> list[Json]:
        owner = received.query.get("consumerAddress")
        wanted = received.query.get("jobId", "").removeprefix(ENGINE + "-")
        return [
            job.answer(with_results=True)
            for job in self.started.values()
            if (not wanted or job.job_id == wanted) and (not owner or job.owner == owner)
        ]

    def result(self, received: Received) -> bytes:
        query = received.query
        owner = self._nonces.authenticate(query, "getComputeResult")
        job = self.started.get(query["jobId"].removeprefix(ENGINE + "-"))
        if job is None:
            raise Refusal(500, f"Cannot find job with id {query['jobId']}")
        if job.owner != owner:
            raise Refusal(500, f"{owner} is not authorized to get results for job with id {job.job_id}")
        return job.files[int(query["index"])][2]
