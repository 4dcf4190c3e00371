"""``image_labels``: the labels of an image, some of which a command has written into its root."""

from __future__ import annotations

from typing import Any, Final

from hermes.actions.roots import Root
from hermes.actions.specs.image_labels import ImageLabels
from hermes.actions.specs.spec import of_request
from hermes.actions.tools import Tools, stored
from hermes.digest import canonical_json, parse_json
from hermes.engine.action import FILE, Outputs
from hermes.engine.executor import Request
from hermes.engine.key import Resolved
from hermes.errors import BuildError

_LARGEST: Final = 10240
"""The most bytes that names and values of labels may have together, as s2i has it."""
_FORM: Final = 'it must be {"labels": [{"NAME": "VALUE"}, ...]}'


def execute(request: Request, tools: Tools) -> Outputs:
    """Raises `BuildError` where the document has another form."""
    spec = of_request(ImageLabels[Resolved], request)
    data = Root(spec.roots, tools).content(spec.path)
    labels = {**spec.labels, **(_labels(data, spec.path) if data is not None else {})}
    size = sum(len(name.encode()) + len(value.encode()) for name, value in labels.items())
    if size > _LARGEST:
        raise BuildError(f"the labels of the image have {size} bytes, and {_LARGEST} are the most")
    return {"labels": stored(tools.store, FILE, canonical_json(labels))}


def _labels(data: bytes, path: str) -> dict[str, str]:
    try:
        document: Any = parse_json(data)
    except ValueError as error:
        raise BuildError(f"{path} is not a JSON document: {error}", hint=_FORM) from None
    rows = document.get("labels") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BuildError(f"{path}: there is no list of labels", hint=_FORM)
    found = {name: value for row in rows for name, value in row.items()}
    for name, value in found.items():
        if not isinstance(value, str) or not name:
            raise BuildError(f"{path}: the label {name!r} is not a string", hint=_FORM)
    return found
