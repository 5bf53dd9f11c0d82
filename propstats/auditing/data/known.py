"""The data sets with a name: what is published where, under which hash, and which forms of it are read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from propstats.auditing.data.cifar import CLASSES, from_pickle, from_records, read_archive, read_batches
from propstats.auditing.data.idx import read_idx
from propstats.auditing.data.matlab import read_matlab
from propstats.auditing.data.rows import Array


@dataclass(frozen=True, slots=True)
class Published:
    """A file of a data set.

    Attributes:
        name: Where it lies, from the folder of the data set on.
        hashes: `md5:...` or `sha256:...` of the file, or `content:...`, the sha256 of what it unpacks to; one of them
            has to match. Empty where no hash was published: then only the layout can be checked.
    """

    name: str
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """One of the forms in which a split exists.

    Attributes:
        files: Its files.
        read: Reads them.
        samples: How many samples are in them.
    """

    files: tuple[Published, ...]
    read: Callable[[Sequence[Path]], Array]
    samples: int


@dataclass(frozen=True, slots=True)
class Known:
    """A data set with a name.

    Attributes:
        name: Its name.
        url: Folder of the files that are downloaded.
        folders: Folders in which other tools put it.
        splits: Forms of each split; the first one is what is downloaded.
    """

    name: str
    url: str
    folders: tuple[str, ...]
    splits: Mapping[str, tuple[Form, ...]]


def _cifar(
    name: str, number: int, folder: str, binary: str, python: str, batches: Mapping[str, Sequence[tuple[str, str]]]
) -> Known:
    classes = CLASSES[name]
    counts = {"test": 10_000, "train": 50_000}
    splits = {}
    for split, members in batches.items():
        pickled = tuple(member for member, _ in members)
        plain = tuple(f"{member}.bin" for member in pickled)
        in_folder = f"cifar-{number}-{'batches-bin' if number == 10 else 'binary'}"
        splits[split] = (
            Form(
                (Published(f"cifar-{number}-binary.tar.gz", (binary,)),),
                partial(read_archive, members=plain, classes=classes, convert=from_records),
                counts[split],
            ),
            Form(
                tuple(Published(f"{in_folder}/{member}") for member in plain),
                partial(read_batches, classes=classes, convert=from_records),
                counts[split],
            ),
            Form(
                tuple(Published(f"{folder}/{member}", (f"md5:{md5}",)) for member, md5 in members),
                partial(read_batches, classes=classes, convert=from_pickle),
                counts[split],
            ),
            Form(
                (Published(f"cifar-{number}-python.tar.gz", (python,)),),
                partial(read_archive, members=pickled, classes=classes, convert=from_pickle),
                counts[split],
            ),
        )
    return Known(name, "https://www.cs.toronto.edu/~kriz/", ("", name, name.upper()), splits)


def _idx(name: str, url: str, folders: tuple[str, ...], hashes: Mapping[str, tuple[str, ...]]) -> Known:
    splits = {}
    for split, prefix, samples in (("test", "t10k", 10_000), ("train", "train", 60_000)):
        files = [f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"]
        packed = tuple(Published(f"{file}.gz", hashes[file]) for file in files)
        content = [tuple(text for text in hashes[file] if text.startswith("content:")) for file in files]
        plain = tuple(Published(file, known) for file, known in zip(files, content, strict=True))
        splits[split] = (Form(packed, _read_idx, samples), Form(plain, _read_idx, samples))
    return Known(name, url, folders, splits)


def _read_idx(paths: Sequence[Path]) -> Array:
    return read_idx(paths[0], str(paths[0]), paths[1])


def _svhn(split: str, md5: str, samples: int) -> tuple[Form, ...]:
    file = Published(f"{split}_32x32.mat", (f"md5:{md5}",))
    return (Form((file,), _read_matlab, samples),)


def _read_matlab(paths: Sequence[Path]) -> Array:
    return read_matlab(paths[0], str(paths[0]))


#: By name. Hashes of archives, batches and .mat files are those that the publishers and torchvision state; those of
#: what Fashion-MNIST unpacks to hold for every way of packing it.
KNOWN: Final[Mapping[str, Known]] = {
    "cifar10": _cifar(
        "cifar10", 10, "cifar-10-batches-py",
        "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        "md5:c58f30108f718f92721af3b95e74349a",
        {
            "test": [("test_batch", "40351d587109b95175f43aff81a1287e")],
            "train": [
                ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
                ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
                ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
                ("data_batch_4", "634d18415352ddfa80567beed471001a"),
                ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
            ],
        },
    ),
    "cifar100": _cifar(
        "cifar100", 100, "cifar-100-python",
        "md5:03b5dce01913d631647c71ecec9e9cb8",
        "md5:eb9058c3a382ffc7106e4002c42a8d85",
        {
            "test": [("test", "f0ef6b0ae62326f3e7ffdfab6717acfc")],
            "train": [("train", "16019d7e3df5f24257cddd939b257f8d")],
        },
    ),
    "svhn": Known(
        "svhn", "http://ufldl.stanford.edu/housenumbers/", ("", "svhn", "SVHN"),
        {
            "test": _svhn("test", "eb5a983be6a315427106f1b164d9cef3", 26_032),
            "train": _svhn("train", "e26dedcc434d2e4c54c9b2d4a06d8373", 73_257),
        },
    ),
    "mnist": _idx(
        "mnist", "https://ossci-datasets.s3.amazonaws.com/mnist/", ("", "MNIST/raw", "mnist", "MNIST"),
        {
            "train-images-idx3-ubyte": ("md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",),
            "train-labels-idx1-ubyte": ("md5:d53e105ee54ea40749a09fcbcd1e9432",),
            "t10k-images-idx3-ubyte": ("md5:9fb629c4189551a2d022fa330f9573f3",),
            "t10k-labels-idx1-ubyte": ("md5:ec29112dd5afa0611ce80d1b7f02629c",),
        },
    ),
    "fashion-mnist": _idx(
        "fashion-mnist", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ("", "FashionMNIST/raw", "fashion-mnist", "FashionMNIST"),
        {
            "train-images-idx3-ubyte": (
                "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                "content:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            ),
            "train-labels-idx1-ubyte": (
                "md5:25c81989df183df01b3e8a0aad5dffbe",
                "content:bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            ),
            "t10k-images-idx3-ubyte": (
                "md5:bef4ecab320f06d8554ea6380940ec79",
                "content:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            ),
            "t10k-labels-idx1-ubyte": (
                "md5:bb300cfdad3c16e7a12a480ee83cd310",
                "content:0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            ),
        },
    ),
}  # fmt: skip


def known_name(name: str) -> tuple[str, str] | None:
    """Return the data set and the split that a name means; None if it means none.

    The split is `test` unless the name says otherwise: an audit asks what a network does with data that it has not
    been trained on.

    >>> known_name("cifar10"), known_name("Fashion_MNIST:train"), known_name("digits")
    (('cifar10', 'test'), ('fashion-mnist', 'train'), None)
    """
    text, colon, split = name.lower().partition(":")
    plain = text.replace("_", "").replace("-", "")
    found = next((key for key in KNOWN if key.replace("-", "") == plain), None)
    return None if found is None else (found, split if colon else "test")
