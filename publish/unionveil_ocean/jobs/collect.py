"""Fetches a job's results: outputs unpacked and verified, logs as text."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from eth_account.signers.local import LocalAccount

from unionveil.errors import OutputError
from unionveil.files.unpack import Limits, unpack
from unionveil.runs.schema import MANIFEST, ManifestHead, is_manifest
from unionveil.text import printable
from unionveil.verify import verify

from ..errors import JobFailed
from ..node.answers import Job, JobResult
from ..node.protocol import Node
from .folder import ResultsFolder
from .logs import log_text

_MOST_LOG_BYTES = 64 << 20
_SPARE_BYTES = 64 << 20
_SHOWN_CHARACTERS = 300

_EXIT_CODES = (0, 1)
"""Exit codes of a job of UnionVeil that ran to its end; 1 means that some inputs were rejected."""


@dataclass(frozen=True)
class Collected:
    """Results on this machine.

    Attributes:
        manifest: verified.
        outputs: folder of the outputs and the manifest.
        logs: files of the logs.
    """

    manifest: ManifestHead
    outputs: Path
    logs: tuple[Path, ...]


@dataclass(frozen=True)
class Collector:
    """Downloads, unpacks and verifies the results of one job.

    Attributes:
        node: ran the job.
        account: its owner.
        job_id: of the job.
        folder: for `outputs/` and `logs/`; claimed for this job.
        report: called with a line for each event.
    """

    node: Node
    account: LocalAccount
    job_id: str
    folder: ResultsFolder
    report: Callable[[str], None] = lambda _: None

    def collect(self, job: Job) -> Collected:
        """Fetches everything; outputs that are already complete are not downloaded again.

        Args:
            job: its last state.

        Raises:
            JobFailed: there are no outputs; the message quotes the last line of the log.
            ResultsError: the outputs differ from the manifest; they are not kept.
            OutputError: the folder cannot be written, is another job's, or the disk is too small.
            NodeError: the node refuses, or the download breaks off.
        """
        try:
            self.folder.claim(self.job_id)
            with tempfile.TemporaryDirectory(dir=self.folder.path, prefix=".unionveil-") as place:
                return self._collect(job, Path(place))
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise OutputError(f"the results cannot be written into {self.folder.path}: {why}") from error

    def _collect(self, job: Job, place: Path) -> Collected:
        logs, last_lines = self._fetch_logs(job, place)
        last_line = last_lines.get("algorithm", "")
        outputs = self.folder.outputs
        archive = next((result for result in job.results if result.type == "output"), None)
        reason = _failure(job, last_lines)
        if reason or archive is None:
            raise JobFailed(self.job_id, reason or "the node has no outputs of it")
        if outputs.exists():
            self.report("verifying the outputs that are there")
            return Collected(verify(outputs).head, outputs, logs)
        self._fetch_outputs(archive, place)
        if not any(is_manifest(path.name) for path in (place / "outputs").iterdir()):
            raise JobFailed(self.job_id, last_line or f"it left no {MANIFEST}")
        self.report("verifying")
        manifest = verify(place / "outputs").head
        (place / "outputs").replace(outputs)
        return Collected(manifest, outputs, logs)

    def _fetch_logs(self, job: Job, place: Path) -> tuple[tuple[Path, ...], dict[str, str]]:
        """Log files, and the last line of each by name."""
        logs, last_lines = [], {}
        for result in job.results:
            if result.type.lower().endswith("log"):
                self.report(f"fetching {printable(result.type, quoted=False)}")
                self._fetch(result, place / "log", _MOST_LOG_BYTES)
                text = log_text((place / "log").read_bytes())
                path = self.folder.logs / _log_name(result)
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, "utf-8")
                logs.append(path)
                last_line = next((line for line in reversed(text.splitlines()) if line.strip()), "")
                last_lines[path.stem] = printable(last_line.strip(), quoted=False, most=_SHOWN_CHARACTERS)
        return tuple(logs), last_lines

    def _fetch_outputs(self, archive: JobResult, place: Path) -> None:
        room = shutil.disk_usage(self.folder.path).free - _SPARE_BYTES
        if 2 * archive.filesize > room:
            raise OutputError(
                f"the outputs take {2 * archive.filesize >> 20} MiB while they are unpacked, and there are "
                f"{max(room, 0) >> 20} MiB free in {self.folder.path}; make room or choose another folder"
            )
        self.report("fetching the outputs")
        size = self._fetch(archive, place / "outputs.tar", room)
        self.report("unpacking")
        unpack(place / "outputs.tar", place / "outputs", Limits(total_bytes=room - size))

    def _fetch(self, result: JobResult, file: Path, most_bytes: int) -> int:
        return self.node.fetch_result(self.job_id, result.index, self.account, file, most_bytes)


def _failure(job: Job, last_lines: Mapping[str, str]) -> str:
    last_line = last_lines.get("algorithm")
    said = f"; it said: {last_line}" if last_line else ""
    if job.has_failed:
        # The last available log; a node writes image, configuration and algorithm logs in this order.
        log = next((name for name in ("configuration", "image") if last_lines.get(name)), None)
        if not said and log is not None:
            said = f"; the node's {log} log ends with: {last_lines[log]}"
        reason = printable(job.status_text.strip(), quoted=False) or "the node names no reason"
        return f"{reason} (status {job.status}){said}"
    end = job.termination_details
    if end is not None and end.oom_killed:
        return f"it needed more memory than it was given; ask for more with --ram{said}"
    if end is not None and end.exit_code not in (None, *_EXIT_CODES):
        return f"the algorithm ended with exit code {end.exit_code}{said}"
    return ""


def _log_name(result: JobResult) -> str:
    """Our own name for a log: the node's is not trusted."""
    known = {"imagelog": "image", "algorithmlog": "algorithm", "configurationlog": "configuration"}
    return known.get(result.type.lower(), f"other-{result.index}") + ".log"
