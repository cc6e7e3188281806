"""Publishing an asset: a straight line of steps, each written into the journal when it is done.

    create          one transaction: data NFT, datatoken, dispenser or exchange
    encrypt files   the node encrypts the addresses of the files
    compose         the DDO, checked here and by the node
    encrypt ddo     only if asked for
    set metadata    one transaction
    read back       what is on the chain is what was composed
    index           the node serves it

A new version does all but the first. Nothing is signed before everything that can be known was checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from eth_account.signers.local import LocalAccount

from ..chain.connection import DISCARD, Chain, Contract, TxReceipt, event_of
from ..chain.journal import Journal
from ..errors import ChainError, InvalidDDO, SettingError
from .asset import Asset, at_time, build_ddo, check_draft, now
from .ddo import DDO, checksum_address, parse_ddo
from .pricing import FixedRate, creation_call

__all__ = [
    "STATES", "Node", "Publication", "State", "change_state", "is_current", "publish", "revise", "update",
]  # fmt: skip

State = Literal["active", "deprecated", "revoked"]

STATES: Mapping[State, int] = {"active": 0, "deprecated": 2, "revoked": 3}
"""States of an asset's metadata (ocean-contracts, ERC721Template; ocean-node, MetadataStates)."""

_FLAG_PLAIN, _FLAG_ENCRYPTED = b"\x00", b"\x02"


class Node(Protocol):
    """What publishing asks of an Ocean node."""

    @property
    def url(self) -> str:
        """Of the node; goes into the DDO."""
        ...

    def encrypt(
        self, files: Sequence[Mapping[str, Any]], nft: str, datatoken: str, account: LocalAccount
    ) -> str:
        """Encrypts the addresses of files; "0x..."."""
        ...

    def encrypt_ddo(self, ddo: Mapping[str, Any], account: LocalAccount) -> str:
        """Encrypts a DDO; "0x..."."""
        ...

    def validate(self, ddo: Mapping[str, Any], account: LocalAccount) -> Mapping[str, Any]:
        """Lets the node check a DDO."""
        ...

    def wait_until_indexed(
        self, did: str, tx_hash: str | None = None, seconds: float = 120
    ) -> Mapping[str, Any]:
        """Waits until the node serves the DDO of a transaction."""
        ...


@dataclass(frozen=True)
class Publication:
    """What is on the chain.

    Attributes:
        did: of the asset.
        nft: address of the data NFT.
        datatoken: address of the datatoken.
        exchange_id: of the fixed-rate exchange, "0x..."; None for a free asset.
        ddo: as published.
        tx_hashes: by step.
        gas_used: by step.
    """

    did: str
    nft: str
    datatoken: str
    exchange_id: str | None
    ddo: DDO
    tx_hashes: dict[str, str]
    gas_used: dict[str, int]


def _quiet(_: str) -> None:
    pass


def publish(
    asset: Asset,
    chain: Chain,
    node: Node,
    journal: Journal,
    *,
    encrypt: bool = False,
    say: Callable[[str], None] = _quiet,
    index_seconds: float = 120,
) -> Publication:
    """Publishes, or goes on where an earlier run stopped.

    Args:
        asset: what is published.
        chain: where, and who signs.
        node: encrypts and indexes.
        journal: of this publication, entered.
        encrypt: hide the DDO on the chain; only the node can then index it.
        say: told what happens.
        index_seconds: how long the node may take to index.

    Raises:
        PublishError: see its tree; the same call again goes on.
    """
    check_draft(asset, chain.chain_id, node.url)
    created = create(asset, chain, journal, say)
    return _set_metadata(
        asset, created, "", chain, node, journal, encrypt=encrypt, say=say, index_seconds=index_seconds
    )


def create(asset: Asset, chain: Chain, journal: Journal, say: Callable[[str], None]) -> dict[str, Any]:
    """The first step: data NFT, datatoken and its dispenser or exchange."""
    name, pricing = asset.token_name, asset.pricing
    terms: dict[str, Any] = {"name": name, "symbol": asset.symbol}
    if isinstance(pricing, FixedRate):
        terms |= {"rate": str(pricing.rate_wei), "token": pricing.token}
    if journal.result("create") is None:
        say("creating the data NFT and its datatoken")
    return journal.transact(
        "create",
        terms,
        lambda: creation_call(chain, name, asset.symbol, pricing),
        lambda receipt: _created(chain, receipt),
        lambda tx_hash: say(_sent(chain, tx_hash)),
    )


