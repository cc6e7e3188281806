"""The whole story, from publishing to verified results, and everything that can fail on the way."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from eth_account import Account
from PIL import Image

import samples
from checked import kept, present
from node_double import (
    ENVIRONMENT,
    DockerRunner,
    FileServer,
    NodeDouble,
    ProcessRunner,
    Settings,
    open_market,
)
from node_double.runner import frame, outputs_zip
from ocean_assets import introduce, skip_without_escrow
from paths import REPOSITORY
from rpc_server import RpcServer
from unionveil import Anonymizer
from unionveil.config import AnonymizeConfig
from unionveil.engines.serial import SerialEngine
from unionveil.files.sinks import FolderSink
from unionveil.given import find_nothing
from unionveil.measure.verify_run import verify_outputs
from unionveil.merge.shards import open_shards
from unionveil.merge.write import write_merged
from unionveil.runs.manifest import ManifestBuilder
from unionveil.runs.schema import Manifest, RedactedRecord, RejectedRecord
from unionveil.select import every_face
from unionveil.verify import verify
from unionveil_ocean.assets.files import StorageFile
from unionveil_ocean.assets.pricing import FixedRate, Free
from unionveil_ocean.chain.accounts import load_account
from unionveil_ocean.commands import run_job as command
from unionveil_ocean.commands.session import Session
from unionveil_ocean.jobs.escrow import escrow_funds
from unionveil_ocean.jobs.orders import OrderBook
from unionveil_ocean.node.client import NodeClient

WHOLE = 10**18
FEE = WHOLE // 4
ORDER = 2 * WHOLE + 2 * WHOLE // 1000 + FEE
"""The price, a thousandth of it for Ocean's community (FactoryRouter's swap fee), and the node's fee."""

BUYER_KEY = "0x" + hashlib.sha256(b"the buyer of these tests").hexdigest()
BUYER = Account.from_key(BUYER_KEY)


