"""Run somebody else's network: in evaluation mode, and with its refusals turned into one line that names the layer."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from propstats.auditing.measuring.leaves import is_leaf
from propstats.auditing.measuring.trees import tensors_in
from propstats.errors import DataError, ModelError, PropstatsError
from propstats.text import reason_of


def first_tensor(output: object) -> torch.Tensor:
    """Return the first floating-point tensor of a module's output.

    Raises:
        ModelError: If there is none.
    """
    found = next((tensor for tensor in tensors_in(output) if tensor.is_floating_point()), None)
    if found is None:
        raise ModelError(f"the model gives a {type(output).__name__} without a floating-point tensor in it")
    return found


@contextmanager
def refusals_named(model: nn.Module, x: torch.Tensor) -> Iterator[None]:
    """Say in which module the model fails, if it does.

    Raises:
        DataError: If it fails; the message names the module.
    """
    running: list[tuple[str, nn.Module, Sequence[int]]] = []
    with ExitStack() as stack:
        for name, module in model.named_modules():

            def enter(module: nn.Module, args: tuple[object, ...], name: str = name) -> None:
                tensors = tensors_in(args)
                running.append((name or "model", module, tuple(tensors[0].shape) if tensors else ()))

            def leave(*_: object) -> None:
                running.pop()

            stack.callback(module.register_forward_pre_hook(enter).remove)
            stack.callback(module.register_forward_hook(leave).remove)
        try:
            yield
        except PropstatsError:
            raise
        except Exception as error:
            name, module, shape = running[-1] if running else ("", model, tuple(x.shape))
            where = f"layer {name} ({type(module).__name__})" if running else "the model"
            if not is_leaf(module) and running:
                where = f"module {name} ({type(module).__name__})"
            raise DataError(
                f"{where} refuses an input of shape {tuple(shape)}: {reason_of(error)}",
                "shapes are (batch, ...); is this the data that the model was made for?",
            ) from None


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model in evaluation mode, and every module back into its own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    # The fast path of torch's transformers runs past their layers.
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for module, training in modes:
            module.training = training
