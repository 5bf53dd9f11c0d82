"""What the experiments of Arpit et al. 2016 print: the table of errors, and the network."""

from fractions import Fraction

from propstats.published.claims import Finding

#: Test errors of Table 1, in per cent: NormProp, then all but batch normalisation.
_TABLE_1 = {
    "CIFAR-10": ("9.11", ("9.59", "10.47", "9.69", "11.68")),
    "CIFAR-10, augmented": ("7.47", ("7.51", "8.81", "7.97", "9.38")),
    "CIFAR-100": ("32.19", ("34.40", "35.68", "34.57", "38.57")),
    "CIFAR-100, augmented": ("29.24", ("30.83",)),
    "SVHN": ("1.88", ("2.35", "1.92", "2.47")),
}

#: The network of section 5: C(filters, size, stride, padding) and P(size, stride, padding).
_NETWORK = (
    ("C", 5, 1, 2),
    ("C", 1, 1, 0),
    ("P", 3, 2, 1),
    ("C", 1, 1, 0),
    ("C", 5, 1, 2),
    ("C", 1, 1, 0),
    ("P", 3, 2, 1),
    ("C", 1, 1, 0),
    ("C", 5, 1, 0),
    ("C", 1, 1, 2),
    ("C", 1, 1, 0),
    ("P", 8, 8, 0),
)


def beats_the_others() -> Finding:
    """Table 1: is NormProp's error the lowest in each column, batch normalisation left out?"""
    behind = [name for name, (own, others) in _TABLE_1.items() if Fraction(own) >= min(map(Fraction, others))]
    return Finding(not behind, f"lowest error in {len(_TABLE_1) - len(behind)} of {len(_TABLE_1)} columns")


def counts_layers() -> Finding:
    """Section 5.2: is it a network of nine layers?"""
    found = sum(kind == "C" for kind, *_ in _NETWORK)
    return Finding(found == 9, f"{found} convolutions")


def fits() -> Finding:
    """Section 5: does the last pooling average all that is left of 32 x 32 pixels?"""
    size = 32
    for _, kernel, stride, padding in _NETWORK:
        size = (size + 2 * padding - kernel) // stride + 1
    return Finding(size == 1, f"{size} x {size} after the last layer")
