"""Files that are programs, for whoever trusts them: TorchScript and torch.export."""

import logging
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader

import torch
from torch import nn

from propstats.auditing.loading.access import USE_ARCH
from propstats.auditing.loading.program import Program, program_of
from propstats.auditing.loading.screen import screen
from propstats.auditing.loading.sniff import Sniffed
from propstats.errors import ModelError, PropstatsError
from propstats.text import reason_of


def read_exported(file: BufferedReader, found: Sniffed) -> Program:
    """Read a torch.export archive that the user trusts; it is looked through first even so.

    The graph is carried out operation by operation: its guards, which torch gives to exec, are never run.

    Args:
        file: The archive.
        found: What its bytes say it is.

    Raises:
        UnsafeModelError: If it holds what is known to run code.
        ModelError: If it cannot be loaded.
    """
    with zipfile.ZipFile(file) as archive:
        screen(archive, found.root, name=found.path)
    file.seek(0)
    with _quiet():
        try:
            exported = torch.export.load(file)
            return program_of(exported, name=found.path)
        except PropstatsError:
            raise
        except Exception as error:  # a dozen kinds
            what = f"torch cannot load it ({type(error).__name__}): it is damaged, or of another version of torch"
            raise ModelError(f"{found.path}: {what}", "export it again with this torch") from error


def read_scripted(file: BufferedReader, found: Sniffed) -> nn.Module:
    """Read a TorchScript program that the user trusts; it runs when data run through it.

    Args:
        file: The archive.
        found: What its bytes say it is.

    Raises:
        ModelError: If it cannot be loaded.
    """
    file.seek(0)
    with _quiet():
        try:
            model: nn.Module = torch.jit.load(file, map_location="cpu")  # type: ignore[no-untyped-call]
        except Exception as error:
            what = f"torch cannot load it ({type(error).__name__}): it is damaged, or of another version of torch"
            raise ModelError(f"{found.path}: {what}", "save it again with this torch") from error
    return model


def watchable(model: nn.Module, example: torch.Tensor, *, name: str) -> nn.Module:
    """Return a network whose layers can be watched; only TorchScript has to be turned into one.

    Its program is traced on an example into a graph of operations; those with weights become layers again.

    Args:
        model: Any network.
        example: A few inputs.
        name: How to name the network in the error.

    Raises:
        ModelError: If that is not possible, or changes what the network returns.
    """
    if not isinstance(model, torch.jit.ScriptModule):
        return model
    from torch._export.converter import TS2EPConverter

    with _quiet(), torch.no_grad():
        try:
            found = program_of(TS2EPConverter(model, (example,)).convert(), name=name).eval()
            before, after = model(example), found(example)
            same = torch.allclose(before, after, rtol=1e-4, atol=1e-5 * float(before.abs().max()), equal_nan=True)
        except ModelError:
            raise
        except Exception as error:  # whatever the program or its tracing raises
            what = f"the layers of this TorchScript program cannot be watched ({reason_of(error, limit=120)})"
            raise ModelError(f"{name}: {what}", USE_ARCH) from error
    if not same:
        what = "the layers of this TorchScript program cannot be watched: traced, it gives something else"
        raise ModelError(f"{name}: {what}", USE_ARCH)
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch's warnings and logs of old formats from the terminal."""
    loggers = [logging.getLogger(name) for name in ("torch.export", "torch._export", "torch.fx")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