def pictures() -> bytes:
    """Bundled pictures, in the archive that a data union would publish."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("market.jpg", "street.jpg"):
            archive.write(samples.SCENES / name, f"upload/{name}")
    return buffer.getvalue()


def _safe() -> bytes:
    """A picture without a face, as written by a job."""
    line = Anonymizer(find_nothing, every_face, lambda *_: (), max_pixels=1e6)
    return kept(line(samples.save(Image.new("RGB", (64, 48), (90, 120, 60)), "JPEG"))).data


SAFE = _safe()
ALTERED = SAFE[:-1] + b"x"


class InstantRunner:
    """Stands in for the algorithm: writes one output, or the one that a test sets."""

    def __init__(self) -> None:
        self.code, self.log, self.altered = 0, b"done: 1 pictures\n", False
        self.seen: list[SimpleNamespace] = []

    def __call__(self, data, container, environment):
        parameters = json.loads((data / "inputs" / "algoCustomData.json").read_text())
        names = sorted(path.name for path in (data / "inputs").iterdir())
        self.seen.append(SimpleNamespace(parameters=parameters, names=names, environment=environment))
        if self.code in (0, 1):
            digest = hashlib.sha256(SAFE).hexdigest()
            record = RedactedRecord(
                input=1, output="000001.jpg", sha256=digest, size_bytes=len(SAFE), format="jpeg",
                size_wh=(64, 48), frames=1, faces=(),
            )  # fmt: skip
            builder = ManifestBuilder(AnonymizeConfig())
            builder.add(record)
            (data / "outputs" / "000001.jpg").write_bytes(ALTERED if self.altered else SAFE)
            (data / "outputs" / "manifest.json").write_bytes(builder.to_bytes())
        return self.code, frame(1, self.log)


@pytest.fixture(scope="module")
def marketplace(shared_chain, tmp_path_factory):
    """A node, and an algorithm and a data set that cost 2 OCEAN an order each, and the same for free."""
    chain = shared_chain
    skip_without_escrow(chain)
    folder = tmp_path_factory.mktemp("publisher")
    introduce(chain, BUYER)
    coins = {"from": chain.accounts[0].address, "to": BUYER.address, "value": 10**18}
    chain.web3.eth.send_transaction(coins)
    chain.mint_ocean(BUYER.address, 1000 * WHOLE)
    priced = FixedRate(2 * WHOLE, chain.addresses.ocean, "OCEAN", 18)
    double = NodeDouble(chain.as_account(chain.accounts[9]), Settings(fee_wei=FEE))
    with FileServer() as files, double as node:
        with NodeClient(node.url) as client:
            inputs = {"photos.zip": pictures()}
            publisher = chain.as_account(chain.accounts[1])
            sold = open_market(publisher, client, files, folder / "sold", inputs, pricing=priced)
            free = open_market(publisher, client, files, folder / "free", inputs, pricing=Free())
        yield SimpleNamespace(chain=chain, node=node, files=files, sold=sold, free=free)


@pytest.fixture
def shop(marketplace, tmp_path, monkeypatch):
    """Runs the command with the key in the environment; a stub replaces the job."""
    runner, node = InstantRunner(), marketplace.node
    node.reset()
    node.hooks.runner = runner
    waited, steps = SimpleNamespace(seconds=0.0), SimpleNamespace(on_step=None, client=NodeClient)
    issues: list[str] = []
    monkeypatch.setenv("PRIVATE_KEY", BUYER_KEY)
    clients = []

    def pause(seconds: float) -> None:
        waited.seconds += seconds
        time.sleep(min(seconds, 0.01))

    @contextmanager
    def open_session(options, *, signs=True):
        account = load_account(options.keystore, lambda: "") if signs else Account.create()
        with steps.client(node.url, timeout_seconds=20, pause=pause) as client:
            clients.append(client)
            chain, folder = marketplace.chain.as_account(account), options.journal_dir or tmp_path / "journal"
            yield Session(chain, client, folder, options.yes, pause, steps.on_step, lambda _: issues)

    def run(*arguments: str, market=None, output: str = "results", yes: bool = True) -> int:
        market = market or marketplace.sold
        if "--job-id" not in arguments:
            arguments = (
                "--algorithm", market.algorithm.id, "--dataset", market.dataset.id, *arguments,
            )  # fmt: skip
        yes_flag = ["--yes"] if yes else []
        monkeypatch.setattr(
            sys,
            "argv",
            ["run_job.py", "--network", "development", "-o", str(tmp_path / output), *yes_flag, *arguments],
        )
        with pytest.raises(SystemExit) as caught:
            command.main(open_session)
        return int(caught.value.code or 0)

    return SimpleNamespace(
        run=run,
        runner=runner,
        node=node,
        chain=marketplace.chain,
        folder=tmp_path,
        marketplace=marketplace,
        waited=waited,
        steps=steps,
        issues=issues,
    )


def ocean(chain, address=BUYER.address) -> int:
    return chain.contract("OceanToken", chain.addresses.ocean).functions.balanceOf(address).call()


def escrowed(chain) -> tuple[int, int]:
    escrow = chain.contract("Escrow", chain.addresses.escrow)
    return tuple(escrow.functions.getUserFunds(BUYER.address, chain.addresses.ocean).call())


def orders(chain, ddo, since: int) -> int:
    """Orders of an asset after a block; eth-tester reads every block that it is asked about, so no others."""
    token = chain.contract("ERC20Template", ddo.services[0].datatoken_address)
    logs = chain.web3.eth.get_logs({"address": token.address, "fromBlock": since + 1, "toBlock": "latest"})
    topic = chain.web3.keccak(text="OrderStarted(address,address,uint256,uint256,uint256,address,uint256)")
    return sum(1 for log in logs if log["topics"][0] == topic)


def written(folder: Path) -> bytes:
    return b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def assert_no_secret(data: bytes) -> None:
    """Checks that the key appears in no form that a program might write."""
    number = int(BUYER_KEY, 16)
    raw = number.to_bytes(32, "big")
    for form in (BUYER_KEY[2:].encode(), str(number).encode(), raw, repr(raw).encode()):
        assert form.lower() not in data.lower()


@pytest.mark.slow
def test_a_paid_job_on_real_pictures_costs_what_was_planned(shop, capfd):
    """Buy, order, pay, run in a separate process, fetch, verify; the node takes a fee."""
    shop.node.hooks.runner = ProcessRunner()
    before, locked = ocean(shop.chain), escrowed(shop.chain)
    block = shop.chain.web3.eth.block_number
    code = shop.run("--paid", "--seconds", "600", "--set", "method=pixelate", "--set", "cells=4")
    out, err = capfd.readouterr()
    assert code == 0, err
    assert "verified: 2 outputs" in out
    outputs = shop.folder / "results" / "outputs"
    manifest = Manifest.model_validate_json((outputs / "manifest.json").read_bytes())
    assert manifest.counts.redacted == 1
    assert manifest.counts.faces >= 5
    assert manifest.configuration["cells"] == "4"
    assert sorted(path.name for path in outputs.iterdir()) == ["000001.jpg", "000002.jpg", "manifest.json"]
    assert not verify_outputs(outputs, SerialEngine()).sure
    log = (shop.folder / "results" / "logs" / "algorithm.log").read_text()
    assert "method=pixelate" in log
    assert log.startswith("UnionVeil") or log[0].isprintable()
    # Two orders at 2 OCEAN with the node's fee, and ten minutes at half an OCEAN, locked in the escrow.
    compute = 5 * WHOLE
    assert before - ocean(shop.chain) == 2 * ORDER + max(compute - locked[0], 0)
    assert escrowed(shop.chain)[1] - locked[1] == compute
    assert orders(shop.chain, shop.marketplace.sold.algorithm, block) == 1
    assert orders(shop.chain, shop.marketplace.sold.dataset, block) == 1
    assert_no_secret(out.encode() + err.encode() + written(shop.folder))


def test_faults_of_outputs_are_named(shop, capfd):
    shop.issues.append("'000001.jpg': two detectors find a face outside all boxes")
    assert shop.run("--free", market=shop.marketplace.free) == 2
    out, err = capfd.readouterr()
    assert "verified" not in out
    assert "two detectors find a face" in err
    assert (shop.folder / "results" / "outputs" / "000001.jpg").exists()


@pytest.mark.slow
def test_the_gas_of_a_plan_is_an_upper_bound(shop, capfd):
    assert shop.run("--paid", "--seconds", "60") == 0
    shown = re.search(r"gas at most +([\d,]+) at", capfd.readouterr().err)
    planned = int(present(shown)[1].replace(",", ""))
    (path,) = (shop.folder / "journal").rglob("job-*.json")
    steps = json.loads(path.read_text())["steps"]
    used = {name: step["gas_used"] for name, step in steps.items() if "gas_used" in step}
    assert len(used) >= 8
    assert planned * 0.4 < sum(used.values()) <= planned, used


@pytest.mark.slow
def test_the_command_as_a_process(shop, marketplace):
    """A separate process, an RPC over HTTP, an encrypted keystore; and no secret in any of its output."""
    folder, password, addresses = shop.folder, "open-sesame-password", marketplace.chain.addresses
    keystore = Account.encrypt(BUYER.key, password, kdf="pbkdf2", iterations=1000)
    (folder / "key.json").write_text(json.dumps(keystore))
    entry = {
        "chainId": marketplace.chain.chain_id,
        "ERC721Factory": addresses.factory,
        "FixedPrice": addresses.fixed_rate,
        "Dispenser": addresses.dispenser,
        "Ocean": addresses.ocean,
        "Escrow": addresses.escrow,
    }
    (folder / "addresses.json").write_text(json.dumps({"development": entry}))
    left = folder / "left"

    def run(rpc: RpcServer, network: str) -> subprocess.CompletedProcess[str]:
        options = {
            "--network": network,
            "--rpc-url": rpc.url,
            "--node-url": shop.node.url,
            "--address-file": folder / "addresses.json",
            "--keystore": folder / "key.json",
            "--journal-dir": left / "journal",
            "--algorithm": marketplace.free.algorithm.id,
            "--dataset": marketplace.free.dataset.id,
            "--output": left / "results",
            "--seconds": 60,
        }
        words = [str(word) for pair in options.items() for word in pair]
        return subprocess.run(
            [sys.executable, REPOSITORY / "publish" / "run_job.py", "--paid", "--yes", *words],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "KEYSTORE_PASSWORD": password},
            capture_output=True,
            text=True,
            check=False,
        )

    with RpcServer(marketplace.chain) as rpc:
        wrong = run(rpc, "sepolia")
        assert wrong.returncode == 2
        assert f"the RPC serves chain {marketplace.chain.chain_id}, the network asked for is" in wrong.stderr
        done = run(rpc, "development")
        assert done.returncode == 0, done.stderr
        assert "verified: 1 output," in done.stdout
        rpc.is_down = True
        down = run(rpc, "development")
        assert down.returncode == 2
        assert "the RPC at" in down.stderr
    said = "".join(one.stdout + one.stderr for one in (wrong, done, down)).encode()
    assert_no_secret(said + written(left))
    assert password.encode() not in said + written(left)
    assert b"rpc-secret" not in said + written(left)


@pytest.mark.slow
def test_free_compute_on_real_pictures(shop, capfd):
    shop.node.hooks.runner = ProcessRunner()
    assert shop.run("--free", market=shop.marketplace.free) == 0, capfd.readouterr().err


@pytest.mark.slow
def test_a_data_set_in_the_node_s_own_storage_is_computed(shop, tmp_path):
    shop.node.hooks.runner = ProcessRunner()
    shop.node.settings.stored = {"my-bucket/photos.zip": pictures()}
    publisher = shop.chain.as_account(shop.chain.accounts[1])
    stored = StorageFile(type="nodePersistentStorage", bucket_id="my-bucket", file_name="photos.zip")
    with NodeClient(shop.node.url) as client:
        market = open_market(publisher, client, shop.marketplace.files, tmp_path / "own", {}, stored=stored)
    assert shop.run("--free", market=market) == 0
    names = {path.name for path in (shop.folder / "results" / "outputs").iterdir()}
    assert names == {"000001.jpg", "000002.jpg", "manifest.json"}


@pytest.mark.slow
def test_jobs_on_shards_are_verified_and_merge(shop, capfd):
    shop.node.hooks.runner = ProcessRunner()
    for index in "01":
        settings = ("--set", f"shard_index={index}", "--set", "shard_count=2")
        arguments = ("--free", "--new", *settings)
        assert shop.run(*arguments, market=shop.marketplace.free, output=index) == 0, capfd.readouterr().err
    folders = [shop.folder / index / "outputs" for index in "01"]
    write_merged(open_shards(folders), FolderSink(shop.folder / "merged"))
    assert verify(shop.folder / "merged").head.counts.inputs == 2
    assert shop.run("--free", "--new", "--set", "shard_index=5", "--set", "shard_count=2") == 2
    assert "shards are numbered from 0" in capfd.readouterr().err


@pytest.mark.engine
def test_the_story_in_a_container(shop, image, capfd):
    """As a node runs it: user 1000, no network, read-only, no capabilities, 512 processes, no swap."""
    shop.node.hooks.runner = DockerRunner(image)
    code = shop.run("--free", market=shop.marketplace.free)
    out, err = capfd.readouterr()
    assert code == 0, err
    assert "verified: 2 outputs" in out


def test_free_compute_costs_nothing_and_gets_the_parameters(shop, capfd):
    before = ocean(shop.chain), shop.chain.web3.eth.get_transaction_count(BUYER.address)
    assert shop.run("--free", "--set", "margin=0.3") == 0
    assert "nothing: free compute asks for no order" in capfd.readouterr().err
    assert (ocean(shop.chain), shop.chain.web3.eth.get_transaction_count(BUYER.address)) == before
    (seen,) = shop.runner.seen
    assert seen.parameters == {"margin": "0.3"}
    assert seen.names == ["algoCustomData.json", "photos.zip"]
    assert seen.environment == {}


def test_results_without_an_output_are_not_called_verified(shop, capfd):
    def run(data, *_):
        record = RejectedRecord(input=1, reason="unreadable", detail="It is cut off.")
        builder = ManifestBuilder(AnonymizeConfig())
        builder.add(record)
        (data / "outputs" / "manifest.json").write_bytes(builder.to_bytes())
        return 1, frame(1, b"done: 1 pictures\n")

    shop.node.hooks.runner = run
    assert shop.run("--free") == 0
    assert capfd.readouterr().out == "there are no outputs to verify\n"


def test_the_same_command_again_verifies_and_starts_nothing(shop, capfd):
    assert shop.run("--free") == 0
    assert shop.run("--free") == 0
    assert "was already started; --new starts another one" in capfd.readouterr().err
    assert len(shop.node.jobs) == 1
    assert shop.run("--free", "--new", output="again") == 0
    assert len(shop.node.jobs) == 2


def test_results_may_come_as_zip(shop):
    shop.node.hooks.pack = outputs_zip
    assert shop.run("--free") == 0
    assert (shop.folder / "results" / "outputs" / "000001.jpg").read_bytes() == SAFE


@pytest.mark.parametrize("mode", ["--free", pytest.param("--paid", marks=pytest.mark.slow)])
def test_a_job_of_ten_minutes_keeps_to_the_rate_limit_of_a_node(shop, capfd, mode):
    """30 requests a minute; the job and the limit go by the time that the command waits."""

    def last(*arguments):
        until = shop.waited.seconds + 600
        while shop.waited.seconds < until:
            time.sleep(0.001)
        return InstantRunner()(*arguments)

    shop.node.hooks.runner = last
    shop.node.settings.rate_limit, shop.node.hooks.clock = 30, lambda: shop.waited.seconds
    assert shop.run(mode, "--seconds", "600") == 0, capfd.readouterr().err
    assert 600 <= shop.waited.seconds < 640
    assert shop.node.limit.refused == 0
    results = [one for one in shop.node.requests if one.path.endswith("computeResult")]
    nonces = [one for one in shop.node.requests if one.path.endswith("nonce")]
    assert (len(results), len(nonces)) == (3, 1)


def test_a_folder_with_another_job_s_results_is_refused_before_anything_is_signed(shop, capfd):
    """Such results were once reported as verified: the outputs are intact, but of the first job."""
    assert shop.run("--free", "--json") == 0
    first = json.loads(capfd.readouterr().out)["job"]
    journals = {path: path.read_bytes() for path in (shop.folder / "journal").rglob("job-*.json")}
    assert len(journals) == 1
    count = shop.chain.web3.eth.get_transaction_count(BUYER.address)
    for arguments in (["--free", "--set", "margin=0.3"], ["--free", "--new"], ["--paid"]):
        assert shop.run(*arguments) == 2
        assert f"holds the results of job {first}; name another folder" in capfd.readouterr().err
    assert len(shop.node.jobs) == 1
    assert shop.chain.web3.eth.get_transaction_count(BUYER.address) == count
    assert {path: path.read_bytes() for path in journals} == journals
    assert shop.run("--free", "--set", "margin=0.3", "--json", output="second") == 0
    second = json.loads(capfd.readouterr().out)["job"]
    assert shop.run("--job-id", second) == 2
    assert f"holds the results of job {first}" in capfd.readouterr().err
    # Of its own job it takes the results as often as they are asked for.
    assert shop.run("--job-id", first) == 0
    assert shop.run("--free") == 0


def test_a_folder_with_results_of_an_unknown_job_is_refused(shop, capfd):
    (shop.folder / "results" / "outputs").mkdir(parents=True)
    assert shop.run("--free") == 2
    assert "no job.json that names their job" in capfd.readouterr().err
    (shop.folder / "results" / "job.json").write_text("{}")
    assert shop.run("--free") == 2
    assert "does not name a job" in capfd.readouterr().err
    assert shop.node.jobs == {}
    # Files of somebody else's are not results.
    (shop.folder / "used").mkdir()
    (shop.folder / "used" / "notes.txt").write_text("mine")
    assert shop.run("--free", output="used") == 0


def test_another_job_that_is_not_begun_leaves_the_journal_of_the_first(shop, capfd):
    assert shop.run("--free") == 0
    assert shop.run("--free", "--new", output="again", yes=False) == 2
    assert "there is no terminal to confirm on" in capfd.readouterr().err
    assert shop.run("--free") == 0
    assert "was already started" in capfd.readouterr().err
    assert len(shop.node.jobs) == 1
    assert shop.run("--free", "--new", output="again") == 0
    assert "the journal of the earlier run is now" in capfd.readouterr().err


def test_results_are_fetched_by_the_id_of_the_job(shop, capfd):
    assert shop.run("--free", "--json") == 0
    job_id = json.loads(capfd.readouterr().out)["job"]
    assert shop.run("--job-id", job_id, output="elsewhere") == 0
    assert (shop.folder / "elsewhere" / "outputs" / "000001.jpg").read_bytes() == SAFE


@pytest.mark.slow
def test_orders_are_used_again_as_long_as_they_hold(shop, capfd):
    market, arguments = shop.marketplace.free, ("--paid", "--seconds", "60")
    assert shop.run(*arguments, market=market) == 0
    block, before = shop.chain.web3.eth.block_number, ocean(shop.chain)
    capfd.readouterr()
    assert shop.run(*arguments, "--new", output="b", market=market) == 0
    assert "is still valid" in capfd.readouterr().err
    assert before - ocean(shop.chain) == WHOLE // 2
    # The node's fee has run out, the order has not.
    shop.node.hooks.forgets_fees = True
    assert shop.run(*arguments, "--new", output="c", market=market) == 0
    assert "is used again" in capfd.readouterr().err
    assert before - ocean(shop.chain) == 2 * FEE + WHOLE
    assert orders(shop.chain, market.dataset, block) == 0


FEW = ("order the algorithm signed", "buy the data set's datatoken sent", "order the data set", "start")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["few", "signed", "sent"])
def test_interrupted_after_each_step_and_resumed_pays_once(shop, capfd, moment):
    """Killed once at every moment: when a transaction was signed, or sent, and when a step is done."""
    seen: list[str] = []

    def interrupt(name: str) -> None:
        is_done = not name.endswith((" signed", " sent"))
        if name not in seen and (name in FEW if moment == "few" else name.endswith(moment) or is_done):
            seen.append(name)
            raise KeyboardInterrupt

    shop.steps.on_step = interrupt
    market = shop.marketplace.sold
    before, block = ocean(shop.chain), shop.chain.web3.eth.block_number
    locked = escrowed(shop.chain)
    runs = 0
    while (code := shop.run("--paid", "--seconds", "120", "--environment", ENVIRONMENT)) == 130:
        runs += 1
        assert runs < 60
    out, err = capfd.readouterr()
    assert code == 0, err
    steps = {"order the algorithm", "order the data set", "start"}
    assert set(FEW if moment == "few" else steps | {f"order the algorithm {moment}"}) <= set(seen)
    assert runs == len(seen)
    if moment != "few":
        # Four an order: two allowances, the datatoken bought, the order itself. Three for the escrow.
        assert sum(name.endswith(moment) for name in seen) == 2 * 4 + 3
    assert orders(shop.chain, market.algorithm, block) == 1
    assert orders(shop.chain, market.dataset, block) == 1
    deposit = max(WHOLE - locked[0], 0)
    assert before - ocean(shop.chain) == 2 * ORDER + deposit
    assert escrowed(shop.chain)[1] - locked[1] == WHOLE
    assert len(shop.node.jobs) == 1
    assert_no_secret(out.encode() + err.encode() + written(shop.folder))


@pytest.mark.parametrize(
    "path",
    [pytest.param("/api/services/compute", marks=pytest.mark.slow), "/api/services/freeCompute"],
)
def test_a_lost_answer_to_the_start_starts_nothing_twice(shop, path, capfd):
    """The node starts the job, and its answer never comes."""

    def drop(received) -> None:
        if received.method == "POST" and received.path == path:
            raise ConnectionAbortedError

    shop.node.hooks.after = drop
    mode = "--free" if "free" in path else "--paid"
    assert shop.run(mode, "--seconds", "60") == 0, capfd.readouterr().err
    assert len(shop.node.jobs) == 1


def stop_after_the_orders(shop, capfd):
    """A paid run that is interrupted when both orders are made; the buyer's balance then."""

    def stop(step):
        if step == "mark":
            raise KeyboardInterrupt

    shop.steps.on_step = stop
    assert shop.run("--paid", "--seconds", "60") == 130
    shop.steps.on_step = None
    capfd.readouterr()
    return ocean(shop.chain)


