"""Shared by all commands: the options for chain, node and key, and the end of a command."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn, Protocol

import click
from rich.console import Console

from unionveil.cli.console import run_command
from unionveil.cli.options import FiniteRange
from unionveil.engines.pool import DEFAULT_TIMEOUT_SECONDS, PoolEngine
from unionveil.engines.resources import default_jobs
from unionveil.measure.verify_run import verify_outputs

from ..chain.accounts import KEY_VARIABLE, PASSWORD_VARIABLE, load_account, new_account
from ..chain.connection import Chain, LocalAccount, connect
from ..chain.fees import FeePolicy
from ..chain.journal import Journal, default_folder
from ..chain.networks import find_network
from ..errors import SettingError
from ..money import GWEI
from ..node.client import NodeClient
from ..node.protocol import Node
from ..sandbox.chain import embedded_chain
from ..sandbox.node import OfflineNode
from .options import CHECKOUT, FILE, FOLDER, option

EMBEDDED = "embedded"

STAND_IN_URL = "http://127.0.0.1/main.py"
"""Placeholder for the address of the algorithm's file on an embedded chain."""

err = Console(stderr=True, highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class SessionOptions:
    """Options for network, node and account."""

    network: str = option(
        "--network",
        default=EMBEDDED,
        show_default=True,
        metavar="NAME",
        help="sepolia, polygon, optimism, base..., or a chain id. embedded: a chain inside this process.",
    )
    rpc_url: str | None = option(
        "--rpc-url", envvar="RPC", show_envvar=True, metavar="URL", help="RPC of the chain."
    )
    node_url: str | None = option(
        "--node-url", envvar="NODE_URL", show_envvar=True, metavar="URL", help="Ocean node."
    )
    keystore: Path | None = option(
        "--keystore",
        type=FILE,
        help=f"Encrypted keystore of the account that signs; its password is asked for, or "
        f"{PASSWORD_VARIABLE}. Without a keystore the key is the environment variable {KEY_VARIABLE}.",
    )
    address_file: Path | None = option(
        "--address-file",
        envvar="ADDRESS_FILE",
        show_envvar=True,
        type=FILE,
        help="Contracts on a chain of your own, in the form of ocean-contracts' address.json.",
    )
    max_fee_gwei: float | None = option(
        "--max-fee-gwei",
        type=FiniteRange(min=0, min_open=True, max=1e9),
        help="Highest price of one unit of gas.  [default: 500; 5000 on Polygon]",
    )
    confirmations: int = option(
        "--confirmations",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Blocks, its own included, before a transaction counts.",
    )
    journal_dir: Path | None = option(
        "--journal-dir",
        type=FOLDER,
        help="Folder for the record of steps.  [default: the user's state folder]",
    )
    yes: bool = option("--yes", is_flag=True, help="Do not ask before signing, for scripts.")

    @property
    def policy(self) -> FeePolicy:
        """Limits on the price of gas."""
        return FeePolicy(None if self.max_fee_gwei is None else int(self.max_fee_gwei * GWEI))


def _examined(folder: Path) -> Sequence[str]:
    verdict = verify_outputs(folder, PoolEngine(default_jobs(), DEFAULT_TIMEOUT_SECONDS))
    return [issue.sentence for issue in verdict.sure]


@dataclass(frozen=True)
class Session:
    """Chain, node and journals of a command.

    Attributes:
        chain: checked, with the signing account.
        node: encrypts, validates, indexes and computes.
        journal_dir: folder of journals.
        yes: do not ask.
        pause: waits, in seconds.
        on_step: called with the name of each step of a journal; see `Journal`.
        examine: examines a folder of outputs like `unionveil verify`; returns a sentence for each deviation
            from the manifest's claims.
    """

    chain: Chain
    node: Node
    journal_dir: Path
    yes: bool
    pause: Callable[[float], None] = time.sleep
    on_step: Callable[[str], None] | None = None
    examine: Callable[[Path], Sequence[str]] = _examined

    @property
    def is_embedded(self) -> bool:
        """Whether the chain vanishes when the program ends."""
        return not self.chain.network.is_live

    def journal_path(self, kind: str, name: str) -> Path:
        """Path of an asset's journal: one file per chain, account, kind and name."""
        slug = "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")[:60]
        return self.journal_dir / str(self.chain.chain_id) / self.chain.address / f"{kind}-{slug}.json"

    def journal(self, kind: str, name: str, *, anew: bool | None = None) -> Journal:
        """The journal at `journal_path`, to be entered; see `Journal` for `anew`."""
        return Journal(self.journal_path(kind, name), self.chain, self.on_step, anew=anew, report=say)

    def confirm(self, question: str) -> None:
        """Asks before anything is signed, unless --yes was given.

        Raises:
            SettingError: there is no terminal to ask on.
            click.Abort: the answer is no.
        """
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise SettingError(
                "nothing was signed: there is no terminal to confirm on; add --yes if the plan is right"
            )
        click.confirm(question, abort=True, err=True)


