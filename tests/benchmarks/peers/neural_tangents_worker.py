"""What neural-tangents says of duals: a line of JSON in, a line of JSON out, in its own Python.

It is asked for one call at a time. Nothing is imported before it runs: elsewhere there is no JAX.
"""

import json
import sys
import time
import types
from collections.abc import Callable
from importlib import import_module
from typing import Any

Kernel = Callable[[Any, Any], Any]


def kernels(jax: Any, stax: Any) -> Callable[[str, int | None], Kernel | None]:
    """Return what makes a compiled kernel of an activation: in closed form, or by Gauss-Hermite of a degree."""
    closed = {"relu": stax.Relu, "erf": stax.Erf, "gelu": stax.Gelu}
    functions = {
        "relu": jax.nn.relu,
        "erf": jax.scipy.special.erf,
        "gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "tanh": jax.numpy.tanh,
        "sigmoid": jax.nn.sigmoid,
        "elu": jax.nn.elu,
        "hardtanh": lambda x: jax.numpy.clip(x, -1.0, 1.0),
    }

    def make(act: str, degree: int | None) -> Kernel | None:
        if degree is None and act not in closed:
            return None
        layer = closed[act]() if degree is None else stax.ElementwiseNumerical(functions[act], deg=degree)
        kernel = stax.serial(stax.Dense(1), layer)[2]  # it wants pre-activations to come from weights
        compiled: Kernel = jax.jit(lambda one, others: kernel(one, others, "nngp"))
        return compiled

    return make


def main() -> None:
    """Answer until there are no more questions."""
    # What it calls experimental needs TensorFlow, and nothing here needs that.
    sys.modules["neural_tangents.experimental"] = types.ModuleType("neural_tangents.experimental")
    jax: Any = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    np, make = jax.numpy, kernels(jax, import_module("neural_tangents.stax"))
    made: dict[tuple[str, int | None], Kernel | None] = {}
    print(json.dumps({name: import_module(name).__version__ for name in ("neural_tangents", "jax")}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        key = (asked["act"], asked["degree"])
        if key not in made:
            made[key] = make(*key)
        kernel = made[key]
        if kernel is None:
            print(json.dumps(None), flush=True)
            continue
        rho = np.array(asked["rho"])
        # Two inputs of length 1 and of this correlation; the kernel divides by their two features.
        one = np.sqrt(2.0) * np.array([[1.0, 0.0]])
        others = np.sqrt(2.0) * np.stack([rho, np.sqrt(1.0 - rho**2)], axis=1)
        values = kernel(one, others).block_until_ready()
        start = time.perf_counter()
        kernel(one, others).block_until_ready()
        seconds = time.perf_counter() - start
        print(json.dumps({"seconds": seconds, "values": [float(value) for value in values[0]]}), flush=True)


if __name__ == "__main__":
    main()
