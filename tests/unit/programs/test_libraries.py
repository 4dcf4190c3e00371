"""Libraries are found where the dynamic loader finds them: glibc's own, by ldd, and musl's by its source."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from hermes.digest import Digest
from hermes.layer.entry import DIRECTORY, FILE, SYMLINK, Entry
from hermes.layer.toc import TableOfContents
from hermes.layer.view import View
from hermes.programs.debian_names import package_of
from hermes.programs.elf import Program, read_elf
from hermes.programs.libraries import Libraries, Missing


def view_of(paths: Iterable[str | tuple[str, str]]) -> View:
    """A root of empty files, and of links given with their targets."""
    entries = [
        Entry(one, FILE, 0o755) if type(one) is str else Entry(one[0], SYMLINK, 0o777, link=one[1])
        for one in paths
    ]
    return View([TableOfContents(Digest.of(b""), 0, tuple(sorted(entries, key=lambda one: one.sort_key)))])


def libraries(
    known: Mapping[str, Program],
    more: Iterable[str | tuple[str, str]] = (),
    texts: Mapping[str, str] | None = None,
    library_path: Iterable[str] = (),
) -> Libraries:
    given = texts or {}

    def read(path: str) -> bytes | None:
        return given[path].encode() if path in given else None

    return Libraries(view_of([*known, *more, *given]), known, read, tuple(library_path))


def needed(found: list[Missing]) -> list[str]:
    return [one.needed for one in found]


SOURCES = {
    # name: (what it links, options)
    "low": ((), ()),
    "middle": (("low",), ("-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/below")),
    "plain": (("low",), ()),
    "run": (("low",), ("-Wl,--enable-new-dtags", "-Wl,-rpath,${ORIGIN}/nowhere")),
}
PLACES = {"low": "lib/below", "middle": "lib", "plain": "lib", "run": "lib"}
MAINS = {
    "by_rpath": (("middle",), ("-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/../lib")),
    "inherits": (("plain",), ("-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/../lib:$ORIGIN/../lib/below")),
    "own_runpath": (("plain",), ("-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN/../lib:$ORIGIN/../lib/below")),
    "cut_off": (("run",), ("-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN/../lib:$ORIGIN/../lib/below")),
    "nowhere": (("middle",), ()),
    "loaded_before": (
        ("low", "plain"),
        ("-Wl,--no-as-needed", "-Wl,--enable-new-dtags", "-Wl,-rpath,$ORIGIN/../lib:$ORIGIN/../lib/below"),
    ),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the libraries of `SOURCES` and the programs of `MAINS`."""
    top = tmp_path_factory.mktemp("built")
    for folder in ("bin", "lib/below"):
        (top / folder).mkdir(parents=True)
    (top / "x.c").write_text("int main(void) { return 0; }\n")

    def compiled(out: str, links: Iterable[str], options: Iterable[str]) -> None:
        given = [f"{top}/{PLACES[one]}/lib{one}.so" for one in links]
        command = ["gcc", *options, "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined", "-o", f"{top}/{out}"]
        subprocess.run([*command, f"{top}/x.c", *given], check=True, cwd=top)

    for name, (links, options) in SOURCES.items():
        compiled(
            f"{PLACES[name]}/lib{name}.so", links, ["-shared", "-fPIC", f"-Wl,-soname,lib{name}.so", *options]
        )
    for name, (links, options) in MAINS.items():
        compiled(f"bin/{name}", links, options)
    return top


def root_of(top: Path) -> tuple[dict[str, Program], list[str | tuple[str, str]]]:
    """What is known of the files below a folder, at their own paths, and the machine's C library."""
    known = {}
    for path in top.rglob("*"):
        if path.is_file() and path.suffix != ".c":
            with open(path, "rb") as file:
                program = read_elf(file, str(path))
            assert program is not None
            known[str(path).lstrip("/")] = program
    interpreter = next(one.interpreter for one in known.values() if one.interpreter)
    listed = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    libc = re.findall(r"=> (/\S+)", listed)
    return known, [os.path.realpath(interpreter)[1:], interpreter[1:], *(one[1:] for one in libc)]


@pytest.mark.parametrize("name", MAINS)
@pytest.mark.parametrize("gone", ["", "low", "middle", "plain", "run"])
def test_what_is_missing_is_what_ldd_does_not_find(built: Path, name: str, gone: str) -> None:
    known, more = root_of(built)
    away = None
    if gone:
        away = built / PLACES[gone] / f"lib{gone}.so"
        known.pop(str(away).lstrip("/"))
        away.rename(f"{away}.away")
    try:
        done = subprocess.run(["ldd", built / "bin" / name], capture_output=True, text=True, check=True)
    finally:
        if away:
            os.rename(f"{away}.away", away)
    said = sorted(set(re.findall(r"(\S+) => not found", done.stdout)))
    found = libraries(known, dict.fromkeys(more)).missing_from(f"{built}/bin/{name}")
    assert sorted(set(needed(found))) == said


GLIBC = "/lib64/ld-linux-x86-64.so.2"
MUSL = "/lib/ld-musl-x86_64.so.1"


def test_a_root_without_the_interpreter_misses_it() -> None:
    known = {"app": Program("amd64", GLIBC, needed=("libc.so.6",))}
    assert libraries(known).missing_from("/app") == [Missing("app", GLIBC), Missing("app", "libc.so.6")]
    debian = ["usr/lib64/ld-linux-x86-64.so.2", ("lib64", "usr/lib64"), "lib/x86_64-linux-gnu/libc.so.6"]
    assert libraries(known, debian).missing_from("/app") == []


