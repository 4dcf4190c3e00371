"""Where a dynamic loader looks for libraries in a root file system, and what it does not find there.

The rules are those of ld.so(8) of glibc, and of musl's ``ldso/dynlink.c``. Nothing is executed: a root is looked at through its
tables of contents, and texts such as ``ld.so.conf`` are read.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from hermes.errors import BuildError
from hermes.layer.entry import FILE
from hermes.layer.view import Paths
from hermes.programs.elf import Program

_MULTIARCH: Final[Mapping[str, str]] = {
    "386": "i386-linux-gnu",
    "amd64": "x86_64-linux-gnu",
    "arm": "arm-linux-gnueabihf",
    "arm64": "aarch64-linux-gnu",
    "loong64": "loongarch64-linux-gnu",
    "mips64le": "mips64el-linux-gnuabi64",
    "ppc64le": "powerpc64le-linux-gnu",
    "riscv64": "riscv64-linux-gnu",
    "s390x": "s390x-linux-gnu",
}
_TOKEN: Final = re.compile(r"\$(ORIGIN|LIB|PLATFORM|\{(?:ORIGIN|LIB|PLATFORM)\})")
_GLIBC_LOADER: Final = re.compile(r"ld(-linux.*|64)?\.so\.[0-9]+\Z")
_MUSL_OWN: Final = re.compile(r"lib(c|pthread|rt|m|dl|util|xnet)\.(so\Z|musl-)")
"""What musl's loader is itself; see ``load_library``."""
_C_LIBRARY: Final = re.compile(r"(libc|ld-musl-[^.]*)\.")
_PACKAGE: Final = re.compile(r"(?:.*/)?(?:node_modules|site-packages)/(?:@[^/]*/)?[^/]*/")
_MOST_CONFIGURATIONS: Final = 100


class Missing(NamedTuple):
    """A program, by its path in the root, and what it needs and the root does not have: a name, or a path for its interpreter."""

    program: str
    needed: str


class Found(NamedTuple):
    """A program and where it is: a path without links."""

    path: str
    program: Program


def _package_of(path: str) -> str:
    """Return the folder of the npm or Python package that a file is of; the path itself outside of such."""
    found = _PACKAGE.match(path)
    return found[0] if found else path


