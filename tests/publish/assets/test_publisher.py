import json
from dataclasses import fields, replace

import pytest
from eth_account import Account

from checked import present
from node_double import NodeDouble
from ocean_assets import URL, algorithm, introduce
from unionveil_ocean.assets.ddo import did_of, parse_ddo
from unionveil_ocean.assets.pricing import FixedRate, pricing_of
from unionveil_ocean.assets.published import versions_in
from unionveil_ocean.assets.publisher import Publisher
from unionveil_ocean.chain.addresses import ZERO_ADDRESS
from unionveil_ocean.chain.connection import connect, event_of
from unionveil_ocean.chain.journal import Journal, move_away
from unionveil_ocean.errors import (
    ChainError,
    InvalidDDO,
    JournalError,
    NodeError,
    SettingError,
    TransactionFailed,
)
from unionveil_ocean.node.client import NodeClient
from unionveil_ocean.sandbox.chain import EmbeddedChain
from unionveil_ocean.sandbox.node import OfflineNode


class Interrupted(BaseException):
    """Simulates a kill: our code does not catch it."""


def nfts(chain):
    factory = chain.contract("ERC721Factory", chain.addresses.factory)
    return factory.functions.getCurrentNFTCount().call()


@pytest.fixture
def node():
    return OfflineNode()


def run(asset, chain, node, path, on_step=None, **options):
    with Journal(path, chain, on_step) as journal:
        publisher = Publisher(journal, node, **options)
        return publisher.publish(publisher.plan(asset))


def test_what_is_published_is_on_the_chain(chain, node, tmp_path):
    done = run(algorithm(), chain, node, tmp_path / "j.json")
    nft = chain.contract("ERC721Template", done.nft)
    token = chain.contract("ERC20Template", done.datatoken)
    assert done.did == did_of(done.nft, chain.chain_id) == done.ddo.id
    assert nft.functions.ownerOf(1).call() == chain.address
    assert nft.functions.getMetaData().call()[0] == node.url
    assert nft.functions.name().call() == token.functions.name().call() == "UnionVeil"
    dispenser = chain.contract("Dispenser", chain.addresses.dispenser)
    other = chain.as_account(chain.accounts[5])
    other.send(dispenser.functions.dispense(done.datatoken, 10**18, other.address))
    assert token.functions.balanceOf(other.address).call() == 10**18


@pytest.mark.slow
@pytest.mark.parametrize("encrypt", [False, True])
def test_gas_is_what_the_contracts_need(chain, node, tmp_path, encrypt):
    done = run(algorithm(), chain, node, tmp_path / "j.json", encrypt=encrypt)
    # The least that does the same: the contracts called by hand.
    factory = chain.contract("ERC721Factory", chain.addresses.factory).functions
    nft = ("UnionVeil", "UVEIL", 1, "", True, chain.address)
    zero = ZERO_ADDRESS
    people, caps = [chain.address, chain.address, zero, zero], [1, 0]
    token: tuple[object, ...] = (1, ["UnionVeil", "UVEIL"], people, caps, [])
    dispenser = (chain.addresses.dispenser, 10**18, 10**18, True, zero)
    by_hand = chain.web3.eth.wait_for_transaction_receipt(
        factory.createNftWithErc20WithDispenser(nft, token, dispenser).transact({"from": chain.address})
    )
    assert done.gas_used["create"] <= by_hand["gasUsed"] * 1.01
    template = chain.contract("ERC721Template", nft_of(chain, by_hand))
    stored = chain.web3.eth.get_transaction(done.tx_hashes["set metadata"])
    data = stored["input"] if "input" in stored else stored["data"]  # web3 7 and later, web3 6
    call = chain.contract("ERC721Template", done.nft).decode_function_input(data)[1]
    by_hand = chain.web3.eth.wait_for_transaction_receipt(
        template.functions.setMetaData(*call.values()).transact({"from": chain.address})
    )
    assert done.gas_used["set metadata"] <= by_hand["gasUsed"] * 1.01
    assert sum(done.gas_used.values()) < 1_800_000


