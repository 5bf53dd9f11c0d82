"""Copies of data sets, in the layouts of Debian, torchvision and our own cache, and a server on this machine."""

import errno
import gc
import gzip
import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_files import cifar, cifar_pickle, md5, sha256, tar_gz, write, write_idx_pair
from scipy import io

from propstats.auditing.data import find, known
from propstats.auditing.data.find import Places, read_known
from propstats.auditing.data.known import KNOWN, Known, Published, known_name
from propstats.auditing.data.load import load_data
from propstats.errors import DataError, DomainError

# A download that breaks off leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")

IMAGES = np.random.default_rng(0).integers(0, 256, size=(12, 28, 28), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 10


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a machine without copies: empty home, working directory and system folder, and no network."""
    for name in ("home", "work", "system"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home/.cache"))
    monkeypatch.setattr(find, "_SYSTEM", tmp_path / "system")
    monkeypatch.setenv("PROPSTATS_OFFLINE", "1")
    monkeypatch.delenv("PROPSTATS_DATA", raising=False)


def _made(name: str, samples: int, hashes: Mapping[str, tuple[str, ...]]) -> Known:
    """Return a data set with the hashes and sizes of generated files."""

    def published(file: Published) -> Published:
        return replace(file, hashes=hashes.get(Path(file.name).name, ()) if file.hashes else ())

    real = KNOWN[name]
    splits = {
        split: tuple(replace(form, files=tuple(map(published, form.files)), samples=samples) for form in forms)
        for split, forms in real.splits.items()
    }
    return replace(real, splits=splits)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int, Mapping[str, tuple[str, ...]]], None]:
    def publish(name: str, samples: int, hashes: Mapping[str, tuple[str, ...]]) -> None:
        changed = {**KNOWN, name: _made(name, samples, hashes)}
        monkeypatch.setattr(known, "KNOWN", changed)
        monkeypatch.setattr(find, "KNOWN", changed)

    return publish


Plant = Callable[[str, int, Mapping[str, tuple[str, ...]]], None]


def _idx_hashes(folder: Path) -> dict[str, tuple[str, ...]]:
    hashes: dict[str, tuple[str, ...]] = {}
    for path in folder.glob("*.gz"):
        content = f"content:{sha256(gzip.decompress(path.read_bytes()))}"
        hashes[path.name] = (f"md5:{md5(path.read_bytes())}", content)
        hashes[path.stem] = (content,)
    return hashes


@pytest.mark.parametrize(
    "place",
    [
        "system/fashion-mnist",  # Debian
        "work/data/FashionMNIST/raw",  # torchvision
        "home/.cache/torch/FashionMNIST/raw",
        "home/.cache/propstats/fashion-mnist",  # ours
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_fashion_mnist_wherever_it_lies(tmp_path: Path, plant: Plant, place: str, packed: bool) -> None:
    write_idx_pair(tmp_path / "original", "t10k", IMAGES, LABELS)
    plant("fashion-mnist", 12, _idx_hashes(tmp_path / "original"))
    write_idx_pair(tmp_path / place, "t10k", IMAGES, LABELS, packed=packed)
    if packed:  # packed anew, as Debian does: other bytes, the same content
        for path in (tmp_path / place).iterdir():
            path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))
    data = load_data("fashion-mnist", normalize="none")
    assert data.name == "fashion-mnist:test"
    assert data.inputs[:, 0].tolist() == IMAGES.tolist()
    assert data.labels is not None
    assert data.labels.tolist() == LABELS.tolist()
    assert "the published content" in data.notes[0]
    assert load_data("fashion_mnist").normalization == "global"


def test_mnist_without_a_hash_needs_its_folder(tmp_path: Path, plant: Plant) -> None:
    plant("mnist", 12, {})
    write_idx_pair(tmp_path / "work/data", "t10k", IMAGES, LABELS, packed=False)
    with pytest.raises(DataError, match="no copy on this machine"):
        load_data("mnist")
    write_idx_pair(tmp_path / "work/data/MNIST/raw", "t10k", IMAGES, LABELS, packed=False)
    assert "no hash of this form" in load_data("mnist").notes[0]
    write_idx_pair(tmp_path / "work/data/MNIST/raw", "train", IMAGES[:4], LABELS[:4], packed=False)
    with pytest.raises(DataError, match="holds 4 samples instead of 12"):
        load_data("mnist:train")


def test_all_forms_of_cifar10(tmp_path: Path, plant: Plant) -> None:
    raw, images, labels = cifar(9)
    pickled = cifar_pickle(images, labels)
    binary, python = tar_gz({"c/test_batch.bin": raw}), tar_gz({"c/test_batch": pickled})
    hashes = {
        "cifar-10-binary.tar.gz": (f"sha256:{sha256(binary)}",),
        "cifar-10-python.tar.gz": (f"md5:{md5(python)}",),
        "test_batch": (f"md5:{md5(pickled)}",),
    }
    plant("cifar10", 9, hashes)
    for number, (name, content) in enumerate(
        [
            ("cifar-10-binary.tar.gz", binary),
            ("cifar-10-batches-bin/test_batch.bin", raw),
            ("cifar-10-batches-py/test_batch", pickled),
            ("cifar-10-python.tar.gz", python),
        ]
    ):
        folder = tmp_path / f"copy{number}"
        write(folder / name, content)
        array = read_known("cifar10", "test", Places(folder))
        assert array.inputs.tolist() == images.tolist()
        assert array.labels is not None
        assert array.labels.tolist() == labels.tolist()
        # A copy that was changed is never used, where that can be known, and never unpickled.
        if "batches-bin" not in name:
            write(folder / name, content[:-3] + b"abc")
            with pytest.raises(DataError, match="is not the published file, or damaged"):
                read_known("cifar10", "test", Places(folder))


def test_cifar100_and_svhn(tmp_path: Path, plant: Plant) -> None:
    raw, images, labels = cifar(6, fine=True)
    plant("cifar100", 6, {})
    write(tmp_path / "work/data/cifar-100-binary/test.bin", raw)
    data = load_data("cifar100", normalize="none")
    assert data.inputs.tolist() == images.tolist()
    assert data.labels is not None
    assert data.labels.tolist() == labels.tolist()
    path = tmp_path / "work/data/train_32x32.mat"
    digits = np.array([10, 1, 2, 3, 9, 10], dtype=np.uint8)
    io.savemat(path, {"X": images.transpose(2, 3, 1, 0), "y": digits[:, None]}, do_compression=True)
    plant("svhn", 6, {path.name: (f"md5:{md5(path.read_bytes())}",)})
    data = load_data("svhn:train", normalize="none")
    assert data.inputs.tolist() == images.tolist()
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 3, 9, 0]


@pytest.mark.parametrize("name", ["cifar10", "cifar100:train", "SVHN", "mnist", "fashion_mnist:test", "CIFAR-10"])
def test_offline_without_a_copy(name: str) -> None:
    with pytest.raises(DataError, match="no copy on this machine") as caught:
        load_data(name)
    text = str(caught.value)
    assert caught.value.exit_code == 3
    assert all(way in text for way in ("--data-dir", "--data FILE", "--data digits"))
    assert len(text.splitlines()) == 1


def test_splits() -> None:
    assert [known_name(name) for name in ("svhn", "MNIST:train", "cifar", "./cifar10")] == [
        ("svhn", "test"), ("mnist", "train"), None, None,
    ]  # fmt: skip
    with pytest.raises(DomainError, match="no split 'dev'"):
        load_data("cifar10:dev")


def test_a_name_comes_before_a_file_and_says_so(tmp_path: Path, plant: Plant) -> None:
    raw, _, _ = cifar(6)
    plant("cifar10", 6, {})
    write(tmp_path / "work/data/cifar-10-batches-bin/test_batch.bin", raw)
    assert len(load_data("cifar10").notes) == 1
    write(tmp_path / "work/cifar10", raw[:3073])
    assert "./cifar10 was not looked at" in load_data("cifar10").notes[1]
    assert load_data("./cifar10").samples == 1


def test_every_published_file_has_a_hash_of_its_download() -> None:
    lengths = {"md5": 32, "sha256": 64, "content": 64}
    for data in KNOWN.values():
        for forms in data.splits.values():
            for form in forms:
                for file in form.files:
                    for text in file.hashes:
                        kind, _, digest = text.partition(":")
                        assert len(digest) == lengths[kind]
                        assert set(digest) <= set("0123456789abcdef")
            assert all(file.hashes[0].startswith(("md5:", "sha256:")) for file in forms[0].files)


class Server(http.server.ThreadingHTTPServer):
    """Serves files out of memory; `cut` sends that many bytes of each and hangs up."""

    files: Mapping[str, bytes]
    cut: int | None = None
    asked: list[str]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name = self.path.removeprefix("/base/")
        assert isinstance(self.server, Server)
        self.server.asked.append(name)
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: self.server.cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as served:
        served.files, served.asked = {}, []
        thread = threading.Thread(target=served.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield served
        served.shutdown()
        thread.join()
    gc.collect()


def _mirror(server: Server, folder: Path) -> Places:
    return Places(folder, offline=False, mirror=f"http://127.0.0.1:{server.server_address[1]}/base")


def test_a_download_happens_once(tmp_path: Path, server: Server, plant: Plant) -> None:
    raw, images, _ = cifar(9)
    content = tar_gz({"c/test_batch.bin": raw})
    plant("cifar10", 9, {"cifar-10-binary.tar.gz": (f"sha256:{sha256(content)}",)})
    server.files = {"cifar-10-binary.tar.gz": content}
    places = _mirror(server, tmp_path / "new/cache")
    for _ in range(2):
        data = load_data("cifar10", normalize="none", places=places)
        assert data.inputs.tolist() == images.tolist()
    assert server.asked == ["cifar-10-binary.tar.gz"]
    assert [path.name for path in (tmp_path / "new/cache/cifar10").iterdir()] == ["cifar-10-binary.tar.gz"]
    assert load_data("cifar10", places=replace(places, offline=True)).samples == 9


def test_several_files_and_the_environment(
    tmp_path: Path, server: Server, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx_pair(tmp_path / "original", "t10k", IMAGES, LABELS)
    plant("mnist", 12, _idx_hashes(tmp_path / "original"))
    server.files = {path.name: path.read_bytes() for path in (tmp_path / "original").iterdir()}
    monkeypatch.setenv("PROPSTATS_DATA", str(tmp_path / "kept"))
    monkeypatch.setenv("PROPSTATS_OFFLINE", "0")
    assert load_data("mnist", places=Places(mirror=_mirror(server, tmp_path).mirror)).samples == 12
    assert len(list((tmp_path / "kept/mnist").iterdir())) == 2


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"files": {"cifar-10-binary.tar.gz": b"another file"}}, "not the published file"),
        ({"cut": 100}, "cannot be downloaded"),
        ({"files": {}}, "cannot be downloaded"),
    ],
)
def test_downloads_that_go_wrong(
    tmp_path: Path, server: Server, plant: Plant, change: dict[str, object], word: str
) -> None:
    content = tar_gz({"c/test_batch.bin": cifar(9)[0]})
    plant("cifar10", 9, {"cifar-10-binary.tar.gz": (f"sha256:{sha256(content)}",)})
    server.files = {"cifar-10-binary.tar.gz": content}
    whole = dict(vars(server))
    vars(server).update(change)
    cache = tmp_path / "cache"
    with pytest.raises(DataError, match=word) as caught:
        load_data("cifar10", places=_mirror(server, cache))
    assert caught.value.exit_code == 3
    assert len(str(caught.value).splitlines()) == 1
    assert "--data-dir" in str(caught.value)
    # Nothing half is left, and the next try succeeds.
    assert not list(cache.rglob("*.*"))
    vars(server).update({**whole, "cut": None})
    assert load_data("cifar10", places=_mirror(server, cache)).samples == 9


def test_a_damaged_copy_is_replaced_by_a_download(tmp_path: Path, server: Server, plant: Plant) -> None:
    content = tar_gz({"c/test_batch.bin": cifar(9)[0]})
    plant("cifar10", 9, {"cifar-10-binary.tar.gz": (f"sha256:{sha256(content)}",)})
    server.files = {"cifar-10-binary.tar.gz": content}
    other = write(tmp_path / "work/data/cifar-10-binary.tar.gz", content[:-5])
    data = load_data("cifar10", places=_mirror(server, tmp_path / "cache"))
    assert "was passed over" in data.notes[1]
    assert other.read_bytes() == content[:-5]


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be downloaded .* --data digits"):
        load_data("svhn", places=Places(tmp_path, offline=False, mirror="http://127.0.0.1:9/"))
    with pytest.raises(DataError, match="cannot be downloaded"):
        load_data("svhn", places=Places(tmp_path, offline=False, mirror="not a url"))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_full_disk(tmp_path: Path, server: Server, plant: Plant, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    content = tar_gz({"c/test_batch.bin": cifar(9)[0]})
    plant("cifar10", 9, {"cifar-10-binary.tar.gz": (f"sha256:{sha256(content)}",)})
    server.files = {"cifar-10-binary.tar.gz": content}

    def fails(self: object, url: str, file: str, *rest: object, **more: object) -> None:
        Path(file).write_bytes(b"half")
        raise OSError(code, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pooch.HTTPDownloader.__call__", fails)
        with pytest.raises(DataError, match=r"cannot be kept in .* \(No space left on device\)"):
            load_data("cifar10", places=_mirror(server, tmp_path / "cache"))
    assert not list((tmp_path / "cache").rglob("*.*"))
    file = write(tmp_path / "file", b"")
    with pytest.raises(DataError, match="another folder with --data-dir"):
        load_data("cifar10", places=_mirror(server, file))


def test_an_interrupted_download(tmp_path: Path, server: Server, plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    content = tar_gz({"c/test_batch.bin": cifar(9)[0]})
    plant("cifar10", 9, {"cifar-10-binary.tar.gz": (f"sha256:{sha256(content)}",)})
    server.files = {"cifar-10-binary.tar.gz": content}

    def stopped(self: object, url: str, file: str, *rest: object, **more: object) -> None:
        Path(file).write_bytes(content[:50])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pooch.HTTPDownloader.__call__", stopped)
        with pytest.raises(KeyboardInterrupt):
            load_data("cifar10", places=_mirror(server, tmp_path / "cache"))
    assert not (tmp_path / "cache/cifar10/cifar-10-binary.tar.gz").exists()
    assert load_data("cifar10", places=_mirror(server, tmp_path / "cache")).samples == 9
