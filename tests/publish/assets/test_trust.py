"""Comparing an algorithm with the entry that trusts it."""

from __future__ import annotations

from typing import Any

import pytest

from unionveil_ocean.assets.ddo import TrustedAlgorithm
from unionveil_ocean.assets.trust import differences

A, B = "a" * 64, "b" * 64
ENTRY = TrustedAlgorithm(did=f"did:op:{A}", files_checksum=A, container_section_checksum=A, service_id="s")


@pytest.mark.parametrize(
    ("trusted", "sentences"),
    [
        ({}, []),
        ({"files_checksum": "*", "container_section_checksum": "*", "service_id": "*"}, []),
        ({"service_id": None}, []),
        ({"files_checksum": None}, ["its files changed: trusted None, now aaaaaaaaaaaa..."]),
        (
            {"container_section_checksum": B},
            ["its image or entrypoint changed: trusted bbbbbbbbbbbb..., now aaaaaaaaaaaa..."],
        ),
        ({"service_id": "t"}, ["its service changed: trusted t, now s"]),
    ],
)
def test_only_the_service_may_be_left_out_of_an_entry(trusted: dict[str, Any], sentences: list[str]):
    assert differences(ENTRY.model_copy(update=trusted), ENTRY) == sentences
