"""Who can read the photos of a data set on a node besides its trusted algorithms."""

from typing import Any

import pytest
from eth_account import Account

from node_double import ENVIRONMENT, FileServer, open_market
from unionveil_ocean.assets.asset import credentials_of
from unionveil_ocean.assets.ddo import CredentialItem, Credentials
from unionveil_ocean.assets.exposure import exposure_of
from unionveil_ocean.errors import NodeError, SettingError

ME = "0x" + "1A" * 20
LISTED = credentials_of([ME], [])


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
    node.settings.free_access, node.settings.price = access, None
    exposure = exposure_of(client.environments())
    assert exposure.open_free == (ENVIRONMENT,)
    with pytest.raises(SettingError, match="anybody could read the original photos; take a node") as caught:
        exposure.refuse_open(node.url)
    assert "\n" not in str(caught.value)
    (warning,) = exposure.warnings()
    assert warning.startswith("anybody can read the original photos")


@pytest.mark.parametrize("access", CLOSED)
def test_a_closed_offer_is_a_warning(node, client, access):
    node.settings.free_access, node.settings.price = access, None
    exposure = exposure_of(client.environments())
    exposure.refuse_open(node.url)
    (warning,) = exposure.warnings()
    assert warning.startswith("the accounts on the access list of environment")


@pytest.mark.parametrize("access", [one for one in OPEN if one])
def test_paid_jobs_of_every_buyer_are_a_warning(node, client, access):
    node.settings.access, node.settings.offers_free = access, False
    for credentials in (None, credentials_of([], [ME])):
        exposure = exposure_of(client.environments(), credentials)
        assert (exposure.open_paid, exposure.listed_paid) == ((ENVIRONMENT,), ())
        (warning,) = exposure.warnings()
        assert warning.startswith(f"every buyer can read the original photos, in environment {ENVIRONMENT}")
        assert warning.endswith("list the buyers that you trust with --allow")


@pytest.mark.parametrize(
    ("access", "credentials"), [(OPEN[3], LISTED), (CLOSED[0], None), (CLOSED[1], LISTED)]
)
def test_paid_jobs_of_listed_buyers_are_a_warning(node, client, access, credentials):
    node.settings.access, node.settings.offers_free = access, False
    exposure = exposure_of(client.environments(), credentials)
    assert (exposure.open_paid, exposure.listed_paid) == ((), (ENVIRONMENT,))
    (warning,) = exposure.warnings()
    assert warning.startswith("the buyers on the access lists of the data set or of environment")


def test_a_star_lists_everybody():
    star = CredentialItem(type="address", values=["*"])
    assert not Credentials(allow=[star]).is_closed
    assert not Credentials(allow=[]).is_closed


def test_without_compute_for_others_and_network_there_is_nothing_to_warn_of(node, client):
    node.settings.offers_free, node.settings.price = False, None
    exposure = exposure_of(client.environments())
    exposure.refuse_open(node.url)
    assert exposure.warnings() == []
    node.settings.enables_network = True
    (warning,) = exposure_of(client.environments()).warnings()
    assert "can reach the network, regardless of the data set's settings" in warning


@pytest.mark.slow
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


def test_a_data_set_s_own_list_keeps_others_out(chain, node, client, tmp_path):
    """As utils/credentials.ts, which startCompute.ts calls for free and for paid jobs."""
    stranger = Account.create()
    with FileServer() as files:
        publisher = chain.as_account(chain.accounts[1])
        market = open_market(
            publisher, client, files, tmp_path, {"photos.zip": b"PK"}, credentials=credentials_of([ME], [])
        )
        algorithm, dataset = (
            {"documentId": ddo.id, "serviceId": ddo.services[0].id}
            for ddo in (market.algorithm, market.dataset)
        )
        job = {"environment": ENVIRONMENT, "datasets": [dataset], "algorithm": algorithm}
        with pytest.raises(NodeError, match=f"Access to asset {market.dataset.id} was denied"):
            client.start_free(job, stranger)
