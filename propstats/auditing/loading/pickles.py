"""What a pickle would import and call, read from its opcodes; nothing is unpickled."""

import pickletools
from collections.abc import Iterator
from typing import IO, Final

from propstats.errors import ModelError, UnsafeModelError

MODULE_PREFIX: Final = "torch.nn.modules."
_MODERN_NAMES: Final = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_MEMO_PUT: Final = frozenset({"BINPUT", "LONG_BINPUT"})
_MEMO_GET: Final = frozenset({"BINGET", "LONG_BINGET"})
_STRINGS: Final = frozenset({"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"})


def global_names(file: IO[bytes], *, pickles: int = 1) -> frozenset[str]:
    """List the dotted names that pickles would import; nothing is imported.

    It is a report for messages, not a proof: the unpickler that only takes listed names is the guard.

    Args:
        file: At the first byte of the first pickle.
        pickles: How many pickles to read, one after the other.

    Returns:
        The names, as far as the opcodes could be read.

    >>> import io, pickle
    >>> sorted(global_names(io.BytesIO(pickle.dumps(print, protocol=2))))
    ['builtins.print']
    """
    names: set[str] = set()
    try:
        for _ in range(pickles):
            names.update(name for name, _ in _globals(file))
    except Exception:  # pickletools raises many kinds on damaged bytes; what was read so far still counts
        return frozenset(names)
    return frozenset(names)


def _globals(file: IO[bytes]) -> Iterator[tuple[str, int]]:
    strings = ["", ""]
    for opcode, argument, position in pickletools.genops(file):
        if opcode.name in _STRINGS:
            strings = [strings[1], str(argument)]
        elif opcode.name in ("GLOBAL", "INST"):
            yield _dotted(*str(argument).split(" ", 1)), position or 0
        elif opcode.name == "STACK_GLOBAL":
            yield _dotted(*strings), position or 0


def _dotted(module: str, name: str = "") -> str:
    return f"{_MODERN_NAMES.get(module, module)}.{name}"


def check_construction(file: IO[bytes], *, name: str) -> None:
    """Refuse a pickle that does more with a torch.nn class than make an empty instance of it.

    An honest pickled network names a class, makes an instance without arguments, and fills in its state.
    Calling the class instead would allocate whatever the file asks for; calling an instance would run it.

    Args:
        file: At the first byte of the pickle.
        name: How to name the model in the error.

    Raises:
        UnsafeModelError: If a class is called, passed around, or hidden behind a tensor rebuilder.
        ModelError: If the opcodes cannot be read.
    """
    refusal = UnsafeModelError(
        f"{name}: the pickled module does more than rebuild itself when it is loaded; nothing was executed",
        "save its state_dict and pass --arch package.module:factory",
    )
    pending: list[str] = []
    classes: set[int] = set()
    found = forbidden = False
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if pending:
                if opcode.name in _MEMO_PUT and len(pending) == 3:
                    classes.add(int(str(argument)))
                    pending.pop(0)
                    continue
                if len(pending) == 3:
                    pending.pop(0)
                if opcode.name != pending.pop(0):
                    raise refusal
                continue
            if opcode.name in _MEMO_PUT:
                classes.discard(int(str(argument)))
            elif opcode.name in _MEMO_GET and int(str(argument)) in classes:
                pending = ["EMPTY_TUPLE", "NEWOBJ"]
            elif opcode.name == "GLOBAL":
                module, _, attribute = str(argument).partition(" ")
                forbidden = forbidden or attribute == "_rebuild_from_type_v2"
                if module.startswith(MODULE_PREFIX):
                    found = True
                    pending = ["PUT", "EMPTY_TUPLE", "NEWOBJ"]
    except UnsafeModelError:
        raise
    except Exception as error:  # as in global_names; what cannot be read cannot be vouched for
        raise ModelError(f"{name}: its pickle is damaged", "download or save it again") from error
    if found and forbidden:
        raise refusal
