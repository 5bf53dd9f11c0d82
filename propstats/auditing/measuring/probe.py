"""Run data through a network and measure every call of every layer, forwards and backwards, in one pass."""

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from propstats.auditing.data.dataset import Dataset
from propstats.auditing.data.load import open_data
from propstats.auditing.measuring.statistics import SquareMean, UnitStatistics
from propstats.errors import DataError, ModelError
from propstats.expectation.sampling import block_seed
from propstats.rules.elementwise import Elementwise
from propstats.rules.from_torch import NoRuleError, rule_for
from propstats.rules.rule import Rule

#: Samples per batch. It is part of the result: the random directions of the backward pass are drawn batch by batch.
BATCH = 256

#: An activation is flat where its slope is below this share of its slope near the middle.
_FLAT = 0.01


@dataclass(slots=True)
class Call:
    """What was measured at one call of one module.

    Args:
        name: Dotted name of the module.
        index: Which call of it, from 0.
        module: The module.
        source: Position of the call whose output this one received, -1 for the network's input, None if something
            without a module lies between.
        rule: Its rule, or None with the reason.
        reason: Why there is no rule.
        input: Statistics of its input.
        output: Statistics of its output.
        shape: Shape of the output, without the batch.
        gradient_input: Mean square of the gradient at its input.
        gradient_output: Mean square of the gradient at its output.
        flat: Number of pre-activations at which an activation is flat.
        alive: Which units of an activation had a slope for any of the data, shape (units,).
        saturates: Whether this is an activation that is flat on both sides.
        steepest: Its slope near the middle.
    """

    name: str
    index: int
    module: nn.Module
    source: int | None
    rule: Rule | None
    reason: str | None
    input: UnitStatistics = field(default_factory=UnitStatistics)
    output: UnitStatistics = field(default_factory=UnitStatistics)
    shape: tuple[int, ...] = ()
    gradient_input: SquareMean = field(default_factory=SquareMean)
    gradient_output: SquareMean = field(default_factory=SquareMean)
    flat: int = 0
    alive: torch.Tensor | None = None
    saturates: bool = False
    steepest: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.rule, Elementwise):
            left, self.steepest, right = self.rule.activation.slope(np.array([-40.0, 0.5, 40.0])).__abs__().tolist()
            self.saturates = max(left, right) < _FLAT * self.steepest


@dataclass(frozen=True, slots=True)
class Probe:
    """Everything that was measured.

    Args:
        calls: All calls, in order.
        inputs: Statistics of the data.
        never_called: Names of layers that the forward pass does not use as modules.
    """

    calls: Sequence[Call]
    inputs: UnitStatistics
    never_called: tuple[str, ...]


def probe(
    model: nn.Module, inputs: torch.Tensor | Dataset, *, seed: int = 0, progress: Callable[[int], None] | None = None
) -> Probe:
    """Measure a network on data.

    The model runs in evaluation mode. Backwards, the output is contracted with a random direction `v ~ N(0, 1)` for
    each sample, so that gradients measure the Jacobian of the network and nothing of a loss. The model is left as it
    was.

    Args:
        model: The network; one tensor in, one tensor (or a structure whose first tensor counts) out.
        inputs: The data, shape (samples, ...), or a data set, which is read batch by batch.
        seed: Seed of the random directions.
        progress: Called with the number of samples of each finished batch.

    Raises:
        ModelError: If the model has no layers, gives no tensor, or behaves differently when it is watched.
        DataError: If the model refuses the data; the message names the layer.
    """
    run = _Run(model)
    data = inputs if isinstance(inputs, Dataset) else open_data(inputs)
    plain = torch.empty(0)
    with evaluating(model):
        for batch, (chunk, _) in enumerate(data.pairs(BATCH)):
            if batch == 0:
                with run.watching(run.enter), torch.no_grad():
                    plain = run.forward(chunk)
            with run.watching(run.enter, run.before, run.after), torch.enable_grad():
                output = run.step(chunk, block_seed(seed, batch))
            # Watching must not change what is watched.
            if batch == 0 and not torch.allclose(plain, output, rtol=1e-3, atol=1e-5, equal_nan=True):
                raise ModelError("the model's output changes from run to run", "audit a deterministic model")
            if progress is not None:
                progress(len(chunk))
    called = {call.name for call in run.calls}
    missed = tuple(name for name, module in run.leaves.items() if name not in called and _has_parameters(module))
    return Probe(run.calls, run.inputs, missed)


