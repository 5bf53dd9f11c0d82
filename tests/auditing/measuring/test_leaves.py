import torch
from torch import nn

from propstats.auditing.measuring.leaves import layers_of, without_wrappers


def test_names_without_wrappers() -> None:
    assert without_wrappers("_orig_mod.a.b") == "a.b"
    assert without_wrappers("a._fsdp_wrapped_module.b") == "a.b"
    assert without_wrappers("a.b._checkpoint_wrapped_module") == "a.b"
    assert without_wrappers("a_orig_mod.b") == "a_orig_mod.b"
    assert without_wrappers("module.a") == "module.a"  # a module may well be called module
    inner = nn.Sequential(nn.Linear(2, 2))
    assert list(layers_of(nn.DataParallel(nn.Sequential(inner)))) == ["0.0"]
    named = nn.Module()
    named.module = inner
    assert list(layers_of(named)) == ["module.0"]
    assert list(layers_of(nn.DataParallel(nn.Linear(2, 2)))) == ["model"]


def test_layers_are_found_once_and_whole() -> None:
    shared = nn.ReLU()
    weighted = nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))
    attention = nn.MultiheadAttention(4, 2)
    assert list(layers_of(nn.Sequential(shared, weighted, shared, attention))) == ["0", "1", "3"]


def test_modules_of_the_users_count_if_nothing_else_is_inside() -> None:
    class Scale(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x

    class Around(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside, self.empty = Scale(), nn.Sequential()

    assert list(layers_of(nn.Sequential(Scale(), Around()))) == ["0", "1.inside"]
