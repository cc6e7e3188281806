"""Networks of an address file."""

import json

import pytest

from unionveil_ocean.chain.networks import find_network
from unionveil_ocean.errors import SettingError

ONE = "0x" + "11" * 20
ENTRY = {"chainId": 8996, "ERC721Factory": ONE, "FixedPrice": ONE, "Dispenser": ONE}


def test_an_own_network_by_name_and_by_chain_id(tmp_path):
    file = tmp_path / "address.json"
    file.write_text(json.dumps({"mine": ENTRY}))
    assert find_network("mine", file) == find_network("8996", file)
    assert find_network("mine", file).addresses.dispenser == ONE
    assert find_network("mine", file).addresses.escrow is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chainId": "x"}, "chainId must be a whole number"),
        ({"chainId": 1.5}, "chainId must be a whole number"),
        ({"chainId": -1}, "chainId must be a whole number"),
        ({"chainId": 10**400}, "chainId must be a whole number"),
        ({"ERC721Factory": "0x1"}, "ERC721Factory: '0x1' is not an address"),
        ({"ERC721Factory": 1}, "ERC721Factory: '1' is not an address"),
        ({"Dispenser": [ONE]}, "Dispenser: .* is not an address"),
        ({"Escrow": "zz"}, "Escrow: 'zz' is not an address"),
        ({"Router": "zz"}, "Router: 'zz' is not an address"),
        ({"Dispenser": None}, "needs chainId, ERC721Factory, FixedPrice, Dispenser"),
    ],
)
def test_a_wrong_entry_is_one_sentence(tmp_path, change, words):
    file = tmp_path / "address.json"
    file.write_text(json.dumps({"mine": {**ENTRY, **change}}))
    with pytest.raises(SettingError, match=words) as caught:
        find_network("mine", file)
    assert "'mine'" in str(caught.value)


def test_a_chain_id_of_thousands_of_digits_is_unknown():
    with pytest.raises(SettingError, match="unknown network"):
        find_network("9" * 5000)