@pytest.mark.slow
def test_an_order_that_expired_before_the_start_is_made_again_only_on_request(shop, capfd):
    before = stop_after_the_orders(shop, capfd)
    shop.node.hooks.forgets_orders = True
    for _ in range(2):
        assert shop.run("--paid", "--seconds", "60") == 2
        (error,) = capfd.readouterr().err.splitlines()
        assert "does not accept the order 0x" in error
        assert "nothing was signed; run the same command again in a minute, or with --new" in error
    assert ocean(shop.chain) == before

    def remember(_):
        shop.node.hooks.forgets_orders = False

    shop.steps.on_step = remember
    assert shop.run("--paid", "--seconds", "60", "--new") == 0
    assert ocean(shop.chain) == before - 2 * ORDER


@pytest.mark.slow
def test_an_order_that_is_made_costs_and_reports_nothing_more(shop, capfd):
    before = stop_after_the_orders(shop, capfd)
    shop.node.hooks.forgets_fees = True
    assert shop.run("--paid", "--seconds", "60") == 0
    shown = capfd.readouterr().err
    assert shown.count("is still valid") == 2
    assert "ordering" not in shown
    assert "gas at most" not in shown
    assert ocean(shop.chain) == before


def test_a_lost_answer_is_looked_for_by_the_next_run(shop, capfd):
    def drop(received) -> None:
        if received.path == "/api/services/freeCompute":
            shop.node.hooks.fault = lambda received: (
                b"[]" if received.path == "/api/services/compute" else None
            )
            raise ConnectionAbortedError

    shop.node.hooks.after = drop
    assert shop.run("--free") == 2
    assert "gives no answer" in capfd.readouterr().err
    shop.node.hooks.fault = lambda _: None
    assert shop.run("--free") == 0
    assert len(shop.node.jobs) == 1