def nft_of(chain, receipt):
    factory = chain.contract("ERC721Factory", chain.addresses.factory)
    return event_of(factory, "NFTCreated", receipt)["newTokenAddress"]


STEPS = (
    "create signed",
    "create sent",
    "create",
    "encrypt files",
    "compose",
    "encrypt ddo",
    "set metadata signed",
    "set metadata sent",
    "set metadata",
    "read back",
    "index",
)


QUICK = ("create signed", "create sent", "set metadata")


@pytest.mark.parametrize(
    "last", [step if step in QUICK else pytest.param(step, marks=pytest.mark.slow) for step in STEPS]
)
def test_interrupted_after_any_step_it_goes_on_and_never_mints_twice(chain, node, tmp_path, last):
    path, before, asset = tmp_path / "j.json", nfts(chain), algorithm()

    def interrupt(step):
        if step == last:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(asset, chain, node, path, interrupt, encrypt=True)
    nonce = chain.next_nonce()
    seen: list[str] = []
    done = run(asset, chain, node, path, seen.append, encrypt=True)
    assert nfts(chain) == before + 1
    done_before = STEPS[: STEPS.index(last) + 1]
    assert not [step for step in done_before if step in seen and not step.endswith((" sent", " signed"))]
    again = run(asset, chain, node, path, encrypt=True)
    assert again == done
    assert chain.next_nonce() - nonce <= 2


def test_a_transaction_that_another_one_overtook_is_signed_anew(chain, node, tmp_path):
    path, before = tmp_path / "j.json", nfts(chain)

    def interrupt(step):
        if step == "create signed":
            raise Interrupted

    with pytest.raises(Interrupted):
        run(algorithm(), chain, node, path, interrupt)
    # The account uses the number of the signed transaction for something else.
    chain.send(
        chain.contract("OceanToken", chain.addresses.ocean).functions.approve(chain.accounts[1].address, 1)
    )
    done = run(algorithm(), chain, node, path)
    assert nfts(chain) == before + 1
    assert len(json.loads(path.read_text())["steps"]["create"]["attempts"]) == 2
    assert done.gas_used["create"]


def test_a_reverted_transaction_is_reported_and_the_next_run_tries_again(chain, node, tmp_path):
    path, before = tmp_path / "j.json", nfts(chain)

    class FrugalChain(EmbeddedChain):
        def estimate_gas(self, call, value=0, action=""):
            return 300_000  # too low: the transaction runs out of gas in its block

    frugal = FrugalChain(**{one.name: getattr(chain, one.name) for one in fields(chain)})
    with pytest.raises(TransactionFailed) as caught:
        run(algorithm(), frugal, node, path)
    assert caught.value.tx_hash
    run(algorithm(), chain, node, path)
    assert nfts(chain) == before + 1


def test_a_node_that_is_down_costs_no_second_mint(chain, node, tmp_path):
    path, before = tmp_path / "j.json", nfts(chain)

    class NodeThatIsDown(OfflineNode):
        def encrypt(self, *_):
            raise NodeError("http://node", None, "refused")

    with pytest.raises(NodeError):
        run(algorithm(), chain, NodeThatIsDown(), path)
    run(algorithm(), chain, node, path)
    assert nfts(chain) == before + 1


def test_other_terms_after_minting_are_refused(chain, node, tmp_path):
    path = tmp_path / "j.json"

    def interrupt(step):
        if step == "create":
            raise Interrupted

    with pytest.raises(Interrupted):
        run(algorithm(), chain, node, path, interrupt)
    with pytest.raises(JournalError, match="--new"):
        run(algorithm(pricing_of("1", None, chain)), chain, node, path)
    # A better description does not make another publication.
    done = run(algorithm(description="Removes faces for good."), chain, node, path)
    assert done.ddo.metadata.description == "Removes faces for good."
    move_away(path)
    run(algorithm(pricing_of("1", None, chain)), chain, node, path)


