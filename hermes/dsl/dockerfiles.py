"""What an action says of a Dockerfile: the file, its contexts, the images that it may name, and how it is built."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from hermes.dsl.dialect.values import EvalError, show, type_name
from hermes.dsl.entries import without_prefix
from hermes.dsl.providers import IMAGE_INFO, LAYER_INFO, Dependency, File, Info, Layer
from hermes.engine.action import Input


def dockerfile_inputs(dockerfile: Any, context: Any, contexts: Any, strip_prefix: str) -> list[Input]:
    """Return what the action reads.

    ``dockerfile``: the Dockerfile, at its path in the workspace. ``src``: a file of the context, at its path there.
    For a context called NAME ``src NAME`` is the same, ``config NAME`` the configuration of an image, and
    ``root NAME`` its layers, the lowest first, each with ``manifest NAME`` if they are all of an image from elsewhere.
    """
    if type(dockerfile) is not File:
        raise EvalError(f"dockerfile is a file, not {type_name(dockerfile)}", attribute="dockerfile")
    package = dockerfile.owner.package
    path = f"{package}/{dockerfile.path}" if package else dockerfile.path
    found = [Input("dockerfile", path, dockerfile.artifact)]
    found += _files("src", context, strip_prefix.strip("/"), "context")
    for name, target in (contexts or {}).items():
        if type(target) is not Dependency:
            raise EvalError(f"the context {name} is a target, not {type_name(target)}", attribute="contexts")
        if image := target.provides(IMAGE_INFO):
            found += _image(name, image)
        elif layers := target.provides(LAYER_INFO):
            found += _layers(name, [*layers.fields["base"], *layers.fields["layers"]])
        elif target.files:
            found += _files(f"src {name}", target.files, "", "contexts")
        else:
            raise EvalError(f"{target.label} gives neither an image, layers nor files", attribute="contexts")
    return found


def _image(name: str, image: Info) -> Iterator[Input]:
    yield Input(f"config {name}", "", image.fields["config"].artifact)
    yield from _layers(name, image.fields["layers"])


def _layers(name: str, layers: list[Layer]) -> Iterator[Input]:
    for one in layers:
        yield Input(f"root {name}", str(one.owner), one.artifact)
        if one.manifest is not None:
            yield Input(f"manifest {name}", "", one.manifest)


def _files(role: str, files: Any, strip_prefix: str, attribute: str) -> Iterator[Input]:
    if type(files) not in (list, tuple) or not all(type(one) is File for one in files):
        raise EvalError(f"a context is a list of files, not {type_name(files)}", attribute=attribute)
    taken: dict[str, File] = {}
    for one in files:
        path = without_prefix(one, strip_prefix)
        other = taken.setdefault(path, one)
        if other is not one:
            both = f"{other.owner} and {one.owner}"
            raise EvalError(f"two files are at {path} in the context: of {both}", attribute=attribute)
    for path in taken:
        folder = posixpath.dirname(path)
        while folder:
            if folder in taken:
                raise EvalError(
                    f"{folder} is a file in the context, and {path} is below it", attribute=attribute
                )
            folder = posixpath.dirname(folder)
    for path, one in taken.items():
        yield Input(role, path, one.artifact)


def checked_texts(name: str, value: Any) -> dict[str, str]:
    """Return a dictionary of texts."""
    if not isinstance(value, Mapping) or not all(type(one) is str for row in value.items() for one in row):
        raise EvalError(f"{name} is a dictionary of strings, not {show(value)}", attribute=name)
    for one in value:
        if not one or one != one.strip():
            raise EvalError(f"{name} has the name {show(one)}, which cannot be one", attribute=name)
    return dict(value)
