"""The exceptions of propstats: each says what is wrong, why, and what to do next."""

from typing import ClassVar


class PropstatsError(Exception):
    """Base of everything propstats raises on purpose.

    Args:
        message: What is wrong and why, in one line.
        hint: What to do about it, in one line; may be empty.

    Attributes:
        code: A stable word for programs (`errors[].code` in JSON).
        exit_code: What the command line exits with.

    >>> error = DomainError("std must be positive, got -1", "leave it out for 1")
    >>> str(error), error.code, error.exit_code
    ('std must be positive, got -1 (leave it out for 1)', 'domain', 2)
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class DomainError(PropstatsError, ValueError):
    """An argument is outside the range in which the question makes sense."""

    code = "domain"
    exit_code = 2


class UnknownNameError(PropstatsError, LookupError):
    """A name (activation, scheme, data set) that propstats does not know."""

    code = "unknown_name"
    exit_code = 2


class ExpressionError(PropstatsError, ValueError):
    """A formula that cannot be read."""

    code = "expression"
    exit_code = 2


class CertificateError(PropstatsError):
    """A number that no proof could be found for, or not in time; it may well exist."""

    code = "certificate"
    exit_code = 3


class ModelError(PropstatsError):
    """A model, or a model file, that cannot be used."""

    code = "model"
    exit_code = 3


class UnsafeModelError(ModelError):
    """A model file that would execute code if it were loaded; nothing was executed."""

    code = "unsafe_model"


class WeightsOnlyError(ModelError):
    """A model file that holds weights, and there is no network to put them into."""

    code = "weights_only"


class DataError(PropstatsError):
    """Data that cannot be used."""

    code = "data"
    exit_code = 3


class OutputError(PropstatsError):
    """A result that cannot be written where it was asked for."""

    code = "output"
    exit_code = 3


def unknown_name(kind: str, name: str, known: list[str]) -> UnknownNameError:
    """Build the error for a name that is not known, with the nearest names first.

    >>> print(unknown_name("activation", "relUU", ["elu", "relu", "tanh"]))
    unknown activation 'relUU' (did you mean relu or elu? known: elu, relu, tanh)
    """
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    did_you_mean = f"did you mean {' or '.join(near)}? " if near else ""
    return UnknownNameError(f"unknown {kind} {name!r}", f"{did_you_mean}known: {', '.join(known)}")
