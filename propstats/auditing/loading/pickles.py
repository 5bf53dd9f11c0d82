"""What a pickle would import, read from its opcodes; nothing is unpickled."""

import pickletools
from collections.abc import Iterator
from typing import IO, Final

_MODERN_NAMES: Final = {"__builtin__": "builtins", "copy_reg": "copyreg"}
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
            names.update(_names(file))
    except Exception:  # pickletools raises many kinds on damaged bytes; what was read so far still counts
        return frozenset(names)
    return frozenset(names)


def _names(file: IO[bytes]) -> Iterator[str]:
    strings = ["", ""]
    memo: dict[int, str | None] = {}
    last: str | None = None
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in ("MEMOIZE", "BINPUT", "LONG_BINPUT"):
            memo[len(memo) if argument is None else int(argument)] = last
            continue
        last = str(argument) if opcode.name in _STRINGS else None
        if opcode.name in ("BINGET", "LONG_BINGET"):
            last = memo.get(int(argument or 0))
        if last is not None:
            strings = [strings[1], last]
        elif opcode.name in ("GLOBAL", "INST"):
            yield dotted(*str(argument).split(" ", 1))
        elif opcode.name == "STACK_GLOBAL":
            yield dotted(*strings)


def dotted(module: str, name: str = "") -> str:
    """Return the name of a global as Python 3 writes it."""
    return f"{_MODERN_NAMES.get(module, module)}.{name}"