OTHERS = {
    "another file address": algorithm(url="https://files.example/other.py"),
    "another description": algorithm(description="Words that were not published."),
}


@pytest.mark.parametrize("mistake", [*OTHERS, "another name or price", "hidden"])
def test_a_mistaken_rerun_of_a_finished_publication_changes_nothing(chain, node, tmp_path, mistake):
    path = tmp_path / "j.json"
    done = run(algorithm(), chain, node, path)
    text, nonce = path.read_bytes(), chain.next_nonce()
    price = pricing_of("1", None, chain)
    other = algorithm(price) if "price" in mistake else OTHERS.get(mistake, algorithm())
    word = "--encrypt-ddo" if mistake == "hidden" else mistake
    with pytest.raises(JournalError, match=f"{done.did} was already published, with .*{word}") as caught:
        run(other, chain, node, path, encrypt=mistake == "hidden")
    assert "--update publishes a new version of it, --new another asset" in str(caught.value)
    assert path.read_bytes() == text
    assert run(algorithm(), chain, node, path) == done
    assert chain.next_nonce() == nonce


@pytest.mark.parametrize("last", ["set metadata signed", "set metadata"])
def test_a_publication_that_was_signed_is_finished_by_the_right_command_alone(chain, node, tmp_path, last):
    path, before = tmp_path / "j.json", nfts(chain)

    def interrupt(step):
        if step == last:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(algorithm(), chain, node, path, interrupt)
    text = path.read_bytes()
    for other in OTHERS.values():
        with pytest.raises(JournalError, match="finish it with the same settings as before"):
            run(other, chain, node, path)
    assert path.read_bytes() == text
    run(algorithm(), chain, node, path)
    assert nfts(chain) == before + 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["update", "revision"])
@pytest.mark.parametrize("last", ["set metadata signed", "set metadata sent", "read back"])
def test_a_version_that_was_signed_gives_way_only_once_it_is_on_the_chain(chain, node, tmp_path, kind, last):
    """Signed and perhaps sent: only the same again. In a block: the next one is another version."""
    path, asset = tmp_path / "j.json", algorithm()
    first = run(asset, chain, node, path)

    def version(journal, words, before):
        publisher = Publisher(journal, node)
        if kind == "update":
            return publisher.update(algorithm(description=words), before)
        metadata = before.metadata.model_copy(update={"description": words})
        return publisher.revise(before, before.revised(metadata=metadata))

    def interrupt(step):
        if step == f"{kind} 1: {last}":
            raise Interrupted

    wanted, other = "The version that is wanted.", "A version by mistake, or later."
    with Journal(path, chain, interrupt) as journal, pytest.raises(Interrupted):
        version(journal, wanted, first.ddo)
    text = path.read_bytes()
    with Journal(path, chain) as journal:
        if last != "read back":
            with pytest.raises(JournalError, match="run that command again until it is done"):
                version(journal, other, first.ddo)
            assert path.read_bytes() == text
            done = version(journal, wanted, first.ddo)
            assert done.ddo.metadata.description == wanted
            assert f"{kind} 2: compose" not in journal.steps
        else:
            done = version(journal, other, first.ddo)
            assert done.ddo.metadata.description == other
            assert f"{kind} 2: index" in journal.steps


def test_two_runs_at_once_do_not_mint_twice(chain, tmp_path):
    path = tmp_path / "j.json"
    with Journal(path, chain), pytest.raises(JournalError, match="another run"), Journal(path, chain):
        pass


def test_a_journal_of_another_account_is_refused(chain, node, tmp_path):
    path = tmp_path / "j.json"
    run(algorithm(), chain, node, path)
    other = chain.as_account(chain.accounts[6])
    with pytest.raises(JournalError, match=chain.address), Journal(path, other):
        pass
    path.write_text("{")
    with pytest.raises(JournalError, match="cannot be read"), Journal(path, chain):
        pass


