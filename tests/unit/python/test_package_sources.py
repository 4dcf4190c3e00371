"""What uv and pip are configured with is where Hermes asks, too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hermes.errors import WorkspaceError
from hermes.python.package_sources import PackageSources, machine_sources

A, B, C, D = (f"https://{name}.example/simple" for name in "abcd")


class Machine:
    """A machine with a home folder and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "HOME": str(folder / "home"),
            "VIRTUAL_ENV": str(folder / "venv"),
        }
        self.workspace = folder / "workspace"

    def write(self, path: str, text: str) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def sources(self, **environment: str) -> PackageSources:
        return machine_sources(
            {**self.environment, **environment}, self.workspace, default=D, system=self.folder / "etc"
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_a_configuration_it_is_the_index_of_pip(machine: Machine) -> None:
    assert machine.sources() == PackageSources((D,), any_index=True)
    asked = subprocess.run(
        [sys.executable, "-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert machine_sources(machine.environment, system=machine.folder).indexes == (asked,)


def test_files_of_pip_are_read_in_its_order(machine: Machine) -> None:
    machine.write("etc/pip.conf", f"[global]\nindex-url = {A}\ncert = /etc/ca.pem\nfind-links = /wheels\n")
    machine.write(
        "home/.config/pip/pip.conf",
        f"[global]\nindex_url = {B}/\nextra-index-url = {C}\n\thttps://x.example/s\n",
    )
    machine.write("venv/pip.conf", "[install]\nfind-links = /other https://links.example/\n")
    assert machine.sources() == PackageSources(
        (B, C, "https://x.example/s"), ("/other", "https://links.example/"), "/etc/ca.pem", any_index=True
    )
    assert machine.sources(PIP_INDEX_URL=A, PIP_EXTRA_INDEX_URL="").indexes == (A, C, "https://x.example/s")
    machine.write("own.conf", f"[global]\nindex-url = {D}\n")
    assert machine.sources(PIP_CONFIG_FILE=str(machine.folder / "own.conf")).indexes[0] == D
    assert machine.sources(PIP_CONFIG_FILE="/dev/null") == PackageSources((D,), any_index=True)


def test_no_index_leaves_the_links(machine: Machine) -> None:
    machine.write(
        "etc/xdg/pip/pip.conf", f"[global]\nno-index = true\nindex-url = {A}\nfind-links = /wheels\n"
    )
    assert machine.sources() == PackageSources((), ("/wheels",), any_index=True)
    assert machine.sources(UV_DEFAULT_INDEX=B) == PackageSources((B,), ("/wheels",))


def test_files_and_variables_of_uv(machine: Machine) -> None:
    machine.write("etc/uv/uv.toml", f'index-url = "{A}"\nfind-links = ["wheels"]\n')
    machine.write("home/.config/uv/uv.toml", f'[[index]]\nname = "corp"\nurl = "{B}"\ndefault = true\n')
    machine.write("workspace/pyproject.toml", f'[[tool.uv.index]]\nname = "team-1"\nurl = "{C}"\n')
    found = machine.sources()
    assert (found.indexes, found.find_links) == ((C, B), (str(machine.folder / "etc/uv/wheels"),))
    signed = machine.sources(UV_INDEX_TEAM_1_USERNAME="ada", UV_INDEX_TEAM_1_PASSWORD="l@ve:")
    assert signed.indexes == ("https://ada:l%40ve%3A@c.example/simple", B)
    assert machine.sources(UV_INDEX=f"x={D} {A}", UV_DEFAULT_INDEX=B).indexes == (D, A, C, B)
    machine.write("workspace/uv.toml", f'extra-index-url = ["{A}"]\n')
    assert machine.sources().indexes == (A, B)
    assert machine.sources(UV_NO_CONFIG="1").indexes == (D,)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("home/.config/uv/uv.toml", "index = ["),
        ("venv/pip.conf", "index-url = x"),
        ("workspace/pyproject.toml", "\xff["),
    ],
)
def test_a_file_that_cannot_be_read_is_named(machine: Machine, path: str, text: str) -> None:
    machine.write(path, text)
    with pytest.raises(WorkspaceError, match="cannot be read") as error:
        machine.sources()
    assert str(machine.folder / path) in error.value.message