def _created(chain: Chain, receipt: TxReceipt) -> dict[str, Any]:
    factory = chain.contract("ERC721Factory", chain.addresses.factory)
    datatoken = str(event_of(factory, "TokenCreated", receipt)["newTokenAddress"])
    exchanges = (
        chain.contract("ERC20Template", datatoken)
        .functions.getFixedRates()
        .call(block_identifier=receipt["blockNumber"])
    )
    return {
        "nft": str(event_of(factory, "NFTCreated", receipt)["newTokenAddress"]),
        "datatoken": datatoken,
        "exchange_id": "0x" + bytes(exchanges[0][1]).hex() if exchanges else None,
    }


def update(
    asset: Asset,
    published: DDO,
    chain: Chain,
    node: Node,
    journal: Journal,
    *,
    encrypt: bool = False,
    say: Callable[[str], None] = _quiet,
    index_seconds: float = 120,
) -> Publication:
    """Publishes a new version of an asset, under the same DID, token and service, if anything has changed.

    Args:
        asset: the new version; its pricing is not looked at, the chain keeps the old one.
        published: the version before.
        chain: where, and who signs.
        node: encrypts and indexes.
        journal: of this publication, entered.
        encrypt: see `publish`.
        say: told what happens.
        index_seconds: see `publish`.

    Raises:
        PublishError: see its tree; the same call again goes on.
    """
    check_draft(asset, chain.chain_id, node.url)
    if published.metadata.type != asset.metadata.type:
        raise SettingError(f"{published.id} is of type {published.metadata.type}; it cannot become another")
    if published.chain_id != chain.chain_id:
        raise SettingError(f"{published.id} is on chain {published.chain_id}, not on {chain.chain_id}")
    service = published.service()
    number = _next_number(journal, "update", "index")
    if is_current(asset, published, node, journal, encrypt=encrypt):
        number -= 1
    place = {
        "nft": published.nft_address,
        "datatoken": service.datatoken_address,
        "exchange_id": (journal.result("create") or {}).get("exchange_id"),
        "service_id": service.id,
        "created": published.metadata.created,
    }
    return _set_metadata(
        asset,
        place,
        _update_prefix(number),
        chain,
        node,
        journal,
        encrypt=encrypt,
        say=say,
        index_seconds=index_seconds,
    )


def is_current(asset: Asset, published: DDO, node: Node, journal: Journal, *, encrypt: bool) -> bool:
    """Whether the journal's last version is this asset and is still published: there is nothing to update.

    Args:
        asset: what an update would publish.
        published: what the node serves now.
        node: that the asset would name.
        journal: of the asset, entered.
        encrypt: whether the DDO would be hidden.
    """
    number = _next_number(journal, "update", "index")
    begun = any(name.startswith(_update_prefix(number)) for name in journal.steps)
    last = _update_prefix(number - 1)
    files, indexed = journal.result(f"{last}encrypt files"), journal.result(f"{last}index")
    if begun or files is None or indexed is None:
        return False
    return (
        journal.is_done(f"{last}encrypt files", _file_inputs(asset, published.nft_address, node))
        and journal.is_done(f"{last}compose", _compose_inputs(asset, files["files"], node))
        and (f"{last}encrypt ddo" in journal.steps) == encrypt
        and parse_ddo(indexed["ddo"]) == published
    )


def _update_prefix(number: int) -> str:
    """What the names of an update's steps begin with; nothing for those of the publication itself."""
    return f"update {number}: " if number else ""


