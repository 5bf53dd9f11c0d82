"""The handbook covers what propstats prints, and its examples run."""

import shlex
from importlib import import_module
from pathlib import Path

import pytest
import torch
from propstats_cli.main import run
from torch import nn

from propstats.errors import UnknownNameError
from propstats.handbook.catalogue import catalogue
from propstats.handbook.entry import Entry, Kind, common, quantities
from propstats.handbook.explain import entries, explain, meaning_of
from propstats.handbook.fields import RESULTS, result_fields
from propstats.theory.weights.schemes import scheme_names

FIELDS = {field.name for field in result_fields()}


def test_every_field_that_json_can_contain_is_explained() -> None:
    unexplained = [
        f"{field.record}.{field.name}"
        for field in result_fields()
        if field.name not in quantities() and not meaning_of(field)
    ]
    assert not unexplained


def test_every_scheme_is_explained() -> None:
    for name in scheme_names():
        assert Kind.SCHEME in {entry.kind for entry in explain(name)}


def test_the_handbook_says_nothing_of_what_is_never_printed() -> None:
    assert not set(quantities()) - FIELDS
    assert not set(common()) - FIELDS


def test_every_command_that_returns_a_record_is_covered() -> None:
    for paths in RESULTS.values():
        for path in paths:
            module, _, name = path.rpartition(".")
            assert hasattr(import_module(f"propstats.{module}"), name)


@pytest.mark.parametrize("entry", [e for e in entries() if e.kind is not Kind.FIELD], ids=lambda e: e.name)
def test_entries_say_what_a_reader_asks(entry: Entry) -> None:
    assert entry.meaning.endswith(".")
    assert entry.title
    assert entry.found_in
    assert entry.computed.endswith(".") or entry.kind is Kind.FINDING


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that examples name."""
    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2, generator=generator)
    torch.save(network, "model.pt")
    Path("network.toml").write_text('input = [8]\n\n[[layer]]\nkind = "dense"\nunits = 8\n')


#: Commands that draw networks, or prove fixed points, for seconds.
_LONG = ("jacobian", "design", "phase", "meanfield", "audit", "spectrum")


def _examples() -> list[object]:
    texts = sorted({entry.example for entry in entries() if entry.example})
    return [pytest.param(text, marks=pytest.mark.slow if text.split()[1] in _LONG else ()) for text in texts]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("example", _examples())
def test_examples_run(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shlex.split(example)[1:]) in (0, 1)
    assert "error" not in capsys.readouterr().err


def test_a_path_finds_its_last_name() -> None:
    assert explain("scales.jacobian_factor") == explain("jacobian-factor")


def test_what_is_unknown_is_answered_with_what_is_near() -> None:
    with pytest.raises(UnknownNameError, match="nothing called 'jacobian_facto'") as caught:
        explain("jacobian_facto")
    assert "jacobian_factor" in caught.value.hint
    with pytest.raises(UnknownNameError) as caught:
        explain("zzzz\x1b[31m")
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("kind", list(catalogue()))
def test_lists_have_no_gaps_and_no_repeats(kind: str) -> None:
    names = [entry.name for entry in catalogue(kind)[kind]]
    assert len(set(names)) == len(names)
    assert all(names)
