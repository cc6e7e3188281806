"""ABI and bytecode of Ocean's contracts, from the package `ocean-contracts`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ..errors import MissingExtra, SettingError


@dataclass(frozen=True)
class Artifact:
    """A compiled contract.

    Attributes:
        name: of the contract in Ocean's sources.
        abi: list of functions and events.
        bytecode: "0x..." that deploys it.
    """

    name: str
    abi: list[dict[str, Any]]
    bytecode: str


@cache
def artifact(name: str) -> Artifact:
    """The contract with a name.

    Raises:
        MissingExtra: `ocean-contracts` is not installed.
        SettingError: the installed version does not have that contract; old ones lack the compute escrow.
    """
    try:
        folder = files("artifacts")
    except ModuleNotFoundError as error:
        raise MissingExtra("ocean-contracts") from error
    file = folder.joinpath(f"{name}.json")
    if not file.is_file():
        raise SettingError(
            f"the installed ocean-contracts has no {name}; "
            "install 3.0 or later: pip install -U ocean-contracts"
        )
    compiled = json.loads(file.read_text("utf-8"))
    return Artifact(name, compiled["abi"], compiled["bytecode"])
