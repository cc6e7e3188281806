"""Muon updates a matrix by about the same amount in all its directions."""

from __future__ import annotations

from copy import deepcopy

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.net.muon import Muon, orthogonalized  # noqa: E402


@pytest.mark.parametrize("shape", [(16, 16), (8, 72), (64, 24)])
def test_singular_values_become_about_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    left, _, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    rank = min(shape)
    uneven = left @ torch.diag(torch.logspace(0, -1.5, rank)) @ right
    values = torch.linalg.svdvals(orthogonalized(uneven))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_update_is_as_large_as_that_of_adamw() -> None:
    torch.manual_seed(2)
    weight = torch.nn.Parameter(torch.zeros(32, 16, 3, 3))
    weight.grad = torch.randn_like(weight) * 1e-4
    Muon([weight], lr=0.01).step()
    assert float(weight.detach().square().mean().sqrt()) == pytest.approx(0.2 * 0.01, rel=0.2)


def test_weights_of_one_shape_are_updated_as_if_alone() -> None:
    torch.manual_seed(3)
    together = [torch.nn.Parameter(torch.randn(8, 4, 3, 3)) for _ in range(3)]
    for weight in together:
        weight.grad = torch.randn_like(weight)
    alone = deepcopy(together)
    for weight, same in zip(alone, together, strict=True):
        weight.grad = same.grad
        Muon([weight], lr=0.1, weight_decay=0.1).step()
    Muon(together, lr=0.1, weight_decay=0.1).step()
    for weight, same in zip(alone, together, strict=True):
        torch.testing.assert_close(same, weight)


def test_only_weights_with_a_gradient_decay() -> None:
    frozen, updated = (torch.nn.Parameter(torch.ones(4, 4, 1, 1)) for _ in range(2))
    updated.grad = torch.zeros_like(updated)
    Muon([frozen, updated], lr=0.1, weight_decay=0.5).step()
    assert (frozen == 1).all()
    assert updated.detach() == pytest.approx(0.95)


def test_badly_scaled_problem_needs_fewer_steps_than_with_gradient_descent() -> None:
    torch.manual_seed(3)
    scales = torch.logspace(0, -2, 16)
    wanted = torch.randn(16, 16)

    def remaining_error(make: object) -> float:
        weight = torch.nn.Parameter(torch.zeros(16, 16, 1, 1))
        optimizer = make([weight])  # type: ignore[operator]
        for step in range(150):
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("first", group["lr"]) * (1 - step / 150)
            optimizer.zero_grad()
            (((weight[:, :, 0, 0] - wanted) * scales) ** 2).sum().backward()
            optimizer.step()
        return float((weight.detach()[:, :, 0, 0] - wanted).square().mean())

    descent = remaining_error(lambda weights: torch.optim.SGD(weights, lr=0.4))
    assert remaining_error(lambda weights: Muon(weights, lr=0.2)) < 0.5 * descent


def test_state_survives_a_checkpoint() -> None:
    torch.manual_seed(4)
    one = torch.nn.Parameter(torch.randn(8, 4, 3, 3))
    other = torch.nn.Parameter(one.detach().clone())
    first = Muon([one], lr=0.01)
    one.grad = torch.randn_like(one)
    first.step()
    second = Muon([other], lr=0.5)
    second.load_state_dict(deepcopy(first.state_dict()))
    other.data.copy_(one.data)
    one.grad = torch.randn_like(one)
    other.grad = one.grad.clone()
    first.step()
    second.step()
    assert torch.equal(one, other)
