"""Which layers a normaliser makes up for: those that nobody else hears."""

import torch
from torch import nn

from propstats.auditing.data.load import load_data
from propstats.auditing.judging.chain import normalised
from propstats.auditing.probing import probe


class _PreNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.inner, self.last = (
            nn.Linear(64, 8),
            nn.LayerNorm(8),
            nn.Linear(8, 8),
            nn.LayerNorm(8),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x.flatten(1))
        x = x + self.inner(self.norm(x))
        return self.last(x)  # type: ignore[no-any-return]


def _left_out(model: nn.Module) -> set[str]:
    calls = probe(model, load_data("digits").inputs[:20]).calls
    return {calls[position].name for position in normalised(calls)}


def test_only_what_a_normaliser_alone_hears() -> None:
    chain = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.Dropout(), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 2))
    assert {"1", "2"} <= _left_out(chain)
    assert "5" not in _left_out(chain)
    # What goes round the branch hears the stem, too.
    assert "stem" not in _left_out(_PreNorm())
