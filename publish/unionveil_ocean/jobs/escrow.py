"""Paying for compute: the escrow holds the most that a job can cost, the node takes what it did cost."""

from __future__ import annotations

from dataclasses import dataclass

from ..chain.connection import Chain
from ..chain.journal import Journal
from ..chain.tokens import Amount, allowance, approve
from ..errors import OrderError
from ..node.answers import Payment

__all__ = ["EscrowPlan", "pay_in", "plan_escrow"]


@dataclass(frozen=True)
class EscrowPlan:
    """What will be paid in and allowed.

    Attributes:
        escrow: the contract, as `ocean-contracts` knows it.
        payee: the node.
        price: most that the job costs.
        deposit: what is missing in the contract.
        lock_seconds: how long the node may hold it back.
        allowed: what the node may lock in all, once this is done; units of the token.
        locks: how many locks it may have at once.
        is_allowed: whether it may already.
    """

    escrow: str
    payee: str
    price: Amount
    deposit: Amount
    lock_seconds: int
    allowed: int
    locks: int
    is_allowed: bool


def plan_escrow(chain: Chain, payment: Payment, payee: str) -> EscrowPlan:
    """What has to be done so that the node can lock the price of a job.

    Args:
        chain: with the account that pays.
        payment: what the node asks for.
        payee: address of the environment that was chosen.

    Raises:
        OrderError: the chain has no escrow, or the node names another contract, chain or payee.
    """
    known = chain.addresses.escrow
    if known is None:
        raise OrderError(
            f"Ocean's escrow is not known on {chain.network.name}, so paid compute is not possible there; "
            "take a free environment, or install a newer ocean-contracts"
        )
    if payment.escrow_address.lower() != known.lower() or payment.chain_id != chain.chain_id:
        raise OrderError(
            f"the node wants to be paid through {payment.escrow_address} on chain {payment.chain_id}, "
            f"which is not Ocean's escrow on chain {chain.chain_id}; nothing was signed"
        )
    if payment.payee.lower() != payee.lower():
        raise OrderError(f"the node wants {payment.payee} to be paid instead of its environment {payee}")
    contract = chain.contract("Escrow", known).functions
    to_checksum = chain.web3.to_checksum_address
    token, payee = to_checksum(payment.token), to_checksum(payee)
    available = int(chain.read(contract.getUserFunds(chain.address, token))[0])
    price = Amount.of(chain, token, payment.amount)
    deposit = Amount(price.token, price.symbol, price.decimals, max(price.units - available, 0))
    found = chain.read(contract.getAuthorizations(token, chain.address, payee))
    _, most, locked, seconds, most_locks, locks = found[0] if found else (payee, 0, 0, 0, 0, 0)
    return EscrowPlan(
        escrow=to_checksum(known),
        payee=payee,
        price=price,
        deposit=deposit,
        lock_seconds=max(payment.min_lock_seconds, seconds),
        allowed=max(locked + price.units, most),
        locks=max(locks + 1, most_locks),
        is_allowed=most >= locked + price.units
        and seconds >= payment.min_lock_seconds
        and most_locks >= locks + 1,
    )


def pay_in(plan: EscrowPlan, chain: Chain, journal: Journal) -> None:
    """Deposits and authorizes, as far as it is not done.

    Raises:
        TransactionFailed: refused or reverted.
    """
    contract = chain.contract("Escrow", plan.escrow).functions
    job = [plan.escrow, plan.price.token, plan.payee, str(plan.price.units)]
    if plan.deposit.units:
        if allowance(chain, plan.deposit.token, plan.escrow) < plan.deposit.units:
            journal.transact(
                f"let the escrow take {plan.deposit}",
                job,
                lambda: approve(chain, plan.deposit, plan.escrow),
                lambda _: {},
            )
        journal.transact(
            "deposit in the escrow",
            job,
            lambda: contract.deposit(plan.deposit.token, plan.deposit.units),
            lambda _: {},
        )
    if not plan.is_allowed:
        journal.transact(
            "authorize the node",
            job,
            lambda: contract.authorize(
                plan.price.token, plan.payee, plan.allowed, plan.lock_seconds, plan.locks
            ),
            lambda _: {},
        )
