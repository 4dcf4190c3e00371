"""A large workspace: packages of 20 files that load one rule file, each with a layer, and an image with layers of others.

The same numbers give the same workspace. It is written for Hermes and for Bazel, which makes a tar where Hermes makes
a layer, and concatenates tars where Hermes makes an image.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tests.bench.peers import Bazel
from tests.bench.timing import HERMES, Command, Measured, Row, median, pair

FILES: Final = 20
_GROUP: Final = 50
_SEED: Final = 12

_HERMES_RULES: Final = """def service(name, deps = []):
    files_layer(name = "layer", srcs = glob(["src/**"]), dest = "/srv/" + name, visibility = ["//visibility:public"])
    image(name = "image", layers = [":layer"] + deps, cmd = ["/srv/" + name + "/run"], env = {"SERVICE": name})
"""
_BAZEL_RULES: Final = """def service(name, deps = []):
    native.genrule(
        name = "layer",
        srcs = native.glob(["src/**"]),
        outs = ["layer.tar"],
        cmd = "tar cf $@ $(SRCS)",
        visibility = ["//visibility:public"],
    )
    native.genrule(name = "image", srcs = [":layer"] + deps, outs = ["image.tar"], cmd = "cat $(SRCS) > $@")
"""


_ANALYZE: Final = """
import sys
from pathlib import Path
from hermes.build.options import BuildOptions
from hermes.build.session import Session, without_collection
from hermes.store import Store
with without_collection():
    session = Session.open(Path(), Store.open(Path(sys.argv[1])), BuildOptions(), print)
    session.analysis.analyze(session.labels(["//..."], ""))
"""


def cases(folder: Path, count: int, rounds: int) -> Iterator[Row]:
    """Edits of a workspace of ``count`` packages; Bazel's server is warm, and Hermes has none."""
    ours, theirs, home = folder / "ours", folder / "theirs", folder / "home"
    write_for_hermes(ours, count)
    env = {"HERMES_HOME": str(home)}
    build = Command([*HERMES, "build", "-q", "//..."], ours, env)
    try:
        bazel = Bazel(folder)
    except LookupError:
        bazel = None
    else:
        write_for_bazel(theirs, count)
    peer = bazel.build(theirs) if bazel else None
    edits = iter(range(1_000_000))

    def edited(edit: Callable[[Path, int], None]) -> tuple[Measured, Measured | None]:
        def before(command: Command) -> Command:
            return Command(command.argv, command.cwd, command.env, lambda: edit(command.cwd, next(edits)))

        return pair(before(build), peer and before(peer), rounds)

    try:
        first, first_peer = pair(build, peer, 1)
        if first_peer:
            yield Row("monorepo: first build", first.wall, first_peer.wall, 0.5)
        analyze = Command([sys.executable, "-c", _ANALYZE, str(home)], ours, {})
        yield Row("monorepo: load and analysis, CPU", median(analyze, 1).cpu, None, 10.0)
        pair(build, peer, 1)
        same = pair(build, peer, rounds)
        yield from _rows("nothing changed", same, cpu=1.0, memory=95, ratio=1.0)
        source = edited(lambda root, edit: edit_source(root, count // 2, edit))
        yield from _rows("one file edited", source, cpu=1.5, memory=200, ratio=1.0)
        one = edited(lambda root, edit: edit_build_file(root, count // 2, edit))
        yield from _rows("one BUILD file edited", one, cpu=2.5, memory=250, ratio=2.0)
        lost = Command(build.argv, ours, env, lambda: shutil.rmtree(home / "index"))
        cold = median(lost, 1)
        rules, _ = edited(edit_rules)
        yield Row("monorepo: .bzl edited, beside from nothing, CPU", rules.cpu, cold.cpu, 1.0)
    finally:
        if bazel:
            bazel.stop(theirs)


def _rows(
    name: str, measured: tuple[Measured, Measured | None], *, cpu: float, memory: float, ratio: float
) -> Iterator[Row]:
    ours, peer = measured
    yield Row(f"monorepo: {name}, CPU", ours.cpu, None, cpu)
    yield Row(f"monorepo: {name}, memory", ours.memory, None, memory, "MB")
    if peer:
        yield Row(f"monorepo: {name}", ours.wall, peer.wall, ratio)


def package_of(number: int) -> str:
    """Return the folder of a package."""
    return f"g{number // _GROUP}/p{number}"


def write_for_hermes(root: Path, count: int) -> None:
    _write(root, count, _HERMES_RULES)
    (root / "hermes.yaml").touch()


def write_for_bazel(root: Path, count: int) -> None:
    _write(root, count, _BAZEL_RULES)
    (root / "WORKSPACE").touch()


def edit_build_file(root: Path, number: int, edit: int) -> None:
    """Give a package another name for what it makes, as one edit of its BUILD file."""
    path = root / package_of(number) / "BUILD"
    before = path.read_text()
    start, _, rest = before.partition('name = "')
    path.write_text(f'{start}name = "edit{edit}"{rest.partition(chr(34))[2]}')


def edit_rules(root: Path, edit: int) -> None:
    """Change what all packages load, without a change of what they declare."""
    path = root / "rules/defs.bzl"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    path.write_text("\n".join([*lines, f"# edit {edit}", ""]))


def edit_source(root: Path, number: int, edit: int) -> None:
    (root / package_of(number) / "src/f1.txt").write_text(f"edit {edit}\n" * 10)


def _write(root: Path, count: int, rules: str) -> None:
    chance = random.Random(_SEED)
    (root / "rules").mkdir(parents=True)
    (root / "rules/BUILD").touch()
    (root / "rules/defs.bzl").write_text(rules)
    for number in range(count):
        package = root / package_of(number)
        (package / "src").mkdir(parents=True)
        below = sorted({chance.randrange(number) for _ in range(chance.randrange(3))}) if number else []
        deps = "".join(f'"//{package_of(one)}:layer", ' for one in below).removesuffix(", ")
        (package / "BUILD").write_text(
            f'load("//rules:defs.bzl", "service")\n\nservice(name = "s{number}", deps = [{deps}])\n'
        )
        for file in range(FILES):
            (package / f"src/f{file}.txt").write_text(f"{number} {file}\n" * 50)
