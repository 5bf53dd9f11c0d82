import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from propstats.auditing.data.dataset import even_groups, fitted, regrouped
from propstats.auditing.data.load import load_data, open_data
from propstats.auditing.data.normalize import GROUP
from propstats.auditing.data.rows import Array, Chosen, Part, choose
from propstats.errors import DataError, DomainError


@given(st.lists(st.integers(1, 9), max_size=8), st.integers(1, 12))
def test_regrouping_keeps_every_sample_in_order(sizes: list[int], size: int) -> None:
    values = np.arange(sum(sizes))
    cuts = np.cumsum(sizes)[:-1].tolist()
    parts = [Part(part[:, None], part) for part in np.split(values, cuts)] if sizes else []
    found = list(regrouped(iter(parts), size))
    assert [value for part in found for value in part.inputs[:, 0]] == values.tolist()
    assert all(part.labels is not None and part.labels.tolist() == part.inputs[:, 0].tolist() for part in found)
    assert all(len(part.inputs) == size for part in found[:-1])
    assert all(0 < len(part.inputs) <= size for part in found[-1:])


@given(st.integers(0, 40), st.integers(1, 8))
def test_groups_are_never_small(samples: int, size: int) -> None:
    source = Chosen(Array.of(np.arange(float(samples)).reshape(-1, 1), None))
    found = [part.inputs[:, 0] for part in even_groups(source.parts(size))]
    assert [value for part in found for value in part] == list(range(samples))
    if len(found) > 1:
        assert all(2 * len(part) >= size for part in found)


@given(st.integers(1, 30), st.integers(1, 40), st.integers(0, 5))
def test_choices_are_distinct_and_seeded(available: int, samples: int, seed: int) -> None:
    index = choose(available, samples, seed=seed)
    if samples >= available:
        assert index is None
        return
    assert index is not None
    assert len(set(index.tolist())) == samples
    assert set(index.tolist()) <= set(range(available))
    again = choose(available, samples, seed=seed)
    assert again is not None
    assert again.tolist() == index.tolist()


def test_every_sample_is_as_likely() -> None:
    hits = np.zeros(20)
    for seed in range(2000):
        index = choose(20, 5, seed=seed)
        assert index is not None
        hits[index] += 1
    # Each of 2,000 draws hits a sample with probability 1/4; five standard errors.
    assert np.abs(hits / 2000 - 0.25).max() < 5 * (0.25 * 0.75 / 2000) ** 0.5


def test_a_subset_keeps_inputs_and_labels_together() -> None:
    whole, part = load_data("digits"), load_data("digits", samples=100, seed=3)
    assert (part.samples, part.source.available) == (100, 1797)
    assert part.labels is not None
    assert whole.labels is not None
    rows = {row.numpy().tobytes(): label for row, label in zip(whole.inputs, whole.labels.tolist(), strict=True)}
    assert [rows[row.numpy().tobytes()] for row in part.inputs] == part.labels.tolist()
    assert part.sha256 == whole.sha256
    assert torch.equal(part.inputs, load_data("digits", samples=100, seed=3).inputs)
    assert not torch.equal(part.inputs, load_data("digits", samples=100, seed=4).inputs)
    info = part.info()
    assert (info.samples, info.available, info.dtype, info.shape) == (100, 1797, "uint8", (1, 8, 8))
    with pytest.raises(DomainError, match="at least 1"):
        load_data("digits", samples=0)


@pytest.mark.parametrize("mode", ["none", "global", "feature", "batch"])
def test_batches_are_the_whole_whatever_their_size(mode: str) -> None:
    data = load_data("digits", normalize=mode)
    for size in (7, 256, 5000):
        batches = list(data.pairs(size))
        assert torch.equal(torch.cat([batch.inputs for batch in batches]), data.inputs)
        labels = [batch.labels for batch in batches if batch.labels is not None]
        assert data.labels is not None
        assert torch.equal(torch.cat(labels), data.labels)
        assert all(len(batch.inputs) == size for batch in batches[:-1])


def test_batch_normalisation_of_data() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=(2 * GROUP + 10, 4))
    data = open_data(torch.from_numpy(values), normalize="batch")
    assert data.inputs.dtype == torch.float64
    for part in (data.inputs[:GROUP], data.inputs[GROUP:]):
        assert part.mean(dim=0).abs().max() < 1e-12
        assert (part.std(dim=0, correction=0) - 1).abs().max() < 1e-12
    # Shuffled: data often come sorted by class.
    order = choose(len(values), None, seed=0, shuffle=True)
    assert order is not None
    first = values[order[:GROUP]]
    assert np.allclose(data.inputs[:GROUP].numpy(), (first - first.mean(axis=0)) / first.std(axis=0), atol=1e-12)


def test_feature_normalisation_is_over_the_whole_set() -> None:
    values = np.random.default_rng(1).normal(size=(500, 3))
    part = open_data(values, normalize="feature", samples=50)
    index = choose(500, 50, seed=0)
    assert index is not None
    expected = ((values - values.mean(axis=0)) / values.std(axis=0))[index]
    assert np.allclose(part.inputs.numpy(), expected, atol=1e-12)


def test_a_tensor_is_not_copied() -> None:
    tensor = torch.randn(600, 5)
    data = open_data(tensor)
    assert data.inputs.data_ptr() == tensor.data_ptr()
    assert next(data.pairs(256)).inputs.data_ptr() == tensor.data_ptr()
    sent = next(data.batches(256))
    assert isinstance(sent, torch.Tensor)
    assert torch.equal(sent, tensor[:256])
    assert data.sha256 is None
    assert data.info().samples == 600


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16, torch.int64])
def test_tensors_keep_their_type(dtype: torch.dtype) -> None:
    tensor = torch.arange(12).reshape(4, 3).to(dtype)
    data = open_data(tensor)
    assert data.inputs.dtype == dtype
    assert torch.equal(data.inputs, tensor)


def test_fitted_to_a_network() -> None:
    data = open_data(torch.ones(4, 2, 3))
    double = fitted(data, dtype=torch.float64, flat=True)
    assert (double.inputs.dtype, tuple(double.inputs.shape)) == (torch.float64, (4, 6))
    tokens = fitted(open_data(torch.ones(4, 2, dtype=torch.int64)), dtype=torch.float64, flat=False)
    assert tokens.inputs.dtype == torch.int64


def test_data_of_no_use() -> None:
    for tensor, word in ((torch.ones(0, 3), "hold no samples"), (torch.full((3, 2), torch.nan), "not one value is")):
        with pytest.raises(DataError, match=word):
            open_data(tensor)
    with pytest.raises(DataError, match="labels of type int64"):
        open_data((torch.ones(3, 2), torch.ones(2, dtype=torch.int64)))
    with pytest.raises(DataError, match="is no data"):
        open_data(3.5)
    with pytest.raises(DataError, match="without plain memory"):
        open_data(torch.ones(3, 3).to_sparse())


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.npy"
    shape = (40_000, 250)  # 40 MB as float32
    mapped = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    mapped[:] = 1.0
    mapped[0] = 0.0
    del mapped
    tracemalloc.start()
    data = load_data(str(path), normalize="feature")
    count = sum(len(batch) for batch in data.batches(256))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == shape[0]
    assert peak < 20_000_000
