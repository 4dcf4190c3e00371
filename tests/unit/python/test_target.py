"""Targets are described as the PyPA's own library describes the machine that it runs on."""

from __future__ import annotations

import platform
import sys

import pytest
from packaging.markers import default_environment
from packaging.tags import sys_tags

from hermes.errors import LockError
from hermes.image.platform import Platform
from hermes.python.target import PythonTarget

AMD64 = Platform.parse("linux/amd64")


def here() -> PythonTarget:
    name, version = platform.libc_ver()
    if name != "glibc" or sys.implementation.name != "cpython":
        pytest.skip("this is not CPython with glibc")
    return PythonTarget.of(platform.python_version(), Platform.host(), f"glibc-{version}")


def test_the_tags_of_a_target_are_those_of_a_machine_like_it() -> None:
    assert list(map(str, here().tags())) == list(map(str, sys_tags()))


def test_the_markers_of_a_target_are_those_of_a_machine_like_it() -> None:
    ours, theirs = dict(here().environment()), dict(default_environment())
    for name in ("platform_release", "platform_version"):  # those of a kernel, which an image has not
        ours.pop(name), theirs.pop(name)
    assert ours == theirs


@pytest.mark.parametrize(
    ("text", "machine", "oldest"),
    [
        ("linux/amd64", "x86_64", "manylinux1_x86_64"),
        ("linux/386", "i686", "manylinux1_i686"),
        ("linux/arm64", "aarch64", "manylinux2014_aarch64"),
        ("linux/arm/v7", "armv7l", "manylinux2014_armv7l"),
        ("linux/riscv64", "riscv64", "manylinux2014_riscv64"),
    ],
)
def test_a_target_has_the_machine_that_wheels_are_named_after(text: str, machine: str, oldest: str) -> None:
    target = PythonTarget.of("3.12", Platform.parse(text), "glibc-2.28")
    assert target.environment()["platform_machine"] == machine
    platforms = [tag.platform for tag in target.tags() if tag.interpreter == "cp312" and tag.abi == "cp312"]
    assert (platforms[:2], platforms[-1]) == ([f"linux_{machine}", f"manylinux_2_28_{machine}"], oldest)


def test_a_target_with_musl_takes_no_wheel_for_glibc() -> None:
    tags = PythonTarget.of("3.12", AMD64, "musl-1.2").tags()
    kinds = dict.fromkeys(tag.platform for tag in tags if tag.platform != "any")
    assert list(kinds) == [
        "linux_x86_64",
        "musllinux_1_2_x86_64",
        "musllinux_1_1_x86_64",
        "musllinux_1_0_x86_64",
    ]


@pytest.mark.parametrize("python", ["3", "2.7", "3.12.", "py3", "3.012", "3.12.4.1", ""])
def test_what_is_not_a_version_of_python_is_refused(python: str) -> None:
    with pytest.raises(LockError, match="version of Python"):
        PythonTarget.of(python, AMD64, "glibc-2.28")


@pytest.mark.parametrize("libc", ["glibc", "2.28", "glibc-2.x", "uclibc-1.0", "manylinux_2_28"])
def test_what_is_not_a_c_library_is_refused(libc: str) -> None:
    with pytest.raises(LockError, match=r"glibc-2\.N or musl-1\.N"):
        PythonTarget.of("3.12", AMD64, libc)
