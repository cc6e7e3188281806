"""Releases: notes from the changelog, workflows with no more rights than they need; shell completion."""

import os
import subprocess
import sys

import pytest
import yaml

from paths import REPOSITORY

CHANGELOG = """# Changelog
## [Unreleased]
- later

## [1.2.0] - 2026-01-31
### Added
- this

## [1.1.0]
- undated
## [1.0.0] - 2025-01-01
"""
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text()) for path in REPOSITORY.glob(".github/workflows/*.yml")
}


def notes(version, changelog=CHANGELOG):
    return subprocess.run(
        [sys.executable, REPOSITORY / ".github" / "release_notes.py", version],
        input=changelog,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_notes_are_the_section_of_the_version():
    assert notes("1.2.0").stdout == "### Added\n- this\n"


@pytest.mark.parametrize(
    ("version", "sentence"),
    [("1.3.0", "there is no section [1.3.0]"), ("1.1.0", "date the section"), ("1.0.0", "is empty")],
)
def test_a_version_without_notes_is_not_released(version, sentence):
    done = notes(version)
    assert done.returncode == 1
    assert sentence in done.stderr


def test_the_changelog_has_the_form_that_the_notes_are_read_from():
    text = (REPOSITORY / "CHANGELOG.md").read_text()
    assert notes("9.9.9", text.replace("## [Unreleased]", "## [9.9.9] - 2026-01-31")).stdout.startswith("###")


def test_rights_are_given_to_the_jobs_that_need_them():
    for name, workflow in WORKFLOWS.items():
        assert workflow["permissions"] == {"contents": "read"}, name
    jobs = WORKFLOWS["release"]["jobs"]
    assert jobs["pypi"]["permissions"] == {"id-token": "write"}
    assert {name for name, job in jobs.items() if "contents" in job.get("permissions", {})} == {
        "image",
        "release",
    }
    assert "permissions" not in jobs["build"]


def test_no_secret_is_needed_but_the_workflow_s_own_token():
    text = (REPOSITORY / ".github" / "workflows" / "release.yml").read_text()
    assert text.count("secrets.") == text.count("secrets.GITHUB_TOKEN") == 1


def test_names_of_tags_reach_no_script_as_text():
    """A tag's name is chosen from outside, and a shell would run what it finds in it."""
    for workflow in WORKFLOWS.values():
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                assert "github.ref_name }}" not in step.get("run", "")


@pytest.mark.parametrize(
    ("words", "at", "expected"),
    [("unionveil ano", 1, "anonymize"), ("unionveil anonymize --method ov", 3, "overlay")],
)
def test_a_shell_completes_commands_and_values(words, at, expected):
    environment = {
        **os.environ,
        "COMP_WORDS": words,
        "COMP_CWORD": str(at),
        "_UNIONVEIL_COMPLETE": "bash_complete",
    }
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv = ['unionveil']; from unionveil.cli import main; main()",
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == [f"plain,{expected}"], done.stderr