def test_a_changed_algorithm_file_is_not_trusted_any_more(shop, capfd):
    """The file behind the address changed after the data set trusted it."""
    content = shop.marketplace.files.content
    main = content["main.py"]
    content["main.py"] = main + b"# changed\n"
    try:
        for mode in ("--free", "--paid"):
            assert shop.run(mode) == 2
            error = capfd.readouterr().err
            assert "does not trust the algorithm" in error
            assert "its files changed" in error
    finally:
        content["main.py"] = main
    assert shop.node.jobs == {}


def test_an_algorithm_that_the_data_set_does_not_name(shop, capfd):
    stranger = replace(shop.marketplace.sold, algorithm=shop.marketplace.free.algorithm)
    assert shop.run("--free", market=stranger) == 2
    assert "it is not among those it names" in capfd.readouterr().err


def trusting(shop, publisher):
    """Makes the data set that the client sees trust a publisher's algorithms; "*" are all of them."""

    def change(received, value):
        if received.path.endswith(shop.marketplace.sold.dataset.id):
            value = json.loads(json.dumps(value))
            value["services"][0]["compute"]["publisherTrustedAlgorithmPublishers"] = [publisher]
        return value

    shop.node.hooks.change = change


@pytest.mark.parametrize("is_its_own", [False, True])
def test_only_the_algorithms_of_a_trusted_publisher_are_let_in(shop, capfd, is_its_own):
    algorithm = shop.marketplace.free.algorithm
    trusting(shop, algorithm.nft_address.upper().replace("0X", "0x") if is_its_own else "0x" + "66" * 20)
    code = shop.run("--free", market=replace(shop.marketplace.sold, algorithm=algorithm))
    assert code == (0 if is_its_own else 2)
    assert ("it is not among those it names" in capfd.readouterr().err) != is_its_own


