"""Changing the scale of a layer's weights and biases, in place."""

import math

import torch
from torch import nn

from propstats.auditing.fixing.records import Change
from propstats.auditing.judging.prescription import Prescription
from propstats.auditing.records import Skipped
from propstats.errors import ModelError


class Scaling:
    """The layers of a network whose weights are being scaled, and how far that has gone.

    Args:
        network: The network, which is changed.
        seed: Seed of weights and biases that have to be drawn, because there is nothing to scale.
    """

    def __init__(self, network: nn.Module, seed: int) -> None:
        self._network = network
        self._generator = torch.Generator().manual_seed(seed)
        self._factors: dict[str, float] = {}
        self._owners: dict[int, str] = {}
        self.left_alone: list[Skipped] = []

    def weight(self, name: str) -> nn.Parameter | None:
        """Return the weight of a layer if it can be changed on its own; else it is noted why not."""
        module = self._network.get_submodule(name)
        weight = module._parameters.get("weight")
        if not isinstance(weight, nn.Parameter):
            reason = "its weight is computed from other parameters"
        elif self._owners.setdefault(id(weight), name) != name:
            reason = "it shares its weight with a layer before it"
        elif not bool(weight.isfinite().all()):
            raise ModelError(
                f"{name}.weight holds numbers that are not finite: no scale mends that", "load sound weights"
            )
        else:
            return weight
        if all(skipped.name != name for skipped in self.left_alone):
            self.left_alone.append(Skipped(name, reason))
        return None

    def multiply(self, name: str, factor: float) -> None:
        """Multiply a layer's weights."""
        weight = self.weight(name)
        if weight is not None:
            with torch.no_grad():
                weight.mul_(factor)
            self._factors[name] = self._factors.get(name, 1.0) * factor

    def apply(self, prescription: Prescription, *, is_centred: bool) -> None:
        """Give a layer the scales that theory prescribes.

        Args:
            prescription: What they are.
            is_centred: Whether its weights have a mean of zero, as far as one can tell; theory needs that.
        """
        name = prescription.name
        weight = self.weight(name)
        if weight is None:
            return
        with torch.no_grad():
            if not is_centred:
                weight.sub_(weight.mean())
            self._factors[name] = self._to(weight, prescription.weight_std)
            bias = self._network.get_submodule(name)._parameters.get("bias")
            if bias is not None:
                if prescription.sigma_b == 0.0:
                    bias.zero_()
                else:
                    self._to(bias, prescription.sigma_b)

    def _to(self, tensor: torch.Tensor, std: float) -> float:
        """Bring a tensor to a root mean square; where it is zero, draw it."""
        now = rms(tensor)
        if now == 0.0:
            tensor.normal_(0.0, std, generator=self._generator)
            return math.inf
        tensor.mul_(std / now)
        return std / now

    def changes(self) -> tuple[Change, ...]:
        """Return what became of each layer."""
        found = []
        for name, factor in self._factors.items():
            parameters = self._network.get_submodule(name)._parameters
            weight, bias = parameters["weight"], parameters.get("bias")
            assert weight is not None
            found.append(Change(name, factor, rms(weight), rms(bias) if bias is not None else None))
        return tuple(found)


def rms(tensor: torch.Tensor) -> float:
    """Return the root mean square of a tensor's numbers."""
    return math.sqrt(float(tensor.detach().double().square().mean()))
