"""Wheels are installed as the PyPA's installer does it on a disk, and those that mean harm get one clear error."""

from __future__ import annotations

import os
import stat
import struct
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from hermes.errors import LayerError
from hermes.layer.canonical import canonical
from hermes.layer.entry import FILE
from hermes.layer.write import write_layer
from hermes.python.wheel import Environment, WheelPath, installed
from tests.properties import examples
from tests.unit.python.wheels import INFO, METADATA, NAME, WHEEL, make, raw, record_of, row, usual

VENV = Environment("opt/venv", "3.11")

RICH: Mapping[str, str | bytes] = {
    "demo/__init__.py": "x = 1\n",
    "demo/empty.py": "",
    "demo/data.bin": bytes(range(256)) * 5000,
    "demo/__pycache__/evil.cpython-311.pyc": b"\0",
    "demo/née.txt": "é",
    "a,b.txt": 'a comma, and a "quote"',
    "demo-1.0.data/scripts/tool": "#!python\nprint(1)\n",
    "demo-1.0.data/scripts/plain.sh": "#!/bin/sh\n",
    "demo-1.0.data/data/share/man/man1/demo.1": ".TH demo\n",
    "demo-1.0.data/headers/demo.h": "int demo;\n",
    "demo-1.0.data/purelib/pure.py": "y = 2\n",
    "demo-1.0.data/platlib/plat.py": "z = 3\n",
    f"{INFO}/entry_points.txt": "[console_scripts]\ndemo = demo:main\n[gui_scripts]\ndemo-w = demo.gui:App.run\n[other]\nx = y\n",
    f"{INFO}/licenses/LICENSE": "free\n",
}

Found = dict[str, tuple[int, bytes]]


def ours(*paths: Path) -> Found:
    """What Hermes puts into a layer: mode and content of each path."""
    files = [open(path, "rb") for path in paths]  # noqa: SIM115
    try:
        opened = iter(files)
        wheels = [WheelPath(path.name, str(path)) for path in paths]
        items = list(canonical(installed(wheels, VENV, mtime=0, opened=lambda _: next(opened)), name="x"))
        contents = {
            entry.path: (entry.mode, b"".join(content.chunks()) if content else b"")
            for entry, content in items
        }
        entries = write_layer(items, blobs=None).toc.entries
        assert all(one.type == FILE and (one.uid, one.gid, one.mtime) == (0, 0, 0) for one in entries)
        assert {one.path: one.size for one in entries} == {
            path: len(data) for path, (_, data) in contents.items()
        }
        return contents
    finally:
        for file in files:
            file.close()


