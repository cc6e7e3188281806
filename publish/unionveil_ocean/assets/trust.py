"""Which algorithms may run on a data set: this very image with this very command, and no other.

A compute service names each algorithm with the digests of its files and of its container; a node runs it only
while they fit (ocean-node, `validateAlgoForDataset`). What was trusted can therefore not be changed silently,
and what was changed on purpose has to be trusted again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..errors import InvalidDDO, SettingError
from .ddo import DDO, Compute, TrustedAlgorithm, parse_ddo

__all__ = ["FileNode", "closed_compute", "differences", "trusted_algorithm", "with_trust"]


class _Info(Protocol):
    @property
    def checksum(self) -> str: ...


class FileNode(Protocol):
    """What trust asks of an Ocean node."""

    def file_info(self, file: Mapping[str, Any]) -> _Info:
        """Size and SHA-256 of a file, named by its address or by `did` and `serviceId`."""
        ...


def trusted_algorithm(
    algorithm: DDO, node: FileNode, files: Sequence[Mapping[str, Any]] | None = None
) -> TrustedAlgorithm:
    """The entry that trusts an algorithm as it is now.

    Args:
        algorithm: its DDO.
        node: reads the files; it is the one that compares later.
        files: the algorithm's files if they are known; None lets the node open what it encrypted.

    Raises:
        InvalidDDO: this is no algorithm.
        NodeError: the node cannot read the files.
    """
    described = algorithm.metadata.algorithm
    if described is None:
        raise InvalidDDO([f"{algorithm.id} is no algorithm, but a {algorithm.metadata.type}"])
    service = algorithm.service()
    asked = files if files is not None else [{"did": algorithm.id, "serviceId": service.id}]
    return TrustedAlgorithm(
        did=algorithm.id,
        files_checksum="".join(node.file_info(file).checksum for file in asked),
        container_section_checksum=described.container.section_checksum(),
        service_id=service.id,
    )


def closed_compute(trusted: Sequence[TrustedAlgorithm]) -> Compute:
    """A compute service for exactly these algorithms: no other code, no network.

    Raises:
        SettingError: there is none; a node would then refuse every job, and older providers allow any.
    """
    if not trusted:
        raise SettingError("a data set must trust at least one algorithm; name it with --algorithm DID")
    return Compute(
        allow_raw_algorithm=False,
        allow_network_access=False,
        publisher_trusted_algorithm_publishers=[],
        publisher_trusted_algorithms=list(trusted),
    )


def differences(before: TrustedAlgorithm, after: TrustedAlgorithm) -> list[str]:
    """What no longer fits, one sentence each; none if nothing changed.

    Args:
        before: as the data set trusts it.
        after: as the algorithm is now.
    """
    names = {
        "files_checksum": "its files",
        "container_section_checksum": "its image or entrypoint",
        "service_id": "its service",
    }
    return [
        f"{names[field]} changed: trusted {_short(old)}, now {_short(new)}"
        for field in names
        if (old := getattr(before, field)) not in ("*", new := getattr(after, field))
        and not (field == "service_id" and old is None)
    ]


def with_trust(
    dataset: DDO, add: Sequence[TrustedAlgorithm] = (), remove: Sequence[str] = ()
) -> tuple[DDO, list[str]]:
    """The data set with other trusted algorithms.

    Args:
        dataset: as published.
        add: to trust; an entry of the same DID is replaced.
        remove: DIDs not to trust any more.

    Returns:
        The data set, and one sentence for each change; none if nothing changes.

    Raises:
        InvalidDDO: no compute service.
        SettingError: a DID to remove is not trusted, or nothing would be left.
    """
    number = next((n for n, service in enumerate(dataset.services) if service.compute), None)
    if number is None:
        raise InvalidDDO([f"{dataset.id} has no compute service, so it trusts no algorithm"])
    compute = dataset.services[number].compute
    assert compute is not None  # noqa: S101 - for the type checker
    trusted = {item.did: item for item in compute.publisher_trusted_algorithms}
    changes = []
    for did in remove:
        if did not in trusted:
            known = ", ".join(trusted) or "none"
            raise SettingError(f"{did} is not trusted by {dataset.id}; it trusts {known}")
        del trusted[did]
        changes.append(f"{did} is not trusted any more")
    for item in add:
        before = trusted.get(item.did)
        if before is None:
            changes.append(f"{item.did} is trusted from now on")
        elif before != item:
            what = "; ".join(differences(before, item)) or "its entry is narrower"
            changes.append(f"{item.did} is trusted as it is now: {what}")
        trusted[item.did] = item
    if not trusted:
        raise SettingError(
            "nothing would be left to trust: some providers then let every algorithm run; "
            "deprecate the data set instead, with register_dataset.py --state deprecated"
        )
    value = dataset.as_dict()
    value["services"][number]["compute"]["publisherTrustedAlgorithms"] = [
        item.model_dump(by_alias=True, exclude_none=True) for item in trusted.values()
    ]
    return parse_ddo(value), changes


def _short(text: str | None) -> str:
    return f"{text[:12]}..." if text and len(text) > 16 else str(text)
