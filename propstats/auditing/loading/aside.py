"""What lies beside the weights in a checkpoint: settings, dates, random states. It is left unread.

Training scripts save their command line, their paths and their NumPy numbers with the weights. None of it is needed
here, so nothing of it is made: what a file calls by these names becomes a stand-in, which takes anything and does
nothing.
"""

from collections.abc import Callable
from typing import Final

_NUMPY: Final = ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer")
_DTYPES: Final = ("Bool", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Float16",
    "Float32", "Float64", "Str", "Object")  # fmt: skip
_NAMES: Final = frozenset(
    {
        "argparse.Namespace",
        "types.SimpleNamespace",
        *(f"pathlib.{kind}" for kind in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
        *(f"pathlib._local.{kind}" for kind in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
        *(f"datetime.{kind}" for kind in ("datetime", "date", "time", "timedelta", "timezone")),
        "decimal.Decimal",
        "fractions.Fraction",
        "uuid.UUID",
        *(f"builtins.{kind}" for kind in ("list", "dict", "tuple", "int", "float", "str", "bool", "slice", "range")),
        "numpy.ndarray",
        "numpy.dtype",
        *(f"numpy.core.{name}" for name in _NUMPY),
        *(f"numpy._core.{name}" for name in _NUMPY),
        *(f"numpy.dtypes.{kind}DType" for kind in _DTYPES),
    }
)


class SetAside:
    """Something that was not made."""

    __slots__ = ()

    def __new__(cls, *_: object) -> "SetAside":
        """Take any arguments, and keep none."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Take any state, and keep none."""


def _dictionary(*_: object) -> dict[object, object]:
    return {}


def _list(*_: object) -> list[object]:
    return []


#: What is filled in after it is made has to be what torch's safe loader fills in.
_FILLED: Final[dict[str, Callable[..., object]]] = {"collections.defaultdict": _dictionary, "collections.deque": _list}


def set_aside(names: frozenset[str]) -> tuple[tuple[Callable[..., object], str], ...]:
    """Return what stands for those of a file's names that are left unread, as torch's safe loader takes it.

    >>> [label for _, label in set_aside(frozenset({"argparse.Namespace", "os.system"}))]
    ['argparse.Namespace']
    """
    known = ((_FILLED.get(name, SetAside), name) for name in sorted(names))
    return tuple((stand_in, name) for stand_in, name in known if name in _NAMES or name in _FILLED)
