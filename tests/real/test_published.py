"""Networks that others have trained, on real photographs, speech and text."""

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from real_data import package_folder, unpacked_folder, windows
from real_networks import Silero
from safetensors.torch import load_file

import propstats
from propstats import AuditReport
from propstats.errors import UnsafeModelError

pytestmark = pytest.mark.real


def _check_coverage(report: AuditReport, weights: set[str]) -> None:
    """Every layer has an expectation or a reason, and every weight is in the report."""
    for layer in report.layers:
        assert layer.one_step is not None or layer.reason, layer.name
        # What does not depend on the data, like the embedding of positions, has no statistics over them.
        assert np.isfinite(layer.forward.q.value) or layer.reason == "its input is not part of the signal", layer.name
    assert weights <= {layer.name for layer in report.layers} | {skipped.name for skipped in report.coverage.skipped}


@pytest.mark.parametrize(("name", "size"), [("PNet", 24), ("RNet", 24), ("ONet", 48)])
def test_face_detectors_on_photographs(
    tmp_path: Path, crops: Callable[[int, int], npt.NDArray[np.float32]], name: str, size: int
) -> None:
    np.save(tmp_path / "crops.npy", crops(size, size))
    file = package_folder("facenet_pytorch") / "data" / f"{name.lower()}.pt"
    report = propstats.audit(
        file, str(tmp_path / "crops.npy"), access=propstats.Access(arch=f"real_networks:{name}"), samples=128, seed=1
    )
    _check_coverage(report, {key.rpartition(".")[0] for key in torch.load(file, weights_only=True)})
    assert report.model.format == "torch legacy state_dict"
    assert (report.data.samples, report.data.shape) == (128, (3, size, size))
    assert report.data.available is not None
    assert report.data.available > 300
    # A network that finds faces passes signal on.
    assert report.layers[-1].forward.var.value > 0
    assert not {"forward-vanishing", "backward-vanishing"} & {finding.rule for finding in report.findings}


def test_a_folder_of_photographs(tmp_path: Path, photographs: list[Path]) -> None:
    for number, path in enumerate(photographs):
        folder = tmp_path / ("people" if number < 1 else "things")
        folder.mkdir(exist_ok=True)
        shutil.copy(path, folder)
    data = propstats.load_data(str(tmp_path))
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 1, 1]
    assert data.shape[0] == 3
    assert "were cropped and resized" in data.notes[0]
    file = package_folder("facenet_pytorch") / "data/pnet.pt"
    report = propstats.audit(file, str(tmp_path), access=propstats.Access(arch="real_networks:PNet"))
    _check_coverage(report, {"conv1", "conv4_1"})
    assert report.data.normalization == "global"


def test_a_voice_detector_on_speech(tmp_path: Path, speech: dict[str, npt.NDArray[np.float32]]) -> None:
    file = package_folder("silero_vad") / "data/silero_vad_16k.safetensors"
    network = Silero()
    network.load_state_dict(load_file(file))
    voices = np.concatenate([windows(sound) for name, sound in speech.items() if name != "Noise"])
    torch.save(torch.from_numpy(voices), tmp_path / "voices.pt")
    with torch.no_grad():
        heard = network(torch.from_numpy(voices))
        noise = network(torch.from_numpy(windows(speech["Noise"])))
    # That it tells voices from noise says that the network was put together as it was trained.
    assert heard.max() > 0.5 > noise.max()
    report = propstats.audit(file, str(tmp_path / "voices.pt"), access=propstats.Access(arch="real_networks:Silero"))
    _check_coverage(report, {"stft_conv", "conv1", "conv2", "conv3", "conv4", "final_conv"})
    assert report.data.samples == len(voices)


def test_a_program_is_refused() -> None:
    with pytest.raises(UnsafeModelError, match="nothing was executed"):
        propstats.audit(package_folder("silero_vad") / "data/silero_vad.jit")


def test_a_transformer_on_text(tmp_path: Path) -> None:
    package_folder("transformers")
    transformers = import_module("transformers")
    licence = (unpacked_folder("usr/share/common-licenses") / "GPL-3").read_bytes()
    tokens = torch.tensor(list(licence[: 64 * 200]), dtype=torch.int64).reshape(200, 64)
    torch.save(tokens, tmp_path / "tokens.pt")
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    network = transformers.BertModel(transformers.BertConfig(vocab_size=256, **sizes)).eval()
    report = propstats.audit(network, str(tmp_path / "tokens.pt"))
    names = {name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)}
    _check_coverage(report, names)
    assert report.data.dtype == "int64"
