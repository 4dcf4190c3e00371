"""A large workspace: packages of 20 files that load one rule file, each with a layer, and an image with layers of others.

The same numbers give the same workspace. It is written for Hermes and for Bazel, which makes a tar where Hermes makes
a layer, and concatenates tars where Hermes makes an image.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

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