def theirs(wheel: Path, folder: Path) -> Found:
    """What the PyPA's installer leaves on a disk.

    Its RECORD has ``./`` before files that a purelib wheel puts into platlib, which is the same folder; pip's has not.
    """
    schemes = {name: f"/{path}" for name, path in VENV.folders("demo").items()}
    destination = SchemeDictionaryDestination(
        schemes, interpreter=VENV.interpreter, script_kind="posix", destdir=str(folder)
    )
    before = os.umask(0o022)
    try:
        with WheelFile.open(wheel) as source, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            install(source, destination, {"INSTALLER": b"hermes\n"})
    finally:
        os.umask(before)
    return {
        str(path.relative_to(folder)): (
            stat.S_IMODE(path.stat().st_mode),
            path.read_bytes().replace(b"\n./", b"\n") if path.name == "RECORD" else path.read_bytes(),
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("stored", [False, True])
def test_a_wheel_becomes_what_the_installer_leaves(tmp_path: Path, stored: bool) -> None:
    executables = ("demo-1.0.data/scripts/tool", "demo-1.0.data/scripts/plain.sh", "demo/data.bin")
    wheel = make(tmp_path, RICH, executables=executables, stored=stored)
    expected = theirs(wheel, tmp_path / "root")
    found = ours(wheel)
    assert found == expected
    assert found["opt/venv/bin/tool"] == (0o755, b"#!/opt/venv/bin/python\nprint(1)\n")
    assert found["opt/venv/bin/demo"][1].startswith(b"#!/opt/venv/bin/python\n")
    assert f"opt/venv/lib/python3.11/site-packages/{INFO}/direct_url.json" not in found


_NAMES = st.text(st.sampled_from("abc-_., éß"), min_size=1, max_size=8).filter(
    lambda one: one.strip(". ") and one == one.strip()
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(st.lists(_NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=3000))
)
def test_any_files_become_what_the_installer_leaves(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    taken = set(files)
    files = {
        path: data for path, data in files.items() if not any(other.startswith(f"{path}/") for other in taken)
    }
    folder = tmp_path_factory.mktemp("w")
    wheel = make(folder, {f"p/{path}": data for path, data in files.items()})
    assert ours(wheel) == theirs(wheel, folder / "root")


def test_a_large_file_is_unpacked_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(100_000) + bytes(5_000_000)
    for stored in (False, True):
        wheel = make(tmp_path, {"demo/big": data}, stored=stored)
        monkeypatch.setattr("hermes.python.archive._INFLATED_AT_ONCE", 1000)
        assert ours(wheel)["opt/venv/lib/python3.11/site-packages/demo/big"][1] == data


def test_two_wheels_may_share_a_file_that_is_the_same(tmp_path: Path) -> None:
    one = make(tmp_path, {"space/__init__.py": "same"})
    other = tmp_path / "other-2-py3-none-any.whl"
    info = "other-2.dist-info"
    members = {
        "space/__init__.py": b"same",
        f"{info}/WHEEL": WHEEL.encode(),
        f"{info}/METADATA": METADATA.encode(),
    }
    record = "".join(row(path, data) for path, data in members.items())
    raw(other, [*members.items(), (f"{info}/RECORD", record.encode())])
    assert "opt/venv/lib/python3.11/site-packages/space/__init__.py" in ours(one, other)
    one = make(tmp_path, {"space/__init__.py": "differs"})
    with pytest.raises(
        LayerError, match=f"space/__init__.py is in two wheels, {NAME} and {other.name}, and differs"
    ):
        ours(one, other)


def refused(path: Path) -> str:
    with pytest.raises(LayerError) as error:
        ours(path)
    said = error.value.message
    assert said.startswith(f"{path.name}: ")
    return said.removeprefix(f"{path.name}: ")


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "/etc/passwd",
        "demo/../../evil",
        "a/./b",
        "a//b",
        "c:\\evil",
        "demo\\x",
        "a/" + "n" * 300,
        "d/.wh.x",
        "./x",
    ],
)
def test_a_path_that_a_wheel_may_not_have_is_refused(tmp_path: Path, path: str) -> None:
    assert "path" in refused(make(tmp_path, {path: "x"})) or "bytes" in refused(make(tmp_path, {path: "x"}))


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (record_of({}), f"{INFO}/METADATA is not in RECORD"),
        (record_of(usual({"demo.py": "other"})), "demo.py is not what RECORD says: its sha256 differs"),
        (
            record_of(usual({})) + "demo.py,md5=AAAA,1\n",
            "its RECORD has a hash of demo.py by 'md5', and not by sha256",
        ),
        (record_of(usual({})) + "demo.py,sha256=AAAA,1\n", "its RECORD has a malformed hash of demo.py"),
        (record_of(usual({})) + "demo.py\n", "its RECORD is malformed: a row has 1 fields, not 3"),
        (record_of(usual({})) + "demo.py,,\n", "demo.py is not in RECORD"),
        (
            record_of(usual({"demo.py": "x = 1\n"})) + row("demo.py", b"other"),
            "its RECORD says two things of demo.py",
        ),
    ],
)
def test_a_bad_record_is_refused(tmp_path: Path, record: str, said: str) -> None:
    assert refused(make(tmp_path, {"demo.py": "x = 1\n"}, record=record)) == said


def test_a_record_by_a_stronger_hash_is_accepted(tmp_path: Path) -> None:
    members = usual({"demo.py": "x = 1\n"})
    record = "".join(row(path, data, "sha512") for path, data in members.items())
    assert ours(make(tmp_path, {"demo.py": "x = 1\n"}, record=record))
    assert "its sha512 differs" in refused(make(tmp_path, {"demo.py": "x = 2\n"}, record=record))


@pytest.mark.parametrize(
    ("kind", "what"),
    [(stat.S_IFLNK, "a symbolic link"), (stat.S_IFIFO, "a special file"), (stat.S_IFCHR, "a special file")],
)
def test_what_is_not_a_file_is_refused(tmp_path: Path, kind: int, what: str) -> None:
    wheel = make(tmp_path, {"demo/link": "/etc/passwd"}, modes={"demo/link": kind | 0o777})
    assert refused(wheel) == f"demo/link is {what}, and a wheel holds files only"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    rows = [
        *usual({"demo.py": "x"}).items(),
        ("demo.py", b"evil"),
        (f"{INFO}/RECORD", record_of(usual({"demo.py": "x"})).encode()),
    ]
    assert refused(raw(tmp_path / NAME, rows)) == "it has demo.py twice"


