"""Paying for compute: the escrow holds the most that a job can cost, the node takes what it did cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..chain.connection import Chain
from ..chain.journal import Journal
from ..chain.tokens import allowance, amount_of, approve
from ..errors import OrderError
from ..money import Amount
from ..node.answers import Payment


@dataclass(frozen=True)
class EscrowPlan:
    """What will be paid in and allowed.

    Attributes:
        escrow: the contract that the node uses, one of Ocean's.
        payee: the node.
        price: most that the job costs.
        deposit: missing in the contract.
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
    known = _checked_escrow(chain, payment, payee)
    contract = chain.contract("Escrow", known).functions
    to_checksum = chain.web3.to_checksum_address
    token, payee = to_checksum(payment.token), to_checksum(payee)
    available = int(chain.read(contract.getUserFunds(chain.address, token))[0])
    price = amount_of(chain, token, payment.amount)
    found = chain.read(contract.getAuthorizations(token, chain.address, payee))
    _, most, locked, seconds, most_locks, locks = found[0] if found else (payee, 0, 0, 0, 0, 0)
    return EscrowPlan(
        escrow=to_checksum(known),
        payee=payee,
        price=price,
        deposit=replace(price, units=max(price.units - available, 0)),
        lock_seconds=max(payment.min_lock_seconds, seconds),
        allowed=max(locked + price.units, most),
        locks=max(locks + 1, most_locks),
        is_allowed=most >= locked + price.units
        and seconds >= payment.min_lock_seconds
        and most_locks >= locks + 1,
    )


def _checked_escrow(chain: Chain, payment: Payment, payee: str) -> str:
    known = {one.lower(): one for one in chain.network.escrows}
    if not known:
        raise OrderError(
            f"no escrow of Ocean's is known on {chain.network.name}, so paid compute is not possible there; "
            "take a free environment, or install a newer ocean-contracts"
        )
    if payment.chain_id != chain.chain_id:
        raise OrderError(
            f"the node wants to be paid on chain {payment.chain_id}, the network is chain {chain.chain_id}; "
            "nothing was signed"
        )
    escrow = known.get(payment.escrow_address.lower())
    if escrow is None:
        raise OrderError(
            f"the node wants to be paid through {payment.escrow_address}, which is not one of Ocean's "
            f"escrows on {chain.network.name} ({', '.join(known.values())}); nothing was signed; if Ocean "
            "released it, install the ocean-contracts that name it (pip install -U ocean-contracts), or "
            "name it in a file with --address-file"
        )
    if payment.payee.lower() != payee.lower():
        raise OrderError(f"the node wants {payment.payee} to be paid instead of its environment {payee}")
    return escrow


def pay_in(plan: EscrowPlan, journal: Journal) -> None:
    """Deposits and authorizes, as far as it is not done.

    Raises:
        TransactionFailed: refused or reverted.
    """
    chain, price, deposit = journal.chain, plan.price, plan.deposit
    contract = chain.contract("Escrow", plan.escrow).functions
    job = [plan.escrow, price.token, plan.payee, str(price.units)]
    if deposit.units:
        if allowance(chain, deposit.token, plan.escrow) < deposit.units:
            journal.transact(
                f"let the escrow take {deposit}", job, lambda: approve(chain, deposit, plan.escrow)
            )
        journal.transact("deposit in the escrow", job, lambda: contract.deposit(deposit.token, deposit.units))
    if not plan.is_allowed:
        terms = (price.token, plan.payee, plan.allowed, plan.lock_seconds, plan.locks)
        journal.transact("authorize the node", job, lambda: contract.authorize(*terms))
