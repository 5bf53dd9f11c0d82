"""Networks of propstats.nn in files: read back as they are, and refused where somebody had a hand in them."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from model_files import Evil, rezip
from normprop_layers import every_layer
from propstats_cli.main import run
from refusals import refused
from torch import nn
from torch.nn.utils import parametrize

from propstats.auditing.audit import audit
from propstats.auditing.loading.access import SAFE
from propstats.auditing.loading.load import load_model
from propstats.auditing.loading.permitted import permitted
from propstats.nn import NormPropConv2d, NormPropLinear, UnitRows, convert, fold, separate_scales
from propstats.nn.backward import BackwardNorm
from propstats.nn.init import Residual, fixup_
from propstats.nn.models import nin


def _states_agree(model: nn.Module, again: nn.Module) -> bool:
    ours, theirs = model.state_dict(), again.state_dict()
    return list(ours) == list(theirs) and all(torch.equal(ours[key], theirs[key]) for key in ours)


@pytest.mark.parametrize("layer", every_layer(), ids=lambda layer: type(layer).__name__)
def test_every_layer_comes_back(tmp_path: Path, layer: nn.Module) -> None:
    torch.save(nn.Sequential(layer), tmp_path / "m.pt")
    loaded = load_model(tmp_path / "m.pt")
    assert (loaded.info.tier, loaded.info.allowed, loaded.info.trusted) == ("safe", (), False)
    assert repr(loaded.model[0]) == repr(layer)  # type: ignore[index]
    assert _states_agree(nn.Sequential(layer), loaded.model)
    assert vars(loaded.model[0]).keys() == vars(layer).keys()  # type: ignore[index]
    for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(again) == repr(layer)
        assert _states_agree(layer, again)
    # Other libraries may vouch for names of theirs.
    assert not any("propstats" in str(entry) for entry in torch.serialization.get_safe_globals())


def _fixup() -> nn.Module:
    model = nn.Sequential(nn.Linear(8, 8), Residual(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))))
    fixup_(model)
    return model


def _plain() -> nn.Sequential:
    layers = (nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 6), nn.PReLU(), nn.Linear(6, 2))
    return nn.Sequential(*layers)


@pytest.mark.parametrize(
    "model",
    [
        convert(_plain()),
        convert(_plain(), constants="matched", gamma=1.0),
        fold(convert(_plain())),
        fold(nn.Sequential(NormPropLinear(8, 4, activation="x*sigmoid(2*x)"))),
        separate_scales(nn.Sequential(NormPropLinear(8, 4), NormPropLinear(4, 4))),
        nn.Sequential(nn.Linear(8, 8), BackwardNorm.of(nn.ReLU())),
        _fixup(),
    ],
    ids=["converted", "matched", "folded", "own formula", "separated", "backward", "fixup"],
)
def test_networks_compute_the_same(tmp_path: Path, model: nn.Module) -> None:
    torch.save(model.eval(), tmp_path / "m.pt")
    x = torch.randn(5, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load_model(tmp_path / "m.pt").model(x), model(x))


def test_an_audit_of_a_file_is_that_of_memory(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    layers = [NormPropLinear(64, 64, activation="tanh", generator=generator) for _ in range(3)]
    model = nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10))
    torch.save(model, tmp_path / "m.pt")
    ours, theirs = audit(model, "digits"), audit(load_model(tmp_path / "m.pt").model, "digits")
    assert ours.layers == theirs.layers
    assert ours.findings == theirs.findings
    assert ours.trend == theirs.trend


def test_the_network_of_the_paper(tmp_path: Path) -> None:
    model = nin(thin=24, generator=torch.Generator().manual_seed(0)).eval()
    torch.save(model, tmp_path / "m.pt")
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    assert torch.equal(load_model(tmp_path / "m.pt").model(x), model(x))


def test_loaded_layers_train_and_load_weights(tmp_path: Path) -> None:
    layer = NormPropLinear(4, 3, activation="prelu", constants="matched", gamma=1.0)
    torch.save(layer, tmp_path / "m.pt")
    again = load_model(tmp_path / "m.pt").model
    again(torch.randn(5, 4, generator=torch.Generator().manual_seed(0))).sum().backward()
    assert all(parameter.grad is not None for parameter in again.parameters())
    again.load_state_dict(layer.state_dict())
    with pytest.raises(Exception, match="gamma"):
        again.load_state_dict({"weight": layer.weight})


def test_layers_are_permitted_where_a_file_names_them() -> None:
    assert not any("propstats" in label for label in permitted(SAFE, frozenset({"torch.nn.Linear"})).labels)
    labels = permitted(SAFE, frozenset({"propstats.nn.layers.NormPropLinear"})).labels
    assert "propstats.nn.layers.NormPropConvTranspose3d" in labels
    assert "propstats.nn.normprop.NormProp" not in labels


def test_a_parametrised_network_is_not_saved_by_torch(tmp_path: Path) -> None:
    layer = nn.Linear(3, 3)
    parametrize.register_parametrization(layer, "weight", UnitRows(layer))
    with pytest.raises(RuntimeError, match="parametrized"):
        torch.save(layer, tmp_path / "m.pt")


def _forge(path: Path, change: Callable[[dict[str, Any]], Any], *, monkeypatch: pytest.MonkeyPatch) -> Path:
    layer = NormPropLinear(4, 3)
    state = change(NormPropLinear.__getstate__(layer))
    with monkeypatch.context() as patch:
        patch.setattr(NormPropLinear, "__getstate__", lambda self: state)
        torch.save(nn.Sequential(layer), path)
    return path


def _with(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda state: {**state, **changes}


def _act(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda state: {**state, "activation": {**state["activation"], **changes}}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda state: [1], "the activation of a layer is missing"),
        (lambda state: "text", "the activation of a layer is missing"),
        (lambda state: {"activation": state["activation"]}, "lacks its"),
        (lambda state: {k: v for k, v in state.items() if k != "activation"}, "the activation of a layer is missing"),
        (lambda state: {k: v for k, v in state.items() if k != "_parameters"}, "lacks its _parameters"),
        (lambda state: {k: v for k, v in state.items() if k != "c2"}, "module 0: a NormPropLinear"),
        (_with(activation="relu"), "no record of a formula"),
        (_with(foreign=1), "it has foreign"),
        (_with(forward=1), "hides a method"),
        (_with(effective_weight=1), "hides a method"),
        (_with(in_features=-4), "no whole numbers"),
        (_with(out_features=2**62), "no whole numbers"),
        (_with(_parameters={}), "it lacks"),
        (_with(_phi="text", c1="text"), "c1"),
        (_with(_phi=nn.functional.relu, foreign=nn.functional.relu), "it has foreign"),
        (_act(text="x" * 9_000), "unknown name"),
        (_act(name="f", text="x" + "+x" * 4_000), "nested too deeply"),
        (_act(name="f", text="(" * 300 + "x" + ")" * 300), "formula"),
        (_act(name="f", text="max(" * 20 + "x" + ",x**2)" * 20), "too large"),
        (_act(text="sin(x)"), "is called relu, and is another"),
        (_act(params={"x": 1.0}), "other parameters"),
        (_act(name="f", text="asinh((max((x/x), sqrt(x))*(sign(x))**2))"), "no mean and variance"),
        (_act(name="f", text="((max(pi, 1e12)/max(pi, x))**64)**x"), "no mean and variance"),
    ],
)
def test_tampered_states(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], Any], word: str
) -> None:
    path = _forge(tmp_path / "m.pt", change, monkeypatch=monkeypatch)
    refused(path, word)


def test_code_in_a_state_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = tmp_path / "canary"
    evil = Evil(eval, f"open({str(canary)!r}, 'w')")
    path = _forge(tmp_path / "m.pt", _with(c1=evil), monkeypatch=monkeypatch)
    refused(path, "builtins.eval", unsafe=True)
    assert not canary.exists()


def test_other_names_of_ours_are_refused(tmp_path: Path) -> None:
    torch.save(NormPropLinear(2, 2), tmp_path / "m.pt")
    for name in (b"propstats.nn.convert\nconvert", b"propstats.nn.normprop\nNormProp", b"propstats.nn.rows\nUnitRows"):
        torch.save(NormPropLinear(2, 2), tmp_path / "m.pt")
        rezip(tmp_path / "m.pt", lambda data, name=name: data.replace(b"propstats.nn.layers\nNormPropLinear", name))  # type: ignore[misc]
        refused(tmp_path / "m.pt", name.replace(b"\n", b".").decode(), unsafe=True)


def test_a_layer_is_filled_in_once_and_there_are_not_too_many(tmp_path: Path) -> None:
    head = b"\x80\x02cpropstats.nn.layers\nNormPropLinear\nq\x00"
    for body, word in (
        (b")\x81}b}b.", "does more than rebuild itself"),
        (b"(" + b"h\x00)\x81" * 10_001 + b"t.", "more than 10,000 layers"),
    ):
        torch.save({"w": torch.ones(3)}, tmp_path / "m.pt")
        rezip(tmp_path / "m.pt", lambda _, body=body: head + body)  # type: ignore[misc]
        refused(tmp_path / "m.pt", word, unsafe="rebuild" in word)


def test_a_few_formulas_are_enough(tmp_path: Path) -> None:
    layers = [NormPropLinear(2, 2, activation=f"x*sigmoid({k}*x)") for k in range(1, 18)]
    torch.save(nn.Sequential(*layers), tmp_path / "m.pt")
    refused(tmp_path / "m.pt", "module 16: there are more than 16 formulas")
    torch.save(nn.Sequential(*layers[:16]), tmp_path / "m.pt")
    assert len(list(load_model(tmp_path / "m.pt").model.children())) == 16


def test_hooks_of_the_user_are_kept_in_copies_and_refused_in_files(tmp_path: Path) -> None:
    layer = NormPropConv2d(1, 1, 1)
    layer.register_forward_hook(nn.functional.relu)  # type: ignore[arg-type]
    assert len(copy.deepcopy(layer)._forward_hooks) == 1
    torch.save(layer, tmp_path / "m.pt")
    refused(tmp_path / "m.pt", "carries hooks")


def test_fixed_on_the_command_line_then_audited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    layers = [layer for _ in range(4) for layer in (nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU())]
    torch.save(nn.Sequential(nn.Flatten(), *layers, nn.Linear(64, 10)), "bn.pt")
    assert run(["audit", "bn.pt", "--fix", "np.pt", "--method", "normprop"]) == 0
    assert "torch.load" not in capsys.readouterr().out
    assert run(["audit", "np.pt"]) == 0
    assert "NormPropLinear" in capsys.readouterr().out
