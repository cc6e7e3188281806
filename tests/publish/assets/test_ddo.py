import hashlib
import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checked import present
from ocean_assets import CONTAINER, algorithm, build_ddo
from unionveil.config import VIDEO_SETTINGS, AnonymizeConfig, Redaction
from unionveil.errors import ConfigError
from unionveil.job import JobRequest, config_of, job_parameters, read_parameters, request_of
from unionveil_ocean.assets.asset import Asset, credentials_of
from unionveil_ocean.assets.ddo import MAX_OPTIONS_CHARACTERS, did_of, parse_ddo
from unionveil_ocean.assets.files import consumer_parameters
from unionveil_ocean.chain.addresses import checksum_address
from unionveil_ocean.errors import InvalidDDO, SettingError

NFT = "0x57967030e9f328CeC0Eb5B6bb2D15013d82eBcEc"
TOKEN = "0x657422dD190f528bC93B1Fd8cDDa784e591EfC7C"


def ddo():
    return build_ddo(algorithm(), NFT, TOKEN, 1, "0x1234", "http://127.0.0.1:8001")


def test_the_did_is_the_digest_of_address_and_chain():
    # ocean.js: SHA256(getAddress(nft) + chainId)
    assert did_of(NFT.lower(), 1) == "did:op:" + hashlib.sha256(f"{NFT}1".encode()).hexdigest()
    assert did_of(NFT, 1) != did_of(NFT, 2)


def test_an_address_with_a_typing_error_is_refused():
    with pytest.raises(ValueError, match="copied whole"):
        checksum_address(NFT[:-1] + "C")
    with pytest.raises(ValueError, match="not an address"):
        checksum_address("0x12")


def test_a_ddo_reads_back_as_it_was_and_keeps_what_others_added():
    ours = ddo()
    assert parse_ddo(json.loads(ours.to_json())) == ours
    value = {**ours.as_dict(), "indexedMetadata": {"nft": {}}, "somethingNew": {"a": 1}}
    assert parse_ddo(value).as_dict() == {**ours.as_dict(), "somethingNew": {"a": 1}}


def test_hashes_are_those_of_nodes():
    ours = ddo()
    text = ours.to_json()
    hidden, plain = ours.payload("0x12"), ours.payload()
    assert hidden.digest == hashlib.sha256(text.encode()).digest()
    assert plain.digest == hashlib.sha256(("0x" + text.encode().hex()).encode()).digest()
    assert (hidden.content, hidden.flags) == (b"\x12", b"\x02")
    assert (plain.content, plain.flags) == (text.encode(), b"\x00")


def broken():
    value = ddo().as_dict()
    value["id"] = "did:op:" + "0" * 64
    value["metadata"]["name"] = "abc"
    value["metadata"]["description"] = "short"
    value["metadata"]["created"] = "yesterday"
    value["metadata"]["additionalInformation"]["termsAndConditions"] = False
    value["metadata"]["algorithm"]["container"]["checksum"] = ""
    value["metadata"]["algorithm"]["consumerParameters"][0]["default"] = 1
    value["metadata"]["algorithm"]["consumerParameters"][1]["default"] = "nothing"
    value["metadata"]["algorithm"]["consumerParameters"][3]["options"] = "x" * (MAX_OPTIONS_CHARACTERS + 1)
    value["metadata"]["algorithm"]["consumerParameters"][4]["name"] = "detector"
    value["services"][0]["timeout"] = "0"
    value["services"][0]["files"] = "0x" + "ab" * 5000
    value["services"][0]["datatokenAddress"] = TOKEN[:-1]
    value["services"].append({**value["services"][0]})
    value["credentials"] = {"allow": [{"type": "address", "values": ["nobody"]}]}
    return value


def test_every_broken_rule_is_named_at_once():
    with pytest.raises(InvalidDDO) as caught:
        parse_ddo(broken())
    text = str(caught.value)
    for place in (
        "id: must be did:op:",
        "metadata.name",
        "metadata.description",
        "metadata.created",
        "termsAndConditions",
        "container.checksum",
        "consumerParameters.0.default",
        "consumerParameters.1.default: 'nothing' is not one of standard, crowd",
        "consumerParameters.3.options",
        "consumerParameters.4.name: 'detector' is used twice",
        "services.0.timeout",
        "services.0.files",
        "services.0.datatokenAddress",
        "services.1.id",
        "credentials.allow.0.values.0",
    ):
        assert place in text, place
    assert len(caught.value.issues) >= 15


def test_an_algorithm_without_files_or_checksum_is_refused_before_anything_is_signed():
    asset = algorithm()
    empty = Asset(asset.metadata, (), "access", asset.pricing)
    with pytest.raises(InvalidDDO, match="--file-url"):
        empty.draft(1, "http://127.0.0.1:8001")
    with pytest.raises(InvalidDDO, match="push it"):
        algorithm(container={**CONTAINER, "checksum": ""})


