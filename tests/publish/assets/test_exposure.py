"""Who can read the photos of a data set on a node besides its trusted algorithms."""

from typing import Any

import pytest
from eth_account import Account

from node_double import ENVIRONMENT, FileServer, open_market
from unionveil_ocean.assets.exposure import exposure_of
from unionveil_ocean.errors import NodeError, SettingError

ME = "0x" + "1A" * 20


OPEN: list[dict[str, Any] | None] = [
    None,
    {},
    {"addresses": [], "accessLists": []},
    {"addresses": [], "accessLists": None},
    # Closed to the eye; a node does not look at addresses without access lists.
    {"addresses": [ME], "accessLists": None},
    {"addresses": [ME]},
]
CLOSED = [
    {"addresses": [ME], "accessLists": []},
    {"addresses": [], "accessLists": [{"1": [ME]}]},
    {"addresses": [ME], "accessLists": [{"1": [ME]}]},
]


@pytest.mark.parametrize("access", OPEN)
def test_an_open_offer_is_refused_in_one_sentence(node, client, access):
    node.settings.free_access = access
    exposure = exposure_of(client.environments())
    assert exposure.open_free == (ENVIRONMENT,)
    with pytest.raises(SettingError, match="anybody could read the original photos; take a node") as caught:
        exposure.refuse_open(node.url)
    assert "\n" not in str(caught.value)
    (warning,) = exposure.warnings()
    assert warning.startswith("anybody can read the original photos")


@pytest.mark.parametrize("access", CLOSED)
def test_a_closed_offer_is_a_warning(node, client, access):
    node.settings.free_access = access
    exposure = exposure_of(client.environments())
    exposure.refuse_open(node.url)
    (warning,) = exposure.warnings()
    assert warning.startswith("the accounts on the access list of environment")


def test_without_free_compute_and_network_there_is_nothing_to_warn_of(node, client):
    node.settings.offers_free = False
    exposure = exposure_of(client.environments())
    exposure.refuse_open(node.url)
    assert exposure.warnings() == []
    node.settings.enables_network = True
    (warning,) = exposure_of(client.environments()).warnings()
    assert "can reach the network, regardless of the data set's settings" in warning


def test_why_free_compute_of_a_stranger_needs_no_trust_and_is_ended_by_an_access_list(
    chain, node, client, tmp_path
):
    """The double acts as real nodes did: an account without coins runs an algorithm that is not trusted."""
    stranger = Account.create()
    with FileServer() as files:
        publisher = chain.as_account(chain.accounts[1])
        trusting = open_market(publisher, client, files, tmp_path / "a", {"photos.zip": b"PK"})
        other = open_market(publisher, client, files, tmp_path / "b", {"others.zip": b"PK"})
        job = {
            "environment": ENVIRONMENT,
            "datasets": [{"documentId": trusting.dataset.id, "serviceId": trusting.dataset.services[0].id}],
            "algorithm": {
                "documentId": other.algorithm.id,
                "serviceId": other.algorithm.services[0].id,
                "meta": {"container": {"image": "unionveil", "entrypoint": "python $ALGO"}},
            },
        }
        node.hooks.runner = lambda data, *_: (0, (data / "inputs" / "photos.zip").read_bytes())
        assert client.start_free(job, stranger).job_id
        (done,) = node.wait_for_jobs()
        assert ("algorithm.log", "algorithmLog", b"PK") in done.files
        node.settings.free_access = CLOSED[0]
        with pytest.raises(NodeError, match="Access denied"):
            client.start_free(job, stranger)
        node.settings.free_access = {"addresses": [stranger.address], "accessLists": []}
        assert client.start_free(job, stranger).job_id
