"""The ways to fix a network's scales: by theory, by its data, or by its gradients."""

import math
from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import nn

from propstats.auditing.fixing.scaling import Scaling
from propstats.auditing.judging.chain import joining
from propstats.auditing.judging.prescription import prescribe, scaled_layers
from propstats.auditing.measuring.probe import Probe
from propstats.auditing.measuring.running import evaluating
from propstats.auditing.probing import probe
from propstats.auditing.records import Skipped
from propstats.errors import DomainError, ModelError
from propstats.rules.dense import Weights

#: Samples that scales are measured on.
SAMPLES: Final = 256
#: A variance is 1, and a gradient's scale 1, to within this.
_TOLERANCE: Final = 1e-3
_TRIES: Final = 10
_SWEEPS: Final = 50

Method = Callable[[nn.Module, torch.Tensor, Scaling], None]


def theory(network: nn.Module, inputs: torch.Tensor, scaling: Scaling) -> None:
    """Bring weights and biases to the edge of chaos for the activation in front of each layer.

    `sigma_w^2 = 1/E[phi'(z)^2]` and `sigma_b^2 = 1 - sigma_w^2 E[phi(z)^2]`: pre-activations keep a second moment of 1
    and gradients theirs. The first layer, whose inputs count as N(0, 1), gets `sigma_w = 1`. The data serve to see the
    layers only.

    Raises:
        DomainError: If paths join, if an activation has no critical point, or if there is nothing to scale.

    References:
        Schoenholz et al. 2017, arXiv:1611.01232, section 3.
    """
    measured = probe(network, inputs[:2])
    _check_chain(measured, "theory's critical point")
    prescribed = prescribe(measured.calls)
    if not prescribed:
        raise DomainError("there is nothing to scale: a normaliser follows every layer", "look at its findings instead")
    rules = {call.name: call.rule for call in measured.calls}
    for prescription in prescribed:
        rule = rules[prescription.name]
        assert isinstance(rule, Weights)
        scaling.apply(prescription, is_centred=rule.weight_mean == 0.0)
    _note_the_rest(measured, {p.name for p in prescribed}, scaling)


def lsuv(network: nn.Module, inputs: torch.Tensor, scaling: Scaling) -> None:
    """Layer by layer, scale the weights until the outputs have variance 1 over data and units.

    Raises:
        ModelError: If the outputs of a layer do not vary, so that no scale gives them variance 1.

    References:
        Mishkin & Matas 2016, arXiv:1511.06422, Algorithm 1 (the scaling; directions stay as they are).
    """
    measured = probe(network, inputs[:2])
    layers = scaled_layers(measured.calls)
    for name in layers:
        if scaling.weight(name) is None:
            continue
        for _ in range(_TRIES):
            variance = _variance(network, name, inputs)
            if not (math.isfinite(variance) and variance > 0.0):
                raise ModelError(
                    f"the outputs of {name} do not vary over the data: no scale of its weights changes that",
                    "see its findings: dead units, or data that are all the same",
                )
            if abs(variance - 1.0) < _TOLERANCE:
                break
            scaling.multiply(name, 1.0 / math.sqrt(variance))
    _note_the_rest(measured, set(layers), scaling)


def backward(network: nn.Module, inputs: torch.Tensor, scaling: Scaling) -> None:
    """Scale the weights until the gradient has standard deviation 1 at the input of each layer.

    The twin of `lsuv`: gradients of `v . output`, `v ~ N(0, 1)`. A layer's weights change the signals behind it, hence
    the slopes there, so that all layers are swept until nothing changes.

    Raises:
        DomainError: If paths join: all that meet would need the same factor.
        ModelError: If a gradient vanishes altogether, or the sweeps do not settle.

    References:
        Wang 2016, Normalizing All Layers (II): back-propagation: `dx` of standard deviation 1.
    """
    for sweep in range(_SWEEPS):
        measured = probe(network, inputs)
        if sweep == 0:
            _check_chain(measured, "a gradient of standard deviation 1 everywhere")
        layers = scaled_layers(measured.calls)
        scales = {call.name: call.gradient_input for call in measured.calls if call.name in layers}
        behind, factors = 1.0, {}
        for name in reversed(layers):
            gradient = scales[name]
            if not gradient.is_measured or gradient.running.mean <= 0.0:
                raise ModelError(f"the gradient at {name} vanishes or is not finite", "fix with --method theory first")
            scale = math.sqrt(gradient.running.mean)
            factors[name] = behind / scale
            behind = scale
        for name, factor in factors.items():
            scaling.multiply(name, factor)
        if max(abs(math.log(factor)) for factor in factors.values()) < _TOLERANCE:
            _note_the_rest(measured, set(layers), scaling)
            return
    raise ModelError("the gradients do not settle: signal and gradient ask for other scales", "use --method theory")


METHODS: Final[Mapping[str, Method]] = {"theory": theory, "lsuv": lsuv, "backward": backward}


def _variance(network: nn.Module, name: str, inputs: torch.Tensor) -> float:
    """Return the variance of a layer's outputs over data and units, in its first call."""
    seen: list[float] = []

    def keep(module: nn.Module, args: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            seen.append(float(output.detach().double().var(correction=0)))

    handle = network.get_submodule(name).register_forward_hook(keep)
    try:
        with evaluating(network), torch.no_grad():
            network(inputs.clone())
    finally:
        handle.remove()
    return seen[0] if seen else math.nan


def _check_chain(measured: Probe, what: str) -> None:
    call = joining(measured.calls)
    if call is not None:
        raise DomainError(
            f"{what} is for chains, and paths join at {call.name}: all that meet need the same factor",
            "use --method lsuv",
        )


def _note_the_rest(measured: Probe, changed: set[str], scaling: Scaling) -> None:
    """Say of each layer of weights that was not scaled why not."""
    known = changed | {skipped.name for skipped in scaling.left_alone}
    for call in measured.calls:
        if call.name in known or call.module is None:
            continue
        known.add(call.name)
        if isinstance(call.rule, Weights):
            scaling.left_alone.append(Skipped(call.name, "a normaliser follows it: its scale makes no difference"))
        elif any(parameter.ndim > 1 for parameter in call.module.parameters()):
            scaling.left_alone.append(Skipped(call.name, f"{call.kind} layers keep their weights: only dense and "
                                              "convolutional layers are scaled"))  # fmt: skip
