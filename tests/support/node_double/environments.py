"""The environment of the node and who may use it (c2d/compute_engine_*.ts, core/compute/startCompute.ts)."""

from __future__ import annotations

from unionveil_ocean.chain.connection import Chain

from .settings import Settings
from .wire import Json, Refusal

ENGINE = "0x" + "e" * 64
ENVIRONMENT = f"{ENGINE}-test-env"

_RESOURCES: list[Json] = [
    {"id": "cpu", "total": 2, "min": 1, "max": 2},
    {"id": "ram", "total": 4, "min": 1, "max": 4},
    {"id": "disk", "total": 10, "min": 1, "max": 10},
    {"id": "gpu0", "type": "gpu", "description": "A card", "total": 1, "min": 0, "max": 1},
]


class Environments:
    """One environment, as the settings describe it.

    Args:
        chain: with the node's own account.
        settings: prices and access.
    """

    def __init__(self, chain: Chain, settings: Settings) -> None:
        self._chain, self._settings = chain, settings

    def all(self) -> list[Json]:
        given = self._settings
        prices = [{"id": "cpu", "price": given.price}]
        fees = {str(self._chain.chain_id): [{"feeToken": self._chain.addresses.ocean, "prices": prices}]}
        environment: Json = {
            "id": ENVIRONMENT,
            "description": "A test's own",
            "consumerAddress": self._chain.address,
            "fees": {} if given.price is None else fees,
            "maxJobDuration": 3600,
            "minJobDuration": 60,
            "resources": _RESOURCES,
            "access": given.access,
            "enableNetwork": given.enables_network,
            "platform": {"architecture": "x86_64", "os": "linux"},
        }
        if given.features is not None:
            environment["features"] = given.features
        if given.offers_free:
            access = {} if given.free_access is None else {"access": given.free_access}
            environment["free"] = {"maxJobDuration": 600, "maxJobs": 2, "resources": _RESOURCES, **access}
        return [environment]

    def of(self, given: Json) -> Json:
        """The environment that a request names.

        Raises:
            Refusal: the node does not have it.
        """
        for environment in self.all():
            if environment["id"] == given.get("environment"):
                return environment
        raise Refusal(500, "Invalid C2D Environment")

    def check_access(self, access: Json | None, owner: str) -> None:
        """As startCompute.ts validateAccess: without access lists, addresses are ignored.

        Raises:
            Refusal: the owner is not among those who are served.
        """
        if access is None or access["accessLists"] is None:
            return
        if not access["accessLists"] and not access["addresses"]:
            return
        if owner in access["addresses"]:
            return
        for lists in access["accessLists"]:
            for address in lists.get(str(self._chain.chain_id), []):
                if self._chain.contract("ERC20Template", address).functions.balanceOf(owner).call():
                    return
        raise Refusal(403, "Access denied")


def check_features(environment: Json) -> None:
    """As startCompute.ts of version 4; raises Refusal if the environment runs no jobs."""
    if (environment.get("features") or {}).get("computeJobs") is False:
        raise Refusal(403, "Compute jobs are not enabled on this environment")


def check_resources(offered: list[Json], wanted: list[Json] | None) -> None:
    """As compute_engine_base.ts checkAndFillMissingResources; raises Refusal if a job wants too much."""
    most = {one["id"]: one["max"] for one in offered}
    for one in wanted or ():
        if one["amount"] > most.get(one["id"], 0):
            raise Refusal(400, f"Error: Not enough {one['id']} resources. Requested {one['amount']}")


def cost_wei(environment: Json, payment: Json, seconds: int) -> int:
    """The most that a paid job costs, in the token's smallest unit (compute_engine_base.ts calculateCost).

    Raises:
        Refusal: the environment does not accept the token.
    """
    offers = environment["fees"].get(str(payment.get("chainId")), [])
    prices = next((one["prices"] for one in offers if one["feeToken"] == payment.get("token")), None)
    if prices is None:
        raise Refusal(
            500,
            "This compute env does not accept payments on chain: "
            f"{payment.get('chainId')} using token {payment.get('token')}",
        )
    seconds = max(min(seconds, environment["maxJobDuration"]), environment["minJobDuration"])
    cpus = next((int(one["amount"]) for one in payment.get("resources") or [] if one["id"] == "cpu"), 1)
    return int(prices[0]["price"] * 10**18) * cpus * -(-seconds // 60)