def test_folders_of_ld_so_conf_count_where_there_is_a_cache() -> None:
    known = {"app": Program("amd64", GLIBC, needed=("libx.so.1",))}
    texts = {
        "etc/ld.so.conf": "# of the tests\ninclude /etc/ld.so.conf.d/*.conf\n",
        "etc/ld.so.conf.d/a.conf": "/opt/a\n",
        "etc/ld.so.conf.d/b.conf": "include ../ld.so.conf\n/opt/b\n",
    }
    more = [GLIBC[1:], "opt/b/libx.so.1"]
    assert needed(libraries(known, more, texts).missing_from("/app")) == ["libx.so.1"]
    assert libraries(known, [*more, "etc/ld.so.cache"], texts).missing_from("/app") == []


def test_ld_library_path_counts() -> None:
    known = {"app": Program("amd64", GLIBC, needed=("libx.so.1",))}
    assert libraries(known, [GLIBC[1:], "opt/libx.so.1"], library_path=["/opt"]).missing_from("/app") == []


def test_musl_is_itself_the_c_library_and_has_folders_of_its_own() -> None:
    known = {"app": Program("amd64", MUSL, needed=("libc.musl-x86_64.so.1", "libm.so", "libx.so"))}
    more = [MUSL[1:], "usr/local/lib/libx.so"]
    assert libraries(known, more).missing_from("/app") == []
    changed = libraries(known, more, {"etc/ld-musl-x86_64.path": "/lib:/opt/lib\n"})
    assert needed(changed.missing_from("/app")) == ["libx.so"]


def test_a_library_of_another_architecture_does_not_count() -> None:
    known = {
        "app": Program("amd64", GLIBC, needed=("libx.so",), runpath=("/a", "/b")),
        "a/libx.so": Program("arm64"),
    }
    assert needed(libraries(known, [GLIBC[1:]]).missing_from("/app")) == ["libx.so"]
    known["b/libx.so"] = Program("amd64")
    assert libraries(known, [GLIBC[1:]]).missing_from("/app") == []


def test_modules_of_a_program_may_need_each_other_and_what_the_root_has() -> None:
    packages = "venv/site-packages"
    known = {
        f"{packages}/numpy/core/a.so": Program(
            "amd64", needed=("libblas.so.3", "libstdc++.so.6"), rpath=("$ORIGIN/../../numpy.libs",)
        ),
        f"{packages}/numpy.libs/libblas.so.3": Program("amd64", needed=("libgcc_s.so.1",)),
        f"{packages}/torch/b.so": Program("amd64", needed=("libcublas.so.12",)),
        f"{packages}/nvidia/lib/libcublas.so.12": Program("amd64"),
        f"{packages}/other/arm.so": Program("arm64", needed=("libelse.so",)),
    }
    found = libraries(known, ["lib/x86_64-linux-gnu/libgcc_s.so.1"]).missing_of_all("amd64")
    assert found == [Missing(f"{packages}/numpy/core/a.so", "libstdc++.so.6")]


def test_a_package_with_programs_for_several_c_libraries_needs_those_of_the_root() -> None:
    musl = Program("amd64", needed=("libc.musl-x86_64.so.1", "libz.so.1"))
    glibc = Program("amd64", needed=("libc.so.6",))
    package = "app/node_modules/@team/fast/prebuilds/linux-x64"
    known = {f"{package}/musl.node": musl, f"{package}/glibc.node": glibc}
    root = ["lib/x86_64-linux-gnu/libc.so.6"]
    assert libraries(known, root).missing_of_all("amd64") == []
    known["app/node_modules/@team/other/musl.node"] = musl
    assert {one.program for one in libraries(known, root).missing_of_all("amd64")} == {
        "app/node_modules/@team/other/musl.node"
    }
    known = {f"{package}/{name}": Program("amd64", name) for name in (GLIBC, MUSL)}
    assert libraries(known, [MUSL[1:]]).missing_of_all("amd64") == []


def test_a_loop_of_links_is_not_a_library() -> None:
    known = {"app": Program("amd64", GLIBC, needed=("libx.so",))}
    more = [GLIBC[1:], ("lib/libx.so", "liby.so"), ("lib/liby.so", "libx.so")]
    assert needed(libraries(known, more).missing_from("/app")) == ["libx.so"]


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("/lib64/ld-linux-x86-64.so.2", "libc6"),
        ("/bin/sh", "dash"),
        ("libX11.so.6", "libx11-6"),
        ("libc.so.6", "libc6"),
        ("libffi.so.8", "libffi8"),
        ("libgcc_s.so.1", "libgcc-s1"),
        ("libgomp.so.1", "libgomp1"),
        ("libpng16.so.16", "libpng16-16"),
        ("libpq.so.5", "libpq5"),
        ("libpython3.11.so.1.0", "libpython3.11"),
        ("libsqlite3.so.0", "libsqlite3-0"),
        ("libssl.so.3", "libssl3"),
        ("libstdc++.so.6", "libstdc++6"),
        ("libwithout.so", ""),
    ],
)
def test_messages_name_the_debian_package(library: str, package: str) -> None:
    assert package_of(library) == package


def test_a_folder_is_not_a_library() -> None:
    table = TableOfContents(
        Digest.of(b""), 0, (Entry("app", FILE, 0o755), Entry("lib/libx.so", DIRECTORY, 0o755))
    )
    known = {"app": Program("amd64", needed=("libx.so",))}
    assert needed(Libraries(View([table]), known, lambda _: None).missing_from("/app")) == ["libx.so"]
