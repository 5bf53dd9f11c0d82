"""Processes that share the batches return the bits of one alone: acted out in one, and started by torchrun."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from model_files import residual
from torch import nn

from propstats.auditing.measuring.probe import Probe
from propstats.auditing.measuring.shares import Outcome
from propstats.auditing.probing import probe
from propstats.errors import DataError, ModelError

SCRIPT = """
import json, sys
import torch
from torch import nn
from propstats.auditing.audit import audit
from propstats.report.jsonable import to_jsonable

torch.distributed.init_process_group("gloo")
torch.manual_seed(0)
how = sys.argv[2]
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))
data = torch.randn(900, 6)
if how == "DDP":
    model = nn.parallel.DistributedDataParallel(model)
if how == "FSDP":
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (torch.distributed.get_world_size(),))
    for part in (model[0], model[2], model):
        fully_shard(part, mesh=mesh)
rank = torch.distributed.get_rank()
with open(f"{sys.argv[1]}/{rank}.json", "w") as file:
    json.dump(to_jsonable(audit(model, data)), file)
torch.distributed.destroy_process_group()
"""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))


def numbers(found: Probe) -> list[float]:
    taken = []
    for call in found.calls:
        units = call.output.units
        if units is None:  # a mask
            continue
        taken += [call.output.q, call.output.var, call.output.pooled_mean.error, float(call.flat)]
        taken += [call.gradient_input.running.mean, call.gradient_output.running.mean]
        taken += [*units.variance.tolist(), *units.kurtosis.tolist(), call.output.quantiles.quantile(0.9)]
    return taken


@dataclass
class Acted:
    """One of several processes, acted out: what the others say was noted before."""

    rank: int
    world: int
    others: list[list[Outcome]] = field(default_factory=list)
    said: list[Outcome] = field(default_factory=list)

    def __call__(self, mine: Outcome) -> Sequence[Outcome]:
        """Note what this one says, and return what all say."""
        self.said.append(mine)
        if not self.others:
            return [mine]
        return [said[len(self.said) - 1] for said in self.others]


def together(make: Callable[[], nn.Module], data: torch.Tensor, world: int) -> list[Probe]:
    """Return what each of some processes finds."""
    acted = [Acted(rank, world) for rank in range(world)]
    for one in acted:
        probe(make(), data, exchange=one)
    others = [one.said for one in acted]
    return [probe(make(), data, exchange=Acted(rank, world, others)) for rank in range(world)]


@pytest.mark.parametrize(("world", "make"), [(2, network), (3, network), (5, network), (2, residual)])
def test_many_are_one_to_the_last_bit(world: int, make: Callable[[], nn.Module]) -> None:
    """Four batches: with five processes one has nothing to do."""
    shape = (6,) if make is network else (1, 8, 8)
    data = torch.randn(900, *shape, generator=torch.Generator().manual_seed(0))
    data[:, 0] += 100
    alone = probe(make(), data)
    for found in together(make, data, world):
        assert repr(numbers(found)) == repr(numbers(alone))  # where nothing varies, NaN
        assert found.samples == alone.samples == 900
        for mine, its in zip(found.calls, alone.calls, strict=True):
            assert (mine.alive is None) == (its.alive is None)
            assert mine.alive is None or its.alive is None or bool((mine.alive == its.alive).all())


def test_what_is_not_finite_is_found_by_all() -> None:
    data = torch.randn(900, 6, generator=torch.Generator().manual_seed(0))
    data[600, 1] = torch.nan
    alone = probe(network(), data)
    for found in together(network, data, 2):
        assert [call.output.non_finite for call in found.calls] == [call.output.non_finite for call in alone.calls]
        assert found.inputs.non_finite == 1


class Picky(nn.Module):
    """Refuses the last batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if float(x.detach().max()) > 50:
            raise ValueError("too large")
        return x * 2


def test_what_one_meets_all_raise() -> None:
    """Else the others would wait for it."""
    data = torch.randn(900, 6, generator=torch.Generator().manual_seed(0))
    data[-1] = 99.0
    meets, hears = Acted(1, 2), Acted(0, 2)
    with pytest.raises(DataError, match="too large") as met:
        probe(Picky(), data, exchange=meets)
    hears.others = [[None, None], [None, met.value]]
    with pytest.raises(DataError, match="too large"):
        probe(Picky(), data[:800], exchange=hears)
    assert [type(outcome).__name__ for outcome in meets.said] == ["Share", "DataError"]


def test_a_layer_that_changes_its_shape() -> None:
    class Grows(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.repeat(1, 2) if len(x) == 132 else x + 1

    with pytest.raises((ModelError, DataError)):
        probe(nn.Sequential(nn.Linear(6, 3), Grows()), torch.randn(900, 6))


@pytest.mark.slow
def test_torchrun(tmp_path: Path) -> None:
    """Copies, DDP and FSDP, whose weights are split among the processes, in one to three of them."""
    (tmp_path / "work.py").write_text(SCRIPT)

    def run(processes: int, how: str) -> list[str]:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        command += [str(tmp_path / "work.py"), str(tmp_path), how]
        subprocess.run(command, check=True, capture_output=True, env=env)
        return [(tmp_path / f"{rank}.json").read_text() for rank in range(processes)]

    one = run(1, "copies")
    assert json.loads(one[0])["layers"][0]["type"] == "Linear"
    for processes, how in ((2, "copies"), (3, "copies"), (2, "DDP"), (2, "FSDP")):
        assert run(processes, how) == one * processes, how
