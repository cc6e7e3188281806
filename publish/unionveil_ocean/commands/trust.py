"""`python publish/trust.py`: which algorithms may compute on a data set, and whether they still fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..assets.ddo import TrustedAlgorithm, parse_ddo
from ..assets.publisher import revise
from ..assets.trust import differences, trusted_algorithm, with_trust
from ..chain.journal import Journal
from ..errors import NodeError, SettingError
from ..node.client import NodeClient
from .register_dataset import read_trusted, served_ddo
from .report import show_plan, show_publication
from .session import Session, confirm, open_session, run_command, say, session_of, session_options

__all__ = ["main", "trust"]

_did = click.argument("dataset", metavar="DATASET_DID")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def trust() -> None:
    """Adds or removes the algorithms that a data set trusts, and says what no longer fits."""


@trust.command()
@_did
@click.option(
    "--node-url", envvar="NODE_URL", show_envvar=True, required=True, metavar="URL", help="Ocean node."
)
def check(dataset: str, node_url: str) -> int:
    """Compares every trusted algorithm with what it is now; exit code 1 if one no longer fits."""
    with NodeClient(node_url) as node:
        ddo = served_ddo(node, dataset)
        service = next((service for service in ddo.services if service.compute), None)
        if service is None or service.compute is None:
            raise SettingError(f"{dataset} has no compute service, so it trusts no algorithm")
        bad = False
        for entry in service.compute.publisher_trusted_algorithms:
            problems = _problems(node, entry)
            bad |= bool(problems)
            click.echo(f"{entry.did}: {'; '.join(problems) or 'fits'}")
        for publisher in service.compute.publisher_trusted_algorithm_publishers:
            click.echo(f"every algorithm of data NFT {publisher}: trusted whatever it is")
        if bad:
            click.echo(
                "trust it again as it is now: python publish/trust.py add DATASET_DID ALGORITHM_DID", err=True
            )
    return 1 if bad else 0


def _problems(node: NodeClient, entry: TrustedAlgorithm) -> list[str]:
    if entry.did == "*":
        return ["every algorithm is trusted"]
    served = node.ddo(entry.did)
    if served is None:
        return ["the node serves it no more: deprecated, revoked, or never there"]
    try:
        return differences(entry, trusted_algorithm(parse_ddo(served), node))
    except NodeError as error:
        return [f"its files cannot be compared: {error}"]


@trust.command()
@_did
@click.argument("algorithms", nargs=-1, required=True, metavar="ALGORITHM_DID...")
@click.option(
    "--algorithm-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The algorithm's file as you reviewed it; the node must see the very same bytes.",
)
@session_options
def add(dataset: str, algorithms: tuple[str, ...], algorithm_file: Path | None, **options: Any) -> None:
    """Trusts algorithms as they are now; what was trusted under the same DID before is replaced."""
    with _live_session(options) as session:
        _change(session, dataset, add=read_trusted(session.node, algorithms, algorithm_file))


@trust.command()
@_did
@click.argument("algorithms", nargs=-1, required=True, metavar="ALGORITHM_DID...")
@session_options
def remove(dataset: str, algorithms: tuple[str, ...], **options: Any) -> None:
    """Trusts algorithms no more."""
    with _live_session(options) as session:
        _change(session, dataset, remove=algorithms)


def _live_session(options: dict[str, Any]) -> Any:
    if options["network"] == "embedded":
        raise SettingError("name the network that the data set is on with --network")
    return open_session(**session_of(options))


def _change(
    session: Session, dataset: str, add: Sequence[TrustedAlgorithm] = (), remove: Sequence[str] = ()
) -> None:
    before = served_ddo(session.node, dataset)
    after, changes = with_trust(before, add, remove)
    for change in changes:
        say(change)
    if after == before:
        click.echo("nothing to change")
        return
    chain = session.chain
    template = chain.contract("ERC721Template", after.nft_address).functions
    call = template.setMetaData(0, session.node.url, "", b"\x00", after.to_json().encode(), bytes(32), [])
    show_plan(
        session,
        f"trust: {after.metadata.name}",
        {"set metadata": chain.estimate_gas(call, action="set metadata")},
        after,
    )
    confirm(session, "Sign and send?")
    with Journal(session.journal_path("trust", dataset), chain) as journal:
        show_publication(revise(before, after, chain, session.node, journal, say=say), chain.network)


main = run_command(trust)
