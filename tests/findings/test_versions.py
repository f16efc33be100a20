"""Versions and ranges are compared as the installers compare them."""

from __future__ import annotations

import itertools

import pytest

from cadence.findings.versions import key, requirement, within

IN_ORDER = [
    "1.0.dev3", "1.0a1.dev1", "1.0a1", "1.0b2", "1.0rc1", "1.0rc1.post2", "1.0", "1.0.post1.dev2", "1.0.post1", "1.0.1",
    "1.1.dev1", "1.1", "1.10", "2.0", "1!0.5",
]  # fmt: skip
"""PEP 440, "Summary of permitted suffixes and relative ordering"."""

RANGES = [
    "", ">=1.0", ">1.0", "<1.0", "<=1.0", "==1.0", "==1.0.0", "!=1.0", "==1.*", "!=1.1.*", "~=1.0", "~=1.0.1", "<1.1",
    ">=1.0,<2", ">=1.0rc1", "<1.0rc1", "==1.0+cpu", ">1.0.post1", ">=1.0,!=1.1,<1.10",
]  # fmt: skip


def test_versions_are_in_the_order_of_the_standard() -> None:
    keys = [key(version) for version in IN_ORDER]
    assert None not in keys
    assert keys == sorted(keys)  # pyright: ignore[reportArgumentType]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("a", "b"),
    [("1", "1.0.0"), ("1.0+cpu", "1.0"), ("1.0-1", "1.0.post1"), ("1.0alpha1", "1.0a1"), ("v1.0RC1", "1.0c1")],
)
def test_spellings_of_one_version_are_equal(a: str, b: str) -> None:
    assert key(a) == key(b) is not None


def test_ranges_take_what_the_installer_takes() -> None:
    packaging = pytest.importorskip("packaging.specifiers")
    versions = [*IN_ORDER, "1.0+cpu", "1.0.1+cu130"]
    for version, wanted in itertools.product(versions, RANGES):
        theirs = packaging.SpecifierSet(wanted).contains(version, prereleases=True)
        assert within(version, wanted) == theirs, (version, wanted)


@pytest.mark.parametrize(("version", "wanted"), [("nightly", ">=1"), ("1.0", "about 1"), ("1.0", ">=new")])
def test_what_is_no_version_is_not_judged(version: str, wanted: str) -> None:
    assert within(version, wanted) is None


LINUX = {"python_version": "3.11", "platform_system": "Linux", "sys_platform": "linux"}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("torch==2.13.0", ("torch", "==2.13.0")),
        ("torch (==2.13.0)", ("torch", "==2.13.0")),
        ('cuda-toolkit[cublas,cudart]==13.0.3; platform_system == "Linux"', ("cuda-toolkit", "==13.0.3")),
        ("Opt_Einsum", ("opt-einsum", "")),
        ("triton>=3; platform_system == 'Linux' and python_version < '3.15'", ("triton", ">=3")),
        ("triton>=3; python_version < '3.9'", None),
        ("numpy<2; sys_platform == 'darwin'", None),
        ("numpy<2; sys_platform != 'darwin'", ("numpy", "<2")),
        ("x; (a == 'b') or python_version > '3'", None),
        ("x; unheard_of == '1'", None),
    ],
)
def test_a_requirement_is_read_where_it_applies(text: str, found: tuple[str, str] | None) -> None:
    assert requirement(text, LINUX) == found
