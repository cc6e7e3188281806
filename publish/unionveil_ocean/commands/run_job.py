"""`python publish/run_job.py`: the datatoken holder's side of a compute job."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from unionveil.errors import ResultsError
from unionveil.job import config_of
from unionveil.text import counted, printable

from ..chain.journal import digest_of
from ..errors import SettingError
from ..jobs.buyer import Assets, Buyer, ComputePlan, find_assets, follow
from ..jobs.collect import Collected, Collector
from ..jobs.environments import PAID_SECONDS, JobRequest
from ..jobs.escrow import EscrowPlan
from ..jobs.folder import ResultsFolder
from ..jobs.orders import OrderBook
from ..jsjson import MOST_WHOLE
from ..node.answers import Job
from .environments import show_environments
from .escrow import show_escrow, withdraw
from .options import FOLDER, option, takes
from .report import columns, gas_rows
from .session import EMBEDDED, Opener, Session, SessionOptions, entry, err

_MOST_DIGITS = 15
_WHOLE = click.IntRange(min=1, max=MOST_WHOLE)


@dataclass(frozen=True)
class JobOptions:
    """Options of a job."""

    algorithm: str | None = option("--algorithm", metavar="DID", help="Algorithm to run.")
    datasets: tuple[str, ...] = option(
        "--dataset", multiple=True, metavar="DID", help="Data set to run it on; may be repeated."
    )
    output: Path | None = option(
        "-o", "--output", type=FOLDER, help="Folder for the results of this one job."
    )
    settings: tuple[str, ...] = option(
        "--set",
        multiple=True,
        metavar="NAME=VALUE",
        help="A parameter of the algorithm, e.g. method=pixelate; may be repeated.",
    )
    environment: str | None = option(
        "--environment", metavar="ID", help="Environment to use.  [default: free before paid]"
    )
    is_free: bool | None = option("--free/--paid", help="Use only free, or only paid environments.")
    token: str | None = option(
        "--token", metavar="ADDRESS", help="ERC-20 to pay with.  [default: the environment's first]"
    )
    seconds: int | None = option(
        "--seconds",
        type=_WHOLE,
        help=f"Time limit of the job.  [default: {PAID_SECONDS} if paid, the most if free]",
    )
    cpu: int | None = option("--cpu", type=_WHOLE, help="Cores.  [default: the fewest offered]")
    ram: int | None = option("--ram", type=_WHOLE, help="GiB of memory.  [default: the least]")
    disk: int | None = option("--disk", type=_WHOLE, help="GiB of disk.  [default: the least]")
    resources: tuple[str, ...] = option(
        "--resource",
        multiple=True,
        metavar="NAME=AMOUNT",
        help="Amount of any resource that the environment offers, e.g. a GPU by its id; may be repeated.",
    )
    job_id: str | None = option(
        "--job-id", metavar="ID", help="Only follow a job that was started, and fetch its results."
    )
    list_environments: bool = option(
        "--list-environments", is_flag=True, help="Only list where jobs can run, and prices."
    )
    withdraw: bool = option(
        "--withdraw", is_flag=True, help="Only withdraw what no job has locked in the escrow."
    )
    new: bool = option("--new", is_flag=True, help="Start another job although this one has already run.")
    as_json: bool = option("--json", is_flag=True, help="Print the result as JSON.")

    def request(self) -> JobRequest:
        """The buyer's request.

        Raises:
            SettingError: a setting or resource is not written as NAME=VALUE, or given twice.
            ConfigError: the job would refuse a parameter.
        """
        named = {"cpu": self.cpu, "ram": self.ram, "disk": self.disk}
        amounts = {name: amount for name, amount in named.items() if amount}
        return JobRequest(
            parameters=_parameters(self.settings),
            environment=self.environment,
            mode="any" if self.is_free is None else "free" if self.is_free else "paid",
            token=self.token,
            seconds=self.seconds,
            resources=_amounts(self.resources, amounts),
        )


def _parameters(settings: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name or name in given:
            raise SettingError(f"--set {setting}: write each parameter once, as NAME=VALUE")
        given[name] = value
    config_of(given)
    return given


def _amounts(resources: Sequence[str], named: Mapping[str, int]) -> dict[str, float]:
    amounts: dict[str, float] = dict(named)
    for resource in resources:
        name, _, amount = resource.partition("=")
        is_whole = amount.isdecimal() and len(amount) <= _MOST_DIGITS and int(amount) > 0
        if not name or name in amounts or not is_whole:
            raise SettingError(
                f"--resource {resource}: name each resource once, as NAME=AMOUNT with a whole number of "
                f"at most {_MOST_DIGITS} digits"
            )
        amounts[name] = int(amount)
    return amounts


@click.command("run_job", context_settings={"help_option_names": ["-h", "--help"]})
@takes(where=SessionOptions, options=JobOptions)
@click.pass_obj
def run_job(opener: Opener, where: SessionOptions, options: JobOptions) -> None:
    """Runs the algorithm on a data set, and fetches and verifies the results.

    The same command again continues after an interruption: nothing is ordered, paid or started twice.
    """
    request = options.request()
    if where.network == EMBEDDED:
        raise SettingError("compute needs a chain and a node: name them with --network and --node-url")
    with opener(where, signs=not options.list_environments) as session:
        if options.list_environments:
            show_environments(session.node.environments(), session.chain)
            return
        if options.withdraw:
            withdraw(session)
            return
        if options.output is None:
            raise SettingError("name the folder for the results: -o FOLDER")
        output = ResultsFolder(options.output)
        if options.job_id:
            _finish(session, options.job_id, output, as_json=options.as_json)
        else:
            _run(session, request, output, options)
        if request.mode != "free":
            show_escrow(session)


def _run(session: Session, request: JobRequest, output: ResultsFolder, options: JobOptions) -> None:
    if options.algorithm is None or not options.datasets:
        raise SettingError("name an algorithm and a data set: --algorithm DID --dataset DID")
    what = [session.node.url, options.algorithm, list(options.datasets), dict(request.parameters)]
    how = [request.environment, request.mode, request.token, request.seconds, dict(request.resources)]
    name = digest_of([what, how])[:16]
    with session.journal("job", name, anew=options.new) as journal:
        book = OrderBook(session.journal_dir / "orders.jsonl")
        buyer = Buyer(journal, session.node, book, _say, session.pause)
        job_id = buyer.find_started()
        output.check(job_id)
        if job_id is not None:
            _say(f"job {job_id} was already started; --new starts another one")
        else:
            assets = find_assets(session.node, options.algorithm, options.datasets, session.chain.chain_id)
            job_id = _begin(session, buyer, assets, request)
        _finish(session, job_id, output, as_json=options.as_json)


def _begin(session: Session, buyer: Buyer, assets: Assets, request: JobRequest) -> str:
    _check_known(assets, request)
    plan = buyer.plan(assets, request)
    _say(_described(session, plan))
    session.confirm("Sign, pay and start?" if plan.orders else "Sign and start?")
    job_id = buyer.start(plan, buyer.pay(plan))
    _say(f"started job {job_id}")
    return job_id


def _say(line: str) -> None:
    err.print(line, markup=False)


def _check_known(assets: Assets, request: JobRequest) -> None:
    """Checks that the published algorithm, which may be another version, offers every parameter."""
    described = assets.algorithm.metadata.algorithm
    offered = {one.name for one in (described.consumer_parameters if described else None) or ()}
    unknown = [name for name in request.parameters if name not in offered]
    if offered and unknown:
        raise SettingError(
            f"the published algorithm has no parameter {unknown[0]!r}; it has {', '.join(sorted(offered))}"
        )


def _finish(session: Session, job_id: str, output: ResultsFolder, *, as_json: bool) -> None:
    output.check(job_id)
    with _progress(err) as show:
        job = follow(session.node, session.chain.address, job_id, show, session.pause)
    collector = Collector(session.node, session.chain.account, job_id, output, _say)
    done = collector.collect(job)
    _say("looking for metadata, weak covers and uncovered faces in the outputs")
    issues = session.examine(done.outputs)
    _report(job_id, done, issues, as_json=as_json)
    if issues:
        raise ResultsError(issues)


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[Job], None]]:
    """Shows a live line on a terminal, and a line for every new state elsewhere."""
    begun = time.monotonic()
    if console.is_terminal:
        with console.status("waiting") as status:
            # As `Text`, because rich would parse a status such as "[/x]" as markup.
            yield lambda job: status.update(Text(f"{_state(job)} ({time.monotonic() - begun:.0f} s)"))
        return
    last: list[str] = []

    def show(job: Job) -> None:
        if last != [job.status_text]:
            last[:] = [job.status_text]
            console.print(_state(job), markup=False)

    yield show


def _state(job: Job) -> str:
    return printable(job.status_text.strip(), quoted=False)


def _described(session: Session, plan: ComputePlan) -> str:
    chain = session.chain
    rows = [
        ("network", f"{chain.network.name}, chain {chain.chain_id}"),
        ("account", chain.address),
        ("node", session.node.url),
        ("algorithm", f"{plan.assets.algorithm.metadata.name}  {plan.assets.algorithm.id}"),
        *(("data set", f"{dataset.metadata.name}  {dataset.id}") for dataset in plan.assets.datasets),
        *(("parameter", f"{name} = {value}") for name, value in plan.request.parameters.items()),
        ("environment", plan.placement.environment.id),
        ("may take", f"{plan.placement.seconds} s{'' if plan.request.seconds else '; --seconds changes it'}"),
    ]
    for order in plan.orders:
        rows.append((f"order: {order.role}", order.describe()))
        rows += [("", f"and {fee} in fees") for fee in order.fees]
    if plan.escrow is None:
        rows.append(("costs", "nothing: free compute asks for no order and no payment"))
    else:
        costs = " and ".join(map(str, plan.costs)) or "nothing"
        rows += [
            ("compute", f"{plan.escrow.price} at most, held by the escrow {plan.escrow.escrow}"),
            ("", f"{plan.escrow.deposit} of it are paid in now"),
            *_reused(plan.escrow),
            ("costs", costs),
            *gas_rows(chain, plan.gas),
        ]
    return columns(rows)


def _reused(escrow: EscrowPlan) -> list[tuple[str, str]]:
    if not escrow.reused.units:
        return []
    return [("", f"{escrow.reused} of it are the account's own in the escrow, from earlier")]


def _report(job_id: str, done: Collected, issues: Sequence[str], *, as_json: bool) -> None:
    counts = done.manifest.counts
    if as_json:
        logs = [str(path) for path in done.logs]
        found = {"job": job_id, "outputs": str(done.outputs), "logs": logs, "counts": counts.model_dump()}
        click.echo(json.dumps({**found, "issues": list(issues)}, indent=1))
        return
    rows = [
        ("job", job_id),
        ("pictures", str(counts.inputs)),
        ("redacted", f"{counts.redacted}  ({counts.covered})"),
        ("unchanged", str(counts.without_face)),
        ("rejected", str(sum(counts.rejected.values()))),
        ("outputs in", str(done.outputs)),
    ]
    _say(columns(rows))
    outputs = counts.redacted + counts.without_face
    if not outputs:
        click.echo("there are no outputs to verify")
    elif not issues:
        click.echo(f"verified: {counted(outputs, 'output')}, as in the manifest")


main = entry(run_job)
