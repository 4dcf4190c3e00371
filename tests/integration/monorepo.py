"""A small monorepo that is edited at random: packages that depend on each other in every way that targets can."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

RULES: Final = """
SayInfo = provider(doc = "What a target says.", fields = ["words", "below", "made"])
_Hidden = provider(doc = "Known to this file alone.", fields = ["call"])

def _said(ctx):
    return "said by " + str(ctx.label)

def _impl(ctx):
    words = [ctx.attr.word] + [word for dep in ctx.attr.deps for word in dep[SayInfo].words]
    if ctx.attr.config:
        words.append(str(ctx.read_yaml(ctx.file.config)["word"]))
    below = depset(words[:1], transitive = [dep[SayInfo].below for dep in ctx.attr.deps if ctx.attr.deep])
    text = " ".join(words + below.to_list() + [str(ctx.platform)])
    file = ctx.actions.write("words", text)
    unused = ctx.actions.write("unused", "nobody reads this")
    infos = [SayInfo(words = words, below = below, made = struct(unused = unused)), DefaultInfo(files = [file])]
    return infos + ([_Hidden(call = _said)] if ctx.attr.hidden else [])

say = rule(
    implementation = _impl,
    attrs = {
        "word": attr.string(mandatory = True),
        "config": attr.label(allow_files = True),
        "deep": attr.bool(default = True),
        "hidden": attr.bool(),
        "on": attr.platform(),
        "deps": attr.label_list(providers = [SayInfo]),
    },
)

def both(name, words, **more):
    say(name = name + "-say", word = words, **more)
    write_file(name = name + "-file", content = words)
"""

_WORDS: Final = ("one", "two", "three", "four", "five")
_NAMES: Final = ("a", "b", "c", "d")
_FOLDERS: Final = ("", "lib", "lib/deep", "app", "app/web", "app/web/src", "tools", "data")
_CONDITIONS: Final = ("debug", "arm")


_FIRST: Final = """load("//tools:say.bzl", "both", "say")
load("//tools:words.bzl", "WORD")

