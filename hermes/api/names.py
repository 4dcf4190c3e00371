"""The names that files for other tools declare, for completion: read at a glance, whatever else is in the files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_STAGE: Final = re.compile(r"^\s*FROM\s.*\sAS\s+(\S+)\s*$", re.IGNORECASE | re.MULTILINE)
_ARG: Final = re.compile(r"^\s*ARG\s+(.*)$", re.IGNORECASE | re.MULTILINE)
_TARGET: Final = re.compile(r'^\s*(?:target|group)\s+"([^"]+)"', re.MULTILINE)
_BOUND: Final = 1 << 20
"""Of a file that is longer no more is read."""


def stages_of(file: str, context: str) -> list[str]:
    """Return the names of the stages of a Dockerfile; ``file`` may be empty."""
    return list(dict.fromkeys(_STAGE.findall(_dockerfile(file, context))))


def arguments_of(file: str, context: str) -> list[str]:
    """Return the names of the ARGs of a Dockerfile; ``file`` may be empty."""
    words = (word for line in _ARG.findall(_dockerfile(file, context)) for word in line.split())
    return list(dict.fromkeys(name for word in words if (name := word.partition("=")[0]).isidentifier()))


def services_of(files: Iterable[str]) -> Iterator[str]:
    """Yield the services of compose files."""
    from hermes.yaml_text import YamlError, parse_yaml

    for file in files:
        try:
            document = parse_yaml(_text(file).encode("utf-8", "surrogateescape"))
        except YamlError:
            continue
        services = document.get("services") if isinstance(document, dict) else None
        yield from map(str, services if isinstance(services, dict) else ())


def targets_of(files: Iterable[str]) -> Iterator[str]:
    """Yield the targets and groups of bake files."""
    for file in files:
        text = _text(file)
        if not file.endswith(".json"):
            yield from _TARGET.findall(text)
            continue
        try:
            document = json.loads(text)
        except ValueError:
            continue
        for kind in ("target", "group"):
            names = document.get(kind) if isinstance(document, dict) else None
            yield from names if isinstance(names, dict) else ()


def _dockerfile(file: str, context: str) -> str:
    if file:
        return _text(file)
    return next(
        (text for name in ("Containerfile", "Dockerfile") if (text := _text(os.path.join(context, name)))), ""
    )


def _text(path: str) -> str:
    try:
        if not Path(path).is_file():
            return ""
        with open(path, "rb") as file:
            return file.read(_BOUND).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
