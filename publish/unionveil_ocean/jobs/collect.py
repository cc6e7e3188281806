"""Fetching what a job left: outputs unpacked and verified, logs as text."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eth_account.signers.local import LocalAccount

from unionveil.batch import MANIFEST
from unionveil.errors import OutputError
from unionveil.manifest import Manifest

from ..errors import JobFailed
from ..node.answers import Job, JobResult
from ..node.client import NodeClient
from .results import Limits, log_text, unpack, verify

__all__ = ["Collected", "collect"]

_MOST_LOG_BYTES = 64 << 20
_SPARE_BYTES = 64 << 20

_EXIT_CODES = (0, 1)
"""Of UnionVeil's job when it ran to its end; 1 says that some inputs were rejected."""


@dataclass(frozen=True)
class Collected:
    """Results on this machine.

    Attributes:
        manifest: verified.
        outputs: folder of the outputs and the manifest.
        logs: files of the logs.
    """

    manifest: Manifest
    outputs: Path
    logs: tuple[Path, ...]


def collect(
    node: NodeClient,
    account: LocalAccount,
    job_id: str,
    job: Job,
    folder: Path,
    say: Callable[[str], None] = lambda _: None,
) -> Collected:
    """Downloads, unpacks and verifies; outputs that are there whole are not downloaded again.

    Args:
        node: that ran the job.
        account: its owner.
        job_id: of the job.
        job: its last state.
        folder: gets `outputs/` and `logs/`.
        say: told what happens.

    Raises:
        JobFailed: there are no outputs; with the last line of the algorithm's log.
        ResultsError: the outputs are not what the manifest says; they are not kept.
        OutputError: the folder cannot be written, holds other outputs, or the disk is too small.
        NodeError: the node refuses, or breaks off.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".unionveil-") as place:
            return _collect(node, account, job_id, job, folder, Path(place), say)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise OutputError(f"the results cannot be written into {folder}: {why}") from error


def _collect(
    node: NodeClient,
    account: LocalAccount,
    job_id: str,
    job: Job,
    folder: Path,
    place: Path,
    say: Callable[[str], None],
) -> Collected:
    logs, last_line = [], ""
    for result in job.results:
        if result.type.lower().endswith("log"):
            say(f"fetching {result.type}")
            node.fetch_result(job_id, result.index, account, place / "log", _MOST_LOG_BYTES)
            text = log_text((place / "log").read_bytes())
            path = folder / "logs" / _log_name(result)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
            logs.append(path)
            if result.type == "algorithmLog":
                last_line = next((line for line in reversed(text.splitlines()) if line.strip()), "")
    outputs = folder / "outputs"
    archive = next((result for result in job.results if result.type == "output"), None)
    reason = _failure(job, last_line)
    if reason or archive is None:
        raise JobFailed(job_id, reason or "the node has no outputs of it")
    if not outputs.exists():
        room = shutil.disk_usage(folder).free - _SPARE_BYTES
        if 2 * archive.filesize > room:
            raise OutputError(
                f"the outputs take {2 * archive.filesize >> 20} MiB while they are unpacked, and there are "
                f"{max(room, 0) >> 20} MiB free in {folder}; make room or choose another folder"
            )
        say("fetching the outputs")
        size = node.fetch_result(job_id, archive.index, account, place / "outputs.tar", room)
        say("unpacking")
        unpack(place / "outputs.tar", place / "outputs", Limits(total_bytes=room - size))
        if not (place / "outputs" / MANIFEST).exists():
            raise JobFailed(job_id, last_line or f"it left no {MANIFEST}")
        say("verifying")
        manifest = verify(place / "outputs")
        (place / "outputs").replace(outputs)
    else:
        say("verifying the outputs that are there")
        manifest = verify(outputs)
    return Collected(manifest, outputs, tuple(logs))


def _failure(job: Job, last_line: str) -> str:
    said = f"; it said: {last_line}" if last_line else ""
    if job.has_failed:
        return f"{job.status_text.strip() or 'the node names no reason'} (status {job.status}){said}"
    end = job.termination_details
    if end is not None and end.oom_killed:
        return f"it needed more memory than it was given; ask for more with --ram{said}"
    if end is not None and end.exit_code not in (None, *_EXIT_CODES):
        return f"the algorithm ended with exit code {end.exit_code}{said}"
    return ""


def _log_name(result: JobResult) -> str:
    """A name of our own: the node's is not trusted."""
    known = {"imagelog": "image", "algorithmlog": "algorithm", "configurationlog": "configuration"}
    return known.get(result.type.lower(), f"other-{result.index}") + ".log"