def test_two_members_at_one_place_are_refused(tmp_path: Path) -> None:
    wheel = make(tmp_path, {"demo.py": "x", "demo-1.0.data/purelib/demo.py": "y"})
    assert refused(wheel) == "it writes /opt/venv/lib/python3.11/site-packages/demo.py twice"


def test_a_script_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    for name in ("../../evil", "..", "a/b"):
        wheel = make(tmp_path, {f"{INFO}/entry_points.txt": f"[console_scripts]\n{name} = demo:main\n"})
        assert refused(wheel) == f"it has a script called {name!r}"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({f"{INFO}/entry_points.txt": "[console_scripts]\nx\n"}, "it cannot be installed: "),
        ({f"{INFO}/entry_points.txt": "[console_scripts]\nx = !!\n"}, "it cannot be installed: "),
        ({f"{INFO}/entry_points.txt": b"\xff"}, f"{INFO}/entry_points.txt is not UTF-8"),
        ({f"{INFO}/WHEEL": "Wheel-Version: 2.0\n"}, "it cannot be installed: Incompatible Wheel-Version"),
        ({f"{INFO}/WHEEL": ""}, "it cannot be installed: Incompatible Wheel-Version"),
        (
            {"other-1.dist-info/WHEEL": WHEEL},
            f"a wheel has one .dist-info folder, and this has {INFO}, other-1.dist-info",
        ),
        ({"demo-1.0.data/nowhere/x": "x"}, "it cannot be installed: "),
    ],
)
def test_metadata_that_cannot_be_used_is_refused(
    tmp_path: Path, files: dict[str, str | bytes], said: str
) -> None:
    assert refused(make(tmp_path, files)).startswith(said)


def test_what_is_not_an_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / NAME
    for data in (b"", b"PK\3\4", b"<html>", make(tmp_path, {"a": "b"}).read_bytes()[:-30]):
        path.write_bytes(data)
        assert refused(path).startswith("it is not a wheel: ")
    raw(path, [("a.py", b"")])
    assert refused(path) == "a wheel has one .dist-info folder, and this has no .dist-info folder"


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermes.python.archive._LARGE", 4 << 20)
    wheel = make(tmp_path, {"demo/bomb": bytes(5 << 20)})
    assert refused(wheel).startswith("it is a zip bomb: ")


def test_a_member_that_is_larger_than_it_claims_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = 1000
    data = bytes(100_000)
    wheel = make(tmp_path, {"demo/lie": data}, record=record_of(usual({"demo/lie": bytes(claimed)})))
    _lie(wheel, "demo/lie", claimed)
    assert refused(wheel).startswith("demo/lie is damaged")
    monkeypatch.setattr("hermes.python.archive._INFLATED_AT_ONCE", 100)
    assert ours(wheel)  # what is beyond the claimed size is never unpacked, and RECORD agrees with the rest
    _lie(wheel, "demo/lie", 200_000)
    assert refused(wheel).startswith("demo/lie is damaged")


def _lie(wheel: Path, member: str, size: int) -> None:
    """Change the size that the central directory says a member has."""
    data = bytearray(wheel.read_bytes())
    position = data.index(b"PK\1\2", data.rindex(member.encode()) - 60)
    struct.pack_into("<I", data, position + 24, size)
    wheel.write_bytes(data)


@pytest.mark.parametrize(
    ("signature", "at", "value"),
    [(b"PK\5\6", 16, 1 << 20), (b"PK\1\2", 20, 0xFFFFFFF0), (b"PK\1\2", 42, 1 << 30)],
    ids=["a directory behind the end", "a member of 4 GiB", "a member behind the end"],
)
def test_an_archive_that_lies_about_places_is_refused(
    tmp_path: Path, signature: bytes, at: int, value: int
) -> None:
    wheel = make(tmp_path, {"demo/__init__.py": "x = 1\n"})
    data = bytearray(wheel.read_bytes())
    struct.pack_into("<I", data, data.rindex(signature) + at, value)
    wheel.write_bytes(data)
    with pytest.raises(LayerError, match=r"is damaged|is a zip bomb"):
        ours(wheel)


@examples(150)
@given(data=st.data())
def test_a_damaged_wheel_is_an_error_and_never_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("w")
    wheel = make(
        folder,
        {"demo/__init__.py": "x = 1\n" * 50, f"{INFO}/entry_points.txt": "[console_scripts]\nx = a:b\n"},
    )
    content = bytearray(wheel.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    wheel.write_bytes(content)
    try:
        ours(wheel)
    except LayerError as error:
        assert error.message