class Libraries:
    """The libraries of a root.

    ``known`` maps paths to what is known of programs there; of others it counts only that they are there. ``read`` returns the
    content of a file, None where there is none. ``library_path`` are the folders of ``LD_LIBRARY_PATH``.
    """

    def __init__(
        self,
        view: Paths,
        known: Mapping[str, Program],
        read: Callable[[str], bytes | None],
        library_path: Sequence[str] = (),
    ) -> None:
        self._view = view
        self._known = known
        self._read = read
        self._library_path = tuple(library_path)
        self._configured: tuple[str, ...] | None = None

    def missing_from(self, start: str) -> list[Missing]:
        """Return what is missing for the program at a path and for all that it loads, in the order in which the loader sees it."""
        path = self._resolve(start)
        program = self._known.get(path)
        if program is None:
            return []
        missing = self._interpreter(path, program)
        loaded = {program.soname, posixpath.basename(path)}
        pending: deque[tuple[Found, tuple[Found, ...]]] = deque([(Found(path, program), ())])
        while pending:
            one, above = pending.popleft()
            for name in one.program.needed:
                if name in loaded or self._is_loader(name, program):
                    continue
                loaded.add(name)
                found = self._find(one, name, above, program)
                if found is None:
                    missing.append(Missing(one.path, name))
                elif (library := self._known.get(self._resolve(found))) is not None:
                    loaded.add(library.soname)
                    pending.append((Found(found, library), (one, *above)))
        return missing

    def missing_of_all(self, architecture: str) -> list[Missing]:
        """Return what is missing for each known program of an architecture.

        A library that is known counts as loaded, wherever it is: programs such as Python load some of their own before others
        that need them. A package that has programs for several C libraries starts the one that fits: the others do not count.
        """
        loaded = {one.soname for one in self._known.values()} | set(map(posixpath.basename, self._known))
        missing: list[Missing] = []
        foreign: dict[str, list[Missing]] = {}
        fitting = set()
        for path, program in sorted(self._known.items()):
            if program.architecture != architecture:
                continue
            found = self._interpreter(path, program)
            for name in program.needed:
                if name in loaded or self._is_loader(name, program):
                    continue
                if self._find(Found(path, program), name, (), program) is None:
                    found.append(Missing(path, name))
            if any("/" in one.needed or _C_LIBRARY.match(one.needed) for one in found):
                foreign.setdefault(_package_of(path), []).extend(found)
            else:
                fitting.add(_package_of(path))
                missing += found
        return sorted(missing + [one for name in foreign if name not in fitting for one in foreign[name]])

    def _interpreter(self, path: str, program: Program) -> list[Missing]:
        if program.interpreter and not self._is_file(program.interpreter):
            return [Missing(path, program.interpreter)]
        return []

    def _is_loader(self, name: str, program: Program) -> bool:
        """Tell whether a needed name stands for the loader itself, which is always loaded."""
        return bool(_GLIBC_LOADER.match(name)) or (self._is_musl(program) and bool(_MUSL_OWN.match(name)))

    def _is_musl(self, program: Program) -> bool:
        """Tell whether musl loads a program; one without an interpreter is loaded by what the root has."""
        if program.interpreter:
            return posixpath.basename(program.interpreter).startswith("ld-musl-")
        return self._musl_loader() is not None

    def _musl_loader(self) -> str | None:
        return next((one for one in self._view.names("lib") if one.startswith("ld-musl-")), None)

    def _find(self, by: Found, name: str, above: Sequence[Found], start: Program) -> str | None:
        """Return the path of a library as the loader finds it; ``above`` are the programs that loaded ``by``, the nearest first."""
        if "/" in name:
            return name.lstrip("/") if name.startswith("/") and self._is_file(name) else None
        wanted = by.program.architecture
        for folder in self._folders(by, above, start):
            path = f"{folder.strip('/')}/{name}"
            if self._is_file(path):
                library = self._known.get(self._resolve(path))
                if library is None or library.architecture == wanted:
                    return path
        return None

    def _folders(self, by: Found, above: Sequence[Found], start: Program) -> Iterator[str]:
        """Yield the folders that are searched, in their order."""
        musl = self._is_musl(start)
        if musl or not by.program.runpath:
            for one in (by, *above):
                if musl or not one.program.runpath:
                    yield from self._expanded(one.program.rpath, one)
        yield from self._library_path
        yield from self._expanded(by.program.runpath, by)
        if musl:
            yield from self._musl_folders()
            return
        architecture = by.program.architecture
        if multiarch := _MULTIARCH.get(architecture):
            yield from (f"/lib/{multiarch}", f"/usr/lib/{multiarch}")
        if architecture not in ("386", "arm"):
            yield from ("/lib64", "/usr/lib64")
        yield from ("/lib", "/usr/lib")
        yield from self._configuration()

    def _musl_folders(self) -> Iterable[str]:
        loader = self._musl_loader() or ""
        machine = loader.removeprefix("ld-musl-").partition(".")[0]
        text = self._read(f"etc/ld-musl-{machine}.path")
        if text is None:
            return ("/lib", "/usr/local/lib", "/usr/lib")
        return [one for one in re.split("[:\n]", text.decode("utf-8", "surrogateescape")) if one]

    def _configuration(self) -> tuple[str, ...]:
        """Return the folders of ld.so.conf(5). The loader knows them by the cache alone, which ldconfig makes."""
        if self._configured is None:
            self._configured = ()
            if self._view.exists(self._resolve("etc/ld.so.cache")):
                self._configured = tuple(self._configured_in("etc/ld.so.conf", set()))
        return self._configured

    def _configured_in(self, path: str, seen: set[str]) -> Iterator[str]:
        if path in seen or len(seen) >= _MOST_CONFIGURATIONS:
            return
        seen.add(path)
        for line in (self._read(path) or b"").decode("utf-8", "surrogateescape").splitlines():
            words = line.partition("#")[0].replace(",", " ").replace(":", " ").split()
            if words[:1] == ["include"]:
                for pattern in words[1:]:
                    folder, _, name = posixpath.join("/etc", pattern).lstrip("/").rpartition("/")
                    for one in fnmatch.filter(self._view.names(self._resolve(folder)), name):
                        yield from self._configured_in(f"{folder}/{one}", seen)
            elif words[:1] != ["hwcap"]:
                yield from (word.partition("=")[0] for word in words)

    def _expanded(self, folders: Iterable[str], of: Found) -> Iterator[str]:
        """Yield folders of a program without the variables of ld.so(8); relative ones are left out."""
        architecture = of.program.architecture
        values = {
            "ORIGIN": [posixpath.dirname(f"/{of.path.lstrip('/')}")],
            "LIB": [f"lib/{_MULTIARCH.get(architecture, '')}", "lib64", "lib"],
            "PLATFORM": [_MULTIARCH.get(architecture, "").partition("-")[0]],
        }
        for folder in folders:
            for libraries in values["LIB"] if "LIB" in folder else [""]:

                def value_of(found: re.Match[str], lib: str = libraries) -> str:
                    name = found[1].strip("{}")
                    return lib if name == "LIB" else values[name][0]

                expanded = _TOKEN.sub(value_of, folder)
                if expanded.startswith("/"):
                    yield expanded

    def _resolve(self, path: str) -> str:
        return self._view.resolve(path.strip("/"))

    def _is_file(self, path: str) -> bool:
        try:
            found = self._view.origin(self._resolve(path))
        except BuildError:  # a loop of links
            return False
        return found is not None and found.entry.type == FILE
