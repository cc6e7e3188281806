"""Commands that take pictures one by one refuse a method that needs all of them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from unionveil import ConfigError
from unionveil.cli.group import cli

DOORS = {
    "a watched folder": ("watch", "{folder}", "-o", "{folder}/out"),
    "a server": ("serve",),
    "the review page": ("review", "{folder}", "-o", "{folder}/out", "--no-browser"),
    "a bot": ("bot", "--homeserver", "https://example.org", "--token", "t", "--room", "!a:example.org"),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_door_refuses_ksame(door: str, tmp_path: Path) -> None:
    given = [word.format(folder=tmp_path) for word in DOORS[door]]
    result = CliRunner().invoke(cli, [*given, "--method", "ksame"], standalone_mode=False)
    assert isinstance(result.exception, ConfigError), result.output
    assert f"{door} takes pictures one by one" in str(result.exception)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("door", DOORS)
def test_the_help_of_a_door_does_not_list_it(door: str) -> None:
    text = CliRunner().invoke(cli, [DOORS[door][0], "--help"]).output
    assert "|overlay]" in text
    for word in ("ksame", "--k ", "--surrogate", "--surround"):
        assert word not in text


def test_commands_for_whole_data_sets_list_it() -> None:
    text = CliRunner().invoke(cli, ["anonymize", "--help"]).output
    for word in ("overlay|ksame]", "--k ", "--surrogate", "--surround"):
        assert word in text