files_layer(name = "a", srcs = glob(["**/*.txt"]), visibility = ["//visibility:public"])
say(name = "b", word = WORD, visibility = ["//visibility:public"])
image(name = "c", layers = [":a"])
"""


class Monorepo:
    """A workspace and its edits."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.chance = random.Random(seed)
        root.mkdir(parents=True)
        (root / "hermes.yaml").write_text("")
        (root / "tools").mkdir()
        (root / "tools/say.bzl").write_text(RULES)
        (root / "tools/words.bzl").write_text('WORD = "one"\n')
        (root / "tools/BUILD").write_text(
            'config_setting(name = "debug", values = {"mode": "debug"})\n'
            'config_setting(name = "arm", platform = "linux/arm64")\n'
        )
        for folder in ("", "lib", "app", "data"):
            for name in ("a.txt", "src/b.txt"):
                self._write(f"{folder}/{name}".lstrip("/"), name)
            self._write(f"{folder}/BUILD".lstrip("/"), _FIRST)

    def edit(self) -> str:
        """Make one edit, and return what it was."""
        edits: list[tuple[int, Callable[[], object]]] = [
            (6, self._edit_source),
            (4, self._add_or_remove_file),
            (8, self._edit_build_file),
            (3, self._add_target),
            (2, self._remove_target),
            (2, self._comment),
            (2, self._new_package),
            (1, self._remove_package),
            (1, self._remove_folder),
            (2, self._edit_rules),
            (1, self._edit_words),
            (1, self._edit_conditions),
            (1, self._break),
            (1, self._edit_settings),
            (2, self._edit_yaml),
            (2, self._link),
            (1, self._link_build_file),
            (1, self._touch),
            (1, self._remove_outputs),
            (1, self._default_visibility),
        ]
        weights, calls = zip(*edits, strict=True)
        call = self.chance.choices(calls, weights)[0]
        call()
        return str(call.__name__).lstrip("_")

    def restore(self, good: Path) -> None:
        """Make all as it is in a copy, as somebody does after an error; what is the same there stays untouched."""
        for path in sorted(self.root.rglob("*"), reverse=True):
            inside = path.relative_to(self.root)
            if inside.parts[0] == "hermes-out" or _kind(path) == _kind(good / inside):
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        for path in sorted(good.rglob("*")):
            target = self.root / path.relative_to(good)
            if not (target.is_symlink() or target.exists()):
                if path.is_symlink():
                    target.symlink_to(path.readlink())
                elif path.is_dir():
                    target.mkdir()
                else:
                    target.write_bytes(path.read_bytes())

    # Where.

    def _packages(self) -> list[str]:
        return sorted(
            str(path.parent.relative_to(self.root)) for path in self.root.rglob("BUILD") if path.is_file()
        )

    def _package(self) -> str:
        found = [one for one in self._packages() if one not in ("tools", "hermes-out")]
        name = self.chance.choice(found) if found else ""
        return "" if name == "." else name

    def _files(self, ending: str) -> list[Path]:
        return sorted(
            path
            for path in self.root.rglob(f"*{ending}")
            if path.is_file() and "hermes-out" not in path.parts
        )

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _write(self, path: str, text: str) -> None:
        target = self._at(path)
        for parent in target.parents:
            if parent.is_symlink() or parent.is_file():
                return
        if target.is_dir():
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_symlink():
            target.unlink()
        target.write_text(text)

    # Targets.

    def _label(self) -> str:
        """Return the label of some target, or of what may be none."""
        package = self._package()
        path = self._at(f"{package}/BUILD")
        text = path.read_text(errors="replace") if path.is_file() else ""
        names = [part.partition('"')[0] for part in text.split('name = "')[1:]]
        name = self.chance.choice(names) if names else "nothing"
        return f"//{package}:{name}"

    def _target(self, name: str) -> str:
        chance, word = self.chance, self.chance.choice(_WORDS)
        visibility = chance.choice(
            ['visibility = ["//visibility:public"]'] * 6 + ["", 'visibility = ["//app:__subpackages__"]']
        )
        more = ", ".join(
            part for part in (visibility, chance.choice(['tags = ["manual"]', "", "", ""])) if part
        )
        more = f", {more}" if more else ""
        deps = ", ".join(f'"{self._label()}"' for _ in range(chance.randrange(3)))
        kinds = (
            f'files_layer(name = "{name}", srcs = glob(["**/*.txt"], allow_empty = True), dest = "/{word}"{more})',
            f'files_layer(name = "{name}", srcs = ["a.txt"], dest = "/{word}"{more})',
            f'filegroup(name = "{name}", srcs = ["{self._label()}"]{more})',
            f'alias(name = "{name}", actual = "{self._label()}"{more})',
            f'write_file(name = "{name}", content = "{word}"{more})',
            f'write_file(name = "{name}", content = WORD{more})',
            f'image(name = "{name}", layers = [{deps}], cmd = ["{word}"]{more})',
            f'say(name = "{name}", word = "{word}", deps = [{deps}]{more})',
            f'say(name = "{name}", word = "{word}", deps = [{deps}], on = "linux/arm64"{more})',
            f'say(name = "{name}", word = "{word}", deps = [{deps}], deep = False{more})',
            f'say(name = "{name}", word = "{word}", hidden = True, deps = [{deps}]{more})',
            f'say(name = "{name}", word = "{word}", config = "words.yaml"{more})',
            f'say(name = "{name}", word = select({{"//tools:{chance.choice(_CONDITIONS)}": "{word}", '
            f'"//conditions:default": "else"}}){more})',
            f'both(name = "{name}", words = "{word}"{more})',
            f'print("in {name}")',
        )
        return chance.choice(kinds)

    def _new_build_file(self, folder: str) -> None:
        lines = ['load("//tools:say.bzl", "both", "say")', 'load("//tools:words.bzl", "WORD")', ""]
        if self.chance.random() < 0.3:
            lines.append('package(default_visibility = ["//visibility:public"])')
        lines += [self._target(name) for name in self.chance.sample(_NAMES, self.chance.randrange(1, 4))]
        self._write(f"{folder}/BUILD", "\n".join([*lines, ""]))

    def _lines(self, package: str) -> list[str]:
        path = self._at(f"{package}/BUILD")
        return path.read_text().splitlines() if path.is_file() else []

    # Edits.

    def _edit_source(self) -> None:
        files = self._files(".txt")
        if files:
            self._write(str(self.chance.choice(files).relative_to(self.root)), str(self.chance.random()))

    def _add_or_remove_file(self) -> None:
        files = self._files(".txt")
        if files and self.chance.random() < 0.4:
            self.chance.choice(files).unlink()
        else:
            folder = self.chance.choice(_FOLDERS)
            name = self.chance.choice(["a.txt", "b.txt", "new/c.txt", "src/d.txt", "other.dat"])
            self._write(f"{folder}/{name}", str(self.chance.random()))

    def _edit_build_file(self) -> None:
        package = self._package()
        lines = self._lines(package)
        places = [number for number, line in enumerate(lines) if 'name = "' in line]
        if places:
            place = self.chance.choice(places)
            name = lines[place].partition('name = "')[2].partition('"')[0]
            lines[place] = self._target(name)
            self._write(f"{package}/BUILD", "\n".join([*lines, ""]))

    def _add_target(self) -> None:
        package = self._package()
        lines = [*self._lines(package), self._target(self.chance.choice(_NAMES))]
        self._write(f"{package}/BUILD", "\n".join([*lines, ""]))

    def _remove_target(self) -> None:
        package = self._package()
        lines = self._lines(package)
        places = [number for number, line in enumerate(lines) if 'name = "' in line]
        if places:
            del lines[self.chance.choice(places)]
            self._write(f"{package}/BUILD", "\n".join([*lines, ""]))

    def _comment(self) -> None:
        package = self._package()
        self._write(f"{package}/BUILD", "\n".join([*self._lines(package), f"# {self.chance.random()}", ""]))

    def _new_package(self) -> None:
        self._new_build_file(self.chance.choice([one for one in _FOLDERS if one != "tools"]))

    def _remove_package(self) -> None:
        path = self._at(f"{self._package()}/BUILD")
        if path.is_file() or path.is_symlink():
            path.unlink()

    def _remove_folder(self) -> None:
        folder = self._at(self.chance.choice(["lib/deep", "app/web", "app/web/src", "lib/src", "data/new"]))
        if folder.is_dir():
            shutil.rmtree(folder)

    def _edit_rules(self) -> None:
        old = self.chance.choice(["said by ", "nobody reads this", "word = words", "# end"])
        text = self._at("tools/say.bzl").read_text()
        self._write(
            "tools/say.bzl", text.replace(old, f"{old} " if old != "word = words" else old) + "# end\n"
        )

    def _edit_words(self) -> None:
        self._write("tools/words.bzl", f'WORD = "{self.chance.choice(_WORDS)}"\n')

    def _edit_conditions(self) -> None:
        mode = self.chance.choice(["debug", "release"])
        self._write(
            "tools/BUILD",
            f'config_setting(name = "debug", values = {{"mode": "{mode}"}})\n'
            f'config_setting(name = "arm", platform = "linux/{self.chance.choice(["arm64", "amd64"])}")\n',
        )

    def _break(self) -> None:
        package = self._package()
        wrong = self.chance.choice(
            [
                "image(",
                'image(name = "x", layer = [])',
                'fail("broken")',
                'say(name = "x", word = 1)',
                "nothing()",
            ]
        )
        self._write(f"{package}/BUILD", "\n".join([*self._lines(package), wrong, ""]))

    def _edit_settings(self) -> None:
        self._write(
            "hermes.yaml",
            self.chance.choice(["", "ignore: [data/new]\n", "ignore: [lib/deep]\n", "jobs: 2\n"]),
        )

    def _edit_yaml(self) -> None:
        self._write(f"{self._package()}/words.yaml", f"word: {self.chance.choice(_WORDS)}\n")

    def _link(self) -> None:
        target = self._at(f"{self._package()}/a.txt")
        if target.is_file() and target.parent.is_dir():
            target.unlink()
            target.symlink_to(self.chance.choice(["src/b.txt", "b.txt", "../a.txt", "/etc/hostname"]))

    def _link_build_file(self) -> None:
        package = self._package()
        path = self._at(f"{package}/BUILD")
        if package and path.is_file() and not path.is_symlink():
            text = path.read_text()
            self._write(f"shared/{package.replace('/', '-')}.build", text)
            path.unlink()
            path.symlink_to(
                "/".join([*[".."] * len(package.split("/")), f"shared/{package.replace('/', '-')}.build"])
            )
        for shared in self._files(".build"):
            if self.chance.random() < 0.5:
                self._write(
                    str(shared.relative_to(self.root)), shared.read_text() + f"# {self.chance.random()}\n"
                )

    def _touch(self) -> None:
        for path in self.chance.choices(
            self._files("BUILD") + self._files(".txt") or [self.root / "hermes.yaml"], k=2
        ):
            path.touch()

    def _remove_outputs(self) -> None:
        shutil.rmtree(self.root / "hermes-out", ignore_errors=True)

    def _default_visibility(self) -> None:
        package = self._package()
        lines = [line for line in self._lines(package) if not line.startswith("package(")]
        wide = self.chance.choice(["//visibility:public", "//visibility:private", "//lib:__subpackages__"])
        lines.insert(2, f'package(default_visibility = ["{wide}"])')
        self._write(f"{package}/BUILD", "\n".join([*lines, ""]))


def _kind(path: Path) -> object:
    """Return what tells two files, links or folders from each other."""
    if path.is_symlink():
        return "link", path.readlink()
    return path.is_dir() or (path.read_bytes() if path.is_file() else None)
