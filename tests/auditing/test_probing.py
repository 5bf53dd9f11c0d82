"""Whatever form data have, and whatever goes wrong, a probe measures all of them and leaves no trace."""

import copy
import re
from collections.abc import Iterator

import pytest
import torch
from probed import draw, untouched
from torch import nn

from propstats.auditing.measuring.probe import Probe
from propstats.auditing.probing import probe
from propstats.errors import DataError, ModelError

Tensor = torch.Tensor


def test_several_inputs_and_streams() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 6)

        def forward(self, x: Tensor, scale: Tensor) -> Tensor:
            result: Tensor = self.fc(x) * scale
            return result

    x, scale = draw(600, 6), draw(600, 1, seed=1)

    def stream() -> Iterator[dict[str, Tensor]]:
        for first in range(0, 600, 256):
            yield {"x": x[first : first + 256], "scale": scale[first : first + 256]}

    class Batches:
        def batches(self, size: int) -> Iterator[tuple[Tensor, ...]]:
            for first in range(0, 600, size):
                yield (x[first : first + size], scale[first : first + size])

    model = Two()
    wanted = probe(model, (x, scale))
    done: list[int] = []
    for data in (stream(), Batches(), {"x": x, "scale": scale}):
        found = probe(model, data, progress=done.append)
        assert [call.output.q for call in found.calls] == [call.output.q for call in wanted.calls]
        assert [s.running.mean for s in found.calls[1].gradient_inputs] == [
            s.running.mean for s in wanted.calls[1].gradient_inputs
        ]
    assert done == 3 * [256, 256, 88]
    assert (found.samples, len(found.all_inputs)) == (600, 2)
    with pytest.raises(DataError, match="no data"):
        probe(model, iter(()))
    with pytest.raises(DataError, match="samples"):
        probe(model, (x, scale[:5]))


def test_whatever_is_raised_nothing_stays_behind() -> None:
    class Breaks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.calls = nn.Linear(3, 3), 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            if self.calls > 3:
                raise KeyboardInterrupt
            return torch.relu(self.fc(x))

    model = Breaks()
    with pytest.raises(KeyboardInterrupt):
        probe(model, draw(20, 3))
    assert untouched(model)
    assert model.training
    assert torch.backends.mha.get_fastpath_enabled()


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 2))
    model[1].eval()
    model[0].weight.grad = torch.ones(8, 6)
    model[3].bias.requires_grad_(False)
    before = copy.deepcopy(model)
    data = draw(50, 6)
    kept, state = data.clone(), torch.get_rng_state()
    probe(model, data)
    for (name, a), (_, b) in zip(model.named_parameters(), before.named_parameters(), strict=True):
        assert a.requires_grad == b.requires_grad
        assert torch.equal(a, b), name
    assert [p.grad is None for p in model.parameters()] == [False, True, True, True, True, True]
    assert torch.equal(model[0].weight.grad, torch.ones(8, 6))
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), before.buffers(), strict=True))
    assert [m.training for m in model.modules()] == [m.training for m in before.modules()]
    assert torch.equal(data, kept)
    assert torch.equal(state, torch.get_rng_state())
    assert untouched(model)


def test_outputs_that_change_from_run_to_run_are_refused() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.runs = nn.Linear(3, 3), 0

        def forward(self, x: Tensor) -> Tensor:
            self.runs += 1
            result: Tensor = self.fc(x) * self.runs
            return result

    with pytest.raises(ModelError, match="changes from run to run"):
        probe(Noisy(), draw(20, 3))


def test_memory_does_not_grow_with_the_data() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))

    def numbers(found: Probe) -> int:
        """Count the numbers in everything that is kept."""
        seen: set[int] = set()

        def count(value: object) -> int:
            if id(value) in seen or isinstance(value, nn.Module | type) or callable(value):
                return 0
            seen.add(id(value))
            if isinstance(value, torch.Tensor):
                return value.numel()
            if isinstance(value, list | tuple):
                return sum(map(count, value))
            names = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
            slots = [getattr(value, name, None) for name in names]
            return sum(map(count, [*getattr(value, "__dict__", {}).values(), *slots]))

        return count(found)

    assert numbers(probe(model, draw(512, 4))) == numbers(probe(model, draw(4096, 4)))


@pytest.mark.parametrize(("message", "shown"), [("\x1b[2Jcleared\nmore", r"\\x1b\[2Jcleared$"), ("", "ValueError$")])
def test_what_a_network_says_is_one_line_that_no_terminal_obeys(message: str, shown: str) -> None:
    class Complaining(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError(message)

    with pytest.raises(DataError) as caught:
        probe(nn.Sequential(nn.Linear(3, 3), Complaining()), torch.zeros(4, 3))
    assert re.search(shown, caught.value.message)
