"""Options that several commands share."""

import sys
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError

if TYPE_CHECKING:
    from propstats.activations import Activation
    from propstats.auditing.data.find import Places
    from propstats.auditing.loading.access import Access
    from propstats.auditing.records import Finding


def complete_activation(incomplete: str) -> list[str]:
    """Complete the name of an activation."""
    from propstats.activations import activation_names

    return [name for name in activation_names() if name.startswith(incomplete)]


def _figure_file(path: str | None) -> str | None:
    """Refuse a name that says no kind of figure before the work is done, not after it."""
    if path is not None:
        from propstats.report.style import kind_of

        kind_of(path)
    return output_file(path)


def output_file(path: str | None) -> str | None:
    """Refuse a place where nothing can be written before the work is done, not after it."""
    if path is not None:
        from propstats.files import check_can_write

        check_can_write(path)
    return path


def _device(name: str) -> str:
    """Refuse a device that is none, also where nothing is sampled; whether it is there is seen when it is used."""
    if name.partition(":")[0] not in _DEVICES:
        from propstats.errors import UnknownNameError, unknown_name

        known, meant = ", ".join(_DEVICES), _OTHER_NAMES.get(name.lower())
        if meant is not None:  # by their letters, xpu and cpu would be nearer
            raise UnknownNameError(f"unknown device {name!r}", f"did you mean {meant}? known: {known}")
        raise unknown_name("device", name, _DEVICES)
    return name


