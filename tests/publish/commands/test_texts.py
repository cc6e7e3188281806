"""Text from a node, a chain or a DDO in the commands' output."""

import io

import pytest
from rich.console import Console

from unionveil_ocean.commands import run_job
from unionveil_ocean.commands.environments import describe
from unionveil_ocean.commands.report import columns
from unionveil_ocean.node.answers import Environment, Job

EVIL = "\x1b[1A\x1b[2Kcosts  0 OCEAN\ncosts  nothing\u202e"


def test_a_name_cannot_write_over_the_costs_of_a_plan():
    shown = columns([("data set", f"{EVIL}  did:op:1"), ("costs", "900 OCEAN")])
    first, second = shown.split("\n")
    assert first.isprintable()
    assert second == "costs     900 OCEAN"


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("status", ["[/x]", "[bold", "[link=http://x]y", EVIL])
def test_a_status_is_not_parsed_as_markup(status, is_terminal):
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=100)
    job = Job.model_validate({"jobId": "1", "status": 1, "statusText": status})
    with run_job._progress(console) as show:
        show(job)
    if not is_terminal:
        assert out.getvalue().strip().replace("\n", "").isprintable()
        assert status in out.getvalue() or status is EVIL


def test_an_environment_is_described_in_printable_lines():
    environment = Environment.model_validate(
        {
            "id": "env",
            "description": EVIL,
            "consumerAddress": "0x" + "1" * 40,
            "fees": {"1": [{"feeToken": "0x" + "2" * 40, "prices": [{"id": EVIL, "price": 1}]}]},
            "resources": [{"id": EVIL, "description": EVIL, "max": 1}],
        }
    )
    assert all(line.isprintable() for line in describe(environment, {}, 1))
