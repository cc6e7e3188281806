"""`python publish/register_dataset.py`: registers a data set that trusts the algorithms you name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from ..assets.asset import Asset, credentials_of
from ..assets.croissant import described_by
from ..assets.ddo import Compute, Credentials
from ..assets.exposure import exposure_of
from ..assets.files import DatasetFile, read_metadata
from ..assets.pricing import Free
from ..assets.trust import closed_compute, read_trusted
from ..errors import SettingError
from .options import CHECKOUT, FILE, option, takes
from .publishing import (
    AssetOptions,
    embedded_algorithm,
    last_version,
    publish,
    published_ddo,
    set_state,
    with_options,
)
from .session import Opener, Session, SessionOptions, entry, say

_STAND_IN_DATA = "http://127.0.0.1/photos.zip"


@dataclass(frozen=True)
class DatasetOptions:
    """Options of this command alone."""

    metadata: Path = option(
        "--metadata",
        type=click.Path(path_type=Path, dir_okay=False),
        default=CHECKOUT / "metadata" / "dataset.json",
        help="Name, description, author and licence.  [default: metadata/dataset.json]",
    )
    croissant: Path | None = option(
        "--croissant",
        type=FILE,
        help="Take name, description, author, licence and tags from a Croissant file, and publish how people "
        "were covered.",
    )
    algorithms: tuple[str, ...] = option(
        "--algorithm", multiple=True, metavar="DID", help="Algorithm that may compute on it."
    )
    algorithm_file: Path | None = option(
        "--algorithm-file",
        type=FILE,
        help="The algorithm's file as you reviewed it; the node must see exactly the same bytes.",
    )
    accepts_open_free: bool = option(
        "--anybody-may-read-originals",
        is_flag=True,
        help="Register even if the node runs anybody's code on the photos, in free jobs.",
    )


@click.command("register_dataset", context_settings={"help_option_names": ["-h", "--help"]})
@takes(where=SessionOptions, own=DatasetOptions, options=AssetOptions)
@click.pass_obj
def register_dataset(
    opener: Opener, where: SessionOptions, own: DatasetOptions, options: AssetOptions
) -> None:
    """Registers a data set whose compute service trusts exactly the algorithms that you name.

    Without arguments it uses a chain inside this process, after registering UnionVeil there.
    """
    options.check(where)
    described = read_metadata(own.metadata, DatasetFile)
    if own.croissant:
        described = described_by(own.croissant, described)
    with opener(where) as session:
        if options.state == "active":
            last = last_version(session, "dataset", described.name, options.did)
            _check_exposure(session, own, last.credentials if last else None)
        if options.state:
            set_state(session, "dataset", described.name, options.state, options.did)
            return
        _check_exposure(session, own, credentials_of(options.allow, options.deny))
        compute = _compute(session, described.name, own, options)
        bare = Asset(described.metadata(), (), "compute", Free(), compute=compute, symbol="UVDATA")
        asset = with_options(session, bare, described.files, _STAND_IN_DATA, options)
        if len(asset.files) > 1:
            raise SettingError(
                "a node hands only the first file of a data set to a job; put the photos into one archive"
            )
        publish(session, "dataset", asset, options)


def _check_exposure(session: Session, own: DatasetOptions, credentials: Credentials | None) -> None:
    """Checks who may run code on the files on the node that will hold their key."""
    exposure = exposure_of(session.node.environments(), credentials)
    if not own.accepts_open_free:
        exposure.refuse_open(session.node.url)
    for warning in exposure.warnings():
        say(f"warning: {warning}")


def _compute(session: Session, name: str, own: DatasetOptions, options: AssetOptions) -> Compute | None:
    if session.is_embedded:
        if own.algorithms:
            raise SettingError("--algorithm needs the network that it is on; name it with --network")
        did = embedded_algorithm(session).did
        say(f"the data set will trust {did}")
        return closed_compute(read_trusted(session.node, [did], own.algorithm_file))
    if options.update and not own.algorithms:
        journal = session.journal_path("dataset", options.did or name)
        return published_ddo(session, journal, options.did).service().compute
    return closed_compute(read_trusted(session.node, own.algorithms, own.algorithm_file))


main = entry(register_dataset)
