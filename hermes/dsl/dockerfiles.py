"""What an action says of a Dockerfile: the file, its contexts, the images that it may name, and how it is built."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from hermes.actions.specs.dockerfile import Context, FilesContext, ImageContext, ImageLayers
from hermes.actions.specs.spec import Ref
from hermes.dsl.dialect.values import EvalError, described, show
from hermes.dsl.entries import without_prefix
from hermes.dsl.providers import IMAGE_INFO, LAYER_INFO, Dependency, File, Layer


def dockerfile_ref(dockerfile: Any) -> Ref:
    """Return the Dockerfile, at its path in the workspace."""
    if type(dockerfile) is not File:
        raise EvalError(f"dockerfile is a file, not {described(dockerfile)}", attribute="dockerfile")
    package = dockerfile.owner.package
    return Ref(dockerfile.content, f"{package}/{dockerfile.path}" if package else dockerfile.path)


def contexts_of(context: Any, contexts: Any, strip_prefix: str) -> Iterator[Context[Ref]]:
    """Yield the build's own context, whose files are ``context``, and those that have names."""
    yield FilesContext("", files_at(context, strip_prefix.strip("/"), "context"))
    for name, target in (contexts or {}).items():
        if type(target) is not Dependency:
            raise EvalError(f"the context {name} is a target, not {described(target)}", attribute="contexts")
        if image := target.provides(IMAGE_INFO):
            yield ImageContext(
                name, Ref(image.fields["config"].artifact), image_layers(image.fields["layers"])
            )
        elif layers := target.provides(LAYER_INFO):
            listed = [*layers.fields["base"], *layers.fields["layers"]]
            yield ImageContext(name, None, image_layers(listed))
        elif target.files:
            yield FilesContext(name, files_at(target.files, "", "contexts"))
        else:
            raise EvalError(f"{target.label} gives neither an image, layers nor files", attribute="contexts")


def image_layers(layers: list[Layer]) -> tuple[ImageLayers[Ref], ...]:
    """Return the layers of an image or a stack as a context has them."""
    return tuple(
        ImageLayers(Ref(one.artifact, str(one.owner)), None if one.manifest is None else Ref(one.manifest))
        for one in layers
    )


def files_at(files: Any, strip_prefix: str, attribute: str) -> tuple[Ref, ...]:
    """Return files at their paths in their packages, without a prefix; raises `EvalError` where two are in one place."""
    if type(files) not in (list, tuple) or not all(type(one) is File for one in files):
        raise EvalError(f"a context is a list of files, not {described(files)}", attribute=attribute)
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
    return tuple(Ref(one.artifact, path) for path, one in taken.items())


def checked_texts(name: str, value: Any) -> dict[str, str]:
    """Return a dictionary of texts."""
    if not isinstance(value, Mapping) or not all(type(one) is str for row in value.items() for one in row):
        raise EvalError(f"{name} is a dictionary of strings, not {show(value)}", attribute=name)
    for one in value:
        if not one or one != one.strip():
            raise EvalError(f"{name} has the name {show(one)}, which cannot be one", attribute=name)
    return dict(value)