class Opener(Protocol):
    """Opens the session of a command: `open_session`, or a test's own."""

    def __call__(self, options: SessionOptions, *, signs: bool = True) -> AbstractContextManager[Session]:
        """See `open_session`."""
        ...


@contextmanager
def open_session(
    options: SessionOptions, *, signs: bool = True, pause: Callable[[float], None] = time.sleep
) -> Iterator[Session]:
    """Connects to network and node; nothing is signed yet.

    Args:
        options: of the command.
        signs: False for a command that only reads: it needs no key, and a new account stands in.
        pause: waits, in seconds.
    """
    if options.network == EMBEDDED:
        with _embedded_session(options) as session:
            yield session
        return
    network = find_network(options.network, options.address_file)
    if options.node_url is None:
        raise SettingError("name the Ocean node that serves the asset with --node-url, or NODE_URL")
    account = _account(options) if signs else new_account()
    chain = connect(network, options.rpc_url, account, options.policy, options.confirmations, pause)
    with NodeClient(options.node_url, pause=pause, report=say) as node:
        yield Session(chain, node, options.journal_dir or default_folder(), options.yes, pause)


def _account(options: SessionOptions) -> LocalAccount:
    return load_account(
        options.keystore, lambda: str(click.prompt("Keystore password", hide_input=True, err=True))
    )


@contextmanager
def _embedded_session(options: SessionOptions) -> Iterator[Session]:
    given = {
        "--rpc-url": options.rpc_url,
        "--node-url": options.node_url,
        "--keystore": options.keystore,
        "--journal-dir": options.journal_dir,  # of a chain that is gone, it would mislead the next run
    }
    named = [flag for flag, value in given.items() if value and not _from_environment(flag)]
    if named:
        raise SettingError(f"{named[0]} needs a network; name it with --network")
    chain = embedded_chain()
    chain.policy = options.policy
    file = CHECKOUT / "algorithm" / "main.py"
    node = OfflineNode({STAND_IN_URL: file.read_bytes()} if file.exists() else {})
    with TemporaryDirectory(prefix="unionveil-") as folder:
        yield Session(chain, node, Path(folder), yes=True)


def _from_environment(flag: str) -> bool:
    context = click.get_current_context(silent=True)
    if context is None:
        return False
    name = flag.removeprefix("--").replace("-", "_")
    return context.get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT


def say(line: str) -> None:
    """Reports progress on standard error; results go to standard output."""
    click.echo(line, err=True)


class Main(Protocol):
    """Runs a command with the arguments of this process, and ends the process."""

    def __call__(self, opener: Opener = open_session) -> NoReturn:
        """The opener reaches the command through click's context (`click.pass_obj`)."""
        ...


def entry(command: click.Command) -> Main:
    """The `main` of a command."""

    def main(opener: Opener = open_session) -> NoReturn:
        run_command(partial(command.main, standalone_mode=False, obj=opener), str(command.name))

    return main
