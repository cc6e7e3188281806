"""Versions of assets recorded in journals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..chain.journal import Step, read_steps
from ..errors import InvalidDDO
from .ddo import DDO, parse_ddo

_WRITE, _COMPOSE, _ENCRYPT = "set metadata", "compose", "encrypt ddo"
"""Suffixes of `Publisher`'s steps: a version was written to the chain, was composed, and is hidden."""


@dataclass(frozen=True)
class Version:
    """A version of an asset that was written to the chain.

    Attributes:
        ddo: as published.
        is_hidden: whether its DDO is encrypted on the chain.
    """

    ddo: DDO
    is_hidden: bool


def versions_of(steps: Mapping[str, Step]) -> Iterator[Version]:
    """All versions in a journal's steps, oldest first."""
    for name, step in steps.items():
        prefix = name.removesuffix(_WRITE)
        composed = steps.get(f"{prefix}{_COMPOSE}")
        if prefix == name or step.result is None or composed is None or composed.result is None:
            continue
        try:
            yield Version(parse_ddo(composed.result["ddo"]), f"{prefix}{_ENCRYPT}" in steps)
        except (InvalidDDO, KeyError, AttributeError):
            continue  # of a later release


def versions_in(folder: Path) -> list[Version]:
    """All versions in the journals of a folder."""
    return [version for path in sorted(folder.glob("*.json")) for version in versions_of(read_steps(path))]


def newest(versions: Iterable[Version], nft: str) -> Version | None:
    """The last version of a data NFT's asset; hidden if any version was."""
    own = [one for one in versions if one.ddo.nft_address == nft]
    if not own:
        return None
    last = max(reversed(own), key=lambda one: one.ddo.metadata.updated)
    return replace(last, is_hidden=any(one.is_hidden for one in own))
