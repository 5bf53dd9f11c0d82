"""What a user can permit, and in which words."""

import pytest

from propstats.auditing.loading.access import SAFE, Access, Architecture, Reference
from propstats.errors import DomainError


def test_nothing_is_permitted_by_default() -> None:
    assert Access() == SAFE
    assert (SAFE.allowed, SAFE.renamed, SAFE.architecture) == ((), {}, None)
    assert (SAFE.trust, SAFE.partial, SAFE.verify) == (False, False, True)


@pytest.mark.parametrize(
    ("arch", "found"),
    [
        ("a.b:make", Architecture("a.b", "make", {})),
        ("a:Space.make()", Architecture("a", "Space.make", {})),
        ('a:make({"depth": 3, "act": "x)("})', Architecture("a", "make", {"depth": 3, "act": "x)("})),
        ("torchvision:resnet18", Architecture("torchvision", "resnet18", {})),
        ('timm:vit_tiny.x_in1k({"num_classes": 3})', Architecture("timm", "vit_tiny.x_in1k", {"num_classes": 3})),
        ("hf:some folder/with (brackets)", Architecture("hf", "some folder/with (brackets)", {})),
    ],
)
def test_architectures(arch: str, found: Architecture) -> None:
    assert Access(arch=arch).architecture == found


def test_classes() -> None:
    access = Access(allow=("a.b:C.D",), classes=("__main__.Net=a:Net",))
    assert access.allowed == (Reference("a.b", "C.D"),)
    assert access.renamed == {"__main__.Net": Reference("a", "Net")}


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"allow": ("a.b.C",)}, "allow 'a.b.C' is not of the form package.module:Class"),
        ({"allow": ("os:system('x')",)}, "not of the form"),
        ({"classes": ("Net=a:Net",)}, "not of the form OLD.NAME=package.module:Class"),
        ({"classes": ("__main__.Net",)}, "not of the form"),
        ({"classes": ("__main__.Net=a.Net",)}, "not of the form"),
        ({"arch": "a:make(3)"}, "no JSON object"),
        ({"arch": "a:make({)"}, "no JSON object"),
        ({"arch": "a:make(" + "[" * 100_000 + ")"}, "no JSON object"),
        ({"arch": "hf:"}, "not of the form"),
        ({"arch": "a\x1b[31m"}, r"a\\x1b[31m"),
    ],
)
def test_other_words_are_refused(values: dict[str, str], word: str) -> None:
    with pytest.raises(DomainError) as caught:
        Access(**values)  # type: ignore[arg-type]
    assert word in str(caught.value)
    assert "\x1b" not in str(caught.value)
