"""The whole story by the commands, on real pictures, with failing nodes and interruptions."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import itertools
import json
import zipfile
from dataclasses import fields, replace

import pytest

import samples
from command_world import FILE_SECRET
from node_double import ProcessRunner
from ocean_assets import CHECKOUT, skip_without_escrow
from unionveil.runs.schema import Manifest, RedactedRecord
from unionveil_ocean.chain.connection import Chain

WHOLE = 10**18
MAIN = (CHECKOUT / "algorithm" / "main.py").read_bytes()


@pytest.fixture
def union(world, files):
    """A union whose photos are at a secret address."""
    world.chain.mint_ocean(world.account.address, 100 * WHOLE)
    files.content[f"main.py?token={FILE_SECRET}"] = MAIN
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("market.jpg", "street.jpg"):
            archive.write(samples.SCENES / name, f"member/{name}")
    world.photos_url = files.add(f"photos.zip?token={FILE_SECRET}", buffer.getvalue())
    world.node.hooks.runner = ProcessRunner()
    return world


def register_both(world, *arguments):
    """The DIDs of the algorithm and of the data set that trusts it, and the datatoken of the latter."""
    code, shown, error = world.register("--yes", "--json", *arguments)
    assert code == 0, error
    algorithm = json.loads(shown)["did"]
    code, shown, error = world.run(
        "register_dataset", *world.options, "--yes", "--json", "--file-url", world.photos_url,
        "--algorithm", algorithm, "--algorithm-file", CHECKOUT / "algorithm" / "main.py", *arguments,
    )  # fmt: skip
    assert code == 0, error
    made = json.loads(shown)
    return algorithm, made["did"], made["datatoken"]


def run_job(world, algorithm, dataset, *arguments):
    names = ("--algorithm", algorithm, "--dataset", dataset, "-o", world.folder / "results")
    return world.run("run_job", *world.options, "--yes", *names, *arguments)


def test_register_trust_order_run_fetch_verify_and_share(union, files):
    skip_without_escrow(union.chain)
    algorithm, dataset, datatoken = register_both(union, "--price", "2")
    check = ("check", dataset, "--node-url", union.node.url)
    assert union.run("trust", *check)[:2] == (0, f"{algorithm}: fits\n")

    # The algorithm's file changes: the data set no longer trusts it, until its owner trusts the new one.
    files.content[f"main.py?token={FILE_SECRET}"] = MAIN + b"# a new version\n"
    code, _, error = run_job(union, algorithm, dataset, "--paid")
    assert code == 2
    assert "its files changed" in error
    code, _, error = union.run("trust", "add", dataset, algorithm, *union.options, "--yes")
    assert code == 0, error

    ocean = union.chain.contract("OceanToken", union.chain.addresses.ocean).functions
    before = ocean.balanceOf(union.account.address).call()
    code, out, error = run_job(
        union, algorithm, dataset, "--paid", "--seconds", "600", "--set", "method=median"
    )
    assert code == 0, error
    assert "verified: 2 outputs" in out
    # Ten minutes at half an OCEAN; two orders at 2, and a thousandth of them for Ocean's community.
    paid = before - ocean.balanceOf(union.account.address).call()
    assert paid == 5 * WHOLE + 2 * (2 * WHOLE + 2 * WHOLE // 1000)

    outputs = union.folder / "results" / "outputs"
    manifest = Manifest.model_validate_json((outputs / "manifest.json").read_bytes())
    assert manifest.counts.faces >= 5
    items = [item for item in manifest.items if isinstance(item, RedactedRecord)]
    assert len(items) == len(manifest.items)
    for item in items:
        data = (outputs / item.output).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (item.sha256, item.size_bytes)
    originals = {(samples.SCENES / name).read_bytes() for name in ("market.jpg", "street.jpg")}
    with_faces = [item for item in items if item.faces]
    assert with_faces
    assert all((outputs / item.output).read_bytes() not in originals for item in with_faces)

    # Two members gave the photos; what they own together is counted in the manifest.
    rows = [("wallet", "photos", "manifest"), ("0x" + "11" * 20, "", "results/outputs/manifest.json")]
    rows.append(("0x" + "22" * 20, "1", ""))
    with (union.folder / "contributions.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    share = ("shares", "mint", union.folder / "contributions.csv", "--tokens", "10", "--datatoken", datatoken)
    for _ in range(2):
        code, _, error = union.run(*share, *union.options, "--yes")
        assert code == 0, error
    token = union.chain.contract("ERC20Template", datatoken).functions
    parts = [token.balanceOf(wallet).call() for wallet, *_ in rows[1:]]
    assert sum(parts) == 10 * WHOLE
    assert abs(parts[0] - 2 * parts[1]) <= 2


ENCRYPT, VALIDATE, INDEX = "/api/services/encrypt", "/assets/ddo/validate", "/assets/ddo/did:op:"
QUICK = (("down", ENCRYPT), ("broken", VALIDATE), ("slow", INDEX))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "path"),
    [
        pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow)
        for case in itertools.product(("down", "broken", "slow"), (ENCRYPT, VALIDATE, INDEX))
    ],
)
def test_a_node_that_fails_on_the_way_costs_no_second_mint(world, path, state):
    before = world.nfts()

    def fail(received):
        if path not in received.path:
            return None
        if state == "down":
            raise ConnectionAbortedError
        if state == "broken":
            return b"<html>Bad gateway</html>"
        return b"null" if "did:op:" in path else b""  # not indexed yet; an answer with nothing in it

    world.node.hooks.fault = fail
    code, out, error = world.register("--yes", "--index-seconds", "0.1")
    assert (code, out) == (2, "")
    assert error.splitlines()[-1].startswith("register: the node ")
    world.node.hooks.fault = lambda _: None
    code, _, error = world.register("--yes")
    assert code == 0, error
    assert world.nfts() == before + 1


class Killed(BaseException):
    """Simulates a kill: our code does not catch it."""


def kill_at_every_step(world, moment):
    """Kills once whenever a transaction was signed, or sent, and when a step is done; returns the names."""
    seen = []

    def kill(name):
        if name in seen or not (name.endswith(moment) or not name.endswith((" signed", " sent"))):
            return
        seen.append(name)
        if not name.endswith(": index"):  # that was the last one: the same command is another update then
            raise Killed

    world.change_session = lambda session: replace(session, on_step=kill)
    return seen


def run_until_it_ends(command):
    for _ in range(40):
        with contextlib.suppress(Killed):
            return command()
    raise AssertionError("it never ends")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["signed", "sent"])
def test_a_data_set_and_its_next_version_survive_being_killed_at_every_step(union, moment):
    _, shown, _ = union.register("--yes", "--json")
    algorithm = json.loads(shown)["did"]
    before, nonce = union.nfts(), union.chain.as_account(union.account).next_nonce()
    seen = kill_at_every_step(union, moment)
    command = (
        "register_dataset", *union.options, "--yes", "--file-url", union.photos_url,
        "--algorithm", algorithm,
    )  # fmt: skip
    code, _, error = run_until_it_ends(lambda: union.run(*command))
    assert code == 0, error
    steps = {f"create {moment}", "create", "encrypt files", "compose", f"set metadata {moment}", "index"}
    assert steps <= set(seen)
    assert union.nfts() == before + 1
    code, _, error = run_until_it_ends(lambda: union.run(*command, "--update", "--timeout", "60"))
    assert code == 0, error
    later = {name.removeprefix("update 1: ") for name in seen if name.startswith("update 1: ")}
    assert steps - {f"create {moment}", "create"} <= later
    assert union.chain.as_account(union.account).next_nonce() <= nonce + 4


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["signed", "sent"])
def test_changing_trust_survives_being_killed_at_every_step(union, files, moment):
    algorithm, dataset, _ = register_both(union)
    files.content[f"main.py?token={FILE_SECRET}"] = MAIN + b"# a new version\n"
    seen = kill_at_every_step(union, moment)
    nonce = union.chain.as_account(union.account).next_nonce()
    command = ("trust", "add", dataset, algorithm, *union.options, "--yes")
    code, _, error = run_until_it_ends(lambda: union.run(*command))
    assert code == 0, error
    assert {"revision 1: compose", f"revision 1: set metadata {moment}"} <= set(seen)
    assert union.run("trust", "check", dataset, "--node-url", union.node.url)[0] == 0
    assert union.chain.as_account(union.account).next_nonce() == nonce + 1


@pytest.mark.slow
def test_a_splitter_survives_being_killed_after_every_transaction(union):
    _, _, datatoken = register_both(union, "--price", "1")
    sent = []

    class KilledChain(Chain):
        def broadcast(self, signed, action=""):
            super().broadcast(signed, action)
            sent.append(action)
            raise Killed

    def kill(session):
        parts = {one.name: getattr(session.chain, one.name) for one in fields(Chain)}
        return replace(session, chain=KilledChain(**parts))

    file = union.folder / "contributions.csv"
    command = ("shares", "splitter", file, "--datatoken", datatoken, *union.options, "--yes")
    for rows in (("11", 1), ("22", 2)), (("22", 5), ("33", 1)):
        lines = ["wallet,photos", *(f"0x{one * 20},{photos}" for one, photos in rows)]
        file.write_text("\n".join(lines) + "\n")
        union.change_session = kill
        code, shown, error = run_until_it_ends(lambda: union.run(*command))
        assert code == 0, error
        splitter = union.chain.contract("Splitter", shown.split()[-1]).functions
        found = {wallet[2:4]: splitter.shares(wallet).call() for wallet in splitter.getPayees().call()}
        assert found == dict(rows)
    token = union.chain.contract("ERC20Template", datatoken).functions
    assert token.getPaymentCollector().call() == shown.split()[-1]
    assert len(sent) == len(set(sent)), "no transaction was sent twice"
