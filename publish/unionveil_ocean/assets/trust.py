"""The algorithms that a data set trusts: one exact image with one exact command each.

A compute service lists each algorithm with the digests of its files and its container; a node starts a paid
job only while those of the published algorithm match (ocean-node, `validateAlgoForDataset`). A trusted
algorithm therefore cannot change silently, and one that was changed on purpose must be trusted again. Trust
does not keep other code away from the files: see `exposure`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from ..errors import InvalidDDO, NodeError, SettingError, UntrustedAlgorithm
from ..node.protocol import Node
from .ddo import DDO, Compute, Service, TrustedAlgorithm, parse_ddo


def served_ddo(node: Node, did: str) -> DDO:
    """The DDO that the node serves.

    Raises:
        SettingError: the node does not serve the asset.
        InvalidDDO: it serves something else.
    """
    served = node.ddo(did)
    if served is None:
        raise SettingError(f"the node does not serve {did}; check the DID and --node-url")
    return parse_ddo(served)


def trusted_algorithm(algorithm: DDO, node: Node) -> TrustedAlgorithm:
    """The entry that trusts an algorithm as it is now.

    Args:
        algorithm: its DDO.
        node: opens the files that it encrypted, and compares them later.

    Raises:
        InvalidDDO: this is not an algorithm.
        NodeError: the node cannot read the files.
    """
    described = algorithm.metadata.algorithm
    if described is None:
        raise InvalidDDO([f"{algorithm.id} is not an algorithm but a {algorithm.metadata.type}"])
    service = algorithm.service()
    try:
        seen = node.file_info({"did": algorithm.id, "serviceId": service.id})
    except NodeError as error:
        detail = f"the file of the algorithm {algorithm.id} cannot be compared: {error.detail}"
        raise NodeError(error.url, error.status, detail) from error
    return TrustedAlgorithm(
        did=algorithm.id,
        files_checksum=seen.checksum,
        container_section_checksum=described.container.section_checksum(),
        service_id=service.id,
    )


def read_trusted(node: Node, dids: Sequence[str], file: Path | None = None) -> list[TrustedAlgorithm]:
    """The entries that trust algorithms as they are now, from the node that compares them later.

    Args:
        node: serves the DDOs and reads the files.
        dids: of the algorithms.
        file: expected content of the algorithm's file, if there is one algorithm.

    Raises:
        SettingError: an algorithm is unknown, or the node sees another file.
    """
    found = []
    for did in dids:
        entry = trusted_algorithm(served_ddo(node, did), node)
        if file is not None:
            expected = hashlib.sha256(file.read_bytes()).hexdigest()
            if entry.files_checksum != expected:
                raise SettingError(
                    f"the node sees another file for {did} (SHA-256 {entry.files_checksum}) than {file} "
                    f"({expected}); trust neither before you know why"
                )
        found.append(entry)
    return found


def closed_compute(trusted: Sequence[TrustedAlgorithm]) -> Compute:
    """A compute service that trusts exactly these algorithms; see `exposure` for other code.

    Raises:
        SettingError: the list is empty; a node would refuse every job, and older providers allow any.
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
    """One sentence for each mismatch; empty if nothing changed.

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


def misfits(entry: TrustedAlgorithm, node: Node) -> list[str]:
    """One sentence for each mismatch between a trusted entry and the algorithm; empty if it fits."""
    if entry.did == "*":
        return ["every algorithm is trusted"]
    served = node.ddo(entry.did)
    if served is None:
        return ["the node no longer serves it: deprecated, revoked, or never there"]
    try:
        return differences(entry, trusted_algorithm(parse_ddo(served), node))
    except NodeError as error:
        return [error.detail]


def check_trust(node: Node, algorithm: DDO, datasets: Sequence[DDO]) -> None:
    """Checks that every data set lets the algorithm in as it is now, as the node does for paid jobs.

    Raises:
        UntrustedAlgorithm: names the mismatch.
        NodeError: the node cannot read the algorithm's files.
    """
    now = trusted_algorithm(algorithm, node)
    for dataset in datasets:
        compute = dataset.job_service.compute
        if compute is None:
            continue
        publishers = {one.lower() for one in compute.publisher_trusted_algorithm_publishers}
        if publishers & {"*", algorithm.nft_address.lower()}:
            continue
        entries = [one for one in compute.publisher_trusted_algorithms if one.did in ("*", algorithm.id)]
        reasons = ["; ".join(differences(one, now)) for one in entries]
        if all(reasons):
            reason = reasons[0] if reasons else "it is not among those it names"
            raise UntrustedAlgorithm(algorithm.id, dataset.id, reason)


def compute_service(dataset: DDO) -> tuple[Service, Compute]:
    """The service of a data set that lists trusted algorithms.

    Raises:
        SettingError: the data set has no such service.
    """
    for service in dataset.services:
        if service.compute is not None:
            return service, service.compute
    raise SettingError(f"{dataset.id} has no compute service, so it trusts no algorithm")


def with_trust(
    dataset: DDO, add: Sequence[TrustedAlgorithm] = (), remove: Sequence[str] = ()
) -> tuple[DDO, list[str]]:
    """The data set with other trusted algorithms.

    Args:
        dataset: as published.
        add: entries to trust; they replace entries with the same DID.
        remove: DIDs to stop trusting.

    Returns:
        The data set, and one sentence for each change; no sentence if nothing changes.

    Raises:
        SettingError: no compute service, a DID to remove is not trusted, or nothing would be left.
    """
    service, compute = compute_service(dataset)
    trusted = {item.did: item for item in compute.publisher_trusted_algorithms}
    changes = []
    for did in remove:
        if did not in trusted:
            known = ", ".join(trusted) or "none"
            raise SettingError(f"{did} is not trusted by {dataset.id}; it trusts {known}")
        del trusted[did]
        changes.append(f"{did} is no longer trusted")
    for item in add:
        changes += _change(trusted.get(item.did), item)
        trusted[item.did] = item
    if not trusted:
        raise SettingError(
            "nothing would be left to trust: some providers then let every algorithm run; "
            "deprecate the data set instead, with register_dataset.py --state deprecated"
        )
    other = compute.model_copy(update={"publisher_trusted_algorithms": list(trusted.values())})
    services = [
        one.model_copy(update={"compute": other}) if one is service else one for one in dataset.services
    ]
    return dataset.revised(services=services), changes


def _change(before: TrustedAlgorithm | None, after: TrustedAlgorithm) -> list[str]:
    if before is None:
        return [f"{after.did} is trusted from now on"]
    if before == after:
        return []
    what = "; ".join(differences(before, after)) or "its entry is narrower"
    return [f"{after.did} is trusted as it is now: {what}"]


def _short(text: str | None) -> str:
    return f"{text[:12]}..." if text and len(text) > 16 else str(text)
