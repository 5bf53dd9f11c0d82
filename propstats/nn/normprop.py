"""What all NormProp layers have in common: weights of unit length, an activation, and its constants."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from propstats.activations import Activation, activation
from propstats.errors import DomainError
from propstats.nn.activations import activation_module, is_rectifier
from propstats.nn.checkpoint import check_checkpoint, check_packed, packed
from propstats.nn.constants import matched_constants, unit_constants
from propstats.nn.rectifier import rectified
from propstats.nn.rows import row_lengths, scale_rows
from propstats.nn.written import read_state, written

#: Where gamma comes closer to 0, matched constants stay those of this gamma: there is no signal to normalise.
NARROWEST = 2.0**-10


class NormProp(nn.Module):
    """`(phi(gamma W_i x/|W_i| + beta) - c2)/c1`: the base of the layers, which also derive from torch's own.

    Input of mean 0 and variance 1 in each feature, uncorrelated, gives such output, if the constants fit: those of the
    paper, `c1 = sqrt(Var phi(z))` and `c2 = E[phi(z)]` at N(0, 1), do for gamma = 1 and beta = 0; matched ones are
    taken at N(beta, gamma^2), follow gamma and beta while these are learned, and pass gradients to them. A unit whose
    weights are all zero puts out a constant; a negative gamma mirrors a unit, whose matched constants see |gamma|.

    A transposed convolution with a stride reaches each position with some of its taps only: its rows have the length
    that makes the variance 1 in the mean over positions.

    Args:
        *args: As for torch's layer of the same name.
        activation: phi: a name, a formula, a record or a module; `"prelu"` and `nn.PReLU` learn their slope, and the
            constants follow it.
        gamma: Scale at initialisation: `"jacobian"` for 1/J, which keeps gradients, or a positive number.
        beta: Shift at initialisation.
        constants: `"paper"` or `"matched"`.
        affine: Whether gamma and beta are learned.
        generator: Where the weights (Glorot's, uniform) are drawn from; torch's global generator if there is none.
        device: Where the parameters are.
        dtype: Their type.
        **geometry: As for torch's layer of the same name; there is no other bias than beta.

    Raises:
        DomainError: If gamma is not positive, numbers are not finite, or the activation has no constants.

    References:
        Arpit et al. 2016, arXiv:1603.01431, Eqs. 9, 11 and 12.

    >>> from propstats.nn import NormPropLinear
    >>> layer = NormPropLinear(4, 2, gamma=1.0)
    >>> isinstance(layer, NormProp), round(layer.c1, 6), round(layer.c2, 6)  # std and mean of max(0, z)
    (True, 0.583819, 0.398942)
    """

    weight: torch.Tensor
    gamma: torch.Tensor
    beta: torch.Tensor
    slope: torch.Tensor | None

    def __init__(
        self,
        *args: Any,
        activation: Any = "relu",
        gamma: float | str = "jacobian",
        beta: float = 0.0,
        constants: str = "paper",
        affine: bool = True,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **geometry: Any,
    ) -> None:
        if "bias" in geometry:
            raise DomainError("a NormProp layer has no bias beside beta", "leave bias out and give beta a number")
        if constants not in ("paper", "matched"):
            raise DomainError(f"constants must be 'paper' or 'matched', got {constants!r}")
        if dtype is not None and not dtype.is_floating_point:
            raise DomainError(f"dtype must be a floating-point type, got {dtype}")
        # Without storage at first: torch would draw weights from its global generator.
        super().__init__(*args, bias=False, device="meta", dtype=dtype, **geometry)
        self.to_empty(device=torch.get_default_device() if device is None else device)
        self.activation, slope = _activation_of(activation)
        self.constants = constants
        self.c1, self.c2, factor = unit_constants(self.activation)
        self._phi: Callable[[torch.Tensor], torch.Tensor] = activation_module(self.activation).forward
        self._start = self._first_gamma(gamma, factor), _finite("beta", beta)
        start, shift = (self.weight.new_empty(self._units) for _ in range(2))
        if affine:
            self.gamma, self.beta = nn.Parameter(start), nn.Parameter(shift)
        else:
            self.register_buffer("gamma", start)
            self.register_buffer("beta", shift)
        self.register_parameter("slope", None if slope is None else nn.Parameter(slope.to(self.weight)))
        if slope is not None and slope.numel() not in (1, self._units):
            raise DomainError(f"{slope.numel()} slopes do not fit {self._units} units", "give one, or one for each")
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights, and set gamma and beta to what they are at initialisation.

        Args:
            generator: Where weights are drawn from; torch's global generator if there is none.
        """
        if self.weight.is_meta:
            return  # no storage yet
        nn.init.xavier_uniform_(self.weight, generator=generator)
        with torch.no_grad():
            for numbers, value in zip((self.gamma, self.beta), self._start, strict=True):
                numbers.fill_(value)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is saved: tensors, text and numbers, from which the rest is made again."""
        state = {name: value for name, value in self.__dict__.items() if name != "_phi"}
        return {**state, "activation": written(self.activation)}

    def __setstate__(self, state: Any) -> None:
        """Take on what was saved.

        Raises:
            ModelError: If there is no activation in it.
        """
        super().__setstate__(read_state(state))  # type: ignore[no-untyped-call]
        self._phi = activation_module(self.activation).forward

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: Any,
        local_metadata: Any,
        strict: Any,
        missing_keys: Any,
        unexpected_keys: Any,
        error_msgs: Any,
    ) -> None:
        check_checkpoint(self, state_dict, prefix)
        found = (local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        super()._load_from_state_dict(state_dict, prefix, *found)

    @property
    def _units(self) -> int:
        """How many units there are."""
        raise NotImplementedError

    def _sum(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """Return the linear part of the layer, by weights other than its own."""
        raise NotImplementedError

    def _first_gamma(self, gamma: float | str, factor: float) -> float:
        if isinstance(gamma, str):
            if gamma != "jacobian":
                raise DomainError(f"gamma must be 'jacobian' or a positive number, got {gamma!r}")
            if self.constants == "matched":
                why = "with matched constants no gamma makes the Jacobian factor 1: it is above 1 unless phi is affine"
                raise DomainError(why, "give gamma a number, for example 1.0")
            if not 0.0 < factor < math.inf:
                raise DomainError(f"the Jacobian factor of {self.activation} is {factor:g}", "give gamma a number")
            return 1.0 / factor
        if not _finite("gamma", gamma) > 0.0:
            raise DomainError(f"gamma must be positive, got {gamma:g}", "a negative scale is a mirrored unit")
        return gamma

    def current_constants(self) -> tuple[torch.Tensor | float, torch.Tensor | float]:
        """Return c1 and c2 as they are now: numbers if nothing learned moves them, else tensors of shape (units,)."""
        if self.constants == "matched":
            mean, std = self.beta, self.gamma.abs().clamp_min(NARROWEST)
        elif self.slope is None:
            return self.c1, self.c2
        else:
            mean, std = torch.zeros_like(self.slope), torch.ones_like(self.slope)
        return matched_constants(self.activation, mean, std, None if self.slope is None else {"a": self.slope})

    def effective_weight(self) -> torch.Tensor:
        """Return `gamma_i W_i/|W_i|`, of the shape of the weight: what meets the input."""
        return scale_rows(self, self.weight, self.gamma * (self._unit_length / row_lengths(self)))

    @property
    def _unit_length(self) -> float:
        """The length of the rows that gives unit variance."""
        return 1.0

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return what the layer makes of its input.

        Args:
            input: As for torch's layer of the same name: (examples, features) for a fully connected one,
                (examples, channels, ...) for a convolution.
        """
        c1, c2 = self.current_constants()
        if isinstance(c1, float) and isinstance(c2, float) and is_rectifier(self.activation):
            # (max(h, 0) - c2)/c1 = max((h - c2)/c1, -c2/c1): the constants go into weights and bias, at no cost.
            h = self._sum(input, self.effective_weight() / c1, (self.beta - c2) / c1)
            return rectified(h, -c2 / c1)
        h = self._sum(input, self.effective_weight(), self.beta)
        slope = self._across(self.slope, h) if self.slope is not None else None
        phi = self._phi(h) if slope is None else torch.where(h > 0, h, slope * h)
        normalised: torch.Tensor = (phi - self._across(c2, h)) / self._across(c1, h)
        return normalised

    def _across(self, numbers: Any, like: torch.Tensor) -> Any:
        """Return numbers of the units so that they meet the outputs of these, in the type of the outputs."""
        if isinstance(numbers, float):
            return numbers
        return numbers.to(like.dtype).view(-1, *(1,) * (self.weight.dim() - 2))

    def extra_repr(self) -> str:
        """Return what torch shows of the layer, and what it adds."""
        return f"{super().extra_repr()}, activation={self.activation}, constants={self.constants}"

    def get_extra_state(self) -> torch.Tensor:
        """Return what a checkpoint has to agree with, as bytes: some file formats hold tensors only."""
        params = {} if self.slope is not None else dict(self.activation.params)
        state = {"activation": self.activation.text, "params": params, "constants": self.constants}
        return packed(state)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Check that a checkpoint is of such a layer.

        Args:
            state: What `get_extra_state` returned when it was saved: bytes, shape (n,).

        Raises:
            ModelError: If it is of another activation or of other constants, or damaged.
        """
        check_packed(self.get_extra_state(), state)


def _activation_of(given: Any) -> tuple[Activation, torch.Tensor | None]:
    """Return an activation, and the slope if that is learned."""
    if isinstance(given, nn.PReLU):
        slope = given.weight.detach().clone()
        known = {} if slope.is_meta else {"a": float(slope.mean())}
        return activation("prelu", **known), slope
    if isinstance(given, nn.Module) and any(True for _ in given.parameters()):
        what = f"{type(given).__name__} has parameters of its own, which would stay as they are"
        raise DomainError(what, "only the slope of PReLU is learned; give a formula with numbers instead")
    found = activation(given)
    return found, torch.tensor([found.params["a"]]) if found.name == "prelu" else None


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):
        raise DomainError(f"{name} must be a finite number, got {value}")
    return float(value)