_DEVICES = ["auto", "cpu", "cuda", "mps", "xpu"]
_OTHER_NAMES = {"gpu": "cuda", "nvidia": "cuda", "rocm": "cuda", "hip": "cuda", "metal": "mps", "apple": "mps"}
Act = Annotated[
    str | None,
    typer.Option("--act", help="Activation: relu, prelu, gelu, tanh, ...", autocompletion=complete_activation),
]
Expr = Annotated[
    str | None,
    typer.Option("--expr", metavar="TEXT", help='Your own activation instead, in x: "x*tanh(log(1 + exp(a*x)))".'),
]
Param = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Parameter of the activation, as torch names it; repeatable."),
]
A = Annotated[float | None, typer.Option("--a", help="Short for --param a=VALUE.")]
Depth = Annotated[int, typer.Option("--depth", help="Layers.")]
Width = Annotated[int, typer.Option("--width", help="Units per layer.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Device = Annotated[str, typer.Option("--device", callback=_device, help="cpu, cuda or auto.")]
Digits = Annotated[int, typer.Option("--digits", min=1, max=1000, help="Digits that the certified route proves.")]
ProvenDigits = Annotated[
    int, typer.Option("--digits", min=0, max=1000, help="Digits to prove in ball arithmetic; 0 leaves that out.")
]
Mean = Annotated[float, typer.Option("--mean", help="Mean of the Gaussian input.")]
Std = Annotated[float, typer.Option("--std", help="Standard deviation of the Gaussian input.")]
Beta = Annotated[float, typer.Option("--beta", help="Mean of the biases.")]
Q0 = Annotated[float, typer.Option("--q0", help="Second moment that pre-activations start with.")]
Rectified = Annotated[bool, typer.Option("--rectified", help="The input passes a ReLU first.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, and of the answer the verdict alone.")]
Plot = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE", callback=_figure_file, help="Draw a figure: .png, .svg or .pdf."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Data = Annotated[
    str, typer.Option("--data", help="A name (digits, cifar10, gaussian:SHAPE, ...), a file, or MODULE:FACTORY.")
]
Images = Annotated[str, typer.Option("--data", help="digits, fashion-mnist, mnist, cifar10, cifar100 or svhn.")]
Normalize = Annotated[
    str | None,
    typer.Option("--normalize", help="none, global, feature or batch; by default what the data set is used with."),
]
DataDir = Annotated[
    str | None,
    typer.Option("--data-dir", metavar="DIR", help="Where data sets with a name are kept; also PROPSTATS_DATA."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never download a data set; also PROPSTATS_OFFLINE=1.")]
Samples = Annotated[int, typer.Option("--samples", min=0, help="Samples to use, chosen at random; 0 for all.")]
Arch = Annotated[
    str | None,
    typer.Option(
        "--arch",
        metavar="MODULE:FACTORY",
        help="What builds the network, for weights alone: your function, or torchvision:NAME, timm:NAME, hf:FOLDER.",
    ),
]
Allow = Annotated[
    list[str] | None,
    typer.Option("--allow", metavar="MODULE:CLASS", help="A class of yours in a pickled network; repeatable."),
]
Class = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="OLD=MODULE:CLASS", help="The same, saved under another name; repeatable."),
]
Partial = Annotated[bool, typer.Option("--partial", help="Go on with the weights that fit the network.")]
Key = Annotated[
    str | None, typer.Option("--key", metavar="NAME", help="Which of a checkpoint's sets of weights: ema, or a.b.")
]
Trust = Annotated[bool, typer.Option("--trust", help="Run the program in a TorchScript or .pt2 file.")]
NoVerify = Annotated[bool, typer.Option("--no-verify", help="Do not verify the file's checksums.")]


def access(
    arch: str | None,
    allow: list[str] | None,
    class_: list[str] | None,
    partial: bool,
    trust: bool,
    no_verify: bool,
    key: str | None,
) -> "Access":
    """Return what a user permits when a model file is loaded.

    Args:
        arch: The value of `--arch`.
        allow: The values of `--allow`.
        class_: The values of `--class`.
        partial: Whether `--partial` was given.
        trust: Whether `--trust` was given; that is said on stderr.
        no_verify: Whether `--no-verify` was given.
        key: The value of `--key`.

    Raises:
        DomainError: If a value is not of its form.
    """
    from propstats.auditing.loading.access import Access

    if trust:
        print("propstats: --trust: if the model file is a program, it runs with your rights", file=sys.stderr)
    return Access(tuple(allow or ()), tuple(class_ or ()), arch, trust, not no_verify, partial, key)


def refuse_beside(option: str, does: str, given: Mapping[str, object]) -> None:
    """Refuse options that make no sense beside another: what is given is not passed over in silence.

    Args:
        option: The other one.
        does: What it does.
        given: The values of the options by their names; None and False are not given.

    Raises:
        DomainError: If one is given.
    """
    for name, value in given.items():
        if value:
            raise DomainError(f"{option} {does}: it does not go together with {name}", "leave one of them out")


def refuse_without(option: str, given: Mapping[str, object]) -> None:
    """Refuse options that say something of another, which is not there.

    Args:
        option: The other one.
        given: As of `refuse_beside`.

    Raises:
        DomainError: If one is given.
    """
    for name, value in given.items():
        if value:
            raise DomainError(f"{name} is for {option}, which is not given", f"add {option}")


class FailOn(StrEnum):
    """From which severity on a finding is a failure."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    CHANGE = "change"  # any finding, and against a baseline any statistic that moved
    NEVER = "never"

    def allows(self, findings: "Iterable[Finding]") -> bool:
        """Whether none of these findings is a failure."""
        bad = {FailOn.ERROR: ("error",), FailOn.WARNING: ("error", "warning"), FailOn.NEVER: ()}
        return not any(self not in bad or finding.severity in bad[self] for finding in findings)


def unit(
    act: str | None, expr: str | None, param: list[str] | None, a: float | None, default: str | None = None
) -> "Activation":
    """Return the activation that `--act` names or `--expr` writes out, with its parameters.

    Args:
        act: The value of `--act`.
        expr: The value of `--expr`.
        param: The values of `--param`.
        a: The value of `--a`.
        default: The name to take if there is neither `--act` nor `--expr`.

    Raises:
        DomainError: If there is neither or both.
        UnknownNameError: If the activation or a parameter is not known.
        ExpressionError: If the formula cannot be read.
    """
    from propstats.activations import activation, from_expression

    act = default if act is None and expr is None else act
    if (act is None) == (expr is None):
        what = "give --act or --expr" if act is None else "--act and --expr exclude each other"
        raise DomainError(what, 'for example --act gelu, or --expr "x*sigmoid(a*x)" --param a=1.7')
    values = parameters(param, a)
    return activation(act, **values) if act is not None else from_expression(expr or "", **values)


def places(data_dir: str | None, offline: bool) -> "Places":
    """Return where data sets with a name come from.

    Args:
        data_dir: The value of `--data-dir`.
        offline: The value of `--offline`.
    """
    from propstats.auditing.data.find import Places

    return Places(data_dir, True if offline else None)


def parameters(param: list[str] | None, a: float | None) -> dict[str, float]:
    """Read `--param NAME=VALUE` and `--a VALUE`.

    Raises:
        DomainError: If one is not of that form, or given twice.
    """
    found: dict[str, float] = {} if a is None else {"a": a}
    for text in param or []:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise DomainError(f"--param takes NAME=VALUE, got {text!r}", "for example --param alpha=0.7")
        if name in found:
            raise DomainError(f"parameter {name} is given twice")
        try:
            found[name] = float(value)
        except ValueError:
            raise DomainError(f"parameter {name} must be a number, got {value!r}") from None
    return found
