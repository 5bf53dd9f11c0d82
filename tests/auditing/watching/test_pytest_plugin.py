import tomllib
from importlib import import_module
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

_PLUGIN = "propstats.auditing.watching.pytest_plugin"
# As its entry point does; not by it as well, where propstats is installed.
_LOAD = ("-p", "no:propstats", "-p", _PLUGIN, "-p", "no:cacheprovider")
_TEST = """
import pytest
from propstats import assert_canonical, assert_survives
from torch import nn

def test_sound(propstats_audit):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2))
    report = propstats_audit(model, "digits", seed=3)
    assert report.seed == 3
    assert_survives(report)

def test_dead():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 2))
    nn.init.constant_(model[1].bias, -1e3)
    assert_survives(model, "digits")
"""


@pytest.mark.slow
def test_the_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(_TEST)
    result = pytester.runpytest_subprocess(*_LOAD)  # in a process of its own, or it would load modules twice
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*AssertionError: signal does not survive the network on digits:*", "*dead-units*"])


def test_nothing_heavy_is_loaded_by_runs_that_do_not_use_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_what_is_loaded():
            assert "propstats.auditing.watching.pytest_plugin" in sys.modules
            heavy = {"torch", "numpy", "scipy", "sympy", "matplotlib", "flint", "rich", "typer"}
            assert not heavy & set(sys.modules)
        """
    )
    result = pytester.runpytest_subprocess(*_LOAD, "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1)


def test_the_entry_point_names_it() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"propstats": _PLUGIN}
    assert hasattr(import_module(_PLUGIN), "propstats_audit")
