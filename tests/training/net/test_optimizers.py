"""Schedule, parameter groups and moving average."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; `make test-training` installs it")

from training.net.model import FaceNet  # noqa: E402
from training.net.optimizers import (  # noqa: E402
    augment_strength_at,
    lr_at,
    make_optimizers,
    set_lr,
    update_ema,
)


def test_learning_rate_warms_up_and_then_follows_a_cosine() -> None:
    assert lr_at(0.0, 0, 1.0) < 0.01
    assert lr_at(0.0, 1000, 1.0) == pytest.approx(1.0)
    assert lr_at(0.5, 1000, 1.0) == pytest.approx(0.505)
    assert lr_at(1.0, 1000, 1.0) == pytest.approx(0.01)
    assert lr_at(1.5, 1000, 1.0) == pytest.approx(0.01)


def test_augmentation_is_weaker_at_the_end() -> None:
    assert augment_strength_at(0.0) == augment_strength_at(0.79) == 1.0
    assert 0 <= augment_strength_at(0.9) == augment_strength_at(1.0) < 0.5


def test_every_parameter_has_one_optimizer_and_its_learning_rate() -> None:
    model, adapters = FaceNet(), torch.nn.Conv2d(4, 4, 1)
    optimizers = make_optimizers(model, adapters, lr=0.1, weight_decay=0.02)
    set_lr(optimizers, 0.01)
    rates = {
        id(parameter): (group["lr"], group["weight_decay"])
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    parameters = [*model.parameters(), *adapters.parameters()]
    assert len(rates) == len(parameters) == len({id(parameter) for parameter in parameters})
    assert rates[id(model.get_parameter("stage8.0.1.conv.weight"))] == pytest.approx((0.01, 0.02))
    assert rates[id(model.get_parameter("heads.0.score.bias"))] == pytest.approx((0.01, 0.0))
    assert rates[id(adapters.weight)] == pytest.approx((0.05, 0.0))


def test_moving_average_moves_towards_the_weights() -> None:
    ema, model = FaceNet(), FaceNet()
    with torch.no_grad():
        for average, weight in zip(ema.parameters(), model.parameters(), strict=True):
            average.zero_()
            weight.fill_(1.0)
    model.get_buffer("stage4.0.norm.num_batches_tracked").fill_(7)
    update_ema(ema, model, 0.75)
    assert all(torch.all(average == 0.25) for average in ema.parameters())
    assert int(ema.get_buffer("stage4.0.norm.num_batches_tracked")) == 7
