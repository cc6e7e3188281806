"""Publishes an asset: a straight line of steps, each recorded in the journal when it is done.

    create          one transaction: data NFT, datatoken, dispenser or exchange
    encrypt files   the node encrypts the addresses of the files
    compose         the planned DDO gets its addresses and files; checked here and by the node
    encrypt ddo     only on request
    set metadata    one transaction
    read back       the chain holds what was composed
    index           the node serves it

A new version repeats all but the first. Nothing is signed before everything that can be checked was checked.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ..chain.connection import DISCARD, Call, Chain, Contract, TxReceipt, ask, event_of
from ..chain.journal import Journal
from ..errors import ChainError, InvalidDDO, SettingError
from ..jsjson import JsonObject
from ..node.answers import indexed_transaction
from ..node.protocol import Node
from .asset import Asset
from .ddo import DDO, Payload, Place, now, parse_ddo
from .pricing import creation_call
from .published import Version, newest, versions_of
from .versions import Versions, compose_inputs, create_inputs, file_inputs, update_prefix

State = Literal["active", "deprecated", "revoked"]

STATES: Mapping[State, int] = {"active": 0, "deprecated": 2, "revoked": 3}
"""States of an asset's metadata (ocean-contracts, ERC721Template; ocean-node, MetadataStates)."""

_FORGOTTEN = (STATES["deprecated"], STATES["revoked"])
"""States in which ocean-node keeps a stub without metadata (MetadataStateEventProcessor)."""

_ENCRYPTED = 2
"""Flag of `setMetaData` for an encrypted DDO (ocean-node, MetadataEventProcessor)."""

_ECIES_BYTES = 65 + 16 + 16
"""Encryption adds an ephemeral public key, a nonce and a tag to a DDO (npm eciesjs, which nodes use)."""


@dataclass(frozen=True)
class Plan:
    """One version of an asset, checked, before anything is signed.

    Attributes:
        asset: what is published.
        draft: its DDO, with placeholders for values that the steps will produce.
        place: of the asset; None before it is created.
        prefix: of the names of the steps.
        is_done: whether the journal already has all steps, so that nothing would change.
    """

    asset: Asset
    draft: DDO
    place: Place | None = None
    prefix: str = ""
    is_done: bool = False


@dataclass(frozen=True)
class StatePlan:
    """A change of an asset's state, before anything is signed.

    Attributes:
        nft: address of the data NFT.
        state: the new one.
        prefix: of the names of the steps.
        version: published once more; None if only the state changes.
        is_done: whether the asset is already in that state.
    """

    nft: str
    state: State
    prefix: str
    version: Version | None = None
    is_done: bool = False


