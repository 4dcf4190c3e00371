"""What an action does, in one line for people."""

from __future__ import annotations

import json
from typing import Final

from hermes.actions.local import DOCKERFILE
from hermes.engine.action import Action

_SHELL: Final = ("-c", "-ec", "-euc", "-ce")
_LONGEST: Final = 300
_WHOLE: Final = ("run", "copy")
"""The kinds that are what an instruction says; others prepare it."""


def about(action: Action, instruction: str = "") -> str:
    """Return the instruction of a Dockerfile that an action is part of, or its kind and what it fetches, pulls or runs."""
    if instruction:
        instruction = instruction[:_LONGEST]
        return instruction if action.kind in _WHOLE else f"{instruction} ({action.kind})"
    said = " ".join(_object(action).split())[:_LONGEST]
    return f"{action.kind} {said}" if said else action.kind


def _object(action: Action) -> str:
    match action.kind:
        case "run" | "host" | "save_artifacts":
            argv: list[str] = json.loads(action.params)["argv"]
            is_script = len(argv) > 2 and argv[-2] in _SHELL
            return argv[-1] if is_script else " ".join(argv)
        case "test":
            params = json.loads(action.params)
            if "command" in params:
                return str(params["command"]["name"])
            files = [one.path for one in action.inputs if one.role == "test"]
            return f"of port {params['http']['port']}" if "http" in params else " ".join(files)
        case "fetch":
            urls: list[str] = json.loads(action.unkeyed)["urls"]
            return urls[0].rstrip("/").rpartition("/")[2] if urls else ""
        case "fetch_wheel":
            wheel = json.loads(action.params)
            return f"{wheel['project']} {wheel['version']}"
        case "pull":
            return str(json.loads(action.unkeyed)["ref"])
        case "git":
            return str(json.loads(action.unkeyed)["url"])
        case kind if kind == DOCKERFILE:
            return next((one.artifact[-1] for one in action.inputs if one.role == DOCKERFILE), "")
    return ""
