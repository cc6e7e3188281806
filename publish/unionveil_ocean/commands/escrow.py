"""What the account has in the escrow: shown after a job, and taken back."""

from __future__ import annotations

import click

from ..errors import OrderError, PublishError
from ..jobs.escrow import EscrowFunds, escrow_funds, withdrawal
from .report import confirm_plan
from .session import Session, say


def show_escrow(session: Session) -> None:
    """Says what is left; a failure to find out is no failure of the job, which is over."""
    try:
        _, funds = _funds(session)
    except PublishError as error:
        say(f"note: what is left in the escrow cannot be read: {error}")
        return
    for one in funds:
        say(f"left in the escrow: {_described(one)}")


def _described(funds: EscrowFunds) -> str:
    parts = []
    if funds.locked.units:
        parts.append(f"{funds.locked} locked until the node has claimed its price")
    if funds.free.units:
        parts.append(f"{funds.free} free; run_job.py --withdraw takes it back")
    return ", ".join(parts)


def withdraw(session: Session) -> None:
    """Takes back all that no job has locked, after a confirmation."""
    escrow, funds = _funds(session)
    free = [one for one in funds if one.free.units]
    if not free:
        for one in funds:
            say(f"left in the escrow: {_described(one)}")
        click.echo("nothing to withdraw")
        return
    call = withdrawal(session.chain, escrow, free)
    amounts = " and ".join(str(one.free) for one in free)
    gas = {"withdraw": session.chain.estimate_gas(call, action="withdraw")}
    confirm_plan(session, f"withdraw {amounts} from the escrow {escrow}", gas)
    session.chain.send(call, action="withdraw from the escrow")
    click.echo(f"withdrawn: {amounts}")


def _funds(session: Session) -> tuple[str, tuple[EscrowFunds, ...]]:
    escrow = session.chain.addresses.escrow
    if escrow is None:
        raise OrderError(f"Ocean's escrow is not known on {session.chain.network.name}")
    paid_with = [token for one in session.node.environments() for token in one.tokens(session.chain.chain_id)]
    return escrow, escrow_funds(session.chain, escrow, paid_with)
