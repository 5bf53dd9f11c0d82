"""A torch.export archive, looked through before torch loads it: torch 2.13 runs code in four of its parts.

They are pickled sample inputs, pickled weights, formulas of sizes (`expr_str`, given to sympy's eval) and guards (given
to exec). Whoever trusts a file trusts the network in it, not a program that hides in its sizes.
"""

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Final

from propstats.auditing.loading.construction import check_construction
from propstats.auditing.loading.pickles import global_names
from propstats.errors import ModelError, UnsafeModelError
from propstats.text import printable

_ENTRIES: Final = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)|\.format_version|\.storage_alignment"
    r"|version|models/model\.json|data/(weights|constants)/\w+(\.json)?|data/sample_inputs/model\.pt"
)
_TARGETS: Final = re.compile(
    r"torch\.ops\.aten\.(?!from_file\b)\w+\.\w+|torch\.sym_\w+|math\.\w+"
    r"|_operator\.(getitem|add|sub|mul|floordiv|truediv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_)"
)
#: What formulas of sizes are made of: sympy's names for what integers do.
_NAMES: Final = re.compile(
    r"[su]\d+|Symbol|Integer|True|False|oo|int_oo|Add|Mul|Pow|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|CeilDiv|Eq|Ne|Abs"
    r"|floor|ceiling|TruncToInt|IntTrueDiv|ToFloat|Identity"
)
_GUARDED: Final = frozenset({"size", "shape", "ndim", "dim", "dtype", "device"})
_MOST_MODEL: Final = 500_000_000
_MOST_FORMULA: Final = 2000
_HINT: Final = "save the weights instead, torch.save(model.state_dict(), ...), and pass --arch package.module:factory"


def screen(archive: zipfile.ZipFile, root: str, *, name: str) -> None:
    """Refuse a torch.export archive that holds more than a graph of torch's operations, with weights as plain numbers.

    It is no proof that the archive is harmless; it keeps out what is known to run code.

    Args:
        archive: The archive.
        root: The folder in it that holds everything, with its slash.
        name: How to name it in the error.

    Raises:
        UnsafeModelError: If it holds something else.
        ModelError: If its description cannot be read.
    """
    for entry in archive.namelist():
        if not _ENTRIES.fullmatch(entry.removeprefix(root)):
            raise _refusal(name, f"holds {printable(entry, limit=60)}, which is neither graph nor weights")
    if f"{root}models/model.json" not in archive.namelist():
        raise ModelError(f"{name}: was exported by torch before 2.8, or holds several models", "export it again")
    for entry in archive.namelist():
        if entry.endswith(".json"):
            for key, value in _entries(_read(archive, entry, name)):
                _check(key, value, name)
    samples = f"{root}data/sample_inputs/model.pt"
    if samples in archive.namelist():
        _check_samples(archive.read(samples), name)


def _read(archive: zipfile.ZipFile, entry: str, name: str) -> object:
    try:
        if archive.getinfo(entry).file_size > _MOST_MODEL:
            raise ValueError
        return json.loads(archive.read(entry))
    except (ValueError, RecursionError) as error:
        what = f"{printable(entry, limit=60)} in it cannot be read"
        raise ModelError(f"{name}: {what}", "download or save it again") from error


def _entries(document: object) -> Iterator[tuple[str, object]]:
    stack = [document]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield from value.items()
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)


def _check(key: str, value: object, name: str) -> None:
    if key == "use_pickle" and value is not False:
        raise _refusal(name, "has pickled weights")
    if key == "path_name" and not (isinstance(value, str) and re.fullmatch(r"(weight|tensor)_\w+", value)):
        raise _refusal(name, f"keeps weights in {printable(value, limit=40)}")
    if key == "target" and isinstance(value, str) and not _TARGETS.fullmatch(value):
        raise _refusal(name, f"calls {printable(value, limit=60)}, which is no operation on tensors")
    if key == "expr_str" and not (isinstance(value, str) and _is_formula(value)):
        raise _refusal(name, f"has a size that is no formula of sizes ({printable(value, limit=40)})")
    if key == "guards_code":
        codes = value if isinstance(value, list) else [value]
        wrong = next((code for code in codes if not (isinstance(code, str) and _is_guard(code))), None)
        if wrong is not None:
            raise _refusal(name, f"guards itself by more than sizes ({printable(wrong, limit=40)})")


