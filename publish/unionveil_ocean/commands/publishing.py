"""The options of an asset, and publishing by them: shared by algorithms and data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from unionveil.cli.options import FiniteRange

from ..assets.asset import Asset, credentials_of
from ..assets.ddo import DDO, parse_ddo
from ..assets.files import STORED, AlgorithmFile, AssetFile, file_at, read_metadata
from ..assets.pricing import Free, pricing_of
from ..assets.published import Version, newest, versions_in
from ..assets.publisher import STATES, Plan, Publication, Publisher, State, is_hidden
from ..chain.journal import read_result
from ..errors import ChainError, SettingError
from ..jsjson import MOST_WHOLE
from ..sandbox.rehearsal import rehearse
from .options import CHECKOUT, option
from .report import confirm_plan, print_json, show_publication
from .session import EMBEDDED, STAND_IN_URL, Session, SessionOptions, say

_STAND_IN_CHECKSUM = "sha256:" + "0" * 64


def hiding_option() -> Any:
    """A field for whether the DDO is hidden on the chain; None keeps the last version's choice."""
    return option(
        "--encrypt-ddo/--plain-ddo",
        help="Hide the DDO on the chain: only the node reads it.  [default: as before; a new one is plain]",
    )


def hides(session: Session, did: str, wanted: bool | None) -> bool:
    """Whether a new version of an asset is hidden: by the option, or else like the last version.

    Raises:
        SettingError: it cannot be determined.
    """
    if wanted is not None:
        return wanted
    try:
        return is_hidden(session.chain, session.node.ddo(did) or {})
    except ChainError as error:
        raise SettingError(
            f"cannot determine whether {did} was published hidden ({error}); add --encrypt-ddo or --plain-ddo"
        ) from error


@dataclass(frozen=True)
class AssetOptions:
    """Options of a publication."""

    file_urls: tuple[str, ...] = option(
        "--file-url",
        multiple=True,
        metavar="URL",
        help="Address of the asset's file: http(s)://..., ipfs://CID, ar://TRANSACTION, or "
        "storage://BUCKET/FILE for a data set in the node's own storage.",
    )
    price: str = option(
        "--price", default="free", show_default=True, metavar="NUMBER", help="For one order, or free."
    )
    base_token: str | None = option(
        "--base-token", metavar="ADDRESS", help="ERC-20 of the price.  [default: OCEAN]"
    )
    allow: tuple[str, ...] = option(
        "--allow",
        multiple=True,
        metavar="ADDRESS",
        help="Only these wallets may order; a node with a policy server ignores it.",
    )
    deny: tuple[str, ...] = option(
        "--deny",
        multiple=True,
        metavar="ADDRESS",
        help="These wallets may not order; a node with a policy server ignores it.",
    )
    timeout: int = option(
        "--timeout",
        type=click.IntRange(min=0, max=MOST_WHOLE),
        default=0,
        help="Seconds that an order is valid; 0: forever.",
    )
    encrypt_ddo: bool | None = hiding_option()
    update: bool = option("--update", is_flag=True, help="Publish a new version of the same asset.")
    state: State | None = option(
        "--state", type=click.Choice(list(STATES)), help="Only change the state of the asset."
    )
    did: str | None = option("--did", help="The asset to update; needed if no journal has it.")
    new: bool = option(
        "--new", is_flag=True, help="Publish another one although one of this name is published."
    )
    index_seconds: float = option(
        "--index-seconds",
        type=FiniteRange(min=0, max=31_536_000),
        default=120,
        show_default=True,
        help="How long the node may take to index.",
    )
    as_json: bool = option("--json", is_flag=True, help="Print the result as JSON.")

    def check(self, session: SessionOptions) -> None:
        """Checks, before any work, that changes of an earlier asset name its network.

        Raises:
            SettingError: they do not.
        """
        given = {"state": self.state, "did": self.did, "update": self.update}
        named = [name for name, value in given.items() if value]
        if session.network == EMBEDDED and named:
            raise SettingError(f"--{named[0]} needs the network that the asset is on; name it with --network")


@dataclass(frozen=True)
class ImageOptions:
    """Overrides of the image in the metadata."""

    checksum: str | None = option(
        "--checksum", help="Digest of the image, sha256:..., instead of the one in the metadata."
    )
    image: str | None = option("--image", help="Image without tag, instead of the one in the metadata.")
    tag: str | None = option("--tag", help="Tag of the image, instead of the one in the metadata.")


def algorithm_asset(session: Session, metadata: Path, image: ImageOptions, options: AssetOptions) -> Asset:
    """The algorithm described by metadata file and options.

    Raises:
        PublishError: an option or the file is wrong.
    """
    described = read_metadata(metadata, AlgorithmFile)
    given = {"checksum": image.checksum, "image": image.image, "tag": image.tag}
    changes = {name: value for name, value in given.items() if value}
    if session.is_embedded and not (described.container.checksum or image.checksum):
        say("note: the image was not pushed yet; zeros stand in for its checksum")
        changes["checksum"] = _STAND_IN_CHECKSUM
    container = described.container.changed(changes)
    bare = Asset(described.model_copy(update={"container": container}).metadata(), (), "access", Free())
    asset = with_options(session, bare, described.files, STAND_IN_URL, options)
    if any(file["type"] == STORED for file in asset.files):
        raise SettingError(
            "nodes give no checksum of a file in their own storage, so no data set could trust an algorithm "
            "there; put it at an address of http(s), IPFS or Arweave"
        )
    return asset


