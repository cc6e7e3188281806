"""`python publish/trust.py`: the algorithms that a data set trusts, and whether they still fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from ..assets.ddo import TrustedAlgorithm
from ..assets.exposure import exposure_of
from ..assets.publisher import Publisher
from ..assets.trust import compute_service, misfits, read_trusted, served_ddo, with_trust
from ..errors import SettingError
from ..node.client import NodeClient
from .options import FILE, takes
from .publishing import hides, hiding_option
from .report import confirm_plan, show_publication
from .session import EMBEDDED, Opener, Session, SessionOptions, entry, say

_did = click.argument("dataset", metavar="DATASET_DID")
_algorithms = click.argument("algorithms", nargs=-1, required=True, metavar="ALGORITHM_DID...")


@dataclass(frozen=True)
class ChangeOptions:
    """Options of a data set's new version."""

    encrypt_ddo: bool | None = hiding_option()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def trust() -> None:
    """Adds or removes the algorithms that a data set trusts, and names those that no longer fit."""


@trust.command()
@_did
@click.option(
    "--node-url", envvar="NODE_URL", show_envvar=True, required=True, metavar="URL", help="Ocean node."
)
def check(dataset: str, node_url: str) -> int:
    """Compares every trusted algorithm with its current version; exit code 1 if one no longer fits.

    Warns if the node lets other code read the data set.
    """
    with NodeClient(node_url, report=say) as node:
        ddo = served_ddo(node, dataset)
        _, compute = compute_service(ddo)
        bad = False
        for entry in compute.publisher_trusted_algorithms:
            problems = misfits(entry, node)
            bad |= bool(problems)
            click.echo(f"{entry.did}: {'; '.join(problems) or 'fits'}")
        for publisher in compute.publisher_trusted_algorithm_publishers:
            click.echo(f"every algorithm of data NFT {publisher}: trusted without a check")
        for warning in exposure_of(node.environments(), ddo.credentials).warnings():
            say(f"warning: {warning}")
    if bad:
        say("trust its current version with: python publish/trust.py add DATASET_DID ALGORITHM_DID")
    return 1 if bad else 0


@trust.command()
@_did
@_algorithms
@click.option(
    "--algorithm-file",
    type=FILE,
    help="The algorithm's file as you reviewed it; the node must see exactly the same bytes.",
)
@takes(change=ChangeOptions, where=SessionOptions)
@click.pass_obj
def add(
    opener: Opener,
    where: SessionOptions,
    change: ChangeOptions,
    dataset: str,
    algorithms: tuple[str, ...],
    algorithm_file: Path | None,
) -> None:
    """Trusts the current versions of algorithms; earlier entries with the same DIDs are replaced."""
    _check_network(where)
    with opener(where) as session:
        _change(session, dataset, change, add=read_trusted(session.node, algorithms, algorithm_file))


@trust.command()
@_did
@_algorithms
@takes(change=ChangeOptions, where=SessionOptions)
@click.pass_obj
def remove(
    opener: Opener, where: SessionOptions, change: ChangeOptions, dataset: str, algorithms: tuple[str, ...]
) -> None:
    """Stops trusting algorithms."""
    _check_network(where)
    with opener(where) as session:
        _change(session, dataset, change, remove=algorithms)


def _check_network(where: SessionOptions) -> None:
    if where.network == EMBEDDED:
        raise SettingError("name the network that the data set is on with --network")


def _change(
    session: Session,
    dataset: str,
    options: ChangeOptions,
    add: Sequence[TrustedAlgorithm] = (),
    remove: Sequence[str] = (),
) -> None:
    before = served_ddo(session.node, dataset)
    after, changes = with_trust(before, add, remove)
    for change in changes:
        say(change)
    if after == before:
        click.echo("nothing to change")
        return
    encrypt = hides(session, dataset, options.encrypt_ddo)
    say(f"the DDO will be {'hidden' if encrypt else 'readable by everybody'} on the chain")
    with session.journal("trust", dataset) as journal:
        publisher = Publisher(journal, session.node, encrypt, say)
        publisher.check_role(after.nft_address)
        gas = {"set metadata": publisher.revision_gas(after)}
        confirm_plan(session, f"trust: {after.metadata.name}", gas, after)
        show_publication(publisher.revise(before, after), session.chain.network)


main = entry(trust)
