"""The commands: on the embedded chain, and against an RPC and a node over HTTP."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from eth_account import Account

from command_world import FILE_SECRET, PASSWORD
from ocean_assets import CHECKOUT
from unionveil_ocean.chain.connection import DISCARD


def run(command, *arguments, environment=None, stdin=subprocess.DEVNULL):
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PRIVATE_KEY", "RPC", "NODE_URL", "ADDRESS_FILE", "KEYSTORE_PASSWORD")
    }
    return subprocess.run(
        [sys.executable, CHECKOUT / "publish" / f"{command}.py", *map(str, arguments)],
        env={**clean, "NO_COLOR": "1", **(environment or {})},
        capture_output=True,
        text=True,
        stdin=stdin,
        timeout=120,
    )


def gas_in(text):
    """The gas of each step that a result shows."""
    return {
        name: int(gas.replace(",", ""))
        for name, gas in re.findall(r"^gas: (.+?) +([\d,]+)$", text, re.MULTILINE)
    }


def test_with_no_argument_it_registers_on_a_chain_of_its_own():
    begun = time.perf_counter()
    done = run("register")
    seconds = time.perf_counter() - begun
    assert done.returncode == 0, done.stderr
    for word in ("DID", "did:op:", "data NFT", "datatoken", "gas: create", "gas: total", "polygon", "POL"):
        assert word in done.stdout
    assert "Traceback" not in done.stderr
    shown = (CHECKOUT / "publish" / "README.md").read_text("utf-8")
    assert gas_in(shown) == pytest.approx(gas_in(done.stdout), rel=0.03)
    # Two cores that other work shares: the bound of 10 s is measured alone, this only catches a leap.
    assert seconds < 60


@pytest.mark.slow
def test_with_no_argument_a_data_set_trusts_the_algorithm():
    done = run("register_dataset", "--json")
    assert done.returncode == 0, done.stderr
    (service,) = json.loads(done.stdout)["ddo"]["services"]
    (trusted,) = service["compute"]["publisherTrustedAlgorithms"]
    assert trusted["did"] in done.stderr
    assert all(trusted[key] for key in ("filesChecksum", "containerSectionChecksum", "serviceId"))
    assert service["compute"]["allowRawAlgorithm"] is service["compute"]["allowNetworkAccess"] is False


def test_on_a_network_it_shows_a_plan_publishes_once_and_updates(world):
    before = world.nfts()
    code, _, shown = world.register()
    assert code == 2
    assert "add --yes if the plan is right" in shown
    for part in (
        "development, chain",
        world.account.address,
        "100 coins",
        world.chain.addresses.factory,
        "gas: set metadata",
        "cost at most",
        "free; a dispenser",
        "metadata.algorithm.consumerParameters.0.name",
        "metadata.algorithm.container.checksum",
        "(encrypted by the node)",
        "(made from the data NFT and the chain)",
    ):
        assert part in shown, part
    assert "eth_sendRawTransaction" not in world.rpc.requests
    assert world.nfts() == before

    code, result, _ = world.register("--yes", "--json")
    assert code == 0
    done = json.loads(result)
    assert world.nfts() == before + 1
    code, result, shown = world.register("--yes")
    assert code == 0
    assert "already published" in shown
    assert done["did"] in result
    assert "market" not in result
    assert world.nfts() == before + 1
    code, result, shown = world.register("--yes", "--timeout", "3600")
    assert (code, result) == (2, "")
    assert "was already published, with another description" in shown
    assert world.register("--yes")[0] == 0

    code, result, shown = world.register("--yes", "--update", "--json", "--timeout", "3600")
    assert code == 0
    plan = {line.split()[0]: line.split()[-1] for line in shown.splitlines() if line.strip()}
    assert (plan["id"], plan["nftAddress"]) == (done["did"], done["nft"])
    assert plan["services.0.datatokenAddress"] == done["datatoken"]
    assert plan["metadata.created"] == done["ddo"]["metadata"]["created"]
    assert "price" not in plan
    updated = json.loads(result)
    assert updated["did"] == done["did"]
    assert updated["ddo"]["services"][0]["timeout"] == 3600
    sent = world.rpc.requests.count("eth_sendRawTransaction")
    code, again, shown = world.register("--yes", "--update", "--json", "--timeout", "3600")
    assert code == 0
    assert "nothing has changed" in shown
    assert json.loads(again)["ddo"] == updated["ddo"]
    assert world.rpc.requests.count("eth_sendRawTransaction") == sent
    # The metadata, whose image has no digest before it is pushed, does not matter for this.
    code, result, _ = world.run(
        "register", *world.options, "--yes", "--did", done["did"], "--state", "deprecated"
    )
    assert code == 0
    assert result.startswith("deprecated: 0x")
    _, result, _ = world.register("--yes", "--state", "deprecated")
    assert "already" in result
    code, _, _ = world.register("--yes", "--new", "--price", "1.5")
    assert code == 0
    assert world.nfts() == before + 2


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [(), ("--encrypt-ddo",)])
def test_the_plan_costs_as_much_as_the_transactions(world, hidden):
    _, _, shown = world.register(*hidden)
    planned = {
        line.split()[1] if "create" in line else "set": int(line.split()[-1].replace(",", ""))
        for line in shown.splitlines()
        if line.startswith(("gas: create", "gas: set"))
    }
    _, result, _ = world.register("--yes", "--json", *hidden)
    used = json.loads(result)["gas"]
    assert used["create"] == pytest.approx(planned["create"], rel=0.01)
    assert used["set metadata"] == pytest.approx(planned["set"], rel=0.01)


@pytest.mark.slow
def test_a_data_set_trusts_and_stops_trusting(world, files):
    _, result, _ = world.register("--yes", "--json")
    algorithm = json.loads(result)["did"]
    _, result, _ = world.register("--yes", "--json", "--new")
    second = json.loads(result)["did"]
    reviewed = world.folder / "main.py"
    reviewed.write_bytes(b"print('hello')")
    arguments = (
        *world.options,
        *("--algorithm", algorithm, "--algorithm-file", reviewed, "--yes", "--json"),
        *("--file-url", files.add(f"photos.zip?token={FILE_SECRET}", b"PK")),
    )
    code, result, shown = world.run("register_dataset", *arguments)
    assert code == 0, shown
    dataset = json.loads(result)["did"]
    check = ("check", dataset, "--node-url", world.node.url)
    code, result, _ = world.run("trust", *check)
    assert (code, result) == (0, f"{algorithm}: fits\n")

    # The algorithm's file changes, and with it what the data set trusts.
    files.content[f"main.py?token={FILE_SECRET}"] = b"print('changed')"
    code, result, _ = world.run("trust", *check)
    assert code == 1
    assert "its files changed" in result
    code, _, shown = world.run("register_dataset", *arguments, "--new")
    assert code == 2
    assert "the node sees another file" in shown

    code, result, shown = world.run("trust", "add", dataset, algorithm, second, *world.options, "--yes")
    assert code == 0, shown
    assert f"{algorithm} is trusted as it is now: its files changed" in shown
    assert f"{second} is trusted from now on" in shown
    code, result, _ = world.run("trust", *check)
    assert (code, result) == (0, f"{algorithm}: fits\n{second}: fits\n")
    code, result, shown = world.run("trust", "remove", dataset, algorithm, *world.options, "--yes")
    assert code == 0, shown
    code, result, _ = world.run("trust", *check)
    assert (code, result) == (0, f"{second}: fits\n")
    code, _, shown = world.run("trust", "remove", dataset, second, *world.options, "--yes")
    assert code == 2
    assert "nothing would be left to trust" in shown
    code, _, shown = world.run("trust", "remove", dataset, algorithm, *world.options, "--yes")
    assert code == 2
    assert "is not trusted by" in shown


def test_a_data_set_is_not_put_where_everybody_may_compute_for_free(world, files):
    _, result, _ = world.register("--yes", "--json")
    arguments = (
        *(*world.options, "--algorithm", json.loads(result)["did"], "--yes", "--json"),
        *("--file-url", files.add(f"photos.zip?token={FILE_SECRET}", b"PK")),
    )
    node = world.node.settings
    closed, node.free_access = node.free_access, {"addresses": [], "accessLists": []}
    before = world.nfts()
    for hidden in ((), ("--encrypt-ddo", "--price", "2")):
        code, _, shown = world.run("register_dataset", *arguments, *hidden)
        assert code == 2
        assert "anybody could read the original photos" in shown.splitlines()[-1]
    assert world.nfts() == before
    code, _, shown = world.run("register_dataset", *arguments, "--state", "active")
    assert "anybody could read the original photos" in shown.splitlines()[-1]
    code, result, shown = world.run("register_dataset", *arguments, "--anybody-may-read-originals")
    assert code == 0
    assert "warning: anybody can read the original photos" in shown
    dataset = json.loads(result)["did"]
    code, result, shown = world.run("trust", "check", dataset, "--node-url", world.node.url)
    assert (code, result.endswith(": fits\n")) == (0, True)
    assert "warning: anybody can read the original photos" in shown

    world.node.settings.free_access, world.node.settings.enables_network = closed, True
    code, _, shown = world.run("register_dataset", *arguments, "--new")
    assert code == 0
    assert "warning: the accounts on the access list" in shown
    assert "can reach the network, regardless of the data set's settings" in shown


@pytest.mark.slow
def test_a_data_set_of_every_buyer_is_registered_with_a_warning(world, files):
    _, result, _ = world.register("--yes", "--json")
    arguments = (
        *(*world.options, "--algorithm", json.loads(result)["did"], "--yes", "--json"),
        *("--file-url", files.add(f"photos.zip?token={FILE_SECRET}", b"PK")),
    )
    every, listed = "warning: every buyer can read the original", "warning: the buyers on the access lists"
    code, result, shown = world.run("register_dataset", *arguments)
    assert (code, every in shown, listed in shown) == (0, True, False)
    check = ("trust", "check", json.loads(result)["did"], "--node-url", world.node.url)
    assert every in world.run(*check)[2]

    update = ("register_dataset", *arguments, "--update", "--allow", world.account.address)
    code, _, shown = world.run(*update)
    assert (code, every in shown, listed in shown) == (0, False, True)
    code, _, shown = world.run(*check)
    assert (code, every in shown, listed in shown) == (0, False, True)
    code, _, shown = world.run("register_dataset", *arguments, "--state", "active")
    assert (code, every in shown, listed in shown) == (0, False, True)


def flags_of(world, tx_hash):
    """Flags of the metadata that a transaction wrote: 2 is encrypted."""
    receipt = world.chain.receipt(tx_hash)
    template = world.chain.contract("ERC721Template", receipt["to"])
    (event,) = template.events.MetadataUpdated().process_receipt(receipt, errors=DISCARD)
    return int.from_bytes(event["args"]["flags"], "big")


@pytest.mark.slow
def test_a_hidden_ddo_stays_hidden_in_every_later_version(world, files):
    _, result, _ = world.register("--yes", "--json")
    algorithm = json.loads(result)["did"]
    arguments = (
        *(*world.options, "--algorithm", algorithm, "--yes", "--json"),
        *("--file-url", files.add(f"photos.zip?token={FILE_SECRET}", b"PK")),
    )
    code, result, _ = world.run("register_dataset", *arguments, "--encrypt-ddo")
    dataset = json.loads(result)["did"]
    files.content[f"main.py?token={FILE_SECRET}"] = b"print('changed')"
    code, result, shown = world.run("trust", "add", dataset, algorithm, *world.options, "--yes")
    assert code == 0, shown
    assert "the DDO will be hidden on the chain" in shown
    rows = {line.rsplit(None, 1)[0].strip(): line.split()[-1] for line in result.splitlines()}
    assert flags_of(world, rows["revision 1: set metadata"]) == 2

    update = ("register_dataset", *arguments, "--update", "--timeout")
    code, result, shown = world.run(*update, "60")
    assert code == 0, shown
    assert flags_of(world, json.loads(result)["transactions"]["update 1: set metadata"]) == 2
    code, result, shown = world.run(*update, "120", "--plain-ddo")
    assert code == 0, shown
    assert flags_of(world, json.loads(result)["transactions"]["update 2: set metadata"]) == 0

    def forget(received, value):
        if received.path.endswith(dataset):
            return {**value, "indexedMetadata": {"nft": value["indexedMetadata"]["nft"]}}
        return value

    world.node.hooks.change = forget
    code, _, shown = world.run(*update, "180")
    assert code == 2
    assert "add --encrypt-ddo or --plain-ddo" in shown.splitlines()[-1]


def test_a_keystore_signs_and_a_wrong_password_does_not(world, monkeypatch):
    monkeypatch.delenv("PRIVATE_KEY")
    keystore = world.folder / "keystore.json"
    keystore.write_text(json.dumps(world.account.encrypt(PASSWORD, kdf="pbkdf2", iterations=1000)))
    monkeypatch.setenv("KEYSTORE_PASSWORD", PASSWORD + "?")
    code, _, shown = world.register("--keystore", keystore)
    assert code == 2
    assert "the password does not open" in shown
    monkeypatch.setenv("KEYSTORE_PASSWORD", PASSWORD)
    code, _, shown = world.register("--keystore", keystore)
    assert world.account.address in shown
    keystore.write_text(world.account.key.hex())
    code, _, shown = world.register("--keystore", keystore)
    assert code == 2
    assert "encrypted keystore" in shown
    keystore.unlink()


REFUSALS = [
    (("--network", "nowhere"), "unknown network 'nowhere'"),
    (("--network", "sepolia"), "the network asked for is chain 11155111"),
    (("--rpc-url", "http://127.0.0.1:9/v3/rpc-secret"), "gives no usable answer"),
    (("--rpc-url", "ftp://rpc/rpc-secret"), "must begin with http"),
    (("--rpc-url", "http://h:99999999"), "no port above 65535"),
    (("--rpc-url", "http://[::1"), "must begin with http"),
    (("--node-url", "http://127.0.0.1:9"), "gives no answer"),
    (("--node-url", "http://h:99999999"), "no port above 65535"),
    (("--price", "1e70"), "larger than any amount of a token"),
    (("--price", "0.1", "--base-token", "0x12"), "is not an address"),
    (("--allow", "me"), "is not an address"),
    (("--max-fee-gwei", "0.000001"), "the cap is"),
    (("--file-url", "file:///etc/passwd"), "--file-url must begin with http"),
    (("--file-url", "storage://bucket/main.py"), "no data set could trust an algorithm there"),
    (("--metadata", "nothing.json"), "nothing.json cannot be read"),
    (("--update", "--did", "did:op:" + "0" * 64), "does not serve did:op:"),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSALS)
def test_errors_are_one_sentence_and_nothing_is_signed(world, arguments, sentence):
    code, out, shown = (
        world.register("--yes", *arguments)
        if "--file-url" not in arguments
        else world.run(
            "register", *world.options, "--metadata", world.folder / "algorithm.json", "--yes", *arguments
        )
    )
    assert code == 2
    assert out == ""
    assert sentence in shown
    assert shown.splitlines()[-1].startswith("register: ")
    if "127.0.0.1:9" not in str(arguments):
        assert "eth_sendRawTransaction" not in world.rpc.requests


def test_a_missing_and_a_wrong_key_are_reported(world, monkeypatch):
    monkeypatch.setenv("PRIVATE_KEY", "0xnot-a-key")
    code, _, shown = world.register()
    assert code == 2
    assert "64 hexadecimal digits" in shown
    assert "not-a-key" not in shown
    monkeypatch.delenv("PRIVATE_KEY")
    code, _, shown = world.register()
    assert code == 2
    assert "--keystore FILE" in shown


def test_an_account_without_coins_is_told_before_anything_is_signed(world, monkeypatch):
    poor = Account.create()
    monkeypatch.setenv("PRIVATE_KEY", poor.key.hex())
    code, _, shown = world.register("--yes")
    assert code == 2
    assert f"account {poor.address} has 0 coins" in shown
    assert "eth_sendRawTransaction" not in world.rpc.requests


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path):
    # A module that cannot be imported stands for one that is not installed.
    (tmp_path / "web3.py").write_text("raise ModuleNotFoundError(\"No module named 'web3'\", name='web3')")
    done = run("register", environment={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.strip().endswith("pip install '.[ocean]'")
    assert "'web3'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--max-fee-gwei", "inf"),
        ("--max-fee-gwei", "nan"),
        ("--max-fee-gwei", "1e308"),
        ("--index-seconds", "nan"),
        ("--index-seconds", "1e300"),
        ("--timeout", "9007199254740993"),
    ],
)
def test_numbers_out_of_range_are_named(world, arguments):
    code, out, shown = world.run("register", *arguments)
    assert (code, out) == (2, "")
    assert f"Invalid value for '{arguments[0]}'" in shown.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--update",), "--update needs the network that the asset is on"),
        (("--state", "revoked"), "--state needs the network that the asset is on"),
        (("--did", "did:op:" + "0" * 64), "--did needs the network that the asset is on"),
        (("--journal-dir", "journals"), "--journal-dir needs a network"),
        (("--rpc-url", "http://127.0.0.1:9"), "--rpc-url needs a network"),
        (("--cost-on", "sepola"), "did you mean 'sepolia'?"),
    ],
)
def test_impossible_options_on_the_embedded_chain_are_refused_before_any_work(world, arguments, sentence):
    code, out, shown = world.run("register", *arguments)
    assert (code, out) == (2, "")
    assert shown.startswith("register: ")
    assert sentence in shown
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize("moment", ["load", "work"])
def test_ctrl_c_ends_in_one_sentence(world, tmp_path, monkeypatch, moment):
    """While the libraries are loaded, which takes a second or two, and while it works."""
    if moment == "load":
        (tmp_path / "web3.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
        done = run("register", environment={"PYTHONPATH": str(tmp_path)})
        code, shown = done.returncode, done.stderr
        assert "register: interrupted before it began" in shown
    else:

        def interrupt(*_, **__):
            raise KeyboardInterrupt

        world.change_session = lambda session: replace(session, on_step=interrupt)
        code, _, shown = world.register("--yes")
        assert "the same command continues where this one stopped" in shown
    assert code == 130
    assert "Traceback" not in shown
