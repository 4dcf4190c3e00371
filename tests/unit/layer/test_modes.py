"""Permissions in letters, held to the chmod of this machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hermes.layer.modes import changed, is_change

CHANGES = [
    *(
        "+x",
        "u+x",
        "go-rwx",
        "a=r",
        "u=rwX,go=rX",
        "o=g",
        "go=u-w",
        "u+s,+t",
        "ug=rw,o=",
        "g+s",
        "+X",
        "-x+X",
        "ug-s",
    ),
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", [0o644, 0o750, 0o600, 0o4711, 0o6640])
def test_it_is_what_chmod_does(tmp_path: Path, change: str, mode: int) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    command = f"umask 0; chmod -- {change} {path}"
    subprocess.run(["sh", "-c", command], check=True)
    assert oct(changed(mode, change, folder=False)) == oct(path.stat().st_mode & 0o7777)


@pytest.mark.parametrize(
    ("change", "mode"),
    [("o=ug", 0o644), ("go=rwu", 0o666), ("g+ou", 0o664), ("go-rwu", 0o600), ("u=gx", 0o144)],
)
def test_letters_after_classes_are_steps_of_their_own(change: str, mode: int) -> None:
    """As with BSD's setmode(3), which BuildKit follows; the chmod of this machine does not know it."""
    assert oct(changed(0o644, change, folder=False)) == oct(mode)


def test_a_folder_can_be_entered() -> None:
    assert changed(0o600, "a+X", folder=True) == 0o711


@pytest.mark.parametrize("text", ["", "rwx", "u=rw,,g=r", "u=rw ", "+x\n", "z+x", "755"])
def test_what_is_no_change(text: str) -> None:
    assert not is_change(text)
