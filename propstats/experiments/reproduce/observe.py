"""Validation: accuracy, and the means of what hidden layers receive."""

import torch
from torch import nn

from propstats.expectation.sampling import block_seed

_BATCH = 250
_UNITS = 2  # the stream of random numbers that units are drawn from


def input_means(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, *, seed: int, device: torch.device
) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
    """Run images through a network in evaluation mode.

    Args:
        model: The network; it is left in the mode that it was in.
        images: Images, shape (N, channels, height, width).
        labels: Their classes.
        seed: Which units are looked at.
        device: Where.

    Returns:
        The share of images that are named rightly; for each convolution but the first the mean over images of one
        number that it receives; and the root mean square of the means of all numbers that it receives.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d)][1:]
    sums: dict[int, torch.Tensor] = {}

    def note(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        total = inputs[0].detach().double().sum(dim=0).flatten()
        sums[id(layer)] = sums[id(layer)] + total if id(layer) in sums else total

    handles = [layer.register_forward_pre_hook(note) for layer in layers]
    training, right = model.training, 0
    model.eval()
    try:
        with torch.no_grad():
            for start in range(0, len(images), _BATCH):
                part = slice(start, start + _BATCH)
                right += int((model(images[part].to(device)).argmax(dim=1).cpu() == labels[part]).sum())
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    means = [sums[id(layer)].cpu() / len(images) for layer in layers]
    generator = torch.Generator().manual_seed(block_seed(seed, _UNITS))
    units = tuple(float(mean[torch.randint(len(mean), (), generator=generator)]) for mean in means)
    return right / len(images), units, tuple(float(mean.square().mean().sqrt()) for mean in means)
