"""Audits of networks that others have trained, on real photographs, speech and clothes: coverage, verdict, findings.

The face detectors P-Net, R-Net and O-Net of facenet-pytorch, the voice detector silero-vad, and a small convolutional
network that is trained here on Fashion-MNIST. Packages and data are those of tests/real, which .ci/run installs; what
it unpacks lies under PROPSTATS_REAL.

Run from the repository, with propstats installed: python tests/real/report.py --write reports/networks.md
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from real_data import crops, package_folder, speech, unpacked_folder, windows
from real_networks import clothes_cnn
from torch.nn import functional

import propstats
from propstats import Access, AuditReport, Places

_SAMPLES, _STEPS, _BATCH, _SEED = 256, 250, 128, 0


def face_detectors(folder: Path) -> dict[str, AuditReport]:
    """Audit the three networks of MTCNN on squares of photographs."""
    found = {}
    for name, size in (("PNet", 24), ("RNet", 24), ("ONet", 48)):
        data = folder / f"{name}.npy"
        np.save(data, crops(size, size))
        file = package_folder("facenet_pytorch") / "data" / f"{name.lower()}.pt"
        access = Access(arch=f"real_networks:{name}")
        found[f"facenet-pytorch {name}"] = propstats.audit(file, str(data), access=access, samples=_SAMPLES, seed=_SEED)
    return found


def voice_detector(folder: Path) -> AuditReport:
    """Audit silero-vad on voices."""
    voices = np.concatenate([windows(sound) for name, sound in speech().items() if name != "Noise"])
    np.save(folder / "voices.npy", voices)
    file = package_folder("silero_vad") / "data/silero_vad_16k.safetensors"
    access = Access(arch="real_networks:Silero")
    return propstats.audit(file, str(folder / "voices.npy"), access=access, samples=_SAMPLES, seed=_SEED)


def clothes_classifier() -> AuditReport:
    """Train a network on Fashion-MNIST, and audit it on images that it has not seen."""
    places = Places(unpacked_folder("usr/share/datasets"), offline=True)
    data = propstats.load_data("fashion-mnist:train", places=places)
    assert data.labels is not None
    torch.manual_seed(_SEED)
    network, generator = clothes_cnn(), torch.Generator().manual_seed(_SEED)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(_STEPS):
        at = torch.randint(len(data.inputs), (_BATCH,), generator=generator)
        optimiser.zero_grad()
        functional.cross_entropy(network(data.inputs[at]), data.labels[at]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return propstats.audit(network, "fashion-mnist", samples=_SAMPLES, places=places, seed=_SEED)


def row(name: str, report: AuditReport) -> str:
    """Return a row of the table."""
    verdicts = Counter(layer.verdict for layer in report.layers)
    cells = [name, f"{report.model.parameters:,}", str(report.data.samples)]
    cells += [f"{report.coverage.analysed} of {report.coverage.analysed + len(report.coverage.skipped)}"]
    cells += [f"{verdicts['ok']} of {report.coverage.analysed}", "passed" if report.passed else "failed"]
    rates = (report.trend.forward_rate, report.trend.backward_rate)
    cells += [f"{rate.value:.2f}" if rate is not None else "" for rate in rates]
    found = Counter(f"{finding.rule} ({finding.severity.value})" for finding in report.findings)
    cells.append(", ".join(f"{rule} x{count}" if count > 1 else rule for rule, count in found.items()) or "none")
    return "| " + " | ".join(cells) + " |"


def details(name: str, report: AuditReport) -> str:
    """Return what was found in one network, and what was not compared with theory and why."""
    lines = [f"- {finding.severity.value}, {finding.layer or 'the network'}: {finding.message}"
             for finding in report.findings]  # fmt: skip
    lines += [f"- not compared: {skipped.name}: {skipped.reason}" for skipped in report.coverage.skipped]
    return f"## {name}\n\n" + "\n".join(lines or ["- nothing"]) + "\n"


def main() -> int:
    """Audit all of them, and write or print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="write the report to this file")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        reports = face_detectors(Path(folder))
        reports[f"silero-vad {version('silero-vad')}"] = voice_detector(Path(folder))
    reports["Fashion-MNIST CNN"] = clothes_classifier()
    about = (__doc__ or "").partition("\n\nRun from")[0]
    packages = ("propstats", "torch", "facenet-pytorch", "silero-vad", "scikit-image")
    head = [
        "# Networks that others have trained", "", about, "",
        "Rebuilt by `python tests/real/report.py --write reports/networks.md`",
        f"({', '.join(f'{package} {version(package)}' for package in packages)}; seed {_SEED}).", "",
        "Coverage: calls of layers that theory has an expectation for. As expected: those among them that do to their",
        "own input what theory says of random weights of the same size; trained weights are not random: some depart.",
        "Rates: what the signal and the gradient are multiplied by per layer of weights.", "",
        "| network | parameters | samples | coverage | as expected | verdict | signal | gradient | findings |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    rows = [row(name, report) for name, report in reports.items()]
    report = "\n".join([*head, *rows, "", *(details(name, found) for name, found in reports.items())])
    if options.write is None:
        print(report)
    else:
        options.write.write_text(report, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
