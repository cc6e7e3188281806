"""What all commands share: the options for chain, node and key, and how they end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console

from unionveil.errors import UnionVeilError

from ..chain.accounts import KEY_VARIABLE, PASSWORD_VARIABLE, load_account
from ..chain.connection import Chain, FeePolicy, connect
from ..chain.journal import default_folder
from ..chain.networks import find_network
from ..errors import SettingError
from ..node.client import NodeClient
from ..sandbox.chain import embedded_chain
from ..sandbox.node import OfflineNode

__all__ = [
    "EMBEDDED",
    "AnyNode",
    "Session",
    "confirm",
    "err",
    "open_session",
    "run_command",
    "say",
    "session_of",
    "session_options",
]

EMBEDDED = "embedded"

AnyNode = NodeClient | OfflineNode

err = Console(stderr=True, highlight=False, soft_wrap=True)

Command = TypeVar("Command", bound=Callable[..., Any])

_GWEI = 10**9


@dataclass(frozen=True)
class Session:
    """Where a command works.

    Attributes:
        chain: checked, with the account that signs.
        node: encrypts, checks and indexes.
        journal_dir: where journals lie.
        yes: do not ask.
    """

    chain: Chain
    node: AnyNode
    journal_dir: Path
    yes: bool

    @property
    def is_embedded(self) -> bool:
        """Whether the chain is gone when the program ends."""
        return not self.chain.network.is_live

    def journal_path(self, kind: str, name: str) -> Path:
        """The journal of an asset: one file for each chain, account, kind and name."""
        slug = "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")[:60]
        return self.journal_dir / str(self.chain.chain_id) / self.chain.address / f"{kind}-{slug}.json"


def session_options(command: Command) -> Command:
    """Adds the options that `open_session` takes."""
    options = (
        click.option(
            "--network",
            default=EMBEDDED,
            show_default=True,
            metavar="NAME",
            help="sepolia, polygon, optimism, base..., or a chain id. embedded: a chain inside this process.",
        ),
        click.option("--rpc-url", envvar="RPC", show_envvar=True, metavar="URL", help="RPC of the chain."),
        click.option("--node-url", envvar="NODE_URL", show_envvar=True, metavar="URL", help="Ocean node."),
        click.option(
            "--keystore",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help=f"Encrypted keystore of the account that signs; its password is asked for, or "
            f"{PASSWORD_VARIABLE}. "
            f"Without a keystore the key is the environment variable {KEY_VARIABLE}.",
        ),
        click.option(
            "--address-file",
            envvar="ADDRESS_FILE",
            show_envvar=True,
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="Contracts on a chain of your own, in the form of ocean-contracts' address.json.",
        ),
        click.option(
            "--max-fee-gwei", type=click.FloatRange(min=0, min_open=True), help="Most for one unit of gas."
        ),
        click.option(
            "--journal-dir",
            type=click.Path(path_type=Path, file_okay=False),
            help="Where the steps are written down.  [default: the user's state folder]",
        ),
        click.option("--yes", is_flag=True, help="Do not ask before signing, for scripts."),
    )
    for option in reversed(options):
        command = option(command)
    return command


_NAMES = (
    "network",
    "rpc_url",
    "node_url",
    "keystore",
    "address_file",
    "max_fee_gwei",
    "journal_dir",
    "yes",
)


def session_of(options: dict[str, Any]) -> dict[str, Any]:
    """Takes the values of `session_options` out of a command's options, for `open_session`."""
    return {name: options.pop(name) for name in _NAMES}


@contextmanager
def open_session(
    *,
    network: str,
    rpc_url: str | None,
    node_url: str | None,
    keystore: Path | None,
    address_file: Path | None,
    max_fee_gwei: float | None,
    journal_dir: Path | None,
    yes: bool,
    contents: dict[str, bytes] | None = None,
) -> Iterator[Session]:
    """Connects to what the options name; nothing is signed yet.

    Args:
        network: name, chain id, or "embedded".
        rpc_url: RPC; None takes the network's public one.
        node_url: Ocean node.
        keystore: encrypted key; None reads the environment.
        address_file: addresses of one's own chain.
        max_fee_gwei: cap.
        journal_dir: None is the user's state folder.
        yes: do not ask.
        contents: files by address, for a chain that no node reaches.

    Raises:
        PublishError: see its tree.
    """
    policy = FeePolicy(max_fee_wei=None if max_fee_gwei is None else int(max_fee_gwei * _GWEI))
    if network == EMBEDDED:
        given = {
            "--rpc-url": rpc_url,
            "--node-url": node_url,
            "--keystore": keystore,
            "--journal-dir": journal_dir,  # of a chain that is gone, it would tell the next run lies
        }
        named = [option for option, value in given.items() if value and not _from_environment(option)]
        if named:
            raise SettingError(f"{named[0]} needs a network; name it with --network")
        chain = embedded_chain()
        chain.policy = policy
        with TemporaryDirectory(prefix="unionveil-") as folder:
            yield Session(chain, OfflineNode(contents), Path(folder), yes=True)
        return
    found = find_network(network, address_file)
    if node_url is None:
        raise SettingError("name the Ocean node that serves the asset with --node-url, or NODE_URL")
    account = load_account(
        keystore, lambda: str(click.prompt("Keystore password", hide_input=True, err=True))
    )
    live = connect(found, rpc_url, account, policy)
    with NodeClient(node_url) as node:
        yield Session(live, node, journal_dir or default_folder(), yes)


def _from_environment(option: str) -> bool:
    context = click.get_current_context(silent=True)
    if context is None:
        return False
    name = option.removeprefix("--").replace("-", "_")
    return context.get_parameter_source(name) is click.core.ParameterSource.ENVIRONMENT


def say(line: str) -> None:
    """Tells a person what happens; results go to standard output, this does not."""
    click.echo(line, err=True)


def confirm(session: Session, question: str) -> None:
    """Asks a person before anything is signed; a script says --yes.

    Raises:
        SettingError: nobody is there to be asked.
        click.Abort: the answer is no.
    """
    if session.yes:
        return
    if not sys.stdin.isatty():
        raise SettingError("nothing was signed: nobody is there to confirm; add --yes if the plan is right")
    click.confirm(question, abort=True, err=True)


def run_command(command: click.Command) -> Callable[[], NoReturn]:
    """The `main` of a command: every known error ends as one sentence and exit code 2."""

    @wraps(command.callback or run_command)
    def main() -> NoReturn:
        try:
            code = command.main(standalone_mode=False)
        except click.exceptions.Abort as error:
            # click turns Ctrl-C into this, too.
            if isinstance(error.__cause__, KeyboardInterrupt):
                say("interrupted; the same command goes on where this one stopped")
            else:
                say("stopped; nothing more was signed")
            code = 130
        except click.ClickException as error:
            error.show()
            code = 2
        except UnionVeilError as error:
            click.echo(f"{command.name}: {error}", err=True)
            code = 2
        sys.exit(code if isinstance(code, int) else 0)

    return main
