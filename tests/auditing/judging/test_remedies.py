"""A remedy is checked by doing what it says and looking again: the number that it promised is there."""

from collections.abc import Callable
from typing import Final

import pytest
import torch
from networks import mlp
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.data.load import load_data
from propstats.auditing.data.normalize import scaling
from propstats.auditing.records import Finding

Case = tuple[nn.Module, torch.Tensor]


def _shifted() -> Case:
    generator = torch.Generator().manual_seed(0)
    return mlp("relu", depth=4, critical=True), torch.rand(300, 64, generator=generator) + 3


def _unequal() -> Case:
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(300, 64, generator=generator)
    data[:, 7] *= 100.0
    return mlp("relu", depth=4, critical=True), data


def _stale() -> Case:
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 10)]
    return nn.Sequential(*layers), load_data("digits").inputs[:600] * 10


def _odd() -> Case:
    model = mlp("relu", depth=10, critical=True)
    with torch.no_grad():
        model.get_parameter("9.weight").mul_(4.0)
    return model, load_data("digits").inputs[:300]


def _rescaled(model: nn.Module, data: torch.Tensor) -> Case:
    found = _found((model, data), "odd-gain")
    assert found is not None
    assert found.value is not None
    assert found.layer is not None
    with torch.no_grad():
        model.get_submodule(found.layer).weight.div_(found.value)  # type: ignore[operator]
    return model, data


def _normalised(model: nn.Module, data: torch.Tensor) -> Case:
    values = data.numpy()
    return model, torch.from_numpy(scaling([values], "feature").apply(values)).float()


def _renewed(model: nn.Module, data: torch.Tensor) -> Case:
    model.train()
    with torch.no_grad():
        for _ in range(60):
            model(data)
    return model.eval(), data


DONE: Final[dict[str, tuple[Callable[[], Case], Callable[[nn.Module, torch.Tensor], Case]]]] = {
    "uncentred-inputs": (_shifted, _normalised),
    "zig-zag": (_shifted, _normalised),
    "unequal-variances": (_unequal, _normalised),
    "odd-gain": (_odd, _rescaled),
    "stale-batch-norm": (_stale, _renewed),
    "train-eval-gap": (_stale, _renewed),
}


def _found(case: Case, rule: str) -> Finding | None:
    return next((f for f in audit(*case).findings if f.rule == rule), None)


@pytest.mark.parametrize("rule", DONE)
def test_what_a_remedy_says_helps(rule: str) -> None:
    make, mend = DONE[rule]
    before = _found(make(), rule)
    assert before is not None
    assert before.predicted is not None
    assert before.interval is not None
    # What it promises is not what was found, beyond the errors.
    assert not before.interval[0] <= before.predicted <= before.interval[1]
    assert _found(mend(*make()), rule) is None
