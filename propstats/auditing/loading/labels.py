"""What stands for the values of a pickle while its instructions are carried out on labels, and what may be called."""

from dataclasses import dataclass
from typing import Final, NamedTuple

REBUILDERS: Final = frozenset(f"torch._utils._rebuild_{what}" for what in (
    "tensor", "tensor_v2", "tensor_v3", "parameter", "parameter_with_state", "sparse_tensor", "qtensor",
    "nested_tensor", "meta_tensor_no_storage"))  # fmt: skip
#: Those whose arguments are a storage, an offset, sizes and strides.
VIEWS: Final = frozenset(f"torch._utils._rebuild_{what}" for what in ("tensor", "tensor_v2", "tensor_v3"))
FROM_TYPE: Final = "torch._tensor._rebuild_from_type_v2"
CALLED: Final = REBUILDERS | {
    FROM_TYPE,
    "_codecs.encode",
    "builtins.bytearray",
    "builtins.complex",
    "builtins.set",
    "collections.Counter",
    "collections.OrderedDict",
    "torch.Size",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
}
#: Bytes of a number, by the type of its storage; of one byte where it is not here.
WIDTHS: Final = {"Double": 8, "Long": 8, "Float": 4, "Int": 4, "Half": 2, "BFloat16": 2, "Short": 2}


class Global(NamedTuple):
    """A name that the pickle would import."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Tuple:
    """A tuple, with how many values there are in it all told."""

    items: tuple[object, ...]
    weight: int


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A storage of so many numbers."""

    numbers: int


@dataclass(slots=True, eq=False)
class Instance:
    """An object whose class was instantiated without arguments; a layer of ours is filled in once."""

    is_own: bool = False
    is_filled: bool = False

    def fill(self) -> bool:
        """Note that a state is filled in, and say whether that may be."""
        may_be = not (self.is_own and self.is_filled)
        self.is_filled = True
        return may_be


def numbers(value: object) -> list[int] | None:
    """Return the whole numbers in a tuple, or None if it is not one of those alone."""
    if not isinstance(value, Tuple):
        return None
    found = [item for item in value.items if isinstance(item, int)]
    return found if len(found) == len(value.items) else None
