"""Pays for compute: the escrow holds the maximum cost of a job, the node claims the actual cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..chain.connection import Call, Chain
from ..chain.journal import Journal
from ..chain.tokens import allowance, amount_of, approve
from ..errors import OrderError
from ..money import Amount
from ..node.answers import Payment

GAS = {"approve": 60_000, "deposit": 200_000, "authorize": 250_000}
"""As `orders.GAS`."""


@dataclass(frozen=True)
class EscrowPlan:
    """Planned deposit and authorization.

    Attributes:
        escrow: the contract that the node uses, one of Ocean's.
        payee: the node.
        price: maximum cost of the job.
        deposit: amount missing in the contract.
        lock_seconds: longest time that the node may lock it.
        allowed: total that the node may lock afterwards, in units of the token.
        locks: number of locks that it may hold at once.
        is_allowed: whether it is already authorized for exactly that.
    """

    escrow: str
    payee: str
    price: Amount
    deposit: Amount
    lock_seconds: int
    allowed: int
    locks: int
    is_allowed: bool

    @property
    def gas(self) -> int:
        """Upper bound on the gas of its transactions; see `GAS`."""
        paying = GAS["approve"] + GAS["deposit"] if self.deposit.units else 0
        return paying + (0 if self.is_allowed else GAS["authorize"])

    @property
    def reused(self) -> Amount:
        """The part of the price that the account already has in the contract."""
        return replace(self.price, units=self.price.units - self.deposit.units)


def plan_escrow(chain: Chain, payment: Payment, payee: str) -> EscrowPlan:
    """Plans the steps that let the node lock the price of a job.

    Args:
        chain: with the account that pays.
        payment: terms of the node.
        payee: address of the chosen environment.

    Raises:
        OrderError: the chain has no escrow, or the node's terms name another contract, chain or payee.
    """
    known = _checked_escrow(chain, payment, payee)
    contract = chain.contract("Escrow", known).functions
    to_checksum = chain.web3.to_checksum_address
    token, payee = to_checksum(payment.token), to_checksum(payee)
    available = int(chain.read(contract.getUserFunds(chain.address, token))[0])
    price = amount_of(chain, token, payment.amount)
    found = chain.read(contract.getAuthorizations(token, chain.address, payee))
    _, most, locked, seconds, most_locks, locks = found[0] if found else (payee, 0, 0, 0, 0, 0)
    # Running jobs keep what they have locked; unused permissions of earlier jobs end.
    terms = (locked + price.units, payment.min_lock_seconds, locks + 1)
    return EscrowPlan(
        escrow=to_checksum(known),
        payee=payee,
        price=price,
        deposit=replace(price, units=max(price.units - available, 0)),
        lock_seconds=terms[1],
        allowed=terms[0],
        locks=terms[2],
        is_allowed=(most, seconds, most_locks) == terms,
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
    """Makes the remaining deposit and authorization.

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
        # Other jobs change the permission too: other terms make another step.
        name = f"authorize the node: {plan.allowed} in {plan.locks} for {plan.lock_seconds} s"
        journal.transact(name, job, lambda: contract.authorize(*terms))


@dataclass(frozen=True)
class EscrowFunds:
    """An account's balance of one token in the escrow.

    Attributes:
        free: can be withdrawn.
        locked: held for jobs; the part that a node does not claim becomes free again.
    """

    free: Amount
    locked: Amount


def escrow_funds(chain: Chain, escrow: str, tokens: Iterable[str] = ()) -> tuple[EscrowFunds, ...]:
    """The account's balances in an escrow, without empty ones.

    Args:
        chain: with the account.
        escrow: address of the contract.
        tokens: to look for; the contract's own list drops a token once its free balance was withdrawn.
    """
    contract = chain.contract("Escrow", escrow).functions
    listed = [*chain.read(contract.getUserTokens(chain.address)), *tokens]
    found = []
    for token in dict.fromkeys(map(chain.web3.to_checksum_address, listed)):
        free, locked = chain.read(contract.getUserFunds(chain.address, token))
        if free or locked:
            amount = amount_of(chain, token, int(free))
            found.append(EscrowFunds(amount, replace(amount, units=int(locked))))
    return tuple(found)


def withdrawal(chain: Chain, escrow: str, funds: Sequence[EscrowFunds]) -> Call:
    """The transaction that withdraws everything that is free.

    Args:
        chain: with the account.
        escrow: address of the contract.
        funds: from `escrow_funds`.
    """
    free = [one.free for one in funds if one.free.units]
    contract = chain.contract("Escrow", escrow).functions
    return contract.withdraw([one.token for one in free], [one.units for one in free])
