"""A pickle of torch's -> what it holds, by torch's safe loader, after all that it names and does was looked through."""

import sys
import tarfile
import warnings
import zipfile
from io import BufferedReader
from typing import Final

import torch

from propstats.auditing.loading.access import USE_ARCH
from propstats.auditing.loading.construction import check_construction
from propstats.auditing.loading.permitted import MODULE_PREFIX, Permitted, granted_by_others, permitting
from propstats.auditing.loading.pickles import global_names
from propstats.auditing.loading.sniff import Sniffed
from propstats.errors import ModelError, UnsafeModelError
from propstats.text import printable

_LEGACY_PICKLES: Final = 5  # magic number, protocol, system, object, keys of the storages
_HARMLESS: Final = {"_codecs.encode", "builtins.bytearray", "builtins.set", "builtins.complex"}
_MOST_PROPOSED: Final = 8


def names_in(file: BufferedReader, found: Sniffed) -> frozenset[str]:
    """Return what the pickles of a file would import.

    Args:
        file: The open file.
        found: What it is; safetensors name nothing.

    Raises:
        ModelError: If it is an archive that torch would unpack.
    """
    if found.kind == "safetensors":
        return frozenset()
    file.seek(0)
    if found.kind == "torch legacy":
        if tarfile.is_tarfile(file):  # torch would unpack it
            raise ModelError(f"{found.path}: is a tar archive", "unpack it and name the model file in it")
        file.seek(0)
        return global_names(file, pickles=_LEGACY_PICKLES)
    with zipfile.ZipFile(file) as archive, archive.open(f"{found.root}data.pkl") as stream:
        return global_names(stream)


def unpickled(file: BufferedReader, found: Sniffed, names: frozenset[str], allowed: Permitted) -> object:
    """Return what a file holds.

    Args:
        file: The open file.
        found: What it is.
        names: What it names.
        allowed: What it may name.

    Raises:
        UnsafeModelError: If it names more, or does more than rebuild itself.
        ModelError: If it cannot be read.
    """
    with permitting(allowed.entries):
        _check_pickle(file, found, names, allowed)
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                content: object = torch.load(file, map_location="cpu", weights_only=True, mmap=False)
            except ModelError as error:  # a layer of ours, from its state
                raise ModelError(f"{found.path}: {error.message}", error.hint) from None
            except Exception as error:  # a dozen kinds, with advice to switch the guard off
                why = "it is damaged, or holds more than weights"
                what = f"torch cannot read it ({type(error).__name__}): {why}"
                raise ModelError(f"{found.path}: {what}", "download or save it again") from error
    return content


def _check_pickle(file: BufferedReader, found: Sniffed, names: frozenset[str], allowed: Permitted) -> None:
    """Refuse a pickle that names what is not permitted, or does more than rebuild itself."""
    if found.kind == "torch legacy":
        if any(name.startswith(MODULE_PREFIX) or name in allowed.labels - allowed.unread for name in names):
            what = "is a whole module in the format of torch before 1.6, which cannot be loaded safely"
            raise UnsafeModelError(f"{found.path}: {what}; nothing was executed", USE_ARCH)
        _refuse_names(_foreign(names, allowed), found.path)
        file.seek(0)
        check_construction(file, name=found.path, size=found.size, pickles=_LEGACY_PICKLES, unread=allowed.unread)
        return
    _refuse_names(_unsafe(file) | _foreign(names, allowed), found.path)
    with zipfile.ZipFile(file) as archive, archive.open(f"{found.root}data.pkl") as stream:
        check_construction(stream, name=found.path, size=found.size, enums=allowed.enums, unread=allowed.unread)


def _refuse_names(unsafe: set[str], shown: str) -> None:
    if not unsafe:
        return
    listed = ", ".join(printable(name, limit=60) for name in sorted(unsafe)[:5])
    more = f" and {len(unsafe) - 5} more" if len(unsafe) > 5 else ""
    kind = "a pickle"
    if any(name.startswith("torch.fx.") for name in unsafe):
        kind = "an FX GraphModule"
    elif any(name.startswith(("torch.ao.", "torch.ScriptObject", "torch.jit.")) for name in unsafe):
        kind = "a quantised or compiled network"
    what = f"is {kind} that needs code from outside torch.nn ({listed}{more})"
    raise UnsafeModelError(f"{shown}: {what}; nothing was executed", _way_out(unsafe))


def _way_out(unsafe: set[str]) -> str:
    if "torch.nn.parameter.UninitializedParameter" in unsafe:
        return "run the lazy layers once on data, then save the network again"
    tops = {name.split(".")[0] for name in unsafe}
    # The names are the file's: what is no network's must not be proposed to a hasty reader.
    if tops & ({*sys.stdlib_module_names, "torch", "numpy"} - {"__main__"}) or len(unsafe) > _MOST_PROPOSED:
        return USE_ARCH
    options = []
    for name in sorted(unsafe):
        module, _, attribute = name.rpartition(".")
        if not all(part.isidentifier() for part in name.split(".")):
            return USE_ARCH
        if module == "__main__":
            options.append(f"--class {name}=package.module:{attribute}")
        else:
            options.append(f"--allow {module}:{attribute}")
    return f"if you know the code, {' '.join(options)}; or {USE_ARCH}"


def _foreign(names: frozenset[str], allowed: Permitted) -> set[str]:
    """Return names that nobody permitted; torch itself does not list them in old files, nor in new protocols."""
    outside = {name for name in names if not name.startswith(("torch.", "collections."))}
    return (outside - _HARMLESS - allowed.labels) | (names & granted_by_others(allowed.labels))


def _unsafe(file: BufferedReader) -> set[str]:
    try:
        file.seek(0)
        return set(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    except Exception:  # it cannot read every pickle; torch.load then refuses this one
        return set()
