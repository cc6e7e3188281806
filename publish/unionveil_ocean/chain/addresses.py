"""Addresses of accounts and contracts."""

from __future__ import annotations

import re

from unionveil.text import printable

from ..errors import MissingExtra

try:
    from web3 import Web3
except ModuleNotFoundError as error:
    raise MissingExtra("web3") from error

ZERO_ADDRESS = "0x" + "0" * 40


def checksum_address(text: str) -> str:
    """An address in checksum form (EIP-55).

    Raises:
        ValueError: not an address, or mixed case with a wrong checksum, which is most likely a typo.
    """
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise ValueError(f"{printable(text)} is not an address: 0x and 40 hexadecimal digits are needed")
    digits = text[2:]
    checked = str(Web3.to_checksum_address(text))
    if digits not in (digits.lower(), digits.upper()) and text != checked:
        raise ValueError(f"{text!r} has a wrong checksum; was it copied whole?")
    return checked
