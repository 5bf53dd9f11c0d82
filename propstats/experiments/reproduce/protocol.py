"""What the NormProp paper did, experiment by experiment, and what it printed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Method = Literal["normprop", "batchnorm", "none"]
Normalisation = Literal["global", "batch"]

#: The paper used coefficients from 0.0005 to 0.005; this is the one it names first.
WEIGHT_DECAY: Final = 0.0005
MOMENTUM: Final = 0.9


@dataclass(frozen=True, slots=True)
class Run:
    """How one network is trained; all of them are the paper's Network in Network.

    Args:
        method: How hidden layers are normalised.
        data: How the images are: `global` over the training set, or `batch` by batch with running averages for tests.
        batch: Images in a batch.
        rate: Learning rate to begin with.
        epochs: Epochs of the paper.
        halve_every: Epochs after which the learning rate is halved.
        flips: Whether training images are flipped at random.
        thin: What the paper's numbers of filters are divided by.
    """

    method: Method
    data: Normalisation
    batch: int
    rate: float
    epochs: int
    halve_every: int
    flips: bool = False
    thin: int = 1

    @property
    def label(self) -> str:
        """What tells it from the other runs, for tables and files.

        >>> Run("normprop", "global", 50, 0.05, 30, 10).label
        'normprop-global-50'
        """
        return f"{self.method}-{self.data}-{self.batch}" + ("-flips" if self.flips else "")


@dataclass(frozen=True, slots=True)
class Experiment:
    """One figure or table.

    Args:
        name: What `propstats reproduce` calls it.
        title: What it is about.
        section: Where the paper describes it.
        runs: What is trained.
        seeds: How often the paper's protocol, or ours where it says nothing, repeats each run.
        printed: What the paper says came out, on its own data.
        choices: What the paper leaves open and was chosen here.
    """

    name: str
    title: str
    section: str
    runs: tuple[Run, ...]
    seeds: int
    printed: tuple[str, ...]
    choices: tuple[str, ...] = ()


_DECAY = "weight decay 0.0005 for all methods; the paper gives a range from 0.0005 to 0.005"
_VALIDATION = "validated on the test images, as the paper says for its analyses"

EXPERIMENTS: Final[Mapping[str, Experiment]] = {
    experiment.name: experiment
    for experiment in (
        Experiment(
            "fig1",
            "Global or batch data normalisation",
            "section 5.1, figure 1",
            tuple(
                Run("normprop", data, batch, rate, 30, 10)
                for batch, rate in ((50, 0.05), (100, 0.08))
                for data in ("global", "batch")
            ),
            3,
            ("performance is very similar for both data normalisations and both batch sizes",),
            (_DECAY, _VALIDATION),
        ),
        Experiment(
            "fig2",
            "Means of the inputs of hidden layers",
            "section 5.2, figure 2",
            (
                Run("normprop", "batch", 50, 0.05, 50, 10),
                Run("batchnorm", "batch", 50, 0.05, 50, 10),
                Run("none", "batch", 50, 0.0001, 50, 10),
            ),
            3,
            (
                "lower layers are more stable with NormProp than with batch norm",
                "input means converge closer to zero: on average 0.19 with NormProp, 0.33 with batch norm",
            ),
            (
                _DECAY,
                "a unit's input is one number of what the layer receives, at a channel and position drawn from the "
                "seed; beside it stands the root mean square over all of them, which no draw decides",
            ),
        ),
        Experiment(
            "fig3",
            "Stability of convergence",
            "section 5.3, figure 3",
            (Run("normprop", "batch", 50, 0.05, 50, 10), Run("batchnorm", "batch", 50, 0.05, 50, 10)),
            3,
            ("validation accuracy is more stable with NormProp than with batch norm, above all early in training",),
            (_DECAY, _VALIDATION),
        ),
        Experiment(
            "fig4",
            "Batch size",
            "section 5.4, figure 4",
            (
                Run("normprop", "global", 1, 0.001, 50, 10),
                Run("normprop", "global", 10, 0.01, 50, 10),
                Run("normprop", "global", 50, 0.05, 50, 10),
                Run("normprop", "global", 100, 0.08, 50, 10),
            ),
            3,
            ("performance is largely unaffected by batch size, and slightly better with smaller batches",),
            (_DECAY, _VALIDATION, "rates for batches of 1 and 10 are those for 50 times the batch over 50"),
        ),
        Experiment(
            "table1",
            "Test errors",
            "section 5.5, table 1",
            tuple(
                Run(method, "batch", 50, 0.05, 200, 25, flips)
                for flips in (False, True)
                for method in ("normprop", "batchnorm")
            ),
            3,
            (
                "CIFAR-10: test error 9.11 % with NormProp, 9.41 % with batch norm; with flips 7.47 % and 7.25 %",
                "CIFAR-100: 32.19 % and 35.32 %; with flips 29.24 % and 30.26 %",
                "SVHN: 1.88 % and 2.25 %",
            ),
            (_DECAY, "images of other data sets: nothing printed to compare with"),
        ),
        Experiment(
            "speed",
            "Seconds for an epoch",
            "section 5.6",
            (Run("normprop", "batch", 50, 0.05, 1, 10), Run("batchnorm", "batch", 50, 0.05, 1, 10)),
            1,
            ("an epoch takes 84 s with NormProp and 96 s with batch norm: a ratio of 0.875",),
            ("steps of both are timed in turn; the ratio is that of medians",),
        ),
    )
}