def with_options(
    session: Session, asset: Asset, files: Sequence[AssetFile], stand_in: str, options: AssetOptions
) -> Asset:
    """An asset with files, price and credentials.

    Args:
        session: of the command.
        asset: to complete.
        files: of the metadata.
        stand_in: address for an embedded chain, if none is given.
        options: take precedence over the metadata.

    Raises:
        SettingError: an option is wrong.
    """
    urls = options.file_urls
    if session.is_embedded and not files:
        urls = urls or (stand_in,)
    chosen = tuple(map(file_at, urls)) or files
    return replace(
        asset,
        files=tuple(file.as_dict() for file in chosen),
        pricing=pricing_of(options.price, options.base_token, session.chain),
        credentials=credentials_of(options.allow, options.deny),
        timeout_seconds=options.timeout,
    )


def publish(session: Session, kind: str, asset: Asset, options: AssetOptions) -> Publication:
    """Publishes or updates, by the options, and shows the result.

    Args:
        session: of the command.
        kind: "algorithm" or "dataset"; names the journal.
        asset: to publish.
        options: of the command.
    """
    name = options.did or asset.metadata.name
    path = session.journal_path(kind, name)
    with session.journal(kind, name, anew=options.new) as journal:
        before = published_ddo(session, path, options.did) if options.update else None
        if before is not None:
            encrypt = hides(session, before.id, options.encrypt_ddo)
        else:
            encrypt = "encrypt ddo" in journal.steps if options.encrypt_ddo is None else options.encrypt_ddo
        publisher = Publisher(journal, session.node, encrypt, say, options.index_seconds)
        plan = publisher.plan(asset, before)
        if plan.is_done and before is None:
            say("this was already published; --update publishes a new version, --new another asset")
        elif plan.is_done:
            say("nothing has changed since the last version; nothing is published")
        else:
            action = "update" if options.update else "resume" if journal.steps else "publish"
            _confirm(session, action, plan, encrypt=encrypt)
        done = publisher.publish(plan)
    if options.as_json:
        print_json(done)
    else:
        show_publication(done, session.chain.network)
    return done


_MADE_BY_AN_UPDATE = {"services.0.files": "(encrypted by the node)"}
_MADE_BY_PUBLISHING = {
    "id": "(made from the data NFT and the chain)",
    "nftAddress": "(made by the first transaction)",
    "services.0.id": "(made from the datatoken)",
    "services.0.datatokenAddress": "(made by the first transaction)",
    **_MADE_BY_AN_UPDATE,
}


def _confirm(session: Session, action: str, plan: Plan, *, encrypt: bool) -> None:
    if session.is_embedded:
        return
    gas = rehearse(plan, session.node.url, encrypt=encrypt)
    price = plan.asset.pricing.describe() if plan.place is None else None
    made = _MADE_BY_PUBLISHING if plan.place is None else _MADE_BY_AN_UPDATE
    confirm_plan(session, f"{action}: {plan.asset.metadata.name}", gas, plan.draft, price, made)


def published_ddo(session: Session, journal: Path, did: str | None) -> DDO:
    """The published version, from the node.

    Args:
        session: of the command.
        journal: holds the DID if none is given.
        did: of the asset.

    Raises:
        SettingError: neither the journal nor the node has it.
    """
    indexed = read_result(journal, "index")
    if did is None and indexed is None:
        raise SettingError("no journal here has this asset; name it with --did")
    wanted = did or str(indexed["ddo"]["id"] if indexed else "")
    served = session.node.ddo(wanted)
    if served is None:
        raise SettingError(f"the node does not serve {wanted}; check --did and --node-url")
    return parse_ddo(served)


def set_state(session: Session, kind: str, name: str, state: State, did: str | None) -> None:
    """Changes only the state of an asset; see `publish` for the arguments."""
    path = session.journal_path(kind, did or name)
    known = versions_in(path.parent)
    nft = _nft(session, path, did, known)
    with session.journal(kind, did or name) as journal:
        publisher = Publisher(journal, session.node, report=say)
        plan = publisher.plan_state(nft, state, known)
        if not plan.is_done:
            step = "set the state" if plan.version is None else "set metadata"
            gas = {step: publisher.state_gas(plan)}
            confirm_plan(session, f"make the asset of data NFT {nft} {state}", gas)
        tx_hash = publisher.change_state(plan)
    click.echo(f"{state}: {tx_hash}" if tx_hash else f"it is already {state}")


def last_version(session: Session, kind: str, name: str, did: str | None) -> DDO | None:
    """The last version of an asset in the journals; None if they have none. See `publish`."""
    path = session.journal_path(kind, did or name)
    known = versions_in(path.parent)
    nft = _recorded_nft(path, did, known)
    found = newest(known, nft) if nft else None
    return found.ddo if found else None


def _nft(session: Session, journal: Path, did: str | None, known: Sequence[Version]) -> str:
    """The data NFT of an asset, which may be inactive and therefore not served by the node."""
    return _recorded_nft(journal, did, known) or published_ddo(session, journal, did).nft_address


def _recorded_nft(journal: Path, did: str | None, known: Sequence[Version]) -> str | None:
    created = read_result(journal, "create")
    if created:
        return str(created["nft"])
    return next((one.ddo.nft_address for one in known if one.ddo.id == did), None)


def embedded_algorithm(session: Session) -> Publication:
    """Registers UnionVeil on the embedded chain."""
    metadata = CHECKOUT / "metadata" / "algorithm.json"
    asset = algorithm_asset(session, metadata, ImageOptions(), AssetOptions())
    with session.journal("algorithm", asset.metadata.name) as journal:
        publisher = Publisher(journal, session.node)
        return publisher.publish(publisher.plan(asset))
