"""The newcomer's experiment: the same deep network, drawn twice, trained twice, audited twice."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.data.load import load_data
from propstats.auditing.records import AuditReport, Severity
from propstats.errors import OutputError
from propstats.expectation.sampling import block_seed
from propstats.text import reason_of

_DEPTH = 20
_WIDTH = 64
_BATCH = 64
#: Plain gradient descent with momentum, as in the papers: Adam rescales each weight's gradient and so hides, for a
#: while, that it vanishes.
_LEARNING_RATE, _MOMENTUM = 0.01, 0.9
_HELD_OUT = 297

#: What happens while the demo runs: a phase, the steps that are done, the steps that there are.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class DemoNetwork:
    """One of the two networks.

    Args:
        name: What it is called.
        path: Where it was saved.
        drawn: How its weights were drawn.
        accuracy: Share of held-out images that it names rightly after training.
        report: Its audit, after training.
    """

    name: str
    path: str
    drawn: str
    accuracy: float
    report: AuditReport


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Everything `propstats demo` prints.

    Args:
        carries: The network that carries signal.
        dies: The network in which it dies.
        chance: Accuracy of guessing.
        steps: Steps of training.
        explanation: What the audits say of the difference.
    """

    depth: int
    width: int
    steps: int
    seed: int
    chance: float
    carries: DemoNetwork
    dies: DemoNetwork
    explanation: str

    @property
    def as_expected(self) -> bool:
        """Whether one audit passes, the other fails, and training tells the same."""
        right = self.carries.report.passed and not self.dies.report.passed
        return right and self.carries.accuracy > self.dies.accuracy


def demo(
    folder: str | Path = "propstats-demo", *, steps: int = 300, seed: int = 0, progress: Progress | None = None
) -> DemoResult:
    """Train two 20-layer ReLU networks on the embedded digits, save them, audit both, and explain the difference.

    They differ in one thing: how their weights were drawn. One uses torch's default, the other He's scheme.

    Args:
        folder: Where to save `carries.pt` and `dies.pt`; made if it is not there.
        steps: Training steps (gradient descent with momentum, batches of 64).
        seed: Seed of weights, batches and audit.
        progress: Called as training and audits go on.

    Raises:
        OutputError: If the networks cannot be saved.
    """
    images, labels = _digits()
    networks = []
    for name, drawn, scheme in (
        ("carries", "He, std sqrt(2/fan_in)", _he),
        ("dies", "default, +-1/sqrt(fan_in)", _default),
    ):
        model = _network(scheme, torch.Generator().manual_seed(block_seed(seed, 0)))
        _train(model, images, labels, steps, seed, name, progress)
        accuracy = _accuracy(model, images[-_HELD_OUT:], labels[-_HELD_OUT:])
        path = _save(model, Path(folder) / f"{name}.pt")

        def advance(done: int, total: int, name: str = name) -> None:
            if progress is not None:
                progress(f"audit {name}.pt", done, total)

        report = audit(path, "digits", seed=seed, progress=advance)
        networks.append(DemoNetwork(name, str(path), drawn, accuracy, report))
    chance = 1.0 / (int(labels.max()) + 1)
    carries, dies = networks
    return DemoResult(_DEPTH, _WIDTH, steps, seed, chance, carries, dies, _explanation(carries, dies, chance))


def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    data = load_data("digits")
    assert data.labels is not None
    order = torch.randperm(len(data.inputs), generator=torch.Generator().manual_seed(0))
    return data.inputs[order], data.labels[order]


def _network(scheme: Callable[[nn.Linear, torch.Generator], None], generator: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    fan_in = 64
    for _ in range(_DEPTH - 1):
        layers += [_undrawn(fan_in, _WIDTH), nn.ReLU()]
        fan_in = _WIDTH
    layers.append(_undrawn(fan_in, 10))
    for layer in layers:
        if isinstance(layer, nn.Linear):
            scheme(layer, generator)
    return nn.Sequential(*layers)


def _undrawn(fan_in: int, fan_out: int) -> nn.Linear:
    """Make a layer without drawing weights: torch would draw them from its global generator."""
    layer = nn.Linear(fan_in, fan_out, device="meta").to_empty(device="cpu")
    assert isinstance(layer, nn.Linear)
    return layer


def _he(layer: nn.Linear, generator: torch.Generator) -> None:
    with torch.no_grad():
        layer.weight.normal_(0.0, math.sqrt(2.0 / layer.in_features), generator=generator)
        layer.bias.zero_()


def _default(layer: nn.Linear, generator: torch.Generator) -> None:
    bound = 1.0 / math.sqrt(layer.in_features)
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)


def _train(
    model: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    steps: int,
    seed: int,
    name: str,
    progress: Progress | None,
) -> None:
    optimiser = torch.optim.SGD(model.parameters(), lr=_LEARNING_RATE, momentum=_MOMENTUM)
    generator = torch.Generator().manual_seed(block_seed(seed, 1))
    model.train()
    for step in range(steps):
        batch = torch.randint(len(images) - _HELD_OUT, (_BATCH,), generator=generator)
        loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if progress is not None:
            progress(f"train {name}.pt", step + 1, steps)
    model.eval()


def _accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    with torch.no_grad():
        return float((model(images).argmax(dim=1) == labels).double().mean())


def _save(model: nn.Module, path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(model, path)
    except (OSError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else reason_of(error)
        raise OutputError(f"cannot save {path}: {reason}", "choose another folder with --out") from None
    return path


def _explanation(carries: DemoNetwork, dies: DemoNetwork, chance: float) -> str:
    """Say in plain words what the two audits found."""
    good, bad = carries.report.trend.backward_rate, dies.report.trend.backward_rate
    errors = [finding for finding in dies.report.findings if finding.severity is Severity.ERROR]
    if good is None or bad is None or not errors:
        return "The audits did not find what this demo was made to show; see the two reports."
    return (
        f"Both networks are the same {_DEPTH} layers, trained on the same images. In dies.pt every layer passes on "
        f"only {bad.value:.2f} of the gradient it receives, so {bad.total:.0e} of it reaches the first layer: the "
        f"layers near the images never learn, and it names {dies.accuracy:.0%} of new images rightly (guessing: "
        f"{chance:.0%}). In carries.pt every layer passes on {good.value:.2f}, and it names {carries.accuracy:.0%} "
        f"rightly. The only difference is how the weights were drawn. To mend dies.pt: {errors[0].remedy}."
    )