def methods_of(parameter):
    """The redactions that a parameter belongs to; any if it belongs to all."""
    return next(one for one in job_parameters() if one.name == parameter.name).belongs_to or ("fill",)


def test_consumer_parameters_are_all_that_the_job_accepts(tmp_path):
    offered = consumer_parameters()
    assert [parameter.name for parameter in offered] == [parameter.name for parameter in job_parameters()]
    settings = set(AnonymizeConfig.model_fields) - {"redaction", "selection"}
    settings |= {name for kind in get_args(get_args(Redaction)[0]) for name in kind.model_fields}
    settings |= {"shard_index", "shard_count"}
    assert {parameter.name for parameter in offered} == settings - {
        *("digest_salt", "engine", "embedder"),
        *("min_face", "max_face", "keep_metadata", "gps_decimals"),
        *("mirror", "check_outputs", "names"),
        *VIDEO_SETTINGS,
    }
    for name in settings ^ {parameter.name for parameter in offered} | {"unknown", "redaction"}:
        with pytest.raises(ConfigError):
            config_of({name: "1"})
    file = tmp_path / "algoCustomData.json"
    file.write_text(json.dumps({parameter.name: parameter.default for parameter in offered}))
    assert read_parameters(file) == JobRequest(AnonymizeConfig(), None)


@pytest.mark.parametrize("parameter", consumer_parameters(), ids=lambda parameter: parameter.name)
def test_the_job_accepts_exactly_what_a_consumer_parameter_says(parameter):
    assert isinstance(parameter.default, str)
    options = [choice for option in json.loads(parameter.options or "[]") for choice in option]
    assert bool(options) == (parameter.type == "select")
    for method in methods_of(parameter):
        # A market also sends the defaults of all other methods.
        others = {one.name: one.default for one in consumer_parameters()} | {"method": method}
        for value in [parameter.default, *options]:
            chosen = config_of({**others, parameter.name: value})
            assert chosen == config_of({"method": method, parameter.name: value})
        assert config_of({**others, parameter.name: ""}) == config_of(
            {"method": others["method"]} | ({"method": "fill"} if parameter.name == "method" else {})
        )
        with pytest.raises(ConfigError, match=parameter.name):
            config_of({**others, parameter.name: "something else"})


def portal_form(parameters):
    """A portal's parameters for an untouched form: numbers are `Number(default)`, so "" is 0."""
    return {
        one.name: (float(one.default or 0) if one.type == "number" else one.default) for one in parameters
    }


@pytest.mark.parametrize("published", ["now", "before"])
def test_the_untouched_form_of_a_portal_is_accepted(tmp_path, published):
    """Together and for every method; `before` is a DDO that offers every number as a number."""
    offered = consumer_parameters()
    if published == "now":
        assert not [one.name for one in offered if one.type == "number" and not one.default]
    else:
        numbers = {one.name for one in job_parameters() if one.kind in ("integer", "number")}
        assert "threshold" in numbers
        offered = [
            one.model_copy(update={"type": "number"}) if one.name in numbers else one for one in offered
        ]
    form = portal_form(offered)
    for method in next(one for one in job_parameters() if one.name == "method").choices:
        file = tmp_path / "algoCustomData.json"
        file.write_text(json.dumps({**form, "method": method}))
        assert read_parameters(file) == request_of({"method": method})


def test_credentials_are_checked():
    found = present(credentials_of((NFT,), (TOKEN,)))
    assert present(found.allow)[0].values == [NFT.lower()]
    assert credentials_of((), ()) is None
    with pytest.raises(SettingError, match="in both"):
        credentials_of((NFT,), (NFT.lower(),))
    with pytest.raises(SettingError, match="not an address"):
        credentials_of(("me",), ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=8), parts, max_size=3),
    max_leaves=8,
)


def places(value, path=()):
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


SAMPLE = ddo().as_dict()
PLACES = [path for path in places(SAMPLE) if path]


@given(st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=3))
def test_odd_fields_are_named_and_nothing_else_is_raised(changes):
    value = json.loads(json.dumps(SAMPLE))
    for path, odd in changes:
        part = value
        for key in path[:-1]:
            part = part[key] if isinstance(part, dict | list) and key in _keys(part) else None
            if part is None:
                break
        if isinstance(part, dict | list) and path[-1] in _keys(part):
            part[path[-1]] = odd
    try:
        parse_ddo(value)
    except InvalidDDO as error:
        assert str(error).isprintable()


def _keys(part):
    return part.keys() if isinstance(part, dict) else range(len(part))


@pytest.mark.parametrize("options", ["[[[1, 2]]]", '[{"a": 1}]', "[5]", "5", "[" * 100_000])
def test_odd_options_of_a_parameter_are_named(options):
    value = json.loads(json.dumps(SAMPLE))
    parameter = value["metadata"]["algorithm"]["consumerParameters"][0]
    parameter.update(type="select", options=options, default="nothing like it")
    with pytest.raises(InvalidDDO, match=r"consumerParameters\.0"):
        parse_ddo(value)
