"""Handlers of binfmt_misc, as the kernel shows them and as Debian's qemu registers them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes.sandbox.architectures import ARCHITECTURES, Architecture
from hermes.sandbox.binfmt import Handler, handlers, is_handled

SHOWN = """enabled
interpreter /usr/bin/qemu-aarch64-static
flags: POCF
offset 0
magic 7f454c460201010000000000000000000200b700
mask ffffffffffffff00fffffffffffffffffeffffff
"""
ARM64 = next(one for one in ARCHITECTURES if one.name == "arm64")
DEBIANS = Path("/usr/lib/binfmt.d")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "register").touch()
    (tmp_path / "qemu-aarch64").write_text(SHOWN)
    (tmp_path / "python").write_text("enabled\ninterpreter /usr/bin/python3\nflags: \nextension .py\n")
    (tmp_path / "odd").write_text("enabled\ninterpreter /x\nflags: \noffset 0\nmagic zz\n")
    return tmp_path


def test_what_the_kernel_shows_is_what_is_registered(folder: Path) -> None:
    [found] = handlers(str(folder))
    assert found.registration == (
        rb":qemu-aarch64:M:0:\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
        rb":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
        rb":/usr/bin/qemu-aarch64-static:POCF"
    )


def test_a_handler_that_is_off_takes_nothing(folder: Path) -> None:
    assert [one.name for one in ARCHITECTURES if is_handled(one, str(folder))] == ["arm64"]
    (folder / "qemu-aarch64").write_text(SHOWN.replace("enabled", "disabled"))
    assert not is_handled(ARM64, str(folder))
    assert not is_handled(ARM64, str(folder / "none"))


@pytest.mark.parametrize("architecture", [one for one in ARCHITECTURES if one.qemu], ids=lambda one: one.name)
def test_headers_and_masks_are_those_of_qemu(architecture: Architecture) -> None:
    """What Debian's package would register for all of the machine takes the same programs."""
    file = DEBIANS / f"qemu-{architecture.qemu}.conf"
    if not file.exists():
        pytest.skip("the Debian package qemu-user-static has no file for it here")
    _, _, _, _, magic, mask, _, _ = file.read_text().strip().split(":")
    theirs = Handler(
        *("theirs", "/x", "", 0),
        *(text.encode().decode("unicode_escape").encode("latin-1") for text in (magic, mask)),
    )
    ours = Handler("ours", "/x", "", 0, architecture.header, architecture.mask)
    assert theirs.takes(architecture.header + bytes(100)) or architecture.qemu.startswith("mipsn32")
    assert ours.takes(bytes(one & two for one, two in zip(theirs.magic, theirs.mask, strict=True)))
    shared = bytearray(architecture.header)
    shared[17 if architecture.order == 2 else 16] = 3  # a position-independent executable
    assert theirs.takes(bytes(shared) + bytes(100))
    assert ours.takes(bytes(shared))
    for other in ARCHITECTURES:
        if other.name != architecture.name:
            assert not ours.takes(other.header), other.name