def test_the_node_refuses_what_the_client_let_through(shop, capfd):
    """The node's own check of trust: the data set that the client sees trusts every algorithm."""
    trusting(shop, "*")
    stranger = replace(shop.marketplace.sold, algorithm=shop.marketplace.free.algorithm)
    assert shop.run("--paid", market=stranger) == 2
    assert "not allowed to run on the dataset" in capfd.readouterr().err


class OtherContainer(NodeClient):
    """Names another container in the request of a paid job than the published one."""

    def start_paid(self, job, account):
        container = {"image": "other", "tag": "1", "checksum": "", "entrypoint": "copy"}
        other = {**job["algorithm"], "meta": {"container": container}}
        return super().start_paid({**job, "algorithm": other}, account)


@pytest.mark.slow
def test_why_paid_jobs_need_buyers_that_are_trusted(shop):
    """The double acts as ocean-node does at 96fb2ff3 (3.2.0), although the data set trusts another container.

    core/compute/startCompute.ts compares the published algorithm, and replaces `algorithm.meta` by its own
    only if the request has no `meta`; c2d/compute_engine_docker.ts starts `job.algorithm.meta.container`. A
    node that no longer does lets `assets/exposure.py` and the documents promise more.
    """
    shop.steps.client = OtherContainer
    started = []

    def run(data, container, environment):
        started.append((container["image"], sorted(path.name for path in (data / "inputs").iterdir())))
        return shop.runner(data, container, environment)

    shop.node.hooks.runner = run
    assert shop.run("--paid", "--seconds", "60") == 0
    assert started == [("other", ["algoCustomData.json", "photos.zip"])]


