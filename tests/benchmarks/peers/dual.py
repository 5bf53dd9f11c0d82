"""The dual E[f(x) f(y)] at 101 correlations, x, y ~ N(0, 1), in one call.

Times and ratios are medians over activations; neural-tangents measures itself, in a process of its own, and has closed
forms of some of them. The call of propstats finds what it knows of the activation, as neural-tangents finds its
compiled kernel; the dual itself is computed anew. DKS computes one correlation at a time: its time is extrapolated
from three. An error is relative to E[f^2], the largest at these three, beside exact numbers. The floor is the bare
work of a sum over 100 Hermite coefficients. Target: at most 2 ms, with an error of at most 1e-13.
"""

import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
from benchmarks.peers.turns import Row, missing, named, optional, ratio, seconds, table, take_turns, verdict

from propstats.activations import activation
from propstats.expectation.dual import dual

#: The dual at correlations -0.5, 0.2 and 0.9: nested integrals in mpmath with twenty digits, and for the last four in
#: long double, Gauss-Legendre panels split at the kinks in both variables (relu is the same in both).
_EXACT = {
    "relu": ("0.054498890522114679", "0.212348781931632702", "0.454769199422336095"),
    "erf": ("-0.21634689593878546", "0.0851361740085118087", "0.409665529398266974"),
    "gelu": ("-0.022705084978008465", "0.133166796189317337", "0.380968870594764948"),
    "tanh": ("-0.186324413203448086", "0.073553366385421349", "0.349203350581925248"),
    "sigmoid": ("0.22857167436829472", "0.258543646750621850", "0.288918012260336193"),
    "elu": ("-0.256042710151717208", "0.143162224374125686", "0.578818963309438241"),
    "hardtanh": ("-0.238169165800770654", "0.093527773973963659", "0.453545356774882665"),
}
_RHO = np.linspace(-1.0, 1.0, 101)
#: Their positions in the grid.
_AT = (25, 60, 95)
_ROUNDS, _MS, _ERROR = 5, 2.0, 1e-13
_HERE = Path(__file__).resolve().parent


class NeuralTangents:
    """neural-tangents, in the Python that PROPSTATS_NEURAL_TANGENTS names."""

    def __init__(self, python: str) -> None:
        worker = str(_HERE / "neural_tangents_worker.py")
        pipe = subprocess.PIPE
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        self.process = subprocess.Popen(
            [python, worker], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        assert self.process.stdout is not None
        self.versions: dict[str, str] = json.loads(self.process.stdout.readline())

    def ask(self, act: str, degree: int | None) -> Any:
        """Return its values and how long one call took; None where it has no closed form."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"act": act, "degree": degree, "rho": _RHO.tolist()}), file=self.process.stdin, flush=True)
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def _error(values: Sequence[float], exact: Sequence[str], norm: float) -> float:
    return max(abs(float(Decimal(v) - Decimal(e))) for v, e in zip(values, exact, strict=True)) / norm


def main() -> int:
    """Print the table; exit with 1 if the target is missed."""
    warnings.simplefilter("ignore")  # scipy's, under DKS
    python = os.environ.get("PROPSTATS_NEURAL_TANGENTS", "")
    peer = NeuralTangents(python) if Path(python).is_file() else None
    dks = optional("dks.base.activation_transform")
    ours, floor = "propstats", "floor: numpy, 100 coefficients"
    taken: dict[str, list[float]] = {}
    floors: dict[str, list[float]] = {}
    errors: dict[str, list[float]] = {}
    labels: dict[str, list[str]] = {}
    for name in _EXACT:
        entry = activation(name)
        norm = float(np.asarray(dual(entry, correlation=1.0)))
        coefficients = np.ones(100)
        tasks: dict[str, Callable[[], Any]] = {
            floor: lambda: np.polynomial.polynomial.polyval(_RHO, coefficients),  # noqa: B023
            ours: lambda: dual(entry, correlation=_RHO),  # noqa: B023
        }
        times = take_turns(tasks, _ROUNDS)
        values = {ours: np.asarray(tasks[ours]())[list(_AT)].tolist()}
        if peer is not None:
            for label, degree in (("closed form", None), ("Gauss-Hermite 25", 25), ("Gauss-Hermite 100", 100)):
                answers = [peer.ask(name, degree) for _ in range(_ROUNDS)]
                if answers[0] is not None:
                    times[label] = [answer["seconds"] for answer in answers]
                    values[label] = [answers[0]["values"][k] for k in _AT]
        if dks is not None and name != "hardtanh":  # that takes it minutes
            phi, start = _in_numpy(name), time.perf_counter()
            values["dks"] = [dks._calc_c_map(phi, c=float(_RHO[k]), q_output=1.0) for k in _AT]
            times["dks"] = [_RHO.size / len(_AT) * (time.perf_counter() - start)] * _ROUNDS
        for label, each in times.items():
            taken.setdefault(label, []).append(statistics.median(each))
            floors.setdefault(label, []).append(ratio(times, label, floor))
            labels.setdefault(label, []).append(name)
            if label in values:
                errors.setdefault(label, []).append(_error(values[label], _EXACT[name], norm))
    if peer is not None:
        peer.close()
    is_met = max(taken[ours]) <= 1e-3 * _MS and max(errors[ours]) <= _ERROR
    shown = _shown(peer)
    rows = [
        Row(
            f"{shown.get(label, label)}, {len(labels[label])} of {len(_EXACT)}",
            statistics.median(taken[label]),
            statistics.median(floors[label]),
            f"{max(errors[label]):.1e}" if label in errors else "",
            verdict(is_met) if label == ours else "",
        )
        for label in taken
    ]
    rows += [missing("neural-tangents (PROPSTATS_NEURAL_TANGENTS)")] if peer is None else []
    rows += [missing("dks")] if dks is None else []
    print(table("largest error", rows))
    print(f"\nSlowest activation of propstats: {seconds(max(taken[ours]))} (target {_MS:g} ms).")
    return 0 if is_met else 1


def _in_numpy(name: str) -> Callable[[Any], Any]:
    from scipy.special import erf, expit, ndtr

    functions: dict[str, Callable[[Any], Any]] = {
        "relu": lambda x: np.maximum(x, 0.0),
        "erf": erf,
        "gelu": lambda x: x * ndtr(x),
        "tanh": np.tanh,
        "sigmoid": expit,
        "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0))),
    }
    return functions[name]


def _shown(peer: NeuralTangents | None) -> dict[str, str]:
    known = {"dks": f"{named('dks')}, extrapolated"}
    if peer is not None:
        name = f"neural-tangents {peer.versions['neural_tangents']} (jax {peer.versions['jax']}, jit)"
        known |= {kind: f"{name}, {kind}" for kind in ("closed form", "Gauss-Hermite 25", "Gauss-Hermite 100")}
    return known


if __name__ == "__main__":
    sys.exit(main())