@dataclass(frozen=True)
class Publication:
    """An asset on the chain.

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


@dataclass(frozen=True)
class Publisher:
    """Publishes the asset of one journal. After a failure, every method can be called again and continues.

    Attributes:
        journal: of the asset, entered; its chain's account signs.
        node: encrypts and indexes.
        encrypt: hide the DDO on the chain; only the node can then index it.
        report: called with a line for each event.
        index_seconds: how long the node may take to index.
    """

    journal: Journal
    node: Node
    encrypt: bool = False
    report: Callable[[str], None] = lambda _: None
    index_seconds: float = 120

    @property
    def chain(self) -> Chain:
        """Where, and who signs."""
        return self.journal.chain

    def plan(self, asset: Asset, published: DDO | None = None) -> Plan:
        """Composes and checks a new asset, or a new version of one; signs nothing.

        The node must be able to read the files: an asset with unreadable files is sold, but fails every job.

        Args:
            asset: what is published; an update ignores its price, the chain keeps the old one.
            published: the version before; None publishes a new asset.

        Raises:
            InvalidDDO: names every broken rule.
            SettingError: an asset of another type or chain was published before, or the node cannot read a
                file.
            JournalError: the journal holds a version that was signed with other settings.
        """
        if published is None:
            self._versions.check_new(asset)
            is_done = self.journal.result("index") is not None
            draft = asset.draft(self.chain.chain_id, self.node.url)
            self._check_files(asset, is_done=is_done)
            return Plan(asset, draft, is_done=is_done)
        if published.metadata.type != asset.metadata.type:
            raise SettingError(
                f"{published.id} is of type {published.metadata.type}; it cannot become another"
            )
        if published.chain_id != self.chain.chain_id:
            raise SettingError(
                f"{published.id} is on chain {published.chain_id}, not on {self.chain.chain_id}"
            )
        created = {"created": published.metadata.created}
        dated = replace(asset, metadata=asset.metadata.model_copy(update=created))
        service = published.service()
        place = Place(published.nft_address, service.datatoken_address, service.id, self._exchange_id())
        draft = dated.draft(self.chain.chain_id, self.node.url, place)
        number = self._versions.open_update(asset, published.nft_address)
        is_done = self._is_current(asset, published, number)
        self._check_files(asset, is_done=is_done)
        return Plan(asset, draft, place, update_prefix(number - is_done), is_done)

    def publish(self, plan: Plan) -> Publication:
        """Carries out the remaining steps of a plan."""
        place = plan.place or self._create(plan.asset)
        files = self._encrypt_files(plan, place)
        name, inputs = f"{plan.prefix}compose", compose_inputs(plan.asset, files, self.node.url)
        composed = self.journal.done(name, inputs)
        if composed is not None:
            ddo = parse_ddo(composed["ddo"])
        else:
            ddo = self._compose(name, inputs, plan.draft.completed(place, files))
        return self._write(ddo, plan.prefix, place.exchange_id)

    def update(self, asset: Asset, published: DDO) -> Publication:
        """Plans and publishes a new version with the same DID, token and service, if anything changed."""
        return self.publish(self.plan(asset, published))

    def revise(self, published: DDO, revised: DDO) -> Publication:
        """Publishes a changed DDO with the same encrypted files, e.g. with other trusted algorithms.

        Args:
            published: the version before.
            revised: the new one; its time of update is set here.

        Raises:
            JournalError: another revision is signed and not in a block yet.
        """
        inputs = {"published": published.as_dict(), "revised": revised.as_dict()}
        prefix = f"revision {self._versions.open_revision(inputs)}: "
        name = f"{prefix}compose"
        composed = self.journal.done(name, inputs)
        if composed is not None:
            ddo = parse_ddo(composed["ddo"])
        else:
            metadata = revised.metadata.model_copy(update={"updated": now()})
            ddo = self._compose(name, inputs, revised.revised(metadata=metadata))
        return self._write(ddo, prefix, self._exchange_id())

    def revision_gas(self, revised: DDO) -> int:
        """Gas that `revise` needs; a hidden DDO is estimated with random bytes of the same length.

        Raises:
            TransactionFailed: the account may not change this asset.
        """
        length = len(revised.to_json().encode()) + _ECIES_BYTES
        payload = revised.payload("0x" + secrets.token_hex(length) if self.encrypt else None)
        call = metadata_call(self.chain, revised.nft_address, self.node.url, payload)
        return self.chain.estimate_gas(call, action="set metadata")

    def check_role(self, nft: str) -> None:
        """Checks that the account may change an asset.

        Raises:
            SettingError: it may not; the message names the owner.
        """
        functions = self.chain.contract("ERC721Template", nft).functions
        if self.chain.read(functions.getPermissions(self.chain.address))[2]:
            return
        owner = self.chain.read(functions.ownerOf(1))
        raise SettingError(
            f"the account {self.chain.address} may not change the asset of data NFT {nft}, which belongs to "
            f"{owner}; sign with that account, or let it give this one the right to update metadata"
        )

    def plan_state(self, nft: str, state: State, known: Iterable[Version] = ()) -> StatePlan:
        """Plans to deprecate, revoke or activate an asset; signs nothing.

        A node forgets the metadata of an asset that is not active. To activate it, the last version is
        published again, which also takes one transaction.

        Args:
            nft: address of the data NFT.
            state: the new one.
            known: versions in other journals; those in this one are known.

        Raises:
            SettingError: the account may not change it, or no journal knows the metadata.
        """
        self.check_role(nft)
        template = self.chain.contract("ERC721Template", nft).functions
        current = int(self.chain.read(template.metaDataState()))
        prefix = f"activation {self._versions.open_activation()}: "
        is_begun = any(name.startswith(prefix) for name in self.journal.steps)
        if state == "active" and (is_begun or current in _FORGOTTEN):
            version = newest([*known, *versions_of(self.journal.steps)], nft)
            if version is None:
                raise SettingError(
                    f"the node forgot the metadata of the asset of data NFT {nft}, and no journal here has "
                    "them; activate it where it was published, or name that --journal-dir"
                )
            return StatePlan(nft, state, prefix, version)
        name = f"state {self._versions.open_state()}: "
        is_done = f"{name}set" not in self.journal.steps and current == STATES[state]
        return StatePlan(nft, state, name, is_done=is_done)

    def state_gas(self, plan: StatePlan) -> int:
        """Gas that `change_state` needs."""
        if plan.version is not None:
            return self.revision_gas(plan.version.ddo)
        return self.chain.estimate_gas(self._state_call(plan), action="set the state")

    def change_state(self, plan: StatePlan) -> str | None:
        """Carries out a plan of `plan_state`.

        Returns:
            The transaction; None if the asset is already in that state.
        """
        if plan.is_done:
            return None
        if plan.version is not None:
            version = plan.version
            publisher = replace(self, encrypt=self.encrypt or version.is_hidden)
            publisher._write(version.ddo, plan.prefix, self._exchange_id())
            return self.journal.steps[f"{plan.prefix}set metadata"].tx_hash
        name, template = f"{plan.prefix}set", self.chain.contract("ERC721Template", plan.nft)
        self.journal.transact(
            name,
            {"nft": plan.nft, "state": plan.state},
            lambda: self._state_call(plan),
            lambda receipt: {"state": int(event_of(template, "MetadataState", receipt)["state"])},
            self._report_sent,
        )
        return self.journal.steps[name].tx_hash

    def _state_call(self, plan: StatePlan) -> Call:
        template = self.chain.contract("ERC721Template", plan.nft)
        return template.functions.setMetaDataState(STATES[plan.state])

    def _check_files(self, asset: Asset, *, is_done: bool) -> None:
        """Checks that the node can read the files. Their addresses are secret: messages give a number."""
        for number, file in enumerate(() if is_done else asset.files, 1):
            # A node opens its own storage for accounts that the bucket admits.
            if not self.node.can_read({**file, "consumerAddress": self.chain.address}):
                raise SettingError(
                    f"the node at {self.node.url} cannot read file {number} of this asset: it is empty or "
                    "out of the node's reach; nothing was signed; check its address (--file-url, or files in "
                    "the metadata)"
                )

    # -- the steps -------------------------------------------------------------------------------------

    def _create(self, asset: Asset) -> Place:
        name, pricing = asset.token_name, asset.pricing
        if self.journal.result("create") is None:
            self.report("creating the data NFT and its datatoken")
        made = self.journal.transact(
            "create",
            create_inputs(asset),
            lambda: creation_call(self.chain, name, asset.symbol, pricing),
            lambda receipt: created(self.chain, receipt),
            self._report_sent,
        )
        return Place(
            made["nft"], made["datatoken"], asset.service_id(made["datatoken"]), made.get("exchange_id")
        )

    def _encrypt_files(self, plan: Plan, place: Place) -> str:
        name, inputs = f"{plan.prefix}encrypt files", file_inputs(plan.asset, place.nft, self.node.url)
        done = self.journal.done(name, inputs)
        if done is None:
            self.report("encrypting the addresses of the files")
            account = self.chain.account
            encrypted = self.node.encrypt(plan.asset.files, place.nft, place.datatoken, account)
            done = self.journal.record(name, inputs, {"files": encrypted})
        return str(done["files"])

    def _compose(self, name: str, inputs: JsonObject, ddo: DDO) -> DDO:
        self.report("letting the node check the DDO")
        value = ddo.as_dict()
        self.node.validate(value, self.chain.account)
        self.journal.record(name, inputs, {"ddo": value})
        return ddo

    def _write(self, ddo: DDO, prefix: str, exchange_id: str | None) -> Publication:
        """The steps from the composed DDO to the index."""
        tx_hash = self._set_metadata(ddo, prefix)
        name, inputs = f"{prefix}index", {"did": ddo.id, "tx": tx_hash, "node": self.node.url}
        if self.journal.done(name, inputs) is None:
            self.report("waiting until the node serves it")
            served = self.node.wait_until_indexed(ddo.id, tx_hash, self.index_seconds)
            if parse_ddo(served) != ddo:
                raise InvalidDDO(
                    [f"the node serves another DDO for {ddo.id} than was published; ask its operator"]
                )
            self.journal.record(name, inputs, {"ddo": ddo.as_dict()})
        steps = self.journal.steps.items()
        return Publication(
            did=ddo.id,
            nft=ddo.nft_address,
            datatoken=ddo.services[0].datatoken_address,
            exchange_id=exchange_id,
            ddo=ddo,
            tx_hashes={name: step.tx_hash for name, step in steps if step.tx_hash is not None},
            gas_used=self.journal.gas_used,
        )

    def _set_metadata(self, ddo: DDO, prefix: str) -> str | None:
        """Writes to the chain, reads it back and compares; returns the transaction."""
        chain, name = self.chain, f"{prefix}set metadata"
        payload = ddo.payload(self._encrypted(ddo, prefix) if self.encrypt else None)
        template = chain.contract("ERC721Template", ddo.nft_address)
        if self.journal.result(name) is None:
            self.report("writing the metadata onto the chain")
        event = self.journal.transact(
            name,
            {"data": payload.event["data"], "node": self.node.url},
            lambda: metadata_call(chain, ddo.nft_address, self.node.url, payload),
            lambda receipt: _metadata_event(template, receipt),
            self._report_sent,
        )
        if self.journal.done(f"{prefix}read back", event) is None:
            _compare(chain, template, event, payload, self.node.url)
            self.journal.record(f"{prefix}read back", event, {"hash": payload.event["hash"]})
        return self.journal.steps[name].tx_hash

    def _encrypted(self, ddo: DDO, prefix: str) -> str:
        name, value = f"{prefix}encrypt ddo", ddo.as_dict()
        inputs = {"ddo": value, "node": self.node.url}
        done = self.journal.done(name, inputs)
        if done is None:
            data = self.node.encrypt_ddo(value, self.chain.account)
            done = self.journal.record(name, inputs, {"data": data})
        return str(done["data"])

    # -- the journal -----------------------------------------------------------------------------------

    @property
    def _versions(self) -> Versions:
        return Versions(self.journal, self.node.url, self.encrypt)

    def _is_current(self, asset: Asset, published: DDO, number: int) -> bool:
        """Whether the journal's last version is this asset and is still published."""
        begun = any(name.startswith(update_prefix(number)) for name in self.journal.steps)
        last = update_prefix(number - 1)
        indexed = self.journal.result(f"{last}index")
        if begun or indexed is None:
            return False
        is_same = not self._versions.differences(asset, last, published.nft_address)
        return is_same and parse_ddo(indexed["ddo"]) == published

    def _exchange_id(self) -> str | None:
        return (self.journal.result("create") or {}).get("exchange_id")

    def _report_sent(self, tx_hash: str) -> None:
        self.report(f"sent {self.chain.network.transaction_link(tx_hash) or tx_hash}")


