"""Commands that are refused, run in this process: a process of its own takes most of a second to start."""

from __future__ import annotations

import pytest

from unionveil.cli.console import EXIT_WRONG_USE, run_command
from unionveil.cli.group import cli


def refusal(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Runs `unionveil` with arguments that it must refuse, and returns what it prints."""
    with pytest.raises(SystemExit) as ended:
        run_command(lambda: cli.main([str(argument) for argument in arguments], standalone_mode=False))
    assert ended.value.code == EXIT_WRONG_USE
    said = capfd.readouterr().err
    assert "Traceback" not in said
    return said