def _parsed(text: str) -> list[ast.AST]:
    """Return the nodes of an expression; none if it is not one."""
    if len(text) > _MOST_FORMULA:
        return []
    try:
        return list(ast.walk(ast.parse(text.strip(), mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


_ARITHMETIC: Final = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.operator, ast.unaryop,
    ast.boolop, ast.cmpop, ast.expr_context, ast.Constant)  # fmt: skip


def _is_formula(text: str) -> bool:
    """Say whether text is made of whole numbers, symbols of sizes and what sympy does with them."""
    nodes = _parsed(text)
    symbols = [node for node in nodes if _called(node) == "Symbol"]
    # A string anywhere else would be evaluated.
    strings = {id(node.args[0]) for node in symbols if isinstance(node, ast.Call) and len(node.args) == 1}

    def allowed(node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            assumptions = all(isinstance(keyword.value, ast.Constant) for keyword in node.keywords)
            small = _called(node) != "Pow" or (len(node.args) == 2 and _is_small(node.args[1]))
            return isinstance(node.func, ast.Name) and assumptions and small
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            return _is_small(node.right)  # 9**9**9 is a formula of a size as well
        if isinstance(node, ast.Name):
            return _NAMES.fullmatch(node.id) is not None
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return id(node) in strings and re.fullmatch(r"[su]\d+", node.value) is not None
        if isinstance(node, ast.Constant):
            return isinstance(node.value, int | float)
        return isinstance(node, (*_ARITHMETIC, ast.keyword))

    return bool(nodes) and all(allowed(node) for node in nodes)


def _called(node: ast.AST) -> str:
    return node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""


def _is_small(node: ast.AST) -> bool:
    if _called(node) == "Integer" and isinstance(node, ast.Call) and len(node.args) == 1:
        return _is_small(node.args[0])
    if isinstance(node, ast.UnaryOp):
        return _is_small(node.operand)
    return isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value <= 3


def _is_guard(text: str) -> bool:
    def allowed(node: ast.AST) -> bool:
        if isinstance(node, ast.Call):
            return isinstance(node.func, ast.Attribute) and not node.keywords
        if isinstance(node, ast.Attribute):
            return node.attr in _GUARDED
        if isinstance(node, ast.Name):
            return node.id.isidentifier() and not node.id.startswith("_")
        if isinstance(node, ast.Constant):
            return isinstance(node.value, int | float | str)
        return isinstance(node, (*_ARITHMETIC, ast.Subscript, ast.Tuple)) and not isinstance(node, ast.Pow)

    nodes = _parsed(text)
    return bool(nodes) and all(allowed(node) for node in nodes)


def _check_samples(content: bytes, name: str) -> None:
    """Torch falls back to the unsafe loader where the safe one fails: nothing may be in there that it refuses."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = [entry for entry in archive.namelist() if entry.endswith("/data.pkl") or entry == "data.pkl"]
            if len(found) != 1:
                raise ValueError
            names = global_names(archive.open(found[0]))
            stream = archive.open(found[0])
            foreign = {entry for entry in names if not entry.startswith(("torch.", "collections.OrderedDict"))}
            if foreign:
                raise _refusal(name, f"has sample inputs that need {printable(sorted(foreign)[0], limit=60)}")
            check_construction(stream, name=name, size=len(content))
    except ModelError as error:
        raise _refusal(name, f"has sample inputs that are not plain tensors: {error.message}") from error
    except Exception as error:  # zipfile lets many kinds through
        raise _refusal(name, "has sample inputs that cannot be read") from error


def _refusal(name: str, what: str) -> UnsafeModelError:
    return UnsafeModelError(f"{name}: {what}; torch would run it when it loads the file; nothing was executed", _HINT)
