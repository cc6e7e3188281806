"""A network, a node and an account for the commands, which run in this process."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from eth_account import Account
from web3.types import Wei

from node_double import NodeDouble
from ocean_assets import CHECKOUT, CONTAINER, introduce
from rpc_server import RpcServer
from unionveil_ocean.commands.session import Session, SessionOptions, open_session
from unionveil_ocean.sandbox.chain import EmbeddedChain

PASSWORD = "open-sesame-password"
FILE_SECRET = "file-url-secret"


def _brief(seconds: float) -> None:
    """Waits at most a hundredth of a second."""
    time.sleep(min(seconds, 0.01))


class World:
    """A network, a node, an account with a key, and the output folder.

    Args:
        chain: the network.
        rpc: serves it.
        node: of the network.
        file_url: of the algorithm's file.
        folder: for files.
        patch: sets arguments and environment variables.
        capture: of standard output and error.

    Attributes:
        change_session: changes the session of later commands, to interrupt them.
    """

    def __init__(
        self,
        chain: EmbeddedChain,
        rpc: RpcServer,
        node: NodeDouble,
        file_url: str,
        folder: Path,
        patch: pytest.MonkeyPatch,
        capture: pytest.CaptureFixture[str],
    ) -> None:
        self.chain, self.rpc, self.node, self.folder = chain, rpc, node, folder
        self.file_url = file_url
        self._patch, self._capture = patch, capture
        self.account = Account.create()
        introduce(chain, self.account)
        chain.web3.eth.send_transaction(
            {"from": chain.address, "to": self.account.address, "value": Wei(10**20)}
        )
        found = chain.addresses
        entry = {
            "chainId": chain.chain_id,
            "ERC721Factory": found.factory,
            "FixedPrice": found.fixed_rate,
            "Dispenser": found.dispenser,
            "Ocean": found.ocean,
            **({"Escrow": found.escrow} if found.escrow else {}),
        }
        (folder / "address.json").write_text(json.dumps({"development": entry}))
        metadata = json.loads((CHECKOUT / "metadata" / "algorithm.json").read_text())
        (folder / "algorithm.json").write_text(json.dumps({**metadata, "container": CONTAINER}))
        patch.setenv("PRIVATE_KEY", self.account.key.hex())
        for name in ("RPC", "NODE_URL", "ADDRESS_FILE", "KEYSTORE_PASSWORD"):
            patch.delenv(name, raising=False)
        self.written: list[str] = []
        self.change_session: Callable[[Session], Session] = lambda session: session

    @property
    def options(self) -> tuple[str, ...]:
        return (
            *("--network", "development", "--address-file", str(self.folder / "address.json")),
            *("--rpc-url", self.rpc.url, "--node-url", self.node.url),
            *("--journal-dir", str(self.folder / "journals")),
        )

    @contextmanager
    def _open(self, options: SessionOptions, *, signs: bool = True) -> Iterator[Session]:
        with open_session(options, signs=signs, pause=_brief) as session:
            yield self.change_session(session)

    def run(self, command: str, *arguments: object) -> tuple[int, str, str]:
        """Runs a command in this process; returns exit code, standard output and standard error."""
        module = importlib.import_module(f"unionveil_ocean.commands.{command}")
        self._patch.setattr(sys, "argv", [f"{command}.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            module.main(self._open)
        printed = self._capture.readouterr()
        self.written += [printed.out, printed.err]
        assert "Traceback" not in printed.err
        return int(ended.value.code or 0), printed.out, printed.err

    def register(self, *arguments: object) -> tuple[int, str, str]:
        metadata = ("--metadata", self.folder / "algorithm.json", "--file-url", self.file_url)
        return self.run("register", *self.options, *metadata, *arguments)

    def nfts(self) -> int:
        factory = self.chain.contract("ERC721Factory", self.chain.addresses.factory)
        return int(factory.functions.getCurrentNFTCount().call())

    def check_no_secret(self) -> None:
        """Searches for secrets in all output and in every file."""
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        written = [*(text.encode() for text in self.written), *(path.read_bytes() for path in paths)]
        raw = bytes(self.account.key)
        number = str(int.from_bytes(raw, "big"))
        texts = (raw.hex(), raw.hex().upper(), number, repr(raw), PASSWORD, FILE_SECRET, "rpc-secret")
        for secret in (raw, *(text.encode() for text in texts)):
            assert not [data for data in written if secret in data], f"a secret was written: {secret[:4]!r}"
