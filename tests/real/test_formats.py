"""What only other libraries can confirm: Parquet files, and the hashes that torchvision states."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from data_refusals import refused_data, survives
from real_data import package_folder, unpacked_folder

import propstats
from propstats.auditing.data.known import KNOWN

pytestmark = pytest.mark.real


def test_parquet(tmp_path: Path) -> None:
    package_folder("pyarrow")
    pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    path = tmp_path / "table"
    columns = {"a": values[:, 0], "b": values[:, 1], "label": ["x", "y"] * 25, "c": values[:, 2]}
    parquet.write_table(pyarrow.table(columns), path)
    data = propstats.load_data(str(path))
    assert data.inputs.tolist() == values.tolist()
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1] * 25
    survives(path.read_bytes(), path, tries=60, seed=8)
    parquet.write_table(pyarrow.table({"a": ["p", "q"]}), path)
    refused_data(path, "not all its columns hold numbers")


def test_torchvision_states_the_same_hashes() -> None:
    folder = unpacked_folder("python/torchvision/datasets")
    sources = [(folder / f"{name}.py").read_text() for name in ("cifar", "mnist", "svhn")]
    md5s = {
        digest.removeprefix("md5:")
        for data in KNOWN.values()
        for forms in data.splits.values()
        for form in forms
        for file in form.files
        for digest in file.hashes
        if digest.startswith("md5:") and not file.name.endswith("binary.tar.gz")
    }
    assert len(md5s) == 20
    assert all(any(md5 in source for source in sources) for md5 in md5s)
