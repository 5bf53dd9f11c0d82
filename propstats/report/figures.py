"""Which figure shows which result, and how it becomes a file."""

import os
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from propstats.errors import DomainError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: By the name of a result's record: the module in this room, and its function. Names, as the records live in rooms that
#: load torch or sympy.
_FIGURES: Mapping[str, tuple[str, str]] = {
    "AuditDiff": ("diff_figure", "diff_figure"),
    "AuditReport": ("overview_figure", "overview_figure"),
    "BoundReport": ("bound_figure", "bound_figure"),
    "Design": ("design_figure", "design_figure"),
    "DropoutMoments": ("layer_figure", "dropout_figure"),
    "DualMoments": ("dual_figure", "dual_figure"),
    "GateMoments": ("gate_figure", "gate_figure"),
    "HermiteSpectrum": ("hermite_figure", "hermite_figure"),
    "JacobianSpectrum": ("spectrum_figure", "spectrum_figure"),
    "Lesson": ("lesson_figure", "lesson_figure"),
    "MeanField": ("meanfield_figure", "meanfield_figure"),
    "MeasuredSpectrum": ("spectrum_figure", "measured_spectrum_figure"),
    "PhaseDiagram": ("phase_figure", "phase_figure"),
    "PoolMoments": ("layer_figure", "pool_figure"),
    "Propagation": ("propagation_figure", "propagation_figure"),
    "Sweep": ("sweep_figure", "sweep_figure"),
    "UnitMoments": ("moments_figure", "moments_figure"),
    "WeightScales": ("scales_figure", "scales_figure"),
}


def figure(result: object) -> "Figure":
    """Return the figure that shows a result.

    Args:
        result: What a function of propstats returned.

    Raises:
        DomainError: If no figure shows results of this kind, or there is too little in this one.
    """
    home = _FIGURES.get(type(result).__name__)
    if home is None:
        raise DomainError(f"no figure shows {type(result).__name__}", f"there are figures of {', '.join(_FIGURES)}")
    module, function = home
    drawn: Figure = getattr(import_module(f"propstats.report.{module}"), function)(result)
    return drawn


def plot(result: object, path: str | os.PathLike[str]) -> None:
    """Draw a result into a file: what `--plot` does.

    Args:
        result: What a function of propstats returned: moments, spectra, phase diagrams, audits.
        path: The file; the end of its name says which kind: .png (200 dpi), .svg or .pdf. Equal results give equal
            files.

    Raises:
        DomainError: If the name ends in something else, or no figure shows results of this kind.
        OutputError: If the file cannot be written.

    >>> import tempfile
    >>> from pathlib import Path
    >>> from propstats.theory.hermite import hermite
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "relu.svg"
    ...     plot(hermite("relu", degree=2, digits=None), file)
    ...     file.read_text()[:5]
    '<?xml'
    """
    from propstats.report.style import kind_of, save

    kind_of(path)  # a wrong name is said before anything is drawn
    save(figure(result), path)
