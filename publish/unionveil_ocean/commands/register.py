"""`python publish/register.py`: registers the algorithm on Ocean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..assets.asset import (
    Asset,
    UrlFile,
    algorithm_metadata,
    at_time,
    build_ddo,
    check_draft,
    credentials_of,
    now,
    read_algorithm,
)
from ..assets.ddo import DDO, parse_ddo
from ..assets.pricing import Free, pricing_of
from ..assets.publisher import STATES, Publication, change_state, is_current, publish, update
from ..chain.journal import Journal, move_away, read_result
from ..chain.networks import find_network
from ..errors import SettingError
from ..sandbox.rehearsal import rehearse
from .report import show_cost_elsewhere, show_plan, show_publication
from .session import EMBEDDED, Session, confirm, open_session, run_command, say, session_of, session_options

__all__ = [
    "CHECKOUT",
    "STAND_IN_URL",
    "algorithm_asset",
    "asset_of",
    "asset_options",
    "check_options",
    "main",
    "published_ddo",
    "register",
    "run",
    "set_state",
]

CHECKOUT = Path(__file__).resolve().parents[3]
STAND_IN_URL = "http://127.0.0.1/main.py"
_STAND_IN_CHECKSUM = "sha256:" + "0" * 64


def asset_options(command: Any) -> Any:
    """Adds the options that algorithms and data sets share."""
    options = (
        click.option(
            "--file-url", "file_urls", multiple=True, metavar="URL", help="Address of the asset's file."
        ),
        click.option(
            "--price", default="free", show_default=True, metavar="NUMBER", help="For one order, or free."
        ),
        click.option("--base-token", metavar="ADDRESS", help="ERC-20 of the price.  [default: OCEAN]"),
        click.option("--allow", multiple=True, metavar="ADDRESS", help="Only these wallets may order."),
        click.option("--deny", multiple=True, metavar="ADDRESS", help="These wallets may not order."),
        click.option(
            "--timeout",
            type=click.IntRange(min=0),
            default=0,
            help="Seconds that an order is valid; 0: for ever.",
        ),
        click.option(
            "--encrypt-ddo", is_flag=True, help="Hide the DDO on the chain; only the node then reads it."
        ),
        click.option("--update", "do_update", is_flag=True, help="Publish a new version of the same asset."),
        click.option("--state", type=click.Choice(list(STATES)), help="Only change the state of the asset."),
        click.option("--did", help="The asset to update; needed where no journal knows it."),
        click.option(
            "--new", is_flag=True, help="Publish another one although one of this name is published."
        ),
        click.option(
            "--index-seconds",
            type=click.FloatRange(min=0),
            default=120,
            show_default=True,
            help="How long the node may take to index.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("register", context_settings={"help_option_names": ["-h", "--help"]})
@session_options
@click.option(
    "--metadata",
    "metadata_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=CHECKOUT / "metadata" / "algorithm.json",
    help="Name, description, author, licence and image.  [default: metadata/algorithm.json]",
)
@click.option("--checksum", help="Digest of the image, sha256:..., instead of the one in the metadata.")
@click.option("--image", help="Image without tag, instead of the one in the metadata.")
@click.option("--tag", help="Tag of the image, instead of the one in the metadata.")
@click.option(
    "--cost-on", default="polygon", show_default=True, metavar="NAME", help="Network to compare cost with."
)
@asset_options
def register(metadata_file: Path, **options: Any) -> None:
    """Registers the algorithm as a data NFT with a datatoken.

    With no argument it does so on a chain inside this process, with Ocean's real contracts: no account, no
    node, no cost.
    """
    check_options(options)
    find_network(options["cost_on"])  # told before any work
    main_file = CHECKOUT / "algorithm" / "main.py"
    contents = {STAND_IN_URL: main_file.read_bytes()} if main_file.exists() else {}
    with open_session(**session_of(options), contents=contents) as session:
        if options["state"]:
            set_state(session, "algorithm", read_algorithm(metadata_file).name, options)
            return
        asset = algorithm_asset(session, metadata_file, options)
        run(session, "algorithm", asset, options)


def check_options(options: dict[str, Any]) -> None:
    """Checks, before any work, that what needs an asset of an earlier run names its network.

    Raises:
        SettingError: it does not.
    """
    named = [name for name in ("state", "did") if options[name]] + ["update"] * options["do_update"]
    if options["network"] == EMBEDDED and named:
        raise SettingError(f"--{named[0]} needs the network that the asset is on; name it with --network")


def algorithm_asset(session: Session, metadata_file: Path, options: dict[str, Any]) -> Asset:
    """The asset that metadata file and options describe."""
    described = read_algorithm(metadata_file)
    changes = {name: options[name] for name in ("checksum", "image", "tag") if options.get(name)}
    urls = options["file_urls"]
    if session.is_embedded:
        if not (described.container.checksum or changes.get("checksum")):
            say("note: the image was not pushed yet; zeros stand in for its checksum")
            changes["checksum"] = _STAND_IN_CHECKSUM
        urls = urls or (() if described.files else (STAND_IN_URL,))
    container = described.container.model_copy(update=changes)
    metadata = algorithm_metadata(described.model_copy(update={"container": container}), now())
    return asset_of(
        session, Asset(metadata, (), "access", Free(), symbol="UVEIL"), urls, described.files, options
    )


def asset_of(
    session: Session,
    asset: Asset,
    urls: tuple[str, ...],
    files: tuple[UrlFile, ...],
    options: dict[str, Any],
) -> Asset:
    """The asset with files, price and credentials from the options.

    Raises:
        SettingError: one is wrong.
    """
    try:
        chosen = tuple(UrlFile(url=url) for url in urls) or files
    except ValueError as error:
        raise SettingError("--file-url must begin with http:// or https://") from error
    return replace(
        asset,
        files=tuple(file.as_dict() for file in chosen),
        pricing=pricing_of(options["price"], options["base_token"], session.chain),
        credentials=credentials_of(options["allow"], options["deny"]),
        timeout_seconds=options["timeout"],
    )


def run(session: Session, kind: str, asset: Asset, options: dict[str, Any]) -> Publication:
    """Publishes or updates, as the options say.

    Args:
        session: where.
        kind: "algorithm" or "dataset"; names the journal.
        asset: what.
        options: of the command.

    Returns:
        What is on the chain.
    """
    path = session.journal_path(kind, options["did"] or asset.metadata.name)
    if options["new"] and path.exists():
        say(f"note: the journal of the earlier publication is now {move_away(path)}")
    draft = check_draft(asset, session.chain.chain_id, session.node.url)
    hidden = bool(options["encrypt_ddo"])
    arguments: dict[str, Any] = {
        "encrypt": hidden,
        "say": say,
        "index_seconds": options["index_seconds"],
    }
    with Journal(path, session.chain) as journal:
        published = journal.result("index")
        if options["do_update"]:
            before = published_ddo(session, path, options["did"])
            if is_current(asset, before, session.node, journal, encrypt=hidden):
                say("nothing has changed since the last version; nothing is published")
            else:
                kept = _in_place_of(before, asset, draft)
                _show(session, asset, kept, "update", _MADE_BY_AN_UPDATE, encrypt=hidden)
            done = update(asset, before, session.chain, session.node, journal, **arguments)
        elif published is not None:
            say("this was published already; --update publishes a new version, --new another asset")
            done = publish(asset, session.chain, session.node, journal, **arguments)
        else:
            action = "resume" if journal.steps else "publish"
            _show(session, asset, draft, action, _MADE_BY_PUBLISHING, encrypt=hidden)
            done = publish(asset, session.chain, session.node, journal, **arguments)
    if options["as_json"]:
        click.echo(
            json.dumps(
                {
                    "did": done.did,
                    "nft": done.nft,
                    "datatoken": done.datatoken,
                    "exchange_id": done.exchange_id,
                    "transactions": done.tx_hashes,
                    "gas": done.gas_used,
                    "ddo": done.ddo.as_dict(),
                },
                indent=1,
            )
        )
    else:
        show_publication(done, session.chain.network)
        if session.is_embedded and "cost_on" in options:
            show_cost_elsewhere(sum(done.gas_used.values()), find_network(options["cost_on"]))
    return done


_MADE_BY_AN_UPDATE = {"services.0.files": "(encrypted by the node)"}
_MADE_BY_PUBLISHING = {
    "id": "(made from the data NFT and the chain)",
    "nftAddress": "(made by the first transaction)",
    "services.0.id": "(made from the datatoken)",
    "services.0.datatokenAddress": "(made by the first transaction)",
    **_MADE_BY_AN_UPDATE,
}


def _in_place_of(before: DDO, asset: Asset, draft: DDO) -> DDO:
    """The draft of an asset with all that an update keeps, put together as `update` does it."""
    kept, service = before.service(), draft.services[0]
    return build_ddo(
        at_time(asset, before.metadata.created, asset.metadata.updated),
        before.nft_address,
        kept.datatoken_address,
        draft.chain_id,
        service.files,
        service.service_endpoint,
        kept.id,
    )


def _show(
    session: Session, asset: Asset, draft: DDO, action: str, made: Mapping[str, str], *, encrypt: bool
) -> None:
    if session.is_embedded:
        return
    gas = dict(rehearse(asset, session.node.url, encrypt=encrypt))
    if action == "update":
        gas.pop("create")
    price = None if action == "update" else asset.pricing.describe()
    show_plan(session, f"{action}: {asset.metadata.name}", gas, draft, price, made)
    confirm(session, "Sign and send?")


def published_ddo(session: Session, path: Path, did: str | None) -> DDO:
    """The version that is published, from the node, or from the journal.

    Raises:
        SettingError: neither knows it.
    """
    known = _known_did(path)
    if did is None and known is None:
        raise SettingError("no journal knows this asset here; name it with --did")
    served = session.node.ddo(did or str(known))
    if served is None:
        raise SettingError(f"the node serves no {did or known}; check --did and --node-url")
    return parse_ddo(served)


def _known_did(path: Path) -> str | None:
    published = read_result(path, "index")
    return str(published["ddo"]["id"]) if published else None


def set_state(session: Session, kind: str, name: str, options: dict[str, Any]) -> None:
    """Changes the state of an asset, and nothing else of it; see `run` for the arguments."""
    path = session.journal_path(kind, options["did"] or name)
    created = read_result(path, "create")
    nft = str(created["nft"]) if created else None
    if nft is None:
        nft = published_ddo(session, path, options["did"]).nft_address
    confirm(session, f"Make the asset of data NFT {nft} on {session.chain.network.name} {options['state']}?")
    with Journal(path, session.chain) as journal:
        tx_hash = change_state(nft, options["state"], session.chain, journal, say)
    click.echo(f"{options['state']}: {tx_hash}" if tx_hash else f"it is {options['state']} already")


main = run_command(register)