def metadata_call(chain: Chain, nft: str, node_url: str, payload: Payload) -> Call:
    """The one transaction that writes a version of an asset."""
    contract = chain.contract("ERC721Template", nft)
    return contract.functions.setMetaData(
        STATES["active"], node_url, "", payload.flags, payload.content, payload.digest, []
    )


def created(chain: Chain, receipt: TxReceipt) -> JsonObject:
    """Addresses of data NFT and datatoken, and the exchange if there is one."""
    factory = chain.contract("ERC721Factory", chain.addresses.factory)
    datatoken = str(event_of(factory, "TokenCreated", receipt)["newTokenAddress"])
    rates = chain.contract("ERC20Template", datatoken).functions.getFixedRates()
    exchanges = ask(lambda: rates.call(block_identifier=receipt["blockNumber"]), chain)
    return {
        "nft": str(event_of(factory, "NFTCreated", receipt)["newTokenAddress"]),
        "datatoken": datatoken,
        "exchange_id": "0x" + bytes(exchanges[0][1]).hex() if exchanges else None,
    }


def is_hidden(chain: Chain, served: JsonObject) -> bool:
    """Whether the version of an asset that a node serves is encrypted on the chain.

    Args:
        chain: that the asset is on.
        served: the DDO, with what the node added to it.

    Raises:
        ChainError: the node names no transaction, or the chain does not have it.
    """
    tx_hash, nft = indexed_transaction(served), served.get("nftAddress")
    receipt = chain.receipt(tx_hash) if tx_hash else None
    if receipt is None or not isinstance(nft, str):
        raise ChainError(f"the transaction that published {served.get('id')} cannot be found")
    flags = bytes(_metadata_arguments(chain.contract("ERC721Template", nft), receipt)["flags"])
    return bool(int.from_bytes(flags, "big") & _ENCRYPTED)


