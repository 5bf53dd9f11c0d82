"""What a user permits when a model file is loaded: nothing of the file's own, unless it is said here."""

import json
import re
from dataclasses import dataclass
from typing import Final

from propstats.errors import DomainError
from propstats.text import printable

#: What to do with a network that cannot be loaded as it is.
USE_ARCH: Final = "save its state_dict and pass --arch package.module:factory"
_NAME: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_OBJECT: Final = re.compile(rf"({_NAME}):({_NAME})")
_CALL: Final = re.compile(r"(\w[\w.]*):([^()]+?)(?:\((.*)\))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reference:
    """An object of the user's own code: `module:attribute`."""

    module: str
    attribute: str

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"


@dataclass(frozen=True, slots=True)
class Architecture:
    """What builds a network: a factory of the user's, or a model of a library, with arguments.

    Args:
        source: A module to import, or `torchvision`, `timm`, `hf`.
        name: The factory in the module, the model of the library, or the folder with its config.json (hf).
        arguments: Keyword arguments.
    """

    source: str
    name: str
    arguments: dict[str, object]

    def __str__(self) -> str:
        return printable(f"{self.source}:{self.name}", limit=120)


@dataclass(frozen=True, slots=True)
class Access:
    """What is permitted when a model file is loaded, and what its weights belong to.

    Nothing in a file is executed by default. Classes that are allowed are the user's own: they are imported, and a
    file may make instances of them, without arguments, and fill in their state. Only `trust` lets a file bring its own
    program.

    Args:
        allow: Classes that a pickled network may consist of beside those of torch.nn, as `package.module:Class`.
        classes: What a file calls them, if they were saved under another name: `__main__.Net=package.module:Net`.
        arch: What builds the network that weights belong to: `package.module:factory`, with arguments in JSON
            `package.module:factory({"depth": 3})`; or `torchvision:NAME`, `timm:NAME`, `hf:FOLDER`.
        trust: Whether a file that is a program (TorchScript, .pt2) may run.
        verify: Whether the checksums in a file are verified.
        partial: Whether to go on if weights are missing, too many, or of another shape.
        key: Where in a checkpoint the weights are: a key, keys with dots between them, or what the names of the
            weights begin with; None looks for the usual names.

    Raises:
        DomainError: If an entry is not of its form.

    >>> Access(classes=("__main__.Net=mynets:Net",)).renamed
    {'__main__.Net': Reference(module='mynets', attribute='Net')}
    >>> Access(arch='mynets:make({"depth": 3})').architecture
    Architecture(source='mynets', name='make', arguments={'depth': 3})
    """

    allow: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    arch: str | None = None
    trust: bool = False
    verify: bool = True
    partial: bool = False
    key: str | None = None

    def __post_init__(self) -> None:
        _ = self.allowed, self.renamed, self.architecture

    @property
    def allowed(self) -> tuple[Reference, ...]:
        """The classes of `allow`."""
        return tuple(_reference("allow", text, text) for text in self.allow)

    @property
    def renamed(self) -> dict[str, Reference]:
        """The classes of `classes`, by what a file calls them.

        Raises:
            DomainError: If one is not of the form `OLD.NAME=package.module:Class`.
        """
        found = {}
        for text in self.classes:
            label, equals, target = text.partition("=")
            if not equals or not re.fullmatch(_NAME, label) or "." not in label:
                raise _malformed("class", text, "OLD.NAME=package.module:Class", "__main__.Net=mypackage.models:Net")
            found[label] = _reference("class", target, text)
        return found

    @property
    def architecture(self) -> Architecture | None:
        """What `arch` says.

        Raises:
            DomainError: If it is not of the form `package.module:factory` or `package.module:factory({...})`.
        """
        if self.arch is None:
            return None
        form, example = "package.module:factory", 'mypackage.models:make, or mypackage.models:make({"depth": 3})'
        if self.arch.startswith("hf:") and len(self.arch) > 3:  # a folder may be called anything
            return Architecture("hf", self.arch[3:], {})
        match = _CALL.fullmatch(self.arch)
        if match is None:
            raise _malformed("arch", self.arch, form, example)
        source, name, text = match.groups()
        if source not in ("torchvision", "timm") and not _OBJECT.fullmatch(f"{source}:{name}"):
            raise _malformed("arch", self.arch, form, example)
        try:
            arguments = json.loads(text) if text else {}
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            raise DomainError(
                f"arch {printable(self.arch, limit=120)!r} has arguments that are no JSON object", f"e.g. {example}"
            )
        return Architecture(source, name, arguments)


#: Nothing is permitted.
SAFE: Final = Access()


def _reference(option: str, text: str, whole: str) -> Reference:
    match = _OBJECT.fullmatch(text)
    if match is None:
        raise _malformed(option, whole, "package.module:Class", "mypackage.models:Net")
    return Reference(*match.groups())


def _malformed(option: str, text: str, form: str, example: str) -> DomainError:
    return DomainError(f"{option} {printable(text, limit=120)!r} is not of the form {form}", f"e.g. {example}")