def test_nothing_is_signed_where_nobody_confirms(shop, capfd):
    count = shop.chain.web3.eth.get_transaction_count(BUYER.address)
    assert shop.run("--paid", yes=False) == 2
    assert "there is no terminal to confirm on" in capfd.readouterr().err
    assert shop.chain.web3.eth.get_transaction_count(BUYER.address) == count
    assert shop.node.jobs == {}


@pytest.mark.slow
def test_no_funds(shop, capfd, monkeypatch):
    poor = Account.create()
    introduce(shop.chain, poor)
    monkeypatch.setenv("PRIVATE_KEY", poor.key.hex())
    assert shop.run("--paid") == 2
    error = capfd.readouterr().err
    assert f"account {poor.address} has 0 OCEAN and needs 3" in error
    shop.chain.mint_ocean(poor.address, 100 * WHOLE)
    assert shop.run("--paid", "--seconds", "60") == 2
    assert f"account {poor.address} has 0 ETH and needs" in capfd.readouterr().err


def test_a_reverted_transaction_stops_before_the_next(shop, capfd):
    """The order is refused by its contract: the provider's signature is wrong."""
    shop.node.hooks.change_fee = lambda fee: {**fee, "providerFeeAmount": "7"}
    shop.node.hooks.forgets_orders = True
    assert shop.run("--paid", "--seconds", "60") == 2
    error = capfd.readouterr().err
    assert "order the algorithm" in error
    assert "Invalid provider fee" in error
    assert shop.node.jobs == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"escrowAddress": "0x" + "66" * 20}, "which is not one of Ocean's escrows on"),
        ({"payee": "0x" + "66" * 20}, "to be paid instead of its environment"),
        ({"chainId": 1}, "wants to be paid on chain 1, the network is chain"),
        ({"amount": "-5"}, "payment.amount"),
    ],
)
def test_a_node_that_wants_to_be_paid_in_another_way(shop, capfd, change, sentence):
    shop.node.hooks.change = lambda received, value: (
        {**value, "payment": {**value["payment"], **change}} if "initialize" in received.path else value
    )
    count = shop.chain.web3.eth.get_transaction_count(BUYER.address)
    assert shop.run("--paid") == 2
    assert sentence in capfd.readouterr().err
    assert shop.chain.web3.eth.get_transaction_count(BUYER.address) == count


