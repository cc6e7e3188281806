"""Numbers as options of commands."""

import click
import pytest

from unionveil.cli import bot, serve, watch
from unionveil.cli.options import SECONDS, FiniteRange


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e999", "x"])
def test_a_number_that_is_not_finite_is_refused(text):
    with pytest.raises(click.BadParameter):
        FiniteRange().convert(text, None, None)


def test_a_time_is_more_than_nothing_and_at_most_a_year():
    assert SECONDS.convert("31536000", None, None) == 31_536_000
    for text in ("0", "31536001", "nan", "inf"):
        with pytest.raises(click.BadParameter):
            SECONDS.convert(text, None, None)


@pytest.mark.parametrize("command", [bot.command, serve.command, watch.command])
def test_every_number_of_a_running_service_is_finite(command):
    numbers = [one for one in command.params if isinstance(one.type, click.types.FloatParamType)]
    assert numbers
    assert all(isinstance(one.type, FiniteRange) for one in numbers)