def test_a_fixed_rate_sells_for_the_price(chain, node, tmp_path):
    done = run(algorithm(pricing_of("2.5", None, chain)), chain, node, tmp_path / "j.json")
    exchange = chain.contract("FixedRateExchange", chain.addresses.fixed_rate).functions
    needed = exchange.calcBaseInGivenOutDT(done.exchange_id, 10**18, 0).call()[0]
    # The router takes its community fee on top: 0.1 % for OCEAN.
    assert 2.5e18 <= needed <= 2.51e18


def test_prices_have_the_decimals_of_their_token(chain, node, tmp_path):
    deployed = chain.send(chain.constructor("MockERC20Decimals", "USD coin", "USDC", 6))["contractAddress"]
    pricing = pricing_of("0.25", deployed, chain)
    assert pricing == FixedRate(25 * 10**16, deployed, "USDC", 6)
    done = run(algorithm(pricing), chain, node, tmp_path / "j.json")
    exchange = chain.contract("FixedRateExchange", chain.addresses.fixed_rate).functions
    assert 250_000 <= exchange.calcBaseInGivenOutDT(done.exchange_id, 10**18, 0).call()[0] < 253_000


@pytest.mark.parametrize(
    ("price", "token", "complaint"),
    [
        ("cheap", None, "neither"),
        ("-1", None, "larger than 0"),
        ("0.0", None, "larger than 0"),
        ("1e-30", None, "decimals"),
        ("free", "ocean", "needs a price"),
        ("1", "0x12", "not an address"),
        ("1", "0x" + "0" * 39 + "1", "no ERC-20"),
    ],
)
def test_wrong_prices_are_refused(chain, price, token, complaint):
    with pytest.raises(Exception, match=complaint):
        pricing_of(price, token, chain)


def test_a_new_version_keeps_did_token_and_service(chain, node, tmp_path):
    path = tmp_path / "j.json"
    first = run(algorithm(), chain, node, path)
    with Journal(path, chain) as journal:
        second = Publisher(journal, node).update(algorithm(description="Now better than before."), first.ddo)
        third = Publisher(journal, node).update(algorithm(description="Better still, and more."), second.ddo)
    assert (third.did, third.datatoken, third.ddo.services[0].id) == (
        first.did,
        first.datatoken,
        first.ddo.services[0].id,
    )
    assert third.ddo.metadata.created == first.ddo.metadata.created
    assert third.ddo.metadata.description == "Better still, and more."


def test_an_update_that_changes_nothing_sends_nothing(chain, node, tmp_path):
    path = tmp_path / "j.json"
    asset = algorithm()
    first = run(asset, chain, node, path)
    with Journal(path, chain) as journal:
        again = Publisher(journal, node).update(asset, first.ddo)
        assert again.tx_hashes == first.tx_hashes
        assert again.ddo == first.ddo
        other = replace(asset, timeout_seconds=7200)
        second = Publisher(journal, node).update(other, first.ddo)
        assert Publisher(journal, node).update(other, second.ddo).tx_hashes == second.tx_hashes
        # The earlier version is no longer published: returning to it is a change.
        third = Publisher(journal, node).update(asset, second.ddo)
        assert third.ddo.services[0].timeout == first.ddo.services[0].timeout
        assert len(third.tx_hashes) == len(second.tx_hashes) + 1
        # Hidden, the same asset is another version; so is one after a revision.
        hidden = Publisher(journal, node, encrypt=True).update(asset, third.ddo)
        assert len(hidden.tx_hashes) == len(third.tx_hashes) + 1
        other_words = hidden.ddo.as_dict()
        other_words["metadata"]["description"] = "Other words, of at least ten letters."
        revised = Publisher(journal, node).revise(hidden.ddo, parse_ddo(other_words))
        back = Publisher(journal, node, encrypt=True).update(asset, revised.ddo)
        assert len(back.tx_hashes) == len(revised.tx_hashes) + 1


