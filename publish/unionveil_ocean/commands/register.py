"""`python publish/register.py`: registers the algorithm on Ocean."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from ..assets.files import AlgorithmFile, read_metadata
from ..chain.networks import find_network
from .options import CHECKOUT, option, takes
from .publishing import AssetOptions, ImageOptions, algorithm_asset, publish, set_state
from .report import show_cost_elsewhere
from .session import Opener, SessionOptions, entry, say


@dataclass(frozen=True)
class RegisterOptions:
    """Options of this command alone."""

    metadata: Path = option(
        "--metadata",
        type=click.Path(path_type=Path, dir_okay=False),
        default=CHECKOUT / "metadata" / "algorithm.json",
        help="Name, description, author, licence and image.  [default: metadata/algorithm.json]",
    )
    cost_on: str = option(
        "--cost-on",
        default="polygon",
        show_default=True,
        metavar="NAME",
        help="Network to compare the cost with.",
    )


@click.command("register", context_settings={"help_option_names": ["-h", "--help"]})
@takes(where=SessionOptions, own=RegisterOptions, image=ImageOptions, options=AssetOptions)
@click.pass_obj
def register(
    opener: Opener, where: SessionOptions, own: RegisterOptions, image: ImageOptions, options: AssetOptions
) -> None:
    """Registers the algorithm as a data NFT with a datatoken.

    Without arguments it uses a chain inside this process, with Ocean's real contracts: no account, no node,
    no cost.
    """
    options.check(where)
    compared = find_network(own.cost_on)  # refused before any work
    with opener(where) as session:
        if options.state:
            name = read_metadata(own.metadata, AlgorithmFile).name
            set_state(session, "algorithm", name, options.state, options.did)
            return
        done = publish(session, "algorithm", algorithm_asset(session, own.metadata, image, options), options)
        if options.update:
            say(
                "note: data sets that trust this algorithm refuse it once its file or image has changed; "
                f"their owners must trust it again: publish/trust.py add DATASET_DID {done.did}"
            )
        if session.is_embedded and not options.as_json:
            show_cost_elsewhere(sum(done.gas_used.values()), compared)


main = entry(register)