def test_an_asset_of_another_chain(shop, capfd):
    shop.node.hooks.change = lambda received, value: (
        {**value, "chainId": 1} if "/ddo/" in received.path else value
    )
    assert shop.run("--free") == 2
    assert "is on chain 1, the network is chain" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "method=erase"], "method: 'erase' is not one of"),
        (["--set", "metod=fill"], "did you mean 'method'?"),
        (["--set", "method"], "write each parameter once, as NAME=VALUE"),
        (["--set", "digest_salt=x"], "is not offered by the compute job"),
        (["--resource", "cpu=" + "9" * 5000], "a whole number of at most 15 digits"),
        (["--seconds", "9" * 30], "Invalid value for '--seconds'"),
        (["--environment", "none"], "has no environment none"),
        (["--free", "--seconds", "601"], "runs jobs for at most 600 s"),
        (["--paid", "--token", "0x" + "1" * 40], "offers this account no paid environment"),
    ],
)
def test_wrong_wishes_are_one_sentence(shop, capfd, arguments, sentence):
    assert shop.run(*arguments) == 2
    error = capfd.readouterr().err
    assert sentence in error
    assert "Traceback" not in error
    assert shop.node.jobs == {}


def test_a_node_without_compute(shop, capfd):
    shop.node.settings.offers_free, shop.node.settings.price = False, None
    assert shop.run() == 2
    assert "runs no jobs of account" in capfd.readouterr().err
    shop.node.hooks.fault = lambda received: b"[]" if "Environments" in received.path else None
    assert shop.run() == 2
    assert "runs no compute jobs" in capfd.readouterr().err


@pytest.mark.slow
def test_the_escrows_balance_is_shown_after_a_job_and_in_the_next_plan(shop, capfd):
    market, account = shop.marketplace.free, shop.chain.as_account(BUYER)
    escrow = shop.chain.addresses.escrow
    assert shop.run("--paid", "--seconds", "120", market=market) == 0
    error = capfd.readouterr().err
    (funds,) = escrow_funds(account, escrow)
    assert f"left in the escrow: {funds.locked} locked until" in error
    assert funds.locked.units >= WHOLE
    # What was paid in and is not needed: as if the node had claimed less than it might.
    token = shop.chain.contract("OceanToken", shop.chain.addresses.ocean).functions
    contract = shop.chain.contract("Escrow", escrow).functions
    account.send(token.approve(escrow, WHOLE))
    account.send(contract.deposit(shop.chain.addresses.ocean, WHOLE))
    assert shop.run("--paid", "--seconds", "240", "--new", market=market, output="b", yes=False) == 2
    error = capfd.readouterr().err
    reused = f"{Decimal(min(escrowed(shop.chain)[0], 2 * WHOLE)) / WHOLE:g} OCEAN"
    assert f"{reused} of it are the account's own in the escrow" in error
    assert "240 s\n" in error


def test_the_default_of_seconds_is_shown_with_its_price(shop, capfd):
    assert shop.run("--paid", market=shop.marketplace.free, yes=False) == 2
    error = capfd.readouterr().err
    assert "3600 s; --seconds changes it" in error
    assert "30 OCEAN at most, held by the escrow" in error


CLOSED = {"addresses": [Account.create().address], "accessLists": []}


@pytest.mark.parametrize(
    ("closed", "mode"),
    [
        ({"features": {"computeJobs": False}}, "--free"),
        ({"features": {"computeJobs": False}}, "--paid"),
        ({"access": CLOSED}, "--paid"),
        ({"free_access": CLOSED}, "--free"),
    ],
)
def test_an_environment_that_would_refuse_the_job_is_never_paid(shop, capfd, closed, mode):
    for name, value in closed.items():
        setattr(shop.node.settings, name, value)
    count = shop.chain.web3.eth.get_transaction_count(BUYER.address)
    assert shop.run(mode) == 2
    error = capfd.readouterr().err
    assert "runs no jobs of account" in error or "offers this account no" in error
    assert shop.chain.web3.eth.get_transaction_count(BUYER.address) == count
    assert not [one for one in shop.node.requests if one.path.startswith("/api/services/initialize")]


