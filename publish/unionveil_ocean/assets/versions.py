"""The versions of an asset in its journal: names and inputs of their steps, and which may still change.

Once a version's metadata are signed, its steps are never overwritten, because the chain may hold them. They
are compared with the command before any step is taken, so a mistaken command leaves the journal untouched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..chain.journal import Journal
from ..errors import JournalError
from ..jsjson import JsonObject
from .asset import Asset
from .pricing import FixedRate


def create_inputs(asset: Asset) -> JsonObject:
    """Inputs of the step "create"."""
    terms = {"name": asset.token_name, "symbol": asset.symbol}
    pricing = asset.pricing
    if isinstance(pricing, FixedRate):
        terms |= {"rate": str(pricing.rate_wei), "token": pricing.token}
    return terms


def file_inputs(asset: Asset, nft: str, node_url: str) -> JsonObject:
    """Inputs of the step "encrypt files"."""
    return {"files": [dict(file) for file in asset.files], "nft": nft, "node": node_url}


def compose_inputs(asset: Asset, files: str, node_url: str) -> JsonObject:
    """Inputs of the step "compose", besides the encrypted files."""
    return {"asset": asset.digest(), "files": files, "node": node_url}


def update_prefix(number: int) -> str:
    """Prefix of the names of an update's steps; empty for the publication itself."""
    return f"update {number}: " if number else ""


@dataclass(frozen=True)
class Versions:
    """The versions in a journal.

    Attributes:
        journal: of the asset.
        node_url: of the node that publishes.
        encrypt: whether the DDO is to be hidden.
    """

    journal: Journal
    node_url: str
    encrypt: bool

    def check_new(self, asset: Asset) -> None:
        """Checks that a first version can continue, or is done, with these settings.

        Raises:
            JournalError: it was published, or signed, with other settings.
        """
        is_other = self.journal.begun("create") and not self.journal.is_of("create", create_inputs(asset))
        other = ["name or price"] if is_other else []
        if self.is_fixed(""):
            other += self.differences(asset, "", str((self.journal.result("create") or {}).get("nft")))
        if not other:
            return
        what = f"with another {' and another '.join(other)}"
        indexed = self.journal.result("index")
        if indexed is not None:
            raise JournalError(
                f"{indexed['ddo']['id']} was already published, {what}; nothing was changed: --update "
                "publishes a new version of it, --new another asset"
            )
        raise JournalError(
            f"the unfinished publication in {self.journal.path} was begun {what}; nothing was changed: "
            "finish it with the same settings as before, or start another publication with --new"
        )

    def is_fixed(self, prefix: str) -> bool:
        """Whether a version's metadata were signed, so that the chain may hold them."""
        return self.journal.begun(f"{prefix}set metadata")

    def is_hidden(self, prefix: str) -> bool:
        """Whether a version's DDO was encrypted."""
        return f"{prefix}encrypt ddo" in self.journal.steps

    def differences(self, asset: Asset, prefix: str, nft: str) -> list[str]:
        """Differences between an asset and a version whose metadata were composed; empty if equal."""
        found = []
        if not self.journal.is_of(f"{prefix}encrypt files", file_inputs(asset, nft, self.node_url)):
            found.append("file address or node")
        files = (self.journal.result(f"{prefix}encrypt files") or {}).get("files", "")
        if not self.journal.is_of(f"{prefix}compose", compose_inputs(asset, files, self.node_url)):
            found.append("description, image, trust, wallets or timeout")
        if self.is_hidden(prefix) != self.encrypt:
            found.append("choice between --encrypt-ddo and --plain-ddo")
        return found

    def open_update(self, asset: Asset, nft: str) -> int:
        """The number of the unfinished update with this asset, or of a new one.

        Raises:
            JournalError: an update with another asset is signed and not in a block yet.
        """
        return self._open("update", lambda prefix: not self.differences(asset, prefix, nft))

    def open_revision(self, inputs: JsonObject) -> int:
        """The same for a revision, whose step "compose" depends on these inputs."""
        return self._open(
            "revision",
            lambda prefix: (
                self.journal.is_of(f"{prefix}compose", inputs) and self.is_hidden(prefix) == self.encrypt
            ),
        )

    def open_state(self) -> int:
        """The number of the unfinished change of state, or of a new one."""
        return self._unfinished("state", "set")

    def open_activation(self) -> int:
        """The same for an activation, which publishes metadata again."""
        return self._unfinished("activation", "index")

    def _unfinished(self, kind: str, last_step: str) -> int:
        number = 1
        while self.journal.result(f"{kind} {number}: {last_step}") is not None:
            number += 1
        return number

    def _open(self, kind: str, fits: Callable[[str], bool]) -> int:
        number = 1
        while True:
            prefix = f"{kind} {number}: "
            is_indexed = self.journal.result(f"{prefix}index") is not None
            if not is_indexed and (not self.is_fixed(prefix) or fits(prefix)):
                return number
            if not is_indexed and self.journal.result(f"{prefix}set metadata") is None:
                raise JournalError(
                    f"{kind} {number} in {self.journal.path} was signed with other settings and is not in a "
                    "block yet; nothing was changed: run that command again until it is done, then this one"
                )
            # It is on the chain; whether the node has indexed it does not matter for the next one.
            number += 1
