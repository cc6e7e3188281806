"""`python publish/register_dataset.py`: registers a data set that only trusted algorithms compute on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..assets.asset import Asset, dataset_metadata, now, read_dataset
from ..assets.ddo import DDO, Compute, TrustedAlgorithm, parse_ddo
from ..assets.pricing import Free
from ..assets.publisher import Publication, publish
from ..assets.trust import closed_compute, trusted_algorithm
from ..chain.journal import Journal
from ..errors import SettingError
from .register import (
    CHECKOUT,
    STAND_IN_URL,
    algorithm_asset,
    asset_of,
    asset_options,
    check_options,
    published_ddo,
    run,
    set_state,
)
from .session import Session, open_session, run_command, say, session_of, session_options

__all__ = ["embedded_algorithm", "main", "read_trusted", "register_dataset", "served_ddo"]

_STAND_IN_DATA = "http://127.0.0.1/photos.zip"


@click.command("register_dataset", context_settings={"help_option_names": ["-h", "--help"]})
@session_options
@click.option(
    "--metadata",
    "metadata_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=CHECKOUT / "metadata" / "dataset.json",
    help="Name, description, author and licence.  [default: metadata/dataset.json]",
)
@click.option(
    "--algorithm", "algorithms", multiple=True, metavar="DID", help="Algorithm that may compute on it."
)
@click.option(
    "--algorithm-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The algorithm's file as you reviewed it; the node must see the very same bytes.",
)
@asset_options
def register_dataset(
    metadata_file: Path, algorithms: tuple[str, ...], algorithm_file: Path | None, **options: Any
) -> None:
    """Registers a data set whose compute service trusts exactly the algorithms that you name.

    With no argument it does so on a chain inside this process, after registering UnionVeil there.
    """
    check_options(options)
    described = read_dataset(metadata_file)
    with open_session(**session_of(options), contents=embedded_contents()) as session:
        if options["state"]:
            set_state(session, "dataset", described.name, options)
            return
        urls = options["file_urls"]
        if session.is_embedded:
            if algorithms:
                raise SettingError("--algorithm needs the network that it is on; name it with --network")
            done = embedded_algorithm(session)
            algorithms = (done.did,)
            say(f"the data set will trust {done.did}")
            urls = urls or (() if described.files else (_STAND_IN_DATA,))
        compute = _compute(session, described.name, algorithms, algorithm_file, options)
        metadata = dataset_metadata(described, now())
        bare = Asset(metadata, (), "compute", Free(), compute=compute, symbol="UVDATA")
        asset = asset_of(session, bare, urls, described.files, options)
        if len(asset.files) > 1:
            raise SettingError(
                "a node hands only the first file of a data set to a job; put the photos into one archive"
            )
        run(session, "dataset", asset, options)


def _compute(
    session: Session,
    name: str,
    algorithms: tuple[str, ...],
    algorithm_file: Path | None,
    options: dict[str, Any],
) -> Compute | None:
    if not algorithms and options["do_update"]:
        path = session.journal_path("dataset", options["did"] or name)
        return published_ddo(session, path, options["did"]).service().compute
    return closed_compute(read_trusted(session.node, algorithms, algorithm_file))


def read_trusted(node: Any, dids: Sequence[str], file: Path | None = None) -> list[TrustedAlgorithm]:
    """The entries that trust algorithms as they are now, from the node that compares them later.

    Args:
        node: serves the DDOs and reads the files.
        dids: of the algorithms.
        file: what the one algorithm's file must be.

    Raises:
        SettingError: unknown, or the node sees another file.
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


def served_ddo(node: Any, did: str) -> DDO:
    """The DDO that the node serves.

    Raises:
        SettingError: it serves none.
        InvalidDDO: it serves something else.
    """
    served = node.ddo(did)
    if served is None:
        raise SettingError(f"the node serves no {did}; check the DID and --node-url")
    return parse_ddo(served)


def embedded_contents() -> dict[str, bytes]:
    """The algorithm's file under the address that stands in for it on an embedded chain."""
    file = CHECKOUT / "algorithm" / "main.py"
    return {STAND_IN_URL: file.read_bytes()} if file.exists() else {}


def embedded_algorithm(session: Session) -> Publication:
    """Registers UnionVeil on the embedded chain."""
    options = {"file_urls": (), "price": "free", "base_token": None, "allow": (), "deny": (), "timeout": 0}
    asset = algorithm_asset(session, CHECKOUT / "metadata" / "algorithm.json", options)
    path = session.journal_path("algorithm", asset.metadata.name)
    with Journal(path, session.chain) as journal:
        return publish(asset, session.chain, session.node, journal)


main = run_command(register_dataset)
