"""What neural-tangents says of duals: a line of JSON in, a line of JSON out, in its own Python.

It is asked for one round at a time, so that its rounds take turns with those of others.
"""

import json
import sys
import time
import types
from importlib import import_module
from typing import Any

# What it calls experimental needs TensorFlow, and nothing here needs that.
sys.modules["neural_tangents.experimental"] = types.ModuleType("neural_tangents.experimental")

jax: Any = import_module("jax")
jax.config.update("jax_enable_x64", True)
np: Any = import_module("jax.numpy")
stax: Any = import_module("neural_tangents.stax")

#: Layers whose kernel neural-tangents has in closed form.
CLOSED = {"relu": stax.Relu, "erf": stax.Erf, "gelu": stax.Gelu, "sin": stax.Sin, "abs": stax.Abs}
FUNCTIONS = {
    "relu": jax.nn.relu,
    "erf": jax.scipy.special.erf,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "sin": np.sin,
    "abs": np.abs,
    "tanh": np.tanh,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
    "softplus": jax.nn.softplus,
    "elu": jax.nn.elu,
    "hardtanh": lambda x: np.clip(x, -1.0, 1.0),
}


def _kernel(act: str, degree: int | None) -> Any:
    layer = CLOSED[act]() if degree is None else stax.ElementwiseNumerical(FUNCTIONS[act], deg=degree)
    kernel = stax.serial(stax.Dense(1), layer)[2]  # it wants pre-activations to come from weights
    return jax.jit(lambda one, others: kernel(one, others, "nngp"))


def main() -> None:
    """Answer until there are no more questions."""
    kernels: dict[tuple[str, int | None], Any] = {}
    print(json.dumps({name: import_module(name).__version__ for name in ("neural_tangents", "jax")}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        act, degree = asked["act"], asked["degree"]
        if degree is None and act not in CLOSED:
            print(json.dumps(None), flush=True)
            continue
        kernel = kernels.setdefault((act, degree), _kernel(act, degree))
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