class _Run:
    """The state of one pass over the data."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.leaves = {name or "model": m for name, m in model.named_modules() if not any(m.children())}
        if all(isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict) for module in self.leaves.values()):
            raise ModelError("the model has no layers")
        self.calls: list[Call] = []
        self.inputs = UnitStatistics()
        self._names = {id(module): name for name, module in self.leaves.items()}
        self._position = 0
        self._counts: dict[str, int] = {}
        self._origins: dict[int, tuple[weakref.ref[torch.Tensor], int]] = {}
        self._entered: list[tuple[str, tuple[int, ...]]] = []
        self._directions: torch.Generator = torch.Generator()

    def step(self, chunk: torch.Tensor, seed: int) -> torch.Tensor:
        """Send one batch forwards and backwards."""
        self.inputs.add(chunk)
        self._position, self._counts, self._origins = 0, {}, {}
        # A view is no leaf, so that modules may work on it in place.
        leaf = chunk.detach().clone()
        if leaf.is_floating_point():
            leaf.requires_grad_()
        x = leaf.view_as(leaf)
        self._note_origin(x, -1)
        output = self.forward(x)
        direction = torch.randn(output.shape, generator=self._directions.manual_seed(seed), dtype=output.dtype)
        targets = [leaf] if leaf.requires_grad else [p for p in self.model.parameters() if p.requires_grad][:1]
        if output.requires_grad and targets:
            try:
                torch.autograd.grad(output, targets, direction, allow_unused=True)
            except RuntimeError as error:
                raise ModelError(f"the backward pass fails: {str(error).splitlines()[0]}") from None
        return output.detach()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the model; its refusal becomes one line that names the layer."""
        self._entered.clear()
        try:
            return first_tensor(self.model(x))
        except (RuntimeError, ValueError, IndexError, TypeError, AttributeError, AssertionError) as error:
            name, shape = self._entered[-1] if self._entered else ("the model", tuple(x.shape))
            kind = f" ({type(self.leaves[name]).__name__})" if name in self.leaves else ""
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise DataError(
                f"layer {name}{kind} refuses an input of shape {shape}: {reason}",
                "shapes are (batch, ...); is this the data that the model was made for?",
            ) from None

    @contextmanager
    def watching(
        self,
        enter: Callable[..., object],
        before: Callable[..., object] | None = None,
        after: Callable[..., object] | None = None,
    ) -> Iterator[None]:
        """Call these hooks at every leaf module; whatever happens, remove them afterwards."""
        handles = []
        try:
            for module in self.leaves.values():
                handles += [module.register_forward_pre_hook(hook) for hook in (enter, before) if hook]
                handles += [module.register_forward_hook(hook) for hook in (after,) if hook]
            yield
        finally:
            for handle in handles:
                handle.remove()

    def enter(self, module: nn.Module, args: tuple[object, ...]) -> None:
        """Remember where we are, for the case that the module refuses its input."""
        shape = tuple(args[0].shape) if args and isinstance(args[0], torch.Tensor) else ()
        self._entered.append((self._names[id(module)], shape))

    def before(self, module: nn.Module, args: tuple[object, ...]) -> tuple[object, ...] | None:
        """Measure the input before the module can change it in place."""
        name = self._names[id(module)]
        index = self._counts.get(name, 0)
        self._counts[name] = index + 1
        x = args[0] if args and isinstance(args[0], torch.Tensor) else None
        if self._position == len(self.calls):
            self.calls.append(self._new_call(module, name, index, x))
        call = self.calls[self._position]
        if call.module is not module:
            raise ModelError("the model calls its layers in another order for other data", "it cannot be audited yet")
        if x is None or not x.is_floating_point():
            return None
        _add(call.input, x, name)
        if isinstance(call.rule, Elementwise):
            slope = call.rule.activation.slope(x.detach().double()).abs().flatten(1)
            call.flat += int((slope < _FLAT * call.steepest).sum())
            alive = (slope != 0).any(dim=0)
            call.alive = alive if call.alive is None else call.alive | alive
        if not x.requires_grad:
            return None
        # The gradient through this module alone, also where others use the same tensor: watch an alias.
        alias = x.view_as(x)
        alias.register_hook(call.gradient_input.add)  # type: ignore[no-untyped-call]
        return (alias, *args[1:])

    def after(self, module: nn.Module, args: tuple[object, ...], output: object) -> None:
        """Measure the output."""
        call = self.calls[self._position]
        self._position += 1
        try:
            y = first_tensor(output)
        except ModelError:
            return
        call.shape = tuple(y.shape[1:])
        _add(call.output, y, call.name)
        if y.requires_grad:
            y.register_hook(call.gradient_output.add)  # type: ignore[no-untyped-call]
        self._note_origin(y, self._position - 1)

    def _new_call(self, module: nn.Module, name: str, index: int, x: torch.Tensor | None) -> Call:
        rule, reason = None, "its input is not one tensor"
        if x is not None:
            try:
                rule, reason = rule_for(module, tuple(x.shape[1:])), ""
            except NoRuleError as error:
                reason = str(error)
        return Call(name, index, module, self._source(x), rule, reason or None)

    def _note_origin(self, tensor: torch.Tensor, position: int) -> None:
        self._origins[id(tensor)] = (weakref.ref(tensor), position)

    def _source(self, tensor: torch.Tensor | None) -> int | None:
        """Return which call made a tensor, -1 for the network's input, None if no module did."""
        reference, position = self._origins.get(id(tensor), (None, None))
        # An identity may have been taken over by a later tensor.
        return position if reference is not None and reference() is tensor else None


def _add(statistics: UnitStatistics, tensor: torch.Tensor, name: str) -> None:
    try:
        statistics.add(tensor)
    except ValueError as error:
        message = f"layer {name} changes its shape between batches: {error}"
        raise ModelError(message, "it cannot be audited yet") from None


def first_tensor(output: object) -> torch.Tensor:
    """Return the first floating-point tensor of a module's output.

    Raises:
        ModelError: If there is none.
    """
    if isinstance(output, torch.Tensor) and output.is_floating_point():
        return output
    values: Sequence[object] = ()
    if isinstance(output, dict):
        values = list(output.values())
    elif isinstance(output, list | tuple):
        values = output
    for value in values:
        try:
            return first_tensor(value)
        except ModelError:
            continue
    raise ModelError(f"the model gives a {type(output).__name__} without a floating-point tensor in it")


def _has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model in evaluation mode, and every module back into its own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
