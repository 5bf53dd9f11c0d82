"""What every layer of a network should carry: the network from a file, a module or a graph."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from propstats.auditing.loading.access import SAFE, Access
from propstats.errors import DataError, DomainError, ModelError
from propstats.rules.graph import Graph
from propstats.rules.propagation import Propagation, propagate_graph
from propstats.rules.statistics import InputStatistics

if TYPE_CHECKING:
    from torch import nn

#: What tells a network file from a model file.
_NETWORK_FILES = (".toml", ".json")


def propagate(
    network: "str | os.PathLike[str] | nn.Module | Graph",
    *,
    shape: tuple[int, ...] | None = None,
    access: Access = SAFE,
    mean: float | None = None,
    std: float | None = None,
    correlation: float | None = None,
    training: bool = True,
) -> Propagation:
    """Say what every layer of a network should carry, forwards and backwards, on average over random weights.

    Args:
        network: A network file (TOML or JSON), a torch module in a file (of torch.nn classes; nothing in the file is
            executed unless `access` says so), a module, or a graph of rules. Of a module, the sizes of its weights
            count, not what training has made of their directions.
        shape: Shape of the input of a module, without the batch; needed where its layers do not say it.
        access: What is permitted when a model file is loaded, and what its weights belong to.
        mean: Mean of the data; a network file's own, or 0, if left out.
        std: Their standard deviation; a network file's own, or 1.
        correlation: Correlation of two inputs; a network file's own, or 0.
        training: Whether dropout drops.

    Raises:
        ModelError: If the network cannot be read, or a layer has no rule; the message names the layer (and the line).
        DomainError: If there can be no such data; or if something is said of a module, and there is none.

    >>> import propstats
    >>> from torch import nn
    >>> layers = [layer for _ in range(20) for layer in (nn.Linear(64, 64), nn.ReLU())]
    >>> result = propstats.propagate(nn.Sequential(*layers))
    >>> result.passed, round(result.forward.rate, 1)  # torch's default: 1/sqrt 6 a layer
    (False, 0.4)
    """
    name, graph, statistics = _read(network, shape, access, training)
    given = {"mean": mean, "std": std, "correlation": correlation}
    statistics = replace(statistics, **{key: value for key, value in given.items() if value is not None})
    return propagate_graph(graph, statistics, name=name)


def _read(
    network: "str | os.PathLike[str] | nn.Module | Graph",
    shape: tuple[int, ...] | None,
    access: Access,
    training: bool,
) -> tuple[str, Graph, InputStatistics]:
    if isinstance(network, Graph):
        _check_is_no_module("graph", shape, access)
        return "graph", network, InputStatistics()
    if isinstance(network, str | os.PathLike):
        path = Path(network)
        if path.suffix.lower() in _NETWORK_FILES:
            _check_is_no_module("network file", shape, access)
            from propstats.rules.network_file import read_network

            found = read_network(path, training=training)
            return found.name, found.graph, found.statistics
        import torch

        from propstats.auditing.loading.load import load_model
        from propstats.auditing.loading.programs import watchable

        loaded = load_model(path, access)
        module, name = loaded.model, loaded.info.path or ""
        if shape is not None:
            module = watchable(module, torch.zeros(2, *shape), name=name)
    else:
        from propstats.auditing.measuring.leaves import unwrapped
        from propstats.auditing.placement import on_cpu

        module, name = on_cpu(unwrapped(network)), type(network).__name__
    return name, _graph(module, shape, training), InputStatistics()


def _check_is_no_module(what: str, shape: tuple[int, ...] | None, access: Access) -> None:
    """Refuse what is said of a module where there is none, as it would do nothing."""
    for name, value in {"shape": shape, "arch": access.arch, "key": access.key}.items():
        if value is not None:
            raise DomainError(f"{name} is for torch modules, and a {what} says all of its network", f"leave {name} out")


def _graph(module: "nn.Module", shape: tuple[int, ...] | None, training: bool) -> Graph:
    """Return the graph of a module: traced, or recorded where tracing does not know what happens.

    Raises:
        ModelError: If neither is possible, with the reasons of both.
    """
    from propstats.auditing.recorded import recorded_graph
    from propstats.rules.from_torch_graph import graph_of

    try:
        return graph_of(module, shape, training=training)
    except ModelError as error:
        if shape is None:
            raise
        try:
            return recorded_graph(module, shape, training=training)
        except (ModelError, DataError) as other:
            both = f"{error.message}; when it is run instead: {other.message}"
            raise ModelError(both, error.hint or other.hint) from None
