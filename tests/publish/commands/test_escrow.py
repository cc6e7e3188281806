"""Withdraws funds from the escrow."""

from ocean_assets import skip_without_escrow

WHOLE = 10**18


def test_unlocked_funds_are_withdrawn(world):
    skip_without_escrow(world.chain)
    account = world.chain.as_account(world.account)
    world.chain.mint_ocean(account.address, 2 * WHOLE)
    token = account.contract("OceanToken", account.addresses.ocean).functions
    escrow = account.contract("Escrow", account.addresses.escrow)
    command = ("run_job", *world.options, "--withdraw")
    code, out, _ = world.run(*command, "--yes")
    assert (code, out) == (0, "nothing to withdraw\n")

    account.send(token.approve(escrow.address, 2 * WHOLE))
    account.send(escrow.functions.deposit(account.addresses.ocean, 2 * WHOLE))
    code, out, shown = world.run(*command)
    assert (code, out) == (2, "")
    assert f"withdraw 2 OCEAN from the escrow {escrow.address}" in shown
    assert "cost at most" in shown
    assert token.balanceOf(account.address).call() == 0
    code, out, shown = world.run(*command, "--yes")
    assert (code, out) == (0, "withdrawn: 2 OCEAN\n"), shown
    assert token.balanceOf(account.address).call() == 2 * WHOLE
