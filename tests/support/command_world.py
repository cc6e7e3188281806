"""A network, a node and an account for the commands, which run in this process as a person runs them."""

from __future__ import annotations

import importlib
import json
import sys

import pytest
from eth_account import Account

from ocean_assets import CHECKOUT, CONTAINER, introduce

PASSWORD = "open-sesame-password"
FILE_SECRET = "file-url-secret"


class World:
    """A network, a node, an account with a key, and the folder that everything is written to."""

    def __init__(self, chain, rpc, node, folder, patch, capture):
        self.chain, self.rpc, self.node, self.folder = chain, rpc, node, folder
        self._patch, self._capture = patch, capture
        self.account = Account.create()
        introduce(chain, self.account)
        chain.web3.eth.send_transaction({"from": chain.address, "to": self.account.address, "value": 10**20})
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
        self.written = []

    @property
    def options(self):
        return (
            *("--network", "development", "--address-file", self.folder / "address.json"),
            *("--rpc-url", self.rpc.url, "--node-url", self.node.url),
            *("--journal-dir", self.folder / "journals"),
        )

    def run(self, command, *arguments):
        """Runs a command in this process; returns exit code, standard output and standard error."""
        module = importlib.import_module(f"unionveil_ocean.commands.{command}")
        self._patch.setattr(sys, "argv", [f"{command}.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            module.main()
        printed = self._capture.readouterr()
        self.written += [printed.out, printed.err]
        assert "Traceback" not in printed.err
        return ended.value.code or 0, printed.out, printed.err

    def register(self, *arguments):
        metadata = ("--metadata", self.folder / "algorithm.json", "--file-url", self.file_url)
        return self.run("register", *self.options, *metadata, *arguments)

    def nfts(self):
        factory = self.chain.contract("ERC721Factory", self.chain.addresses.factory)
        return factory.functions.getCurrentNFTCount().call()

    def check_no_secret(self):
        """Looks through all that was printed and all files, whatever they are."""
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        written = [*(text.encode() for text in self.written), *(path.read_bytes() for path in paths)]
        raw = bytes(self.account.key)
        number = str(int.from_bytes(raw, "big"))
        texts = (raw.hex(), raw.hex().upper(), number, repr(raw), PASSWORD, FILE_SECRET, "rpc-secret")
        for secret in (raw, *(text.encode() for text in texts)):
            assert not [data for data in written if secret in data], f"a secret was written: {secret[:4]!r}"
