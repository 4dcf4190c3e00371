"""``check_programs``: whether a root has the libraries and interpreters that programs in it need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hermes.actions.roots import Root
from hermes.actions.specs.programs import CheckPrograms
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, stored
from hermes.digest import Digest, canonical_json
from hermes.engine.action import FILE, Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import BuildError
from hermes.image.platform import Platform
from hermes.programs.debian_names import package_of
from hermes.programs.elf import Program, runs_on
from hermes.programs.libraries import Libraries, Missing

_SHOWN: Final = 10


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `BuildError` for a program of another architecture, and with what is missing and how to add it."""
    spec = of_request(CheckPrograms[Resolved], request)
    listed = [tools.document(one.value) for one in spec.programs]
    if spec.start or any(type(one) is dict for document in listed for one in document["programs"].values()):
        _check(spec, listed, Platform.parse(request.action.platform), tools)
    return {"checked": stored(tools.store, FILE, canonical_json({}))}


def _check(
    spec: CheckPrograms[Resolved], listed: list[Mapping[str, Any]], platform: Platform, tools: Tools
) -> None:
    root = Root(spec.roots, tools)
    found = dict(_visible(root, listed))
    known = {path: Program.from_json(one) for path, one in found.items() if type(one) is dict}
    libraries = Libraries(root.paths, known, root.content, _library_path(spec, tools))
    if spec.start:
        path = root.paths.resolve(spec.start)
        _check_start(spec.start, path, found.get(path), known.get(path), platform, root)
        missing = libraries.missing_from(spec.start)
    else:
        missing = libraries.missing_of_all(platform.architecture)
    if left := [one for one in missing if one.needed not in spec.missing]:
        raise _error(left)


def _visible(root: Root, listed: list[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Yield the programs of layers that no layer above hides."""
    for document in listed:
        layer = Digest(document["layer"])
        for path, one in document["programs"].items():
            origin = root.paths.origin(path)
            if origin is not None and root.layers[origin.layer] == layer:
                yield path, one


def _library_path(spec: CheckPrograms[Resolved], tools: Tools) -> tuple[str, ...]:
    text = spec.library_path
    if not text and spec.environment is not None:
        variables = [one.partition("=") for one in tools.document(spec.environment.value).get("Env") or ()]
        text = next((value for name, _, value in variables if name == "LD_LIBRARY_PATH"), "")
    return tuple(one for one in text.replace(";", ":").split(":") if one.startswith("/"))


def _check_start(
    start: str, path: str, found: Any, program: Program | None, platform: Platform, root: Root
) -> None:
    """Raise `BuildError` where the program that an image starts cannot be started on its platform."""
    if program is not None:
        if not runs_on(program, platform.architecture):
            raise BuildError(
                f"{start} is a program for {program.architecture}, and the image is for {platform}",
                hint=f"build the program for {platform.architecture}, or say platform = "
                f'"linux/{program.architecture}"',
            )
        return
    if found is None:
        raise BuildError(f"{start} is not a program: no file of the image's own layers is there")
    if not found.startswith("#!"):
        raise BuildError(f"{start} is {found}", hint=f"give a program for {platform}")
    interpreter = found[2:].split()[0] if found[2:].split() else ""
    if not root.paths.exists(root.paths.resolve(interpreter)):
        raise _error([Missing(path, interpreter or "an interpreter")])


def _error(missing: list[Missing]) -> BuildError:
    rows = [f"  /{one.program.lstrip('/')} needs {one.needed}" for one in missing]
    if len(rows) > _SHOWN:
        rows = [*rows[:_SHOWN], f"  and {len(rows) - _SHOWN} more"]
    packages = sorted({name for one in missing if (name := package_of(one.needed))})
    names = ", ".join(sorted({f'"{one.needed}"' for one in missing if "/" not in one.needed}))
    hints = []
    if packages:
        counted = "the Debian package" if len(packages) == 1 else "the Debian packages"
        hints.append(f"add {counted} {', '.join(packages)} to the base, for instance with apt_layer")
    if names:
        hints.append(f"where the program works without, say missing_libraries = [{names}]")
    hint = "; ".join(hints) or "add what has it to the base"
    return BuildError("the image lacks what its programs need:\n" + "\n".join(rows), hint=hint)
