"""How a node's environments expose the data sets that it serves.

Trusted algorithms keep no other code away from the files. Read in ocean-node's main branch at 96fb2ff3
(package 3.2.0); 3.0.0, 3.1.0 and the branch next-4 are alike:

* paid jobs: `startCompute.ts` compares the published algorithm with the trusted ones, but replaces the
  request's `algorithm.meta` by the published one only if the request has none, and `compute_engine_docker.ts`
  starts the image and entrypoint of `algorithm.meta.container`;
* free jobs: `freeStartCompute` checks neither orders nor trusted algorithms nor `allowRawAlgorithm`.

Only access lists keep accounts out: those of the environment and its free offer, and the data set's own list
of wallets. Network access is a property of the environment (`enableNetwork`): nodes do not read the data
set's `allowNetworkAccess`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import SettingError
from ..node.answers import Environment
from .ddo import Credentials

_ANY_CONTAINER = "nodes up to ocean-node 3.2.0 start the container that a paid job's request names"


@dataclass(frozen=True)
class Exposure:
    """Environments, by id, that expose a data set to more than its trusted algorithms.

    Attributes:
        open_free: those that run any code for everybody.
        listed_free: those that run any code for the accounts on their access lists.
        open_paid: those that run any code for every buyer, in paid jobs.
        listed_paid: those that run any code for the buyers on their access lists, or on the data set's.
        networked: those whose containers reach the network.
    """

    open_free: tuple[str, ...]
    listed_free: tuple[str, ...]
    open_paid: tuple[str, ...]
    listed_paid: tuple[str, ...]
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
        if self.open_paid:
            found.append(
                f"every buyer can read the original photos, in environment {', '.join(self.open_paid)}: "
                f"{_ANY_CONTAINER}, whatever the data set trusts; list the buyers that you trust with --allow"
            )
        if self.listed_paid:
            found.append(
                "the buyers on the access lists of the data set or of environment "
                f"{', '.join(self.listed_paid)} can read the original photos: {_ANY_CONTAINER}"
            )
        if self.networked:
            found.append(
                f"algorithms in environment {', '.join(self.networked)} can reach the network, regardless of "
                "the data set's settings: trust only code that sends nothing away"
            )
        return found


def exposure_of(environments: Sequence[Environment], credentials: Credentials | None = None) -> Exposure:
    """The exposure of a data set on a node.

    Args:
        environments: of the node.
        credentials: of the data set; None lets every wallet order it.
    """
    free = [(one.id, one.free) for one in environments if one.free is not None]
    is_listed = credentials is not None and credentials.is_closed
    paid = [(one.id, one.is_open and not is_listed) for one in environments if one.fees]
    return Exposure(
        open_free=tuple(name for name, offer in free if offer.is_open),
        listed_free=tuple(name for name, offer in free if not offer.is_open),
        open_paid=tuple(name for name, is_open in paid if is_open),
        listed_paid=tuple(name for name, is_open in paid if not is_open),
        networked=tuple(one.id for one in environments if one.enable_network),
    )