def test_the_environments_are_listed_with_prices_and_without_a_key(shop, capfd, monkeypatch):
    monkeypatch.delenv("PRIVATE_KEY")
    shop.node.settings.access = {"addresses": ["0x1"], "accessLists": []}
    assert shop.run("--list-environments") == 0
    out = capfd.readouterr().out
    assert "free, up to 600 s\n" in out
    assert "paid, up to 3600 s: 0.5 OCEAN per core and minute; only for accounts that the operator" in out
    assert f"in OCEAN, token {shop.chain.addresses.ocean}" in out
    assert "1 to 2 cores, 1 to 4 GiB of memory, 1 to 10 GiB of disk, 0 to 1 gpu0 (A card)" in out
    shop.node.settings.features = {"computeJobs": False}
    assert shop.run("--list-environments") == 2
    assert "runs no compute jobs" in capfd.readouterr().err


def test_a_device_is_requested_by_its_name(shop, capfd):
    assert shop.run("--free", "--resource", "gpu0=1", "--cpu", "2") == 0
    (start,) = [one.json for one in shop.node.requests if one.path.endswith("/freeCompute")]
    assert start["resources"] == [{"id": "cpu", "amount": 2}, {"id": "gpu0", "amount": 1}]
    assert shop.run("--free", "--resource", "gpu0=2", output="other") == 2
    assert "no free environment with 2 gpu0; see --list-environments" in capfd.readouterr().err
    for wrong in ("gpu0", "gpu0=", "gpu0=0", "gpu0=much", "=1"):
        assert shop.run("--free", "--resource", wrong, output="other") == 2
        assert "as NAME=AMOUNT with a whole number" in capfd.readouterr().err
    assert shop.run("--free", "--cpu", "2", "--resource", "cpu=1") == 2


def test_a_failed_job_gives_a_reason_and_keeps_its_log(shop, capfd):
    shop.runner.code, shop.runner.log = 2, b"reading\nunionveil: no photo here\n"
    assert shop.run("--free") == 2
    assert "exit code 2; it said: unionveil: no photo here" in capfd.readouterr().err
    assert (shop.folder / "results" / "logs" / "algorithm.log").read_bytes() == shop.runner.log


@pytest.fixture
def content(shop):
    """Files by name, so that some can be removed from the server; they are restored afterwards."""
    served = shop.marketplace.files.content
    kept = dict(served)
    yield served
    served.update(kept)


@pytest.mark.parametrize("mode", ["--free", "--paid"])
def test_data_that_is_gone_is_not_paid_for(shop, capfd, content, mode):
    count = shop.chain.web3.eth.get_transaction_count(BUYER.address)
    content.pop("photos.zip")
    assert shop.run(mode) == 2
    error = capfd.readouterr().err.splitlines()[-1]
    assert "cannot read the files of the data set did:op:" in error
    assert "nothing was signed; ask the publisher" in error
    assert shop.chain.web3.eth.get_transaction_count(BUYER.address) == count
    assert shop.node.jobs == {}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "photos.zip",
            "Data provisioning failed (status 31); the node's configuration log ends with: Unable to write "
            "input data to path: /c2d_storage/job/data/inputs/photos.zip: Request failed with status code "
            "404",
        ),
        (
            "main.py",
            "Algorithm provisioning failed (status 32); the node's configuration log ends with: Unable to "
            "write algorithm to path:",
        ),
    ],
)
def test_a_file_that_goes_before_the_job_begins_is_quoted_from_the_node_s_log(
    shop, capfd, content, name, sentence
):
    def take_away(file):
        if file["url"].endswith(name):
            content.pop(name)

    shop.node.hooks.before_fetch = take_away
    assert shop.run("--free") == 2
    assert sentence in capfd.readouterr().err
    log = (shop.folder / "results" / "logs" / "configuration.log").read_text()
    assert log.splitlines()[0].startswith("Writing algocustom data")


def test_altered_outputs_are_not_kept(shop, capfd):
    shop.runner.altered = True
    assert shop.run("--free") == 2
    assert "'000001.jpg' was altered" in capfd.readouterr().err
    assert not (shop.folder / "results" / "outputs").exists()


def test_outputs_that_changed_after_they_were_fetched_are_named(shop, capfd):
    assert shop.run("--free") == 0
    (shop.folder / "results" / "outputs" / "000001.jpg").write_bytes(ALTERED)
    assert shop.run("--free") == 2
    assert "'000001.jpg' was altered" in capfd.readouterr().err


def test_a_job_of_somebody_else(shop, capfd, monkeypatch):
    assert shop.run("--free", "--json") == 0
    job_id = json.loads(capfd.readouterr().out)["job"]
    monkeypatch.setenv("PRIVATE_KEY", Account.create().key.hex())
    assert shop.run("--job-id", job_id) == 2
    assert "belongs to another account" in capfd.readouterr().err


def test_a_lost_book_of_orders_costs_no_more_than_an_order(tmp_path, marketplace):
    book = OrderBook(tmp_path / "orders.jsonl")
    chain = marketplace.chain
    token = "0x" + "11" * 20
    assert book.find(chain, token, "s", token) is None
    book.add(chain, token, "s", token, "0x01")
    book.add(chain, token, "s", token, "0x02")
    half = (tmp_path / "orders.jsonl").read_bytes() + b'\n{"key": ["half'
    (tmp_path / "orders.jsonl").write_bytes(half)
    assert book.find(chain, token.upper().replace("X", "x"), "s", token) == "0x02"
    assert book.find(chain, token, "other", token) is None
