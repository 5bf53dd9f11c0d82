"""Sound networks, over seeds and depths: the judge is silent."""

import pytest
import torch
from sound import SOUND

from propstats.auditing.audit import audit
from propstats.auditing.judging.simultaneous import LEVEL

DEPTHS = (2, 5, 10, 20)
#: Whose audits take so long that half as many have to do.
_SLOW = ("resnet", "pre-norm transformer")


def _alarms(name: str, seeds: range, depths: tuple[int, ...]) -> tuple[int, list[str]]:
    """Return how many audits there were, and what they found."""
    found: list[str] = []
    for depth in depths:
        for seed in seeds:
            report = audit(SOUND[name](seed, depth), "digits", seed=seed, samples=512)
            found += [f"{name} {depth} {seed}: {f.rule} {f.message}" for f in report.findings[:1]]
    return len(seeds) * len(depths), found


def allowed(audits: int, chance: float) -> int:
    """Return how many false alarms this chance explains, but for one time in a thousand."""
    total, probability = 0.0, (1.0 - chance) ** audits
    for count in range(audits + 1):
        total += probability
        if total >= 0.999:
            return count
        probability *= (audits - count) / (count + 1) * chance / (1.0 - chance)
    return audits


def test_the_bound_on_alarms() -> None:
    assert allowed(1, 0.5) == 1
    assert allowed(100, 1e-6) == 0
    assert allowed(80, LEVEL) == 11  # as scipy.stats.binom.ppf(0.999, 80, 0.05)


@pytest.mark.parametrize("name", SOUND)
def test_sound_networks_are_passed_in_silence(name: str) -> None:
    _, found = _alarms(name, range(1), (2, 10))
    assert not found


@pytest.mark.slow
@pytest.mark.parametrize("name", SOUND)
def test_false_alarms_are_as_rare_as_promised(name: str) -> None:
    seeds = 10 if name in _SLOW else 20
    audits, found = _alarms(name, range(seeds), DEPTHS)
    assert len(found) <= allowed(audits, LEVEL), found


def test_gaussian_data_and_double_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    model = SOUND["he-relu"](0, 10).double()
    assert not audit(model, torch.randn(300, 64, generator=generator).double()).findings


@pytest.mark.parametrize("samples", [2, 3, 10])
def test_a_few_samples_show_no_unequal_features(samples: int) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(64, 4))
    for seed in range(10):
        data = torch.randn(samples, 64, generator=torch.Generator().manual_seed(seed))
        assert "unequal-variances" not in {found.rule for found in audit(model, data).findings}