class Measuring(EmbeddedChain):
    """Records the length of each call whose gas is estimated, which includes signing."""

    lengths: list[int]

    def estimate_gas(self, call, value=0, action=""):
        self.lengths.append(len(call.build_transaction({"gas": 0, "gasPrice": 0, "nonce": 0})["data"]))
        return super().estimate_gas(call, value, action)


@pytest.mark.parametrize("encrypt", [False, True])
def test_the_gas_of_a_revision_is_estimated_in_the_form_that_is_sent(chain, node, tmp_path, encrypt):
    path = tmp_path / "j.json"
    measuring = Measuring(chain.web3, chain.network, chain.account)
    measuring.lengths = []
    first = run(algorithm(), measuring, node, path, encrypt=encrypt)
    changed = first.ddo.as_dict()
    changed["metadata"]["description"] = "Other words, of at least ten letters. " * 20
    with Journal(path, measuring) as journal:
        publisher = Publisher(journal, node, encrypt=encrypt)
        publisher.revision_gas(parse_ddo(changed))
        publisher.revise(first.ddo, parse_ddo(changed))
    planned, sent = measuring.lengths[-2:]
    assert planned == sent


def change_state(publisher, nft, state):
    return publisher.change_state(publisher.plan_state(nft, state))


def test_states_change_once(chain, node, tmp_path):
    path = tmp_path / "j.json"
    done = run(algorithm(), chain, node, path)
    state = chain.contract("ERC721Template", done.nft).functions.metaDataState()
    with Journal(path, chain) as journal:
        publisher = Publisher(journal, node)
        assert change_state(publisher, done.nft, "deprecated")
        assert state.call() == 2
        assert change_state(publisher, done.nft, "deprecated") is None
        assert change_state(publisher, done.nft, "revoked")
        assert state.call() == 3
        assert change_state(publisher, done.nft, "active")
        assert state.call() == 0
        assert change_state(publisher, done.nft, "active") is None


def test_a_stranger_is_named_with_the_owner(chain, node, tmp_path):
    done = run(algorithm(), chain, node, tmp_path / "j.json")
    stranger = chain.as_account(chain.accounts[7])
    with (
        Journal(tmp_path / "k.json", stranger) as journal,
        pytest.raises(SettingError, match=f"{stranger.address} may not change .* belongs to {chain.address}"),
    ):
        Publisher(journal, node).plan_state(done.nft, "revoked")


@pytest.mark.parametrize("encrypt", [pytest.param(False, marks=pytest.mark.slow), True])
def test_an_asset_that_is_activated_again_is_served_again(chain, files, tmp_path, encrypt):
    """A node forgets the metadata of an asset that is not active."""
    path, url = tmp_path / "j.json", files.add("main.py", b"print(1)")
    with NodeDouble(chain.as_account(chain.accounts[9])) as double, NodeClient(double.url) as client:
        first = run(algorithm(url=url), chain, client, path, encrypt=encrypt)
        with Journal(path, chain) as journal:
            publisher = Publisher(journal, client, encrypt=encrypt)
            later = publisher.update(algorithm(description="A second version of it.", url=url), first.ddo)
            change_state(publisher, first.nft, "revoked")
        assert client.ddo(first.did) is None

        def stop(step):
            if step == "activation 1: set metadata sent":
                raise Interrupted

        with Journal(path, chain, stop) as journal, pytest.raises(Interrupted):
            change_state(Publisher(journal, client), first.nft, "active")
        nonce = chain.next_nonce()
        with Journal(path, chain) as journal:
            tx_hash = change_state(Publisher(journal, client), first.nft, "active")
            assert change_state(Publisher(journal, client), first.nft, "active") is None
        assert chain.next_nonce() == nonce
        served = present(client.ddo(first.did))
        assert parse_ddo(served) == later.ddo
        assert served["indexedMetadata"]["event"]["txid"] == tx_hash
        # What was hidden stays hidden.
        template = chain.contract("ERC721Template", first.nft)
        flags = event_of(template, "MetadataUpdated", chain.receipt(tx_hash))["flags"]
        assert bytes(flags) == (b"\x02" if encrypt else b"\x00")


