"""The direction of the imports: each room imports only rooms before it, and heavy libraries only where they belong."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

import propstats

ROOT = Path(propstats.__file__).parent

#: In this order; `report` comes late, so it may import whatever it shows, and `handbook` last: it explains all.
ROOMS = (
    "text",
    "errors",
    "files",
    "student",
    "estimate",
    "signals",
    "activations",
    "expectation",
    "theory",
    "published",
    "rules",
    "simulation",
    "nn",
    "auditing",
    "experiments",
    "report",
    "handbook",
)
#: Nothing of the library knows of the command line.
OUTSIDE = {"propstats_cli", "typer", "rich"}
#: Entrances: what the package shows, and `python -m propstats`.
DOORS = ("__init__.py", "__main__.py")
#: Where a heavy library may be loaded when a file is imported; elsewhere inside functions only.
AT_IMPORT: dict[str, tuple[str, ...]] = {
    "sympy": (),
    "scipy": (),
    "flint": (),
    "matplotlib": ("report/",),
    "torch": ("expectation/sampling/", "rules/from_torch", "simulation/", "nn/", "auditing/", "experiments/"),
}


def _imports(tree: ast.Module, package: str) -> Iterator[tuple[str, bool]]:
    """Yield every imported module with whether the import runs when the file is imported."""

    def visit(node: ast.AST, at_import: bool) -> Iterator[tuple[str, bool]]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, at_import
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            # `from propstats import theory` imports a room as well.
            for alias in node.names:
                yield f"{base}.{alias.name}", at_import
        elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for inside in node.body:
                yield from visit(inside, False)
            for outside in node.orelse:
                yield from visit(outside, at_import)
        else:
            still = at_import and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, still)

    yield from visit(tree, True)


def wrong_arrows(root: Path) -> list[str]:
    """Walk a package and return every import that the rules above forbid."""
    found = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root).as_posix()
        room = relative.split("/")[0].removesuffix(".py")
        package = ".".join(["propstats", *path.relative_to(root).parts[:-1]])
        if relative not in DOORS and room not in ROOMS:
            found.append(f"{relative}: a room that is not in the list")
            continue
        for name, at_import in _imports(ast.parse(path.read_text(encoding="utf-8")), package):
            top, *rest = name.split(".")
            wrong = top in OUTSIDE
            if top == "propstats" and relative not in DOORS:
                target = rest[0] if rest else ""
                wrong = target not in ROOMS or ROOMS.index(target) > ROOMS.index(room)
            wrong |= at_import and top in AT_IMPORT and not relative.startswith(AT_IMPORT[top])
            if wrong:
                found.append(f"{relative}: {name}")
    return found


def test_no_wrong_arrow() -> None:
    assert wrong_arrows(ROOT) == []


def test_every_room_exists() -> None:
    present = {path.name.removesuffix(".py") for path in ROOT.iterdir() if (path.is_dir() or path.suffix == ".py")}
    assert set(ROOMS) <= present


@pytest.mark.parametrize(
    ("file", "text", "arrow"),
    [
        ("theory/x.py", "from propstats.rules.dense import Weights", "propstats.rules.dense.Weights"),
        ("theory/x.py", "import propstats.simulation", "propstats.simulation"),
        ("theory/x.py", "def f():\n    from propstats import auditing", "propstats.auditing"),
        ("theory/x.py", "from ..report import page", "propstats.report.page"),
        ("theory/deep/x.py", "from ...report import page", "propstats.report.page"),
        ("theory/x.py", "from propstats import moments", "propstats.moments"),
        ("errors.py", "from propstats.estimate import Route", "propstats.estimate.Route"),
        ("auditing/x.py", "from propstats.experiments import demo", "propstats.experiments.demo"),
        ("report/x.py", "def f():\n    import propstats_cli.main", "propstats_cli.main"),
        ("report/x.py", "from rich.table import Table", "rich.table.Table"),
        ("report/x.py", "try:\n    import typer\nexcept ImportError:\n    pass", "typer"),
        ("theory/x.py", "import torch", "torch"),
        ("expectation/quadrature/route.py", "from torch import nn", "torch.nn"),
        ("rules/dense.py", "import torch.nn as nn", "torch.nn"),
        ("simulation/x.py", "import scipy.special", "scipy.special"),
        ("simulation/x.py", "class A:\n    import sympy", "sympy"),
        ("auditing/x.py", "import matplotlib.pyplot as plt", "matplotlib.pyplot"),
        ("report/x.py", "import torch", "torch"),
        ("__main__.py", "import propstats_cli", "propstats_cli"),
        ("__init__.py", "import torch", "torch"),
        ("elsewhere/x.py", "", "a room that is not in the list"),
    ],
)
def test_the_walker_sees_a_planted_arrow(tmp_path: Path, file: str, text: str, arrow: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert wrong_arrows(tmp_path) == [f"{file}: {arrow}"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("theory/x.py", "from propstats.expectation import quadrature\nfrom propstats.theory import unit"),
        ("theory/x.py", "def f():\n    import torch, sympy, scipy.special"),
        ("theory/x.py", "from .schemes import Law\nfrom ..errors import DomainError"),
        ("theory/x.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        ("simulation/x.py", "import torch"),
        ("report/x.py", "from matplotlib.figure import Figure"),
        ("expectation/sampling/route.py", "import torch"),
        ("report/x.py", "from propstats.auditing.records import Finding"),
        ("__init__.py", "from propstats.auditing.audit import audit"),
        ("theory/x.py", "import numpy as np\nimport torchless"),
    ],
)
def test_the_walker_lets_right_arrows_pass(tmp_path: Path, file: str, text: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert wrong_arrows(tmp_path) == []


def circle(root: Path) -> Sequence[str]:
    """Walk a package and return folders within rooms that import each other in a circle, the first of them twice."""
    arrows: dict[str, set[str]] = {}
    for path in sorted(root.rglob("*.py")):
        own = path.relative_to(root).parts[:-1]
        if len(own) > 1:
            package = ".".join(["propstats", *own])
            named = (name.split(".") for name, _ in _imports(ast.parse(path.read_text(encoding="utf-8")), package))
            folders = {
                ".".join(name[1:3]) for name in named if name[0] == "propstats" and root.joinpath(*name[1:3]).is_dir()
            }
            arrows.setdefault(".".join(own[:2]), set()).update(folders - {".".join(own[:2])})
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        found: Sequence[str] = error.args[1]
        return found
    return ()


def test_folders_of_a_room_import_one_way() -> None:
    assert circle(ROOT) == ()


def test_a_planted_circle_is_found(tmp_path: Path) -> None:
    for own, other in (("a", "b"), ("b", "c"), ("c", "a")):
        path = tmp_path / "auditing" / own / "x.py"
        path.parent.mkdir(parents=True)
        path.write_text(f"def f():\n    from propstats.auditing.{other}.x import g")
        assert set(circle(tmp_path)) == ({"auditing.a", "auditing.b", "auditing.c"} if own == "c" else set())


def _loaded_by(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level modules that it loaded."""
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    path = str(ROOT.parent)
    result = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r})\n{script}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    names: list[str] = json.loads(result.stdout.splitlines()[-1])
    return set(names)


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import propstats", {"torch", "sympy", "scipy", "numpy", "matplotlib", "rich", "typer"}),
        ("import propstats; dir(propstats); propstats.activation_names()", {"torch", "sympy", "scipy", "numpy"}),
        ("import propstats; propstats.moments('relu', samples=0)", {"torch", "sympy", "matplotlib"}),
        ("import propstats; propstats.moments('gelu', samples=0)", {"torch", "sympy", "matplotlib"}),
        ("import propstats; propstats.scales('tanh')", {"torch", "sympy", "matplotlib"}),
    ],
)
def test_what_stays_unloaded(code: str, absent: set[str]) -> None:
    loaded = _loaded_by(code)
    assert "propstats" in loaded
    assert not loaded & absent


def test_the_probe_would_see_torch() -> None:
    assert "torch" in _loaded_by("import propstats; propstats.moments('relu', samples=2)")


def _homes() -> dict[str, str]:
    homes: dict[str, str] = vars(propstats)["_HOMES"]
    return homes


def _for_type_checkers() -> dict[str, str]:
    """The names that type checkers see, from the `if TYPE_CHECKING` block."""
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, "re-exports need `as`"
            found[alias.name] = (node.module or "").removeprefix("propstats.")
    return found


def test_lazy_names_and_type_checkers_agree() -> None:
    assert _homes() == _for_type_checkers()


@pytest.mark.parametrize("name", sorted(_homes()))
def test_every_lazy_name_resolves(name: str) -> None:
    assert getattr(propstats, name) is getattr(import_module(f"propstats.{_homes()[name]}"), name)
    assert name in dir(propstats)


def test_unknown_attribute() -> None:
    missing = "nope"
    with pytest.raises(AttributeError, match="module 'propstats' has no attribute 'nope'"):
        getattr(propstats, missing)
    assert not hasattr(propstats, missing)
