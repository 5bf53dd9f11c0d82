"""Train one network as the paper did, epoch by epoch, so that it can stop and go on at any of them."""

import dataclasses
import io
import math
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from propstats.errors import ModelError
from propstats.expectation.sampling import block_seed
from propstats.experiments.keeping import check_same
from propstats.experiments.reproduce.images import Images
from propstats.experiments.reproduce.observe import input_means
from propstats.experiments.reproduce.protocol import MOMENTUM, WEIGHT_DECAY, Run
from propstats.experiments.reproduce.records import Epoch, Shortening, Trained
from propstats.files import write_atomically
from propstats.nn import constrain_rows
from propstats.nn.data import BatchNormalization, GlobalNormalization
from propstats.nn.models import nin

_WEIGHTS, _BATCHES = range(2)  # streams of random numbers


class Training:
    """One network in training.

    Args:
        run: How it is trained.
        images: On what.
        shortened: How much of the paper's protocol.
        seed: Of weights, batches and flips.
        device: Where.
    """

    def __init__(self, run: Run, images: Images, shortened: Shortening, seed: int, device: torch.device) -> None:
        self.run, self.images, self.shortened, self.seed, self.device = run, images, shortened, seed, device
        self.model = _network(run, images, torch.Generator().manual_seed(block_seed(seed, _WEIGHTS))).to(device)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=run.rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        if run.method == "normprop":
            constrain_rows(self.optimizer, self.model)
        self.generator = torch.Generator().manual_seed(block_seed(seed, _BATCHES))
        self.epochs: list[Epoch] = []
        self.diverged: int | None = None

    @property
    def is_done(self) -> bool:
        """Whether all epochs are trained, or there is nothing left to train."""
        return self.diverged is not None or len(self.epochs) >= self.shortened.epochs

    @property
    def result(self) -> Trained:
        """What was measured so far."""
        return Trained(self.run.label, self.seed, tuple(self.epochs), self.diverged)

    def steps(self) -> Generator[float, None, None]:
        """Train one epoch and measure; yield the loss of each step."""
        epoch = len(self.epochs)
        # The same number of halvings as in the paper, over as many epochs as there are.
        halve_every = self.run.halve_every * self.shortened.epochs / self.shortened.of_epochs
        for group in self.optimizer.param_groups:
            group["lr"] = self.run.rate * 0.5 ** math.floor(epoch / halve_every)
        order = torch.randperm(len(self.images.train), generator=self.generator)
        losses: list[float] = []
        start = time.perf_counter()
        self.model.train()
        for step in range(self.shortened.steps):
            chosen = order[step * self.run.batch : (step + 1) * self.run.batch]
            losses.append(self._step(chosen))
            yield losses[-1]
            if not math.isfinite(losses[-1]):
                self.diverged = epoch + 1
                return
        seconds = time.perf_counter() - start
        accuracy, units, layers = self._validate()
        self.epochs.append(Epoch(epoch + 1, sum(losses) / len(losses), accuracy, units, layers, seconds))

    def _step(self, chosen: torch.Tensor) -> float:
        inputs, labels = self.images.train[chosen].to(self.device), self.images.train_labels[chosen].to(self.device)
        if self.run.flips:
            flipped = torch.rand(len(inputs), generator=self.generator).to(self.device) < 0.5
            inputs = torch.where(flipped[:, None, None, None], inputs.flip(-1), inputs)
        loss = nn.functional.cross_entropy(self.model(inputs), labels)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return float(loss.detach())

    def _validate(self) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
        count = self.shortened.validated
        return input_means(
            self.model, self.images.test[:count], self.images.test_labels[:count], seed=self.seed, device=self.device
        )

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all.

        Raises:
            OutputError: If it cannot be written.
        """
        buffer = io.BytesIO()
        torch.save({"configuration": self._configuration, "state": self._state}, buffer)
        write_atomically(path, buffer.getvalue())

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint, if there is one.

        Raises:
            ModelError: If it is damaged, or of another configuration; the message says what differs.
        """
        if not path.exists():
            return
        try:
            found: dict[str, Any] = torch.load(path, map_location=self.device, weights_only=True)
            configuration, state = dict(found["configuration"]), found["state"]
        except Exception as error:  # torch raises a dozen kinds on damaged files
            raise ModelError(f"{path}: is no checkpoint of this experiment, or damaged", "remove it") from error
        check_same(f"{path}: is the checkpoint of another configuration", configuration, self._configuration)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"].cpu())
        self.diverged = state["diverged"]
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]

    @property
    def _configuration(self) -> dict[str, Any]:
        """Everything that the result depends on."""
        return dataclasses.asdict(self.run) | {
            "steps": self.shortened.steps,
            "shortened_epochs": self.shortened.epochs,
            "validated": self.shortened.validated,
            "seed": self.seed,
            "data": self.images.sha256,
            "weight_decay": WEIGHT_DECAY,
            "momentum": MOMENTUM,
        }

    @property
    def _state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "epochs": [dataclasses.asdict(epoch) for epoch in self.epochs],
            "diverged": self.diverged,
        }


def _network(run: Run, images: Images, generator: torch.Generator) -> nn.Sequential:
    """Return the paper's network behind its data normalisation."""
    shape = tuple(images.train.shape[1:])
    first = GlobalNormalization.of(images.train) if run.data == "global" else BatchNormalization(*shape)
    network = nin(run.method, classes=images.classes, channels=images.channels, thin=run.thin, generator=generator)
    return nn.Sequential(first, network)
