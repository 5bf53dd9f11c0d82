"""Networks as network files describe them, drawn at random and run in torch: many draws at once, by torch's own layers.

It knows nothing of the rules. Tensors have the shape (draws, inputs, units, *positions); every draw has weights of its
own, and the statistics of each draw are kept, so that means over draws have standard errors.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from propstats.activations import activation

Layer = Mapping[str, Any]
#: What a layer with two inputs of the network's file is called there.
_JOINS = ("add", "concat")


@dataclass
class Measured:
    """Statistics of one place in the network, one number for each draw.

    Args:
        mean: Mean.
        q: Second moment.
        var: Variance over the inputs, unbiased.
        gradient: Mean square of the gradient.
    """

    mean: torch.Tensor
    q: torch.Tensor
    var: torch.Tensor
    gradient: torch.Tensor | None = None


@dataclass
class Simulation:
    """A network that is drawn and run.

    Args:
        description: What a network file holds.
        draws: How many networks.
        inputs: How many inputs each of them gets.
        generator: Where the random numbers come from.
    """

    description: Mapping[str, Any]
    draws: int
    inputs: int
    generator: torch.Generator
    values: dict[str, torch.Tensor] = field(default_factory=dict)

    def run(self) -> dict[str, Measured]:
        """Return the statistics of the input and of every layer."""
        x = self._input()
        self.values = {"input": x}
        last, counts = "input", dict[str, int]()
        for layer in self.description["layer"]:
            heard = [layer[key] for key in ("input", *_JOINS) if key in layer]
            names = [last] if not heard else [heard[0]] if isinstance(heard[0], str) else list(heard[0])
            kind = next((key for key in _JOINS if key in layer), None) or layer["kind"]
            counts[kind] = counts.get(kind, 0) + 1
            last = layer.get("name", f"{kind}_{counts[kind]}")
            value = self._layer(kind, layer, [self.values[name] for name in names])
            # An alias, so that the gradient here is that of all who hear it.
            self.values[last] = value.view_as(value) if value.requires_grad else value
        return self._measure(self.values[last])

    def _measure(self, output: torch.Tensor) -> dict[str, Measured]:
        found = {}
        for name, value in self.values.items():
            if not value.is_floating_point():
                continue
            flat = value.detach().flatten(2)
            found[name] = Measured(
                flat.mean(dim=(1, 2), dtype=torch.float64),
                flat.square().mean(dim=(1, 2), dtype=torch.float64),
                flat.var(dim=1).mean(dim=1, dtype=torch.float64),
            )
        wanted = {name: value for name, value in self.values.items() if value.requires_grad}
        if wanted:
            direction = self._normal(output.shape)
            gradients = torch.autograd.grad(output, list(wanted.values()), direction)
            for name, gradient in zip(wanted, gradients, strict=True):
                found[name].gradient = gradient.flatten(1).square().mean(dim=1, dtype=torch.float64)
        return found

    def _normal(self, shape: Sequence[int]) -> torch.Tensor:
        return torch.randn(tuple(shape), generator=self.generator)

    def _input(self) -> torch.Tensor:
        """Draw inputs with the correlations that the file states."""
        d = self.description
        if d["layer"][0].get("kind") == "embedding":
            rows = d["layer"][0]["vocabulary"]
            return torch.randint(rows, (self.draws, self.inputs, d["tokens"]), generator=self.generator)
        units, *positions = d["input"] if "tokens" not in d else [*d["input"], d["tokens"]]
        c, r = d.get("correlation", 0.0), d.get("position_correlation", 0.0)
        ones = [1] * len(positions)
        x = math.sqrt(c * r) * self._normal((self.draws, 1, units, *ones))
        x = x + math.sqrt(c * (1 - r)) * self._normal((self.draws, 1, units, *positions))
        x = x + math.sqrt((1 - c) * r) * self._normal((self.draws, self.inputs, units, *ones))
        x = x + math.sqrt((1 - c) * (1 - r)) * self._normal((self.draws, self.inputs, units, *positions))
        mean, std = float(d.get("mean", 0.0)), float(d.get("std", 1.0))
        return (mean + std * x).requires_grad_()

    def _layer(self, kind: str, layer: Layer, heard: list[torch.Tensor]) -> torch.Tensor:
        x = heard[0]
        if kind == "add":
            return torch.stack(heard).sum(dim=0)
        if kind == "concat":
            return torch.cat(heard, dim=2)
        if kind in _LAYERS:
            return _LAYERS[kind](self, layer, x)
        if kind in _GATES:
            value, gate = x.chunk(2, dim=2)
            return value * _GATES[kind](gate)
        params = {name: value for name, value in layer.items() if name in activation(kind).params}
        result: torch.Tensor = activation(kind, **params)(x)
        return result

    def _weights(self, layer: Layer, shape: Sequence[int], fan_in: int, fan_out: int) -> torch.Tensor:
        """Draw one tensor of weights for each draw."""
        scheme = layer.get("weights", "he")
        std = {
            "he": math.sqrt(2 / fan_in),
            "lecun": math.sqrt(1 / fan_in),
            "glorot": math.sqrt(2 / (fan_in + fan_out)),
            "torch": math.sqrt(1 / (3 * fan_in)),
        }[scheme]
        return std * self._normal((self.draws, *shape))

    def _dense(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        fan_in, units = x.shape[2], layer["units"]
        weights = self._weights(layer, (units, fan_in), fan_in, units)
        y: torch.Tensor = torch.einsum("dof,dnfp->dnop", weights, x.flatten(3) if x.ndim > 3 else x.unsqueeze(3))
        y = y + layer.get("bias_std", 0.0) * self._normal((self.draws, 1, units, 1))
        return y.reshape(*x.shape[:2], units, *x.shape[3:])

    def _conv(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        return self._slide(layer, x, transposed=False)

    def _transposed_conv(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        return self._slide(layer, x, transposed=True)

    def _slide(self, layer: Layer, x: torch.Tensor, *, transposed: bool) -> torch.Tensor:
        """Convolve: draws are groups of one convolution."""
        draws, inputs, channels, *positions = x.shape
        axes, outputs, groups = len(positions), layer["channels"], layer.get("groups", 1)
        kernel = (layer["kernel"],) * axes
        shape = (channels, outputs // groups) if transposed else (outputs, channels // groups)
        taps = math.prod(kernel)
        weights = self._weights(layer, (*shape, *kernel), shape[1] * taps, shape[0] * taps).flatten(0, 1)
        options = {key: layer[key] for key in ("stride", "padding", "dilation") if key in layer}
        name = f"conv{'_transpose' if transposed else ''}{axes}d"
        folded = x.transpose(0, 1).reshape(inputs, draws * channels, *positions)
        y: torch.Tensor = getattr(functional, name)(folded, weights, groups=draws * groups, **options)
        y = y.reshape(inputs, draws, outputs, *y.shape[2:]).transpose(0, 1)
        bias = layer.get("bias_std", 0.0) * self._normal((draws, 1, outputs, *(1,) * axes))
        return y + bias if "bias_std" in layer else y

    def _normprop(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        directions = self._normal((self.draws, layer["units"], x.shape[2]))
        rows = functional.normalize(directions, dim=2)
        act = activation(layer.get("act", "relu"))
        z = torch.randn(4_000_000, generator=self.generator, dtype=torch.float64)
        at_standard = act(z)
        h = layer["gamma"] * torch.einsum("dof,dnf->dno", rows, x) + layer.get("beta", 0.0)
        result: torch.Tensor = (act(h) - at_standard.mean().float()) / at_standard.std().float()
        return result

    def _attention(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        units, heads = x.shape[2], layer.get("heads", 1)

        def project(y: torch.Tensor) -> torch.Tensor:
            weights = self._weights(layer, (units, units), units, units)
            projected: torch.Tensor = torch.einsum("dof,dnfp->dnop", weights, y)
            return projected

        shape = (*x.shape[:2], heads, units // heads, x.shape[3])
        query, key, value = (project(x).reshape(shape).transpose(3, 4) for _ in range(3))
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=layer.get("causal", False))
        return project(mixed.transpose(3, 4).flatten(2, 3))

    def _embedding(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        table = layer.get("std", 1.0) * self._normal((self.draws, layer["vocabulary"], layer["units"]))
        rows = torch.stack([draw[tokens] for draw, tokens in zip(table, x, strict=True)])
        return rows.transpose(2, 3).requires_grad_()

    def _dropout(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        shape = (*x.shape[:3], *(1 for _ in x.shape[3:])) if layer.get("whole_units") else x.shape
        keep = 1.0 - float(layer["rate"])
        kept = torch.rand(shape, generator=self.generator) < keep
        return x * kept / keep

    def _batch_norm(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        folded = x.transpose(0, 1).flatten(1, 2)  # draws are more units
        y = functional.batch_norm(folded, None, None, training=True, eps=layer.get("eps", 1e-5))
        return y.reshape(x.shape[1], x.shape[0], *x.shape[2:]).transpose(0, 1)

    def _group_norm(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        y = functional.group_norm(x.flatten(0, 1), layer["groups"], eps=layer.get("eps", 1e-5))
        return y.reshape(x.shape)

    def _instance_norm(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        return self._group_norm({**layer, "groups": x.shape[2]}, x)

    def _layer_norm(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        last = x.movedim(2, -1)
        return functional.layer_norm(last, last.shape[-1:], eps=layer.get("eps", 1e-5)).movedim(-1, 2)

    def _rms_norm(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        last = x.movedim(2, -1)
        return functional.rms_norm(last, last.shape[-1:], eps=layer.get("eps", 1e-5)).movedim(-1, 2)

    def _average_pool(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        pool = getattr(functional, f"avg_pool{x.ndim - 3}d")
        y: torch.Tensor = pool(
            x.flatten(0, 1), layer["kernel"], layer.get("stride", layer["kernel"]), layer.get("padding", 0)
        )
        return y.reshape(*x.shape[:2], *y.shape[1:])

    def _upsample(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        mode = {"nearest": "nearest", "linear": ("linear", "bilinear")[x.ndim - 4], "cubic": "bicubic"}[layer["mode"]]
        y = functional.interpolate(x.flatten(0, 1), scale_factor=layer["factor"], mode=mode)
        return y.reshape(*x.shape[:3], *y.shape[2:])

    def _max_pool(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        pool = getattr(functional, f"max_pool{x.ndim - 3}d")
        y: torch.Tensor = pool(
            x.flatten(0, 1), layer["kernel"], layer.get("stride", layer["kernel"]), layer.get("padding", 0)
        )
        return y.reshape(*x.shape[:2], *y.shape[1:])

    def _global_average_pool(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(3).mean(dim=3)

    def _flatten(self, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2)


_GATES: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "glu": torch.sigmoid,
    "reglu": torch.relu,
    "geglu": functional.gelu,
    "swiglu": functional.silu,
    "bilinear": nn.Identity(),
}
_LAYERS: Mapping[str, Callable[[Simulation, Layer, torch.Tensor], torch.Tensor]] = {
    name: getattr(Simulation, f"_{name}")
    for name in (
        "dense", "conv", "transposed_conv", "normprop", "attention", "embedding", "dropout", "batch_norm",
        "group_norm", "instance_norm", "layer_norm", "rms_norm", "average_pool", "max_pool",
        "upsample", "global_average_pool", "flatten",
    )
}  # fmt: skip
