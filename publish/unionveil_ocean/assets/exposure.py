"""How a node's environments expose the data sets that it serves.

A compute service's rules apply to paid jobs only. `freeStartCompute` of ocean-node checks neither orders nor
trusted algorithms nor `allowRawAlgorithm`; only the access list of the free offer, and the asset's own list
of wallets, keep anyone out. Network access is a property of the environment (`enableNetwork`): nodes do not
read the data set's `allowNetworkAccess`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import SettingError
from ..node.answers import Environment


@dataclass(frozen=True)
class Exposure:
    """Environments, by id, that expose a data set to more than its trusted algorithms.

    Attributes:
        open_free: those that run any code for everybody.
        listed_free: those that run any code for the accounts on their access lists.
        networked: those whose containers reach the network.
    """

    open_free: tuple[str, ...]
    listed_free: tuple[str, ...]
    networked: tuple[str, ...]

    def refuse_open(self, node_url: str) -> None:
        """Refuses a node that would hand out originals.

        Raises:
            SettingError: an environment runs free jobs for everybody.
        """
        if self.open_free:
            raise SettingError(
                f"the node at {node_url} runs free jobs for everybody (environment "
                f"{', '.join(self.open_free)}), and checks neither orders nor trusted algorithms for them: "
                "anybody could read the original photos; take a node without free compute, or with access "
                "lists on it, or accept this with --anybody-may-read-originals"
            )

    def warnings(self) -> list[str]:
        """One sentence for each kind of exposure; empty without exposure."""
        found = []
        if self.open_free:
            found.append(
                f"anybody can read the original photos: environment {', '.join(self.open_free)} runs any "
                "code in free jobs, without an order and without trust"
            )
        if self.listed_free:
            found.append(
                f"the accounts on the access list of environment {', '.join(self.listed_free)} can read the "
                "original photos: its free jobs run any code, without an order and without trust"
            )
        if self.networked:
            found.append(
                f"algorithms in environment {', '.join(self.networked)} can reach the network, regardless of "
                "the data set's settings: trust only code that sends nothing away"
            )
        return found


def exposure_of(environments: Sequence[Environment]) -> Exposure:
    """The exposure of the data sets on a node with these environments."""
    free = [(one.id, one.free) for one in environments if one.free is not None]
    return Exposure(
        open_free=tuple(name for name, offer in free if offer.is_open),
        listed_free=tuple(name for name, offer in free if not offer.is_open),
        networked=tuple(one.id for one in environments if one.enable_network),
    )
