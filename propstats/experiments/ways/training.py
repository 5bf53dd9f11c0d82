"""Train one network, and measure its error on the way."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from propstats.expectation.sampling import block_seed
from propstats.experiments.ways.images import FlatImages, Part
from propstats.experiments.ways.networks import Way, network
from propstats.experiments.ways.records import Trained
from propstats.nn import NormProp, constrain_rows

MOMENTUM = 0.9
BATCH = 100
#: How often the error is measured along training, and on how many images.
_POINTS, _SEEN = 8, 1000
_WEIGHTS, _BATCHES = range(2)  # streams of random numbers


@dataclass(frozen=True, slots=True)
class Setting:
    """What all networks of one way and depth have in common.

    Args:
        way: How hidden layers keep signal.
        depth: Layers of weights.
        width: Units of each hidden layer.
        images: What they learn from.
        device: Where.
    """

    way: Way
    depth: int
    width: int
    images: FlatImages
    device: torch.device


class Learner:
    """A network that learns by stochastic gradient descent with momentum; rows of NormProp's weights keep length one.

    Args:
        setting: Which network, and on what.
        seed: Of its weights and batches: ways with the same seed see the same batches.
    """

    def __init__(self, setting: Setting, seed: int) -> None:
        self.images, self.device = setting.images, setting.device
        self.model = network(
            setting.way, depth=setting.depth, width=setting.width, inputs=self.images.train.inputs.shape[1],
            classes=self.images.classes, generator=torch.Generator().manual_seed(block_seed(seed, _WEIGHTS)),
        ).to(self.device)  # fmt: skip
        self.optimizer = torch.optim.SGD(self.model.parameters(), momentum=MOMENTUM)
        if any(isinstance(layer, NormProp) for layer in self.model.modules()):
            constrain_rows(self.optimizer, self.model)
        self._generator = torch.Generator().manual_seed(block_seed(seed, _BATCHES))
        self._order = torch.empty(0, dtype=torch.long)

    def step(self, rate: float) -> float:
        """Make a step, unless the loss is not finite; return the loss."""
        if len(self._order) < BATCH:
            self._order = torch.randperm(len(self.images.train), generator=self._generator)
        chosen, self._order = self._order[:BATCH], self._order[BATCH:]
        inputs, labels = (part[chosen].to(self.device) for part in (self.images.train.inputs, self.images.train.labels))
        loss = nn.functional.cross_entropy(self.model(inputs), labels)
        value = float(loss.detach())
        if math.isfinite(value):
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        return value


def train(
    setting: Setting,
    *,
    seed: int,
    rate: float,
    steps: int,
    judged: Part,
    progress: Callable[[int], None] | None = None,
) -> Trained:
    """Train one network, the learning rate falling linearly to 0, and measure its error on the way.

    Args:
        setting: Which network, and on what.
        seed: Of its weights and batches.
        rate: Learning rate to begin with.
        steps: Training steps.
        judged: The images that errors are measured on.
        progress: Called with the steps that are done.
    """
    learner = Learner(setting, seed)
    marks = sorted({max(1, steps * point // _POINTS) for point in range(1, _POINTS + 1)})
    seen, errors = Part(judged.inputs[:_SEEN], judged.labels[:_SEEN]), list[float]()
    for step in range(1, steps + 1):
        if not math.isfinite(learner.step(rate * (1 - (step - 1) / steps))):
            guessing = 1 - 1 / setting.images.classes
            return Trained(seed, rate, tuple(marks[: len(errors)]), tuple(errors), guessing, math.inf, step)
        if step in marks:
            errors.append(measure(learner.model, seen, setting.device)[0])
        if progress is not None:
            progress(step)
    error, loss = measure(learner.model, judged, setting.device)
    return Trained(seed, rate, tuple(marks), tuple(errors), error, loss, None)


def measure(model: nn.Module, part: Part, device: torch.device) -> tuple[float, float]:
    """Return the share of examples that a network names wrongly, and their mean cross-entropy, in evaluation mode."""
    wrong, loss = 0, 0.0
    model.eval()
    with torch.no_grad():
        for start in range(0, len(part), _SEEN):
            inputs, labels = (
                part.inputs[start : start + _SEEN].to(device),
                part.labels[start : start + _SEEN].to(device),
            )
            scores = model(inputs)
            # What is not finite names no class.
            wrong += int(((scores.argmax(dim=1) != labels) | ~scores.isfinite().all(dim=1)).sum())
            loss += float(nn.functional.cross_entropy(scores, labels, reduction="sum"))
    model.train()
    return wrong / len(part), loss / len(part) if math.isfinite(loss) else math.inf