def revise(
    published: DDO,
    revised: DDO,
    chain: Chain,
    node: Node,
    journal: Journal,
    *,
    encrypt: bool = False,
    say: Callable[[str], None] = _quiet,
    index_seconds: float = 120,
) -> Publication:
    """Publishes a changed DDO whose files stay as they are encrypted, e.g. with other trusted algorithms.

    Args:
        published: the version before.
        revised: the new one; its time of update is set here.
        chain: where, and who signs.
        node: checks and indexes.
        journal: of this asset, entered.
        encrypt: see `publish`.
        say: told what happens.
        index_seconds: see `publish`.

    Raises:
        PublishError: see its tree; the same call again goes on.
    """
    prefix = f"revision {_next_number(journal, 'revision', 'index')}: "

    def compose() -> dict[str, Any]:
        value = revised.as_dict()
        value["metadata"] = {**value["metadata"], "updated": now()}
        ddo = parse_ddo(value)
        say("letting the node check the DDO")
        node.validate(ddo.as_dict(), chain.account)
        return {"ddo": ddo.as_dict()}

    inputs = {"published": published.as_dict(), "revised": revised.as_dict()}
    composed = journal.run(f"{prefix}compose", inputs, compose)
    return _write(
        parse_ddo(composed["ddo"]),
        prefix,
        chain,
        node,
        journal,
        exchange_id=(journal.result("create") or {}).get("exchange_id"),
        encrypt=encrypt,
        say=say,
        index_seconds=index_seconds,
    )


def _next_number(journal: Journal, kind: str, last_step: str) -> int:
    """The number of the version that is unfinished, or of a new one."""
    number = 1
    while journal.result(f"{kind} {number}: {last_step}") is not None:
        number += 1
    return number


def _set_metadata(
    asset: Asset,
    place: Mapping[str, Any],
    prefix: str,
    chain: Chain,
    node: Node,
    journal: Journal,
    *,
    encrypt: bool,
    say: Callable[[str], None],
    index_seconds: float,
) -> Publication:
    """The steps from the files to the index; see the top of this file."""
    nft, datatoken = checksum_address(place["nft"]), checksum_address(place["datatoken"])

    def encrypt_files() -> dict[str, Any]:
        say("encrypting the addresses of the files")
        return {"files": node.encrypt(asset.files, nft, datatoken, chain.account)}

    files = journal.run(
        f"{prefix}encrypt files",
        _file_inputs(asset, nft, node),
        encrypt_files,
    )["files"]

    def compose() -> dict[str, Any]:
        time = now()
        dated = at_time(asset, place.get("created") or time, time)
        ddo = build_ddo(dated, nft, datatoken, chain.chain_id, files, node.url, place.get("service_id"))
        say("letting the node check the DDO")
        node.validate(ddo.as_dict(), chain.account)
        return {"ddo": ddo.as_dict()}

    composed = journal.run(f"{prefix}compose", _compose_inputs(asset, files, node), compose)
    return _write(
        parse_ddo(composed["ddo"]),
        prefix,
        chain,
        node,
        journal,
        exchange_id=place.get("exchange_id"),
        encrypt=encrypt,
        say=say,
        index_seconds=index_seconds,
    )


def _file_inputs(asset: Asset, nft: str, node: Node) -> dict[str, Any]:
    return {"files": [dict(file) for file in asset.files], "nft": nft, "node": node.url}


def _compose_inputs(asset: Asset, files: str, node: Node) -> dict[str, Any]:
    return {"asset": asset.digest(), "files": files, "node": node.url}


