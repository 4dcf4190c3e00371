"""What an action says of an application and its builder; see `hermes.actions.specs.s2i`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hermes.actions.specs import s2i as names
from hermes.actions.specs.dockerfile import Context, FilesContext, ImageContext
from hermes.actions.specs.s2i import S2I
from hermes.actions.specs.spec import Ref
from hermes.dsl.dialect.values import EvalError
from hermes.dsl.dockerfiles import checked_texts, files_at, image_layers
from hermes.dsl.providers import Dependency, Info


class _Given(dict[str, Any]):
    """Arguments, of which each that is asked for must be there."""

    def __missing__(self, name: str) -> Any:
        raise EvalError(f"s2i() needs {name}", "give it all attributes of s2i_image")


def s2i_spec(epoch: int, given: Mapping[str, Any]) -> S2I[Ref]:
    """Return the action of the arguments of ``ctx.actions.s2i``; raises `EvalError`."""
    given = _Given(given)
    images = {
        names.BUILDER: given["builder"],
        names.PREVIOUS: given["incremental"],
        names.RUNTIME: given["runtime_image"],
    }
    if given["incremental"] and given["runtime_image"]:
        raise EvalError(
            "an incremental build cannot have a runtime image", "keep one of them", attribute="incremental"
        )
    return S2I(
        artifacts=tuple(given["runtime_artifacts"]),
        assemble_runtime_user=given["assemble_runtime_user"],
        assemble_user=given["assemble_user"],
        called={name: str(info.fields["manifest"].owner) for name, info in images.items() if info},
        description=given["description"],
        destination=given["destination"].rstrip("/"),
        env=tuple(checked_texts("env", given["env"]).items()),
        epoch=epoch,
        labels=checked_texts("labels", given["labels"]),
        name=given["display_name"],
        network=bool(given["network"]),
        contexts=tuple(_contexts(given, images)),
    )


def _contexts(given: Mapping[str, Any], images: Mapping[str, Info | None]) -> Iterator[Context[Ref]]:
    yield FilesContext(names.SOURCE, files_at(given["srcs"], given["strip_prefix"].strip("/"), "srcs"))
    for name, info in images.items():
        if info is not None:
            yield ImageContext(name, Ref(info.fields["config"].artifact), image_layers(info.fields["layers"]))
    if given["layers"]:
        yield ImageContext(names.LAYERS, None, image_layers(list(given["layers"])))
    scripts = {one.path.rpartition("/")[2]: one for one in given["scripts"]}
    if scripts:
        refs = tuple(Ref(one.artifact, name) for name, one in scripts.items())
        yield FilesContext(names.SCRIPTS, refs)
    for path, target in given["inject"].items():
        assert isinstance(target, Dependency)
        yield FilesContext(f"{names.INJECTED}{path}", files_at(target.files, "", "inject"))
