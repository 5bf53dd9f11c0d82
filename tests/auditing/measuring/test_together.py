"""Shares merge to the whole, and processes that torchrun starts agree with one process and with each other."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from propstats.auditing.measuring.probe import Probe, probe
from propstats.auditing.measuring.together import share_of, with_shares

SCRIPT = """
import json, sys
import torch
from torch import nn
from propstats.auditing.audit import audit
from propstats.report.jsonable import to_jsonable

torch.distributed.init_process_group("gloo")
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))
data = torch.randn(900, 6)
rank = torch.distributed.get_rank()
with open(f"{sys.argv[1]}/{rank}.json", "w") as file:
    json.dump(to_jsonable(list(audit(model, data).layers)), file)
torch.distributed.destroy_process_group()
"""


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))


def numbers(found: Probe) -> list[float]:
    taken = []
    for call in found.calls:
        units = call.output.units
        assert units is not None
        taken += [call.output.q, call.output.var, call.output.pooled_mean.error, float(call.flat)]
        taken += [call.gradient_input.running.mean, call.gradient_output.running.mean]
        taken += [*units.variance.tolist(), *units.kurtosis.tolist(), call.output.quantiles.quantile(0.9)]
    return taken


def close(a: list[float], b: list[float]) -> None:
    # Sums of some ten thousand float64 numbers in another order.
    assert a == pytest.approx(b, rel=1e4 * 2.0**-52)


@pytest.mark.parametrize("world", [2, 3, 5])
def test_shares_merge_to_the_whole(world: int) -> None:
    data = torch.randn(900, 6, generator=torch.Generator().manual_seed(0))
    shares = [probe(network(), data, rank=rank, world=world) for rank in range(world)]
    states = [share_of(found) for found in shares]
    close(numbers(with_shares(shares[0], states)), numbers(probe(network(), data)))
    again = [share_of(probe(network(), data, rank=rank, world=world)) for rank in range(world)]
    assert numbers(with_shares(shares[-1], again)) == numbers(shares[0])


@pytest.mark.slow
def test_torchrun(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(SCRIPT)

    def run(processes: int) -> list[str]:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        subprocess.run([*command, str(tmp_path / "work.py"), str(tmp_path)], check=True, capture_output=True)
        return [(tmp_path / f"{rank}.json").read_text() for rank in range(processes)]

    one, two = run(1), run(2)
    assert two[0] == two[1]
    assert two == run(2)

    def values(document: str) -> list[float]:
        found = []
        for layer in json.loads(document):
            forward, backward = layer["forward"], layer["backward"]
            found += [forward[name]["value"] for name in ("mean", "q", "var")] + [backward["input"]["value"]]
        return found

    close(values(one[0]), values(two[0]))