def _metadata_event(template: Contract, receipt: TxReceipt) -> JsonObject:
    """The data and hash that the transaction wrote."""
    arguments = _metadata_arguments(template, receipt)
    return {
        "data": "0x" + bytes(arguments["data"]).hex(),
        "hash": "0x" + bytes(arguments["metaDataHash"]).hex(),
    }


def _metadata_arguments(template: Contract, receipt: TxReceipt) -> Mapping[str, bytes]:
    """Arguments of the one of the two events that the transaction emitted."""
    for name in ("MetadataCreated", "MetadataUpdated"):
        for event in template.events[name]().process_receipt(receipt, errors=DISCARD):
            if event["address"] == template.address:
                arguments: Mapping[str, bytes] = event["args"]
                return arguments
    raise ChainError("the transaction wrote no metadata; is this a data NFT of Ocean's?")


def _compare(chain: Chain, template: Contract, event: JsonObject, payload: Payload, node_url: str) -> None:
    """Compares the chain's content with the intended content."""
    stored_url, _, _, has_metadata = chain.read(template.functions.getMetaData())
    wrong = []
    if event["data"] != payload.event["data"]:
        wrong.append("the chain holds other metadata than was sent")
    if event["hash"] != payload.event["hash"]:
        wrong.append("the chain holds another hash than was sent")
    if stored_url != node_url or not has_metadata:
        wrong.append(f"the data NFT names {stored_url!r} as its node, not {node_url!r}")
    if wrong:
        raise InvalidDDO(wrong)