def _write(
    ddo: DDO,
    prefix: str,
    chain: Chain,
    node: Node,
    journal: Journal,
    *,
    exchange_id: str | None,
    encrypt: bool,
    say: Callable[[str], None],
    index_seconds: float,
) -> Publication:
    """The steps from the composed DDO to the index."""
    if encrypt:
        data = journal.run(
            f"{prefix}encrypt ddo",
            {"ddo": ddo.as_dict(), "node": node.url},
            lambda: {"data": node.encrypt_ddo(ddo.as_dict(), chain.account)},
        )["data"]
        flags, content, digest = _FLAG_ENCRYPTED, bytes.fromhex(data[2:]), ddo.encrypted_hash()
    else:
        flags, content, digest = _FLAG_PLAIN, ddo.to_json().encode(), ddo.plain_hash()
    template = chain.contract("ERC721Template", ddo.nft_address)
    if journal.result(f"{prefix}set metadata") is None:
        say("writing the metadata onto the chain")
    event = journal.transact(
        f"{prefix}set metadata",
        {"data": "0x" + content.hex(), "node": node.url},
        lambda: template.functions.setMetaData(
            STATES["active"], node.url, "", flags, content, bytes.fromhex(digest[2:]), []
        ),
        lambda receipt: _metadata_event(template, receipt),
        lambda tx_hash: say(_sent(chain, tx_hash)),
    )
    tx_hash = journal.steps[f"{prefix}set metadata"].tx_hash

    def read_back() -> dict[str, Any]:
        _check_chain(template, event, content, digest, node.url)
        return {"hash": digest}

    journal.run(f"{prefix}read back", event, read_back)

    def index() -> dict[str, Any]:
        say("waiting until the node serves it")
        served = node.wait_until_indexed(ddo.id, tx_hash, index_seconds)
        if parse_ddo(served) != ddo:
            raise InvalidDDO(
                [f"the node serves another DDO for {ddo.id} than was published; ask its operator"]
            )
        return {"ddo": ddo.as_dict()}

    journal.run(f"{prefix}index", {"did": ddo.id, "tx": tx_hash, "node": node.url}, index)
    return Publication(
        did=ddo.id,
        nft=ddo.nft_address,
        datatoken=ddo.service().datatoken_address,
        exchange_id=exchange_id,
        ddo=ddo,
        tx_hashes={name: step.tx_hash for name, step in journal.steps.items() if step.tx_hash is not None},
        gas_used=journal.gas_used,
    )


def _metadata_event(template: Contract, receipt: TxReceipt) -> dict[str, Any]:
    """What the transaction wrote, from its event, whichever of the two it is."""
    for name in ("MetadataCreated", "MetadataUpdated"):
        for event in template.events[name]().process_receipt(receipt, errors=DISCARD):
            arguments = event["args"]
            return {
                "data": "0x" + bytes(arguments["data"]).hex(),
                "hash": "0x" + bytes(arguments["metaDataHash"]).hex(),
            }
    raise ChainError("the transaction wrote no metadata; is this a data NFT of Ocean's?")


def _check_chain(
    template: Contract, event: Mapping[str, Any], content: bytes, digest: str, node_url: str
) -> None:
    """Compares what the chain holds with what was meant."""
    stored_url, _, _, has_metadata = template.functions.getMetaData().call()
    wrong = []
    if event["data"] != "0x" + content.hex():
        wrong.append("the chain holds other metadata than was sent")
    if event["hash"] != digest:
        wrong.append("the chain holds another hash than was sent")
    if stored_url != node_url or not has_metadata:
        wrong.append(f"the data NFT names {stored_url!r} as its node, not {node_url!r}")
    if wrong:
        raise InvalidDDO(wrong)


def change_state(
    nft: str, state: State, chain: Chain, journal: Journal, say: Callable[[str], None] = _quiet
) -> str | None:
    """Deprecates, revokes or activates an asset.

    Args:
        nft: address of the data NFT.
        state: the new one.
        chain: where, and who signs.
        journal: of the asset, entered.
        say: told what happens.

    Returns:
        The transaction; None if the asset is in that state already.

    Raises:
        TransactionFailed: the account may not change it.
    """
    template = chain.contract("ERC721Template", nft)
    number = _next_number(journal, "state", "set")
    name = f"state {number}: set"
    begun = name in journal.steps
    if not begun and int(template.functions.metaDataState().call()) == STATES[state]:
        return None
    journal.transact(
        name,
        {"nft": nft, "state": state},
        lambda: template.functions.setMetaDataState(STATES[state]),
        lambda receipt: {"state": int(event_of(template, "MetadataState", receipt)["state"])},
        lambda tx_hash: say(_sent(chain, tx_hash)),
    )
    return journal.steps[name].tx_hash


def _sent(chain: Chain, tx_hash: str) -> str:
    return f"sent {chain.network.transaction_link(tx_hash) or tx_hash}"
