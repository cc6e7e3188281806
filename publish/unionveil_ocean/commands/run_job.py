"""`python publish/run_job.py`: the datatoken holder's side of a compute job."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from unionveil.job import config_of

from ..chain.journal import Journal, digest_of, move_away
from ..errors import SettingError
from ..jobs.collect import Collected, collect
from ..jobs.compute import (
    Assets,
    ComputePlan,
    Wish,
    find_assets,
    find_started,
    follow,
    pay,
    plan_compute,
    start,
)
from ..jobs.orders import OrderBook
from ..node.answers import Environment, Job
from ..node.client import NodeClient
from .session import Session, confirm, err, open_session, run_command, session_of, session_options

__all__ = ["main", "run_job"]


@click.command("run_job", context_settings={"help_option_names": ["-h", "--help"]})
@session_options
@click.option("--algorithm", metavar="DID", help="What runs.")
@click.option("--dataset", "datasets", multiple=True, metavar="DID", help="What it runs on; may be repeated.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the results.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the algorithm, e.g. method=pixelate; may be repeated.",
)
@click.option("--environment", metavar="ID", help="Where it runs.  [default: free before paid]")
@click.option("--free", "mode", flag_value="free", help="Only where it costs nothing.")
@click.option("--paid", "mode", flag_value="paid", help="Only where it is paid for.")
@click.option("--token", metavar="ADDRESS", help="ERC-20 to pay with.  [default: the environment's first]")
@click.option("--seconds", type=click.IntRange(min=1), help="Most that the job may take.  [default: all]")
@click.option("--cpu", type=click.IntRange(min=1), help="Cores.  [default: the least that is offered]")
@click.option("--ram", type=click.IntRange(min=1), help="GiB of memory.  [default: the least]")
@click.option("--disk", type=click.IntRange(min=1), help="GiB of disk.  [default: the least]")
@click.option("--job-id", metavar="ID", help="Only follow a job that was started, and fetch its results.")
@click.option("--list-environments", is_flag=True, help="Only list where jobs can run, and prices.")
@click.option("--new", is_flag=True, help="Start another job although this one was run already.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def run_job(**options: Any) -> None:
    """Runs the algorithm on a data set, and fetches and verifies the results.

    The same command again goes on where it was interrupted: nothing is ordered, paid or started twice.
    """
    parameters = _parameters(options["settings"])
    with open_session(**session_of(options)) as session:
        node = session.node
        if not isinstance(node, NodeClient):
            raise SettingError("compute needs a chain and a node: name them with --network and --node-url")
        if options["list_environments"]:
            _show_environments(node.environments(), session.chain.chain_id)
            return
        output = options["output"]
        if output is None:
            raise SettingError("say where the results go: -o FOLDER")
        if options["job_id"]:
            done = _finish(session, node, options["job_id"], output)
            _report(options["job_id"], done, as_json=options["as_json"])
            return
        if options["algorithm"] is None or not options["datasets"]:
            raise SettingError("name what runs and on what: --algorithm DID --dataset DID")
        _run(session, node, parameters, output, options)


def _parameters(settings: tuple[str, ...]) -> dict[str, str]:
    """Parameters from NAME=VALUE, checked as the job checks them.

    Raises:
        SettingError: one is not written NAME=VALUE, or twice.
        ConfigError: the job would refuse it.
    """
    given: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name or name in given:
            raise SettingError(f"--set {setting}: write each parameter once, as NAME=VALUE")
        given[name] = value
    config_of(given)
    return given


def _run(
    session: Session, node: NodeClient, parameters: dict[str, str], output: Path, options: dict[str, Any]
) -> None:
    wish = Wish(
        parameters=parameters,
        environment=options["environment"],
        mode=options["mode"] or "any",
        token=options["token"],
        seconds=options["seconds"],
        resources={name: options[name] for name in ("cpu", "ram", "disk") if options[name]},
    )
    what = [node.url, options["algorithm"], list(options["datasets"]), parameters]
    how = [wish.environment, wish.mode, wish.token, wish.seconds, dict(wish.resources or {})]
    path = session.journal_path("job", digest_of([what, how])[:16])
    if options["new"] and path.exists():
        err.print(f"note: the journal of the earlier job is now {move_away(path)}")
    with Journal(path, session.chain) as journal:
        started = find_started(session.chain, node, journal)
        if started is not None:
            err.print(f"job {started} was started already; --new starts another one", markup=False)
        job_id = started or _begin(session, node, wish, journal, options)
        done = _finish(session, node, job_id, output)
    _report(job_id, done, as_json=options["as_json"])


def _begin(session: Session, node: NodeClient, wish: Wish, journal: Journal, options: dict[str, Any]) -> str:
    chain = session.chain
    assets = find_assets(node, options["algorithm"], options["datasets"], chain.chain_id)
    _check_known(assets, wish)
    book = OrderBook(session.journal_dir / "orders.jsonl")
    plan = plan_compute(chain, node, assets, wish, book, journal)
    _show_plan(session, plan)
    confirm(session, "Sign, pay and start?" if plan.orders else "Sign and start?")
    orders = pay(plan, chain, journal, book, _say)
    job_id = start(plan, chain, node, journal, orders)
    err.print(f"started job {job_id}", markup=False)
    return job_id


def _say(line: str) -> None:
    err.print(line, markup=False)


def _check_known(assets: Assets, wish: Wish) -> None:
    """Checks that the published algorithm, which may be of another version, offers every parameter."""
    described = assets.algorithm.metadata.algorithm
    offered = {one.name for one in (described.consumer_parameters if described else None) or ()}
    unknown = [name for name in wish.parameters if name not in offered]
    if offered and unknown:
        raise SettingError(
            f"the published algorithm has no parameter {unknown[0]!r}; it has {', '.join(sorted(offered))}"
        )


def _finish(session: Session, node: NodeClient, job_id: str, output: Path) -> Collected:
    with _progress() as show:
        job = follow(node, session.chain.address, job_id, show)
    return collect(node, session.chain.account, job_id, job, output, _say)


@contextmanager
def _progress() -> Iterator[Callable[[Job], None]]:
    """A line that lives on a terminal, and a line for every new state elsewhere."""
    begun = time.monotonic()
    if err.is_terminal:
        with err.status("waiting") as status:
            yield lambda job: status.update(f"{job.status_text.strip()} ({time.monotonic() - begun:.0f} s)")
        return
    last: list[str] = []

    def show(job: Job) -> None:
        if last != [job.status_text]:
            last[:] = [job.status_text]
            _say(job.status_text.strip())

    yield show


def _show_plan(session: Session, plan: ComputePlan) -> None:
    chain, choice = session.chain, plan.choice
    table = _Rows()
    table.add("network", f"{chain.network.name}, chain {chain.chain_id}")
    table.add("account", chain.address)
    table.add("node", session.node.url)
    table.add("algorithm", f"{plan.assets.algorithm.metadata.name}  {plan.assets.algorithm.id}")
    for dataset in plan.assets.datasets:
        table.add("data set", f"{dataset.metadata.name}  {dataset.id}")
    for name, value in plan.wish.parameters.items():
        table.add("parameter", f"{name} = {value}")
    table.add("environment", choice.environment.id)
    table.add("may take", f"{choice.seconds} s")
    for order in plan.orders:
        table.add(f"order: {order.role}", order.describe())
        for fee in order.fees:
            table.add("", f"and {fee} in fees")
    if plan.escrow is None:
        table.add("costs", "nothing: free compute asks for no order and no payment")
    else:
        table.add("compute", f"{plan.escrow.price} at most, held by the escrow {plan.escrow.escrow}")
        table.add("", f"{plan.escrow.deposit} of it are paid in now")
        costs = " and ".join(map(str, plan.costs)) or "nothing"
        table.add("costs", f"{costs}, and gas in {chain.network.currency}")
    err.print(str(table), markup=False)


def _show_environments(environments: tuple[Environment, ...], chain_id: int) -> None:
    if not environments:
        raise SettingError("the node runs no compute jobs")
    for one in environments:
        click.echo(one.id)
        if one.description:
            click.echo(f"  {one.description}")
        if one.free is not None:
            click.echo(f"  free, up to {one.free.max_job_duration} s")
        for offer in one.fees.get(str(chain_id), ()):
            prices = ", ".join(f"{price.price:g} a minute for each {price.id}" for price in offer.prices)
            click.echo(f"  paid in {offer.fee_token}, up to {one.max_job_duration} s: {prices}")
        limits = ", ".join(f"{item.id} {item.min:g} to {item.max:g}" for item in one.resources)
        if limits:
            click.echo(f"  {limits}")


def _report(job_id: str, done: Collected, *, as_json: bool) -> None:
    counts = done.manifest.counts
    if as_json:
        logs = [str(path) for path in done.logs]
        found = {"job": job_id, "outputs": str(done.outputs), "logs": logs, "counts": counts.model_dump()}
        click.echo(json.dumps(found, indent=1))
        return
    table = _Rows()
    table.add("job", job_id)
    table.add("pictures", str(counts.inputs))
    table.add("with faces", f"{counts.redacted}  ({counts.faces} faces redacted)")
    table.add("without a face", str(counts.without_face))
    table.add("rejected", str(sum(counts.rejected.values())))
    table.add("outputs in", str(done.outputs))
    err.print(str(table), markup=False)
    click.echo(f"verified: {counts.redacted + counts.without_face} outputs are what the manifest says")


class _Rows:
    """Names and values in two columns; nothing is cut off, however narrow the terminal."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str]] = []

    def add(self, name: str, value: str) -> None:
        self._rows.append((name, value))

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self._rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in self._rows)


main = run_command(run_job)
