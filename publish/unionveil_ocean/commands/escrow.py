"""The account's balance in the escrow: shown after a job, and withdrawn."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..errors import OrderError, PublishError
from ..jobs.escrow import EscrowFunds, escrow_funds, withdrawal
from .report import confirm_plan
from .session import Session, say


def show_escrow(session: Session) -> None:
    """Shows the balance; if it cannot be read, that is not an error, because the job is over."""
    try:
        left = _funds(session)
    except PublishError as error:
        say(f"note: the balance in the escrow cannot be read: {error}")
        return
    for one in (one for funds in left.values() for one in funds):
        say(f"left in the escrow: {_described(one)}")


def _described(funds: EscrowFunds) -> str:
    parts = []
    if funds.locked.units:
        parts.append(f"{funds.locked} locked until the node has claimed its price")
    if funds.free.units:
        parts.append(f"{funds.free} free; run_job.py --withdraw takes it back")
    return ", ".join(parts)


def withdraw(session: Session) -> None:
    """Withdraws everything that no job has locked, after a confirmation."""
    left = _funds(session)
    free = {
        escrow: [one for one in funds if one.free.units]
        for escrow, funds in left.items()
        if any(one.free.units for one in funds)
    }
    if not free:
        show_escrow(session)
        click.echo("nothing to withdraw")
        return
    calls = {escrow: withdrawal(session.chain, escrow, funds) for escrow, funds in free.items()}
    gas = {
        f"withdraw {_total(free[escrow])} from the escrow {escrow}": session.chain.estimate_gas(call)
        for escrow, call in calls.items()
    }
    confirm_plan(session, "withdraw what is free", gas)
    for escrow, call in calls.items():
        session.chain.send(call, action="withdraw from the escrow")
        click.echo(f"withdrawn: {_total(free[escrow])}")


def _total(funds: Sequence[EscrowFunds]) -> str:
    return " and ".join(str(one.free) for one in funds)


def _funds(session: Session) -> dict[str, tuple[EscrowFunds, ...]]:
    """The account's balances, by address of the escrow."""
    chain = session.chain
    if not chain.network.escrows:
        raise OrderError(f"Ocean's escrow is not known on {chain.network.name}")
    tokens = [token for one in session.node.environments() for token in one.tokens(chain.chain_id)]
    return {escrow: escrow_funds(chain, escrow, tokens) for escrow in chain.network.escrows}
