"""Where an asset's file may be stored."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from node_double import NodeDouble
from ocean_assets import algorithm, publish
from unionveil_ocean.assets.asset import Asset
from unionveil_ocean.assets.files import AlgorithmFile, ContainerFile, DatasetFile, file_at, read_metadata
from unionveil_ocean.assets.pricing import Free
from unionveil_ocean.errors import NodeError, SettingError
from unionveil_ocean.node.client import NodeClient

CID = "QmXoypizjW3WknFiJnKLwHCnL72vedxjQkDDP1mXWo6uco"
TRANSACTION = "bNbA3TEQVL60xlgCcqdz4ZPHFZ711cZ3hmkpGttDt_U"
PLACES = [
    ("https://example.org/a?b=c", {"type": "url", "url": "https://example.org/a?b=c", "method": "GET"}),
    (f"ipfs://{CID}", {"type": "ipfs", "hash": CID}),
    (f"ar://{TRANSACTION}", {"type": "arweave", "transactionId": TRANSACTION}),
    (
        "storage://a4ad237d-dfd8-404c/photos.zip",
        {"type": "nodePersistentStorage", "bucketId": "a4ad237d-dfd8-404c", "fileName": "photos.zip"},
    ),
]


@pytest.mark.parametrize(("address", "form"), PLACES)
def test_an_address_in_the_form_that_a_node_takes(address, form):
    assert file_at(address).as_dict() == form


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("ftp://secret", "must begin with http"),
        ("secret", "must begin with http"),
        (f"ipfs://{CID}/secret", "without a path"),
        ("ipfs://", "without a path"),
        ("ar://secret", "43 characters"),
        ("storage://bucket", "storage://BUCKET/FILE"),
        ("storage://bucket/folder/secret", "storage://BUCKET/FILE"),
    ],
)
def test_another_address_is_refused_without_showing_it(address, sentence):
    with pytest.raises(SettingError, match=sentence) as caught:
        file_at(address)
    assert "secret" not in str(caught.value)


def test_the_metadata_may_name_any_of_them(tmp_path):
    described = {"name": "Photos", "description": "Photos of a union.", "author": "A", "license": "MIT"}
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({**described, "files": [form for _, form in PLACES]}))
    read = read_metadata(path, DatasetFile)
    assert [file.as_dict() for file in read.files] == [form for _, form in PLACES]
    path.write_text(json.dumps({**described, "files": [{"type": "s3", "key": "k"}]}))
    with pytest.raises(SettingError, match=r"files\.0"):
        read_metadata(path, DatasetFile)


TEXT = {"name": "Photos", "description": "Photos of a union.", "author": "A", "license": "MIT"}
CONTAINER = {"image": "i", "tag": "1", "checksum": "sha256:" + "5" * 64, "entrypoint": "run"}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "    ", "A\nB", "example.org", "https://example.org", ":abc", "A union"]
)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("links", ["example.org"]),
        ("name", "    "),
        ("author", "A\nB"),
        ("license", "A\nB"),
        ("copyright_holder", ""),
        ("content_language", ""),
        ("additional_information", {"bytes": 12345678901234567890}),
    ],
)
def test_a_description_that_no_node_would_take_is_refused_by_its_field(tmp_path, field, value):
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps({**TEXT, field: value}))
    with pytest.raises(SettingError, match=field) as caught:
        read_metadata(path, DatasetFile)
    assert "\n" not in str(caught.value)


@given(st.dictionaries(st.sampled_from(["name", "description", "author", "license"]), TEXTS), TEXTS, TEXTS)
def test_every_description_that_is_read_can_be_published(texts, link, entrypoint):
    container = {**CONTAINER, "entrypoint": entrypoint}
    given = {**TEXT, **texts, "links": [link], "container": container}
    try:
        read = AlgorithmFile.model_validate(given)
    except ValidationError:
        return
    asset = Asset(read.metadata(), ({"type": "url", "url": "https://example.org"},), "access", Free())
    assert asset.token_name.strip()
    assert 0 < len(asset.token_name.encode()) <= 31
    asset.digest()
    asset.draft(1, "https://node.example.org").to_json()


@pytest.mark.parametrize(
    ("name", "token_name"),
    [
        ("UnionVeil: removes faces", "UnionVeil"),
        (":abcdef", ":abcdef"),
        ("  : ab", ": ab"),
        ("::::", "::::"),
    ],
)
def test_the_name_of_the_datatoken_is_never_empty(name, token_name):
    read = AlgorithmFile.model_validate({**TEXT, "name": name, "container": CONTAINER})
    assert Asset(read.metadata(), (), "access", Free()).token_name == token_name


@pytest.mark.parametrize("changes", [{"checksum": "sha256:1"}, {"tag": "a\nb"}, {"image": ""}])
def test_an_option_of_the_image_that_is_wrong_is_named(changes):
    with pytest.raises(SettingError, match=f"--{next(iter(changes))}: "):
        ContainerFile.model_validate(CONTAINER).changed(changes)


@pytest.mark.parametrize(
    ("address", "place"), [(f"ipfs://{CID}", f"ipfs/{CID}"), (f"ar://{TRANSACTION}", TRANSACTION)]
)
def test_a_node_opens_it_through_its_gateway(chain, files, tmp_path, address, place):
    files.add(place, b"print(1)")
    with NodeDouble(chain.as_account(chain.accounts[9])) as node, NodeClient(node.url) as client:
        form = file_at(address).as_dict()
        with pytest.raises(NodeError, match="gateway is not configured"):
            client.file_info(form)
        node.settings.gateway = files.url
        asset = algorithm(name="Stored elsewhere", description="A file that no web server has.")
        asset = type(asset)(asset.metadata, (form,), "access", asset.pricing)
        done = publish(asset, chain, client, tmp_path / "j.json")
        service = done.ddo.services[0]
        assert client.file_info({"did": done.did, "serviceId": service.id}).size_bytes == 8
