"""What a pickle does besides naming things: its instructions carried out on labels, before torch carries them out.

torch's safe loader guards which names a pickle may use, not what is done with them: a permitted class can be called
with sizes that fill the memory, a storage can claim terabytes, and a key can take an age to hash. Honest files do none
of that.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO, Any, Final

from propstats.auditing.loading import labels
from propstats.auditing.loading.access import USE_ARCH
from propstats.auditing.loading.labels import Global, Instance, Storage, Tuple, numbers
from propstats.auditing.loading.permitted import MODULE_PREFIX, OWN_PREFIX
from propstats.auditing.loading.pickles import dotted
from propstats.errors import ModelError, UnsafeModelError

#: A tuple that is built from itself again and again has no size, but its hash takes forever.
_HEAVY: Final = 1_000_000
#: Each takes a moment to be looked through, and a few bytes make another one.
_MOST_LAYERS: Final = 10_000
# A storage that lies in the file takes no more room in memory.
_RATIO: Final = 1.01
_SLACK: Final = 4096
_OTHER: Final = object()
_PARAMETER: Final = "torch.nn.parameter.Parameter"


@dataclass
class _Machine:
    name: str
    size: int
    enums: frozenset[str]
    unread: frozenset[str] = frozenset()
    stack: list[object] = field(default_factory=list)
    below: list[list[object]] = field(default_factory=list)
    memo: dict[int, object] = field(default_factory=dict)
    storages: dict[object, int] = field(default_factory=dict)
    claimed: int = 0
    has_layers: bool = False
    layers: int = 0
    rebuilds_type: bool = False

    def refuse(self, what: str = "the pickle does more than rebuild itself when it is loaded") -> UnsafeModelError:
        return UnsafeModelError(f"{self.name}: {what}; nothing was executed", USE_ARCH)

    def run(self, file: IO[bytes]) -> None:
        self.stack, self.below, self.memo = [], [], {}
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                return
            action = _ACTIONS.get(opcode.name)
            if action is None:
                what = f"its pickle uses the instruction {opcode.name}, which torch's safe loader does not read"
                raise ModelError(f"{self.name}: {what}", "save it again with torch.save and its default protocol")
            action(self, argument)

    def proto(self, argument: Any) -> None:
        if argument > 2:
            what = f"was saved with pickle protocol {argument}, and torch's safe loader reads protocol 2"
            raise ModelError(f"{self.name}: {what}", "save it again without pickle_protocol")

    def name_global(self, argument: Any) -> None:
        found = dotted(*str(argument).split(" ", 1))
        self.has_layers |= found.startswith((MODULE_PREFIX, OWN_PREFIX))
        self.stack.append(Global(found))

    def push(self, argument: Any) -> None:
        self.stack.append(argument if isinstance(argument, str | int) else _OTHER)

    def mark(self, argument: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def until_mark(self) -> list[object]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def tuple_of(self, items: list[object]) -> None:
        weight = 1 + sum(item.weight if isinstance(item, Tuple) else 1 for item in items)
        if weight > _HEAVY:
            raise self.refuse("its pickle nests tuples in themselves beyond measure")
        self.stack.append(Tuple(tuple(items), weight))

    def tuple_to_mark(self, argument: Any) -> None:
        self.tuple_of(self.until_mark())

    def make(self, argument: Any) -> None:
        arguments, made = self.stack.pop(), self.stack.pop()
        is_empty = isinstance(arguments, Tuple) and not arguments.items
        if not isinstance(made, Global) or not (is_empty or made.name in {*self.unread, _PARAMETER}):
            raise self.refuse()
        self.stack.append(Instance(made.name.startswith(OWN_PREFIX)))
        self.layers += made.name.startswith(OWN_PREFIX)
        if self.layers > _MOST_LAYERS:
            raise ModelError(f"{self.name}: more than {_MOST_LAYERS:,} layers of propstats.nn", "save a part of it")

    def call(self, argument: Any) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        if not isinstance(called, Global) or not isinstance(arguments, Tuple):
            raise self.refuse()
        first = arguments.items[0] if arguments.items else None
        if called.name in labels.VIEWS:
            self.check_view(arguments.items)
        if called.name in self.enums:
            permitted = len(arguments.items) == 1
        elif called.name == labels.FROM_TYPE:
            self.rebuilds_type = True
            permitted = isinstance(first, Global) and first.name in labels.REBUILDERS
        elif called.name == "builtins.bytearray":
            permitted = not isinstance(first, int)  # a number would be a size
        else:
            permitted = called.name in labels.CALLED or called.name in self.unread
        if not permitted:
            raise self.refuse()
        self.stack.append(_OTHER)

    def build(self, argument: Any) -> None:
        self.stack.pop()
        filled = self.stack[-1]
        if isinstance(filled, Global) or (isinstance(filled, Instance) and not filled.fill()):
            raise self.refuse()

    def drop(self, count: int) -> None:
        del self.stack[-count:]

    def put(self, argument: Any) -> None:
        self.memo[argument] = self.stack[-1]

    def get(self, argument: Any) -> None:
        self.stack.append(self.memo[argument])

    def storage(self, argument: Any) -> None:
        """Add up what the storages claim: torch allocates it before it reads them."""
        described, count = self.stack.pop(), 0
        if isinstance(described, Tuple) and len(described.items) >= 5:
            kind, key, _, held = described.items[1:5]
            if not (isinstance(kind, Global) and isinstance(held, int) and isinstance(key, str)):
                raise self.refuse()
            count = held
            of = kind.name.rpartition(".")[2].removesuffix("Storage")
            bytes_ = count * labels.WIDTHS.get(of, 1)
            self.claimed += bytes_ - self.storages.get(key, 0)
            self.storages[key] = bytes_
            if count < 0 or self.claimed > _RATIO * self.size + _SLACK:
                raise self.dishonest(f"its weights claim {self.claimed:,} bytes, {self.size:,} are there")
        self.stack.append(Storage(count))

    def check_view(self, arguments: tuple[object, ...]) -> None:
        """A view beyond its storage makes torch enlarge the storage, to whatever size the file asks for."""
        if len(arguments) < 4 or not isinstance(arguments[0], Storage):
            raise self.refuse()
        offset, sizes, strides = arguments[1], numbers(arguments[2]), numbers(arguments[3])
        if not isinstance(offset, int) or sizes is None or strides is None or len(sizes) != len(strides):
            raise self.refuse()
        reach = offset + 1 + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
        if min((offset, *sizes, *strides)) < 0 or (0 not in sizes and reach > arguments[0].numbers):
            raise self.dishonest(f"a tensor claims {reach:,} numbers, {arguments[0].numbers:,} are there")

    def dishonest(self, what: str) -> ModelError:
        return ModelError(f"{self.name}: {what}: damaged, or not an honest file", "download or save it again")


def _pushes(value: object) -> Callable[[_Machine, Any], None]:
    return lambda machine, argument: machine.stack.append(value)


def _takes(count: int) -> Callable[[_Machine, Any], None]:
    def take(machine: _Machine, argument: Any) -> None:
        items = machine.stack[len(machine.stack) - count :]
        machine.drop(count)
        machine.tuple_of(items)

    return take


def _drops(count: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, argument: machine.drop(count)


def _drops_to_mark(machine: _Machine, argument: Any) -> None:
    machine.until_mark()


#: The instructions that torch's safe loader reads.
_ACTIONS: Final[dict[str, Callable[[_Machine, Any], None]]] = {
    "PROTO": _Machine.proto,
    "GLOBAL": _Machine.name_global,
    "MARK": _Machine.mark,
    "EMPTY_TUPLE": lambda machine, argument: machine.tuple_of([]),
    "TUPLE": _Machine.tuple_to_mark,
    "TUPLE1": _takes(1),
    "TUPLE2": _takes(2),
    "TUPLE3": _takes(3),
    "NEWOBJ": _Machine.make,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
    "APPEND": _drops(1),
    "APPENDS": _drops_to_mark,
    "SETITEM": _drops(2),
    "SETITEMS": _drops_to_mark,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "BINPERSID": _Machine.storage,
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "NONE", "NEWTRUE", "NEWFALSE"), _pushes(_OTHER)),
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"), _Machine.push
    ),
}


def check_construction(
    file: IO[bytes],
    *,
    name: str,
    size: int,
    pickles: int = 1,
    enums: frozenset[str] = frozenset(),
    unread: frozenset[str] = frozenset(),
) -> None:
    """Refuse a pickle that does more than rebuild tensors, containers, and empty instances that it fills in.

    Args:
        file: At the first byte of the first pickle.
        name: How to name the model in the error.
        size: Bytes of the whole file: what all storages together may claim.
        pickles: How many pickles to read, one after the other.
        enums: Names of classes that are called with a value.
        unread: Names for which something stands that does nothing, whatever it is called with.

    Raises:
        UnsafeModelError: If a class is called, made with arguments, or hidden behind a tensor rebuilder.
        ModelError: If the opcodes cannot be read, or storages claim more than there is.
    """
    machine = _Machine(name, size, enums, unread)
    try:
        for _ in range(pickles):
            machine.run(file)
    except ModelError:
        raise
    except Exception as error:  # damaged bytes; what cannot be read cannot be vouched for
        raise ModelError(f"{name}: its pickle is damaged", "download or save it again") from error
    if machine.has_layers and machine.rebuilds_type:
        raise machine.refuse()
