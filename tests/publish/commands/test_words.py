"""Messages of the commands to other accounts, on second runs, and about missing files."""

import json

from eth_account import Account

from checked import present
from command_world import FILE_SECRET
from ocean_assets import introduce
from unionveil_ocean.chain.networks import find_network

MAIN = f"main.py?token={FILE_SECRET}"


def test_a_stranger_and_a_missing_file_are_named_with_the_asset(world, files, monkeypatch):
    _, shown, _ = world.register("--yes", "--json")
    algorithm = json.loads(shown)["did"]
    code, shown, error = world.run(
        "register_dataset", *world.options, "--yes", "--json", "--algorithm", algorithm,
        "--file-url", files.add(f"photos.zip?token={FILE_SECRET}", b"PK"),
    )  # fmt: skip
    assert code == 0, error
    dataset = json.loads(shown)
    files.content[MAIN] = b"print('changed')"
    add = ("trust", "add", dataset["did"], algorithm, *world.options, "--yes")

    stranger = Account.create()
    introduce(world.chain, stranger)
    sent = world.rpc.requests.count("eth_sendRawTransaction")
    monkeypatch.setenv("PRIVATE_KEY", stranger.key.hex())
    code, _, error = world.run(*add)
    assert code == 2
    last = error.splitlines()[-1]
    assert f"the account {stranger.address} may not change the asset of data NFT {dataset['nft']}" in last
    assert f"which belongs to {world.account.address}" in last
    assert world.rpc.requests.count("eth_sendRawTransaction") == sent

    monkeypatch.setenv("PRIVATE_KEY", world.account.key.hex())
    del files.content[MAIN]
    code, out, _ = world.run("trust", "check", dataset["did"], "--node-url", world.node.url)
    assert code == 1
    assert f"the file of the algorithm {algorithm} cannot be compared: the node cannot read the file" in out
    code, _, error = world.run(*add)
    assert code == 2
    assert f"the file of the algorithm {algorithm} cannot be compared" in error.splitlines()[-1]


def test_shares_show_a_plan(world):
    _, shown, _ = world.register("--yes", "--json", "--price", "1")
    datatoken = json.loads(shown)["datatoken"]
    file = world.folder / "contributions.csv"
    file.write_text(f"wallet,photos\n0x{'11' * 20},1\n0x{'22' * 20},2\n")
    where = ("--datatoken", datatoken, *world.options)
    mint = ("shares", "mint", file, "--tokens", "10", *where, "--yes")
    code, _, error = world.run(*mint)
    assert code == 0, error
    assert "gas: 2 transactions" in error
    sent = world.rpc.requests.count("eth_sendRawTransaction")
    code, _, error = world.run(*mint)
    assert code == 0, error
    assert "round 1: everything was already signed, nothing new is given; see --round" in error
    assert "gas: " not in error
    assert world.rpc.requests.count("eth_sendRawTransaction") == sent
    file.write_text(f"wallet,photos\n0x{'11' * 20},1\n0x{'33' * 20},2\n")
    code, _, error = world.run(*mint)
    assert (code, "begin another round with --round 2" in error.splitlines()[-1]) == (2, True)
    assert world.rpc.requests.count("eth_sendRawTransaction") == sent

    splitter = ("shares", "splitter", file, *where, "--yes")
    code, out, error = world.run(*splitter)
    assert code == 0, error
    assert "gas: deploy" in error
    assert "gas: set the payment collector" in error
    assert world.rpc.requests.count("eth_sendRawTransaction") == sent + 2
    file.write_text(f"wallet,photos\n0x{'11' * 20},3\n0x{'33' * 20},2\n")
    code, again, error = world.run(*splitter)
    assert code == 0, error
    assert again.split()[-1] == out.split()[-1]
    assert "gas: deploy" not in error
    assert "gas: change the payees, at most" in error


def test_an_update_explains_the_consequence_for_trusting_data_sets(world):
    _, shown, error = world.register("--yes", "--json")
    assert "trust.py add" not in error
    did = json.loads(shown)["did"]
    code, _, error = world.register("--yes", "--update", "--timeout", "60")
    assert code == 0, error
    assert f"publish/trust.py add DATASET_DID {did}" in error


def test_a_market_is_linked_where_there_is_one():
    assert present(find_network("sepolia").market_link("did:op:1")).endswith("/asset/did:op:1")
    assert find_network("polygon").market_link("did:op:1") is None


def test_an_asset_is_activated_by_its_did_although_no_node_serves_it(world):
    _, shown, _ = world.register("--yes", "--json")
    did = json.loads(shown)["did"]
    for state in ("revoked", "active"):
        code, out, error = world.run("register", *world.options, "--did", did, "--state", state, "--yes")
        assert code == 0, error
        assert out.startswith(f"{state}: 0x")
        assert "cost at most" in error
    code, out, _ = world.run("register", *world.options, "--did", did, "--state", "active", "--yes")
    assert (code, out) == (0, "it is already active\n")