def test_metadata_that_no_journal_knows_cannot_be_published_again(chain, node, tmp_path):
    done = run(algorithm(), chain, node, tmp_path / "j.json")
    with Journal(tmp_path / "other.json", chain) as journal:
        publisher = Publisher(journal, node)
        change_state(publisher, done.nft, "revoked")
        with pytest.raises(SettingError, match="no journal here has them"):
            publisher.plan_state(done.nft, "active")
        plan = publisher.plan_state(done.nft, "active", versions_in(tmp_path))
        assert present(plan.version).ddo == done.ddo


def test_a_wrong_ddo_is_refused_before_anything_is_signed(chain, node, tmp_path):
    nonce = chain.next_nonce()
    asset = algorithm()
    wrong = replace(asset, metadata=asset.metadata.model_copy(update={"name": "ab", "author": ""}))
    with pytest.raises(InvalidDDO) as caught:
        run(wrong, chain, node, tmp_path / "j.json")
    assert len(caught.value.issues) == 2
    assert chain.next_nonce() == nonce


def test_the_journal_holds_no_secret(chain, node, tmp_path):
    path, publisher = tmp_path / "j.json", chain.as_account(Account.create())
    introduce(chain, publisher.account)
    chain.web3.eth.send_transaction({"from": chain.address, "to": publisher.address, "value": 10**19})
    run(algorithm(), publisher, node, path)
    text = path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    for secret in (publisher.account.key.hex().removeprefix("0x"), URL, "very-secret-token"):
        assert secret.lower() not in text.lower()


def test_a_chain_that_gives_no_answer_is_told_without_its_address(chain):
    with pytest.raises(ChainError) as caught:
        connect(replace(chain.network, is_live=True), "http://127.0.0.1:1/v3/topsecret", chain.account)
    assert "topsecret" not in str(caught.value)


def test_over_http_the_node_encrypts_checks_and_indexes(chain, tmp_path, files):
    url = files.add("main.py", b"print()")
    with NodeDouble(chain.as_account(chain.accounts[9])) as double, NodeClient(double.url) as client:
        done = run(algorithm(url=url), chain, client, tmp_path / "j.json", index_seconds=20)
        assert present(client.ddo(done.did))["services"][0]["serviceEndpoint"] == double.url
        hidden = run(algorithm(name="Another one", url=url), chain, client, tmp_path / "k.json", encrypt=True)
        with Journal(tmp_path / "k.json", chain) as journal:
            publisher = Publisher(journal, client, encrypt=True, index_seconds=20)
            described = algorithm(name="Another one", url=url, description="A second version of it.")
            later = publisher.update(described, hidden.ddo)
        assert present(client.ddo(hidden.did))["metadata"]["description"] == "A second version of it."
        assert later.did == hidden.did


def test_a_file_that_the_node_cannot_read_is_not_published(chain, tmp_path, files):
    url = files.add("main.py?token=very-secret-token", b"print()")
    with NodeDouble(chain.as_account(chain.accounts[9])) as double, NodeClient(double.url) as client:
        first = run(algorithm(url=url), chain, client, tmp_path / "j.json")
        text, nonce = (tmp_path / "j.json").read_bytes(), chain.next_nonce()
        absent = algorithm(url=f"{files.url}/absent?token=very-secret-token")
        with pytest.raises(SettingError, match="cannot read file 1 of this asset") as caught:
            run(absent, chain, client, tmp_path / "k.json")
        assert "secret" not in str(caught.value)
        assert not (tmp_path / "k.json").exists()
        update = pytest.raises(SettingError, match="nothing was signed; check its address")
        with update, Journal(tmp_path / "j.json", chain) as journal:
            Publisher(journal, client).plan(absent, first.ddo)
        # Files of a published version are not checked again.
        files.content.clear()
        assert run(algorithm(url=url), chain, client, tmp_path / "j.json").did == first.did
        assert (chain.next_nonce(), (tmp_path / "j.json").read_bytes()) == (nonce, text)
