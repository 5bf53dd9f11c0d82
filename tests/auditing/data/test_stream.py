import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from propstats.auditing.data.load import open_data
from propstats.auditing.data.stream import part_of
from propstats.errors import DataError

X = torch.arange(60.0).reshape(20, 3)
Y = torch.arange(20) % 4


def test_a_loader_and_its_tensors_are_the_same_data() -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=7)
    data = open_data(loader)
    assert (data.samples, data.shape, data.normalization, data.sha256) == (None, (3,), "none", None)
    assert torch.equal(data.inputs, X)
    assert data.labels is not None
    assert torch.equal(data.labels, Y)
    assert [len(batch.inputs) for batch in data.pairs(8)] == [8, 8, 4]
    assert torch.equal(open_data(TensorDataset(X, Y)).inputs, X)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=6), st.integers(1, 40), st.integers(1, 9))
def test_the_first_samples_of_a_stream(sizes: list[int], samples: int, size: int) -> None:
    values = torch.arange(float(sum(sizes))).reshape(-1, 1)
    data = open_data(list(torch.split(values, sizes)), samples=samples)
    batches = [batch.inputs for batch in data.pairs(size)]
    assert torch.equal(torch.cat(batches), values[:samples])
    assert all(len(batch) == size for batch in batches[:-1])


def test_an_endless_stream_ends_where_it_is_told() -> None:
    class Endless(IterableDataset[torch.Tensor]):
        def __iter__(self) -> Iterator[torch.Tensor]:
            while True:
                yield torch.randn(4)

    data = open_data(DataLoader(Endless(), batch_size=16), samples=100)
    assert data.inputs.shape == (100, 4)


def test_normalised_streams() -> None:
    batches = list(torch.split(X, 7))
    for mode in ("global", "feature", "batch"):
        assert torch.allclose(
            open_data(batches, normalize=mode).inputs.mean(dim=0).mean(), torch.tensor(0.0), atol=1e-6
        )
    feature = open_data(batches, normalize="feature").inputs
    assert torch.allclose(feature, (X - X.mean(dim=0)) / X.std(dim=0, correction=0), atol=1e-6)


def test_a_generator_comes_once() -> None:
    assert torch.equal(open_data(iter(torch.split(X, 6))).inputs, X)
    assert open_data(iter(torch.split(X, 6)), normalize="batch").inputs.shape == X.shape
    with pytest.raises(DataError, match="only once"):
        _ = open_data(iter(torch.split(X, 6)), normalize="global").inputs


def test_what_is_random_comes_from_the_seed() -> None:
    class Noisy(IterableDataset[torch.Tensor]):
        def __iter__(self) -> Iterator[torch.Tensor]:
            for _ in range(8):
                yield torch.tensor([torch.rand(()).item(), random.random(), np.random.rand()])  # noqa: NPY002

    loader = DataLoader(Noisy(), batch_size=4)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index] # noqa: NPY002
    first = open_data(loader, seed=1).inputs
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index] # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    torch.randn(3)
    assert torch.equal(open_data(loader, seed=1).inputs, first)
    assert not torch.equal(open_data(loader, seed=2).inputs, first)
    shuffled = DataLoader(TensorDataset(X), batch_size=5, shuffle=True)
    assert torch.equal(open_data(shuffled).inputs, open_data(shuffled).inputs)


@pytest.mark.parametrize(
    "batch",
    [
        X,
        X.numpy(),
        [X, Y],
        (X, Y),
        (X, Y[:, None]),
        {"inputs": X, "labels": Y},
        {"attention_mask": torch.ones(20), "input_ids": X},
        {"pixels": X},
        X.clone().requires_grad_(),
    ],
)
def test_batches(batch: object) -> None:
    part = part_of(batch, "here")
    assert part.inputs.tolist() == X.tolist()
    assert part.labels is None or part.labels.tolist() == Y.tolist()


def test_several_arguments_keep_their_names() -> None:
    mask = torch.arange(20) % 2 == 0
    tokens = torch.arange(60).reshape(20, 3)
    batch = {"input_ids": tokens, "attention_mask": mask, "labels": Y, "text": ["a"] * 20}
    data = open_data([batch, batch], samples=33)
    sent = list(data.batches(8))
    assert [set(one) for one in sent if isinstance(one, dict)] == [{"input_ids", "attention_mask"}] * 5
    masks = torch.cat([one["attention_mask"] for one in sent if isinstance(one, dict)])
    assert torch.equal(masks, torch.cat([mask, mask])[:33])
    assert torch.equal(data.inputs, torch.cat([tokens, tokens])[:33])
    alone = next(open_data([{"input_ids": tokens, "labels": Y}]).batches(8))
    assert isinstance(alone, torch.Tensor)
    with pytest.raises(DataError, match="different numbers of samples"):
        open_data([{"x": X, "mask": mask[:3]}])


def test_labels_that_are_no_classes_are_left_out() -> None:
    assert part_of((X, torch.rand(20)), "here").labels is None
    assert part_of((X, torch.ones(20, 5, dtype=torch.int64)), "here").labels is None
    assert part_of((X, torch.tensor(0.5)), "here").labels is None
    assert part_of((X, "text"), "here").labels is None


@pytest.mark.parametrize(
    ("batches", "word"),
    [
        ([], "no batches"),
        ([3], "holds a int"),
        (["text"], "holds a str"),
        ([{}], "holds a NoneType"),
        ([[]], "holds a list"),
        ([torch.ones(4)], "has shape"),
        ([torch.ones(0, 4)], "has shape"),
        ([torch.ones(2, 2, dtype=torch.complex64)], "complex64"),
        ([(X, Y[:5])], "20 inputs and 5 labels"),
        ([X, X[:, :2]], "batch 1 has samples of shape"),
        ([X, "end"], "batch 1 holds a str"),
        ([X * torch.nan, X * torch.nan], "not one value is finite"),
    ],
)
def test_streams_that_are_no_data(batches: list[object], word: str) -> None:
    with pytest.raises(DataError, match=word) as caught:
        _ = open_data(batches).inputs
    assert len(str(caught.value).splitlines()) == 1


def test_a_loader_that_breaks_off() -> None:
    class Broken(Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return 20

        def __getitem__(self, index: int) -> torch.Tensor:
            if index > 7:
                raise RuntimeError("disk gone\nsecond line")
            return X[index]

    with pytest.raises(DataError, match="fails at batch 2: RuntimeError: disk gone"):
        _ = open_data(DataLoader(Broken(), batch_size=4)).inputs
    with pytest.raises(DataError, match="fails at batch 0"):
        open_data(DataLoader([torch.ones(3), torch.ones(4)], batch_size=2))  # type: ignore[arg-type]
