import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from data_files import cifar, cifar_pickle, tar_gz, write
from data_refusals import refused_data, survives

from propstats.auditing.data.cifar import CLASSES, from_pickle, read_archive, read_batches
from propstats.auditing.data.load import load_data
from propstats.errors import DataError


@pytest.mark.parametrize("fine", [False, True])
def test_records(tmp_path: Path, fine: bool) -> None:
    raw, images, labels = cifar(12, fine=fine)
    data = load_data(str(write(tmp_path / "a", raw)))
    assert data.inputs.tolist() == images.tolist()
    assert data.labels is not None
    assert data.labels.tolist() == labels.tolist()


def test_an_archive_has_its_test_images_read(tmp_path: Path) -> None:
    test, train = cifar(5), cifar(7, seed=1)
    members = {"c/data_batch_1.bin": train[0], "c/readme.html": b"<p>", "c/test_batch.bin": test[0]}
    data = load_data(str(write(tmp_path / "a.tar.gz", tar_gz(members))))
    assert data.inputs.tolist() == test[1].tolist()
    assert data.notes == ("of the archive, its test images",)
    del members["c/test_batch.bin"]
    assert load_data(str(write(tmp_path / "a.tar.gz", tar_gz(members)))).inputs.tolist() == train[1].tolist()


def test_pickles(tmp_path: Path) -> None:
    _, images, labels = cifar(4, fine=True)
    for key, classes in ((b"labels", CLASSES["cifar10"]), (b"fine_labels", CLASSES["cifar100"])):
        path = write(tmp_path / "test", cifar_pickle(images, labels, key=key))
        array = read_batches([path, path], classes, from_pickle)
        assert array.inputs.tolist() == [*images.tolist(), *images.tolist()]
        assert array.labels is not None
        assert array.labels.tolist() == [*labels.tolist(), *labels.tolist()]
    packed = write(tmp_path / "a.tar.gz", tar_gz({"c/test": path.read_bytes()}))
    assert read_archive([packed], ["test"], CLASSES["cifar100"], from_pickle).inputs.tolist() == images.tolist()


class Gadget:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("propstats-was-executed",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_execute_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (Gadget(), {b"data": Gadget()}, {b"data": print}):
        with pytest.raises(DataError, match="nothing was executed"):
            from_pickle(pickle.dumps(content, protocol=protocol), (10,), "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"\x80\x02", pickle.dumps([1]), pickle.dumps({b"data": 3, b"labels": [1]})])
def test_pickles_that_are_no_batch(content: bytes) -> None:
    with pytest.raises(DataError, match="damaged"):
        from_pickle(content, (10,), "a")


def test_refusals(tmp_path: Path) -> None:
    raw, _, _ = cifar(3)
    path = tmp_path / "a.tar.gz"
    refused_data(write(path, raw[:-1]), "of no kind")
    refused_data(write(path, tar_gz({"c/test_batch.bin": raw[:-1]})), "of no kind")
    refused_data(write(path, tar_gz({"c/a.bin": raw, "c/b.bin": raw[:-5]})), "truncated")
    refused_data(write(path, tar_gz({"c/a.txt": raw})), "without .bin files")
    refused_data(write(path, tar_gz({"c/a.bin": raw})[:-200]), "damaged")
    wrong = bytearray(raw)
    wrong[0] = 255
    refused_data(write(path, bytes(wrong)), "of no kind")
    with pytest.raises(DataError, match="holds no test_batch"):
        read_archive([write(path, tar_gz({"c/a.bin": raw}))], ["test_batch.bin"], (10,), from_pickle)


def test_members_that_are_no_files(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        link = tarfile.TarInfo("../../test_batch.bin")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    refused_data(write(tmp_path / "a.tar.gz", buffer.getvalue()), "without .bin files")


def test_a_bomb(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("a.bin")
        info.size = 3 << 30
        assert archive.fileobj is not None
        archive.fileobj.write(info.tobuf())  # the claim alone
    refused_data(write(tmp_path / "a.tar.gz", buffer.getvalue()), "unpacks to more than")


def test_damage(tmp_path: Path) -> None:
    raw, images, labels = cifar(2)
    path = tmp_path / "a"
    survives(tar_gz({"c/test_batch.bin": raw}), path, tries=60, seed=3)
    pickled = cifar_pickle(images, labels)
    survives(pickled, path, tries=150, seed=4, read=lambda name: from_pickle(Path(name).read_bytes(), (10,), "a"))


def test_labels_are_counted_from_the_last_byte() -> None:
    raw, _, labels = cifar(50, fine=True)
    table = np.frombuffer(raw, dtype=np.uint8).reshape(50, -1)
    assert table[:, 1].tolist() == labels.tolist()
    assert table[:, 0].tolist() == (labels // 5).tolist()
