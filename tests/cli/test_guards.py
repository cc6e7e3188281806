"""The hooks for pre-commit and the GitHub Action call commands that exist, with the words that users gave."""

import json
import os
import re
import shlex
import shutil
import subprocess

import click
import pytest
import yaml

from paths import REPOSITORY
from unionveil.cli.check import command
from unionveil.runs.names import SUFFIXES

HOOKS = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text())


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_runs_check_on_every_suffix_that_we_know(hook):
    program, name, *options = shlex.split(hook["entry"])
    assert (program, name) == ("unionveil", "check")
    command.make_parser(click.Context(command)).parse_args([*options, "photo.jpg"])
    for suffix in (suffix for some in SUFFIXES.values() for suffix in some):
        assert re.search(hook["files"], f"folder/photo{suffix.upper()}"), suffix
    assert not re.search(hook["files"], "photo.txt")


def test_the_action_hands_every_input_to_check_as_it_was_given(tmp_path):
    """Includes names with blanks and with shell commands."""
    step = ACTION["runs"]["steps"][-1]
    assert set(step["env"].values()) <= {f"${{{{ inputs.{name} }}}}" for name in ACTION["inputs"]}
    assert "inputs." not in step["run"]
    fake = tmp_path / "bin" / "unionveil"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\nfor word; do printf "%s\\n" "$word"; done > "{tmp_path}/words"\nexit 1\n')
    fake.chmod(0o755)
    given = {
        "PATHS": "my photos\n$(touch gone)\n",
        "LOOK_FOR": "face,gps",
        "EXCLUDE": "raw\n*.png",
        "ARGUMENTS": "--detail=crowd",
    }
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here; the Action's steps run in it")
    done = subprocess.run(
        [bash, "-e", "-c", step["run"]],
        env={**os.environ, **given, "UNIONVEIL_BIN": str(fake.parent)},
        cwd=tmp_path,
        check=False,
    )
    words = (tmp_path / "words").read_text().splitlines()
    assert words == [
        *("check", "--look-for", "face,gps", "--exclude", ".git", "--exclude", "raw", "--exclude", "*.png"),
        *("--detail=crowd", "--", "my photos", "$(touch gone)"),
    ]
    assert done.returncode == 1
    assert not (tmp_path / "gone").exists()
    command.make_parser(click.Context(command)).parse_args(words[1:])


def test_the_action_has_a_default_for_every_input():
    assert all("default" in given for given in ACTION["inputs"].values()), json.dumps(ACTION["inputs"])
