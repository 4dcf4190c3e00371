"""What an image gives the commands that start in it: variables, user and working directory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from hermes.errors import BuildError
from hermes.sandbox.process import DEFAULT_PATH

_REFERENCE: Final = re.compile(r"\$(?:\$|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")


@dataclass(frozen=True, slots=True)
class Environment:
    """``env`` holds pairs of name and value, in the image's order."""

    env: tuple[tuple[str, str], ...] = ()
    user: str = ""
    workdir: str = ""

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Environment:
        """Take it from the ``config`` of an image's configuration; see image-spec, config.md."""
        pairs = [one.partition("=") for one in config.get("Env") or ()]
        env = tuple((name, value) for name, _, value in pairs)
        return cls(env, config.get("User") or "", config.get("WorkingDir") or "")

    def to_json(self) -> dict[str, Any]:
        return {
            "Env": [f"{name}={value}" for name, value in self.env],
            "User": self.user,
            "WorkingDir": self.workdir,
        }

    def expanded(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return ``given`` with ``$NAME`` and ``${NAME}`` replaced by inherited values, ``$$`` by a dollar.

        Raises `BuildError` for a name that is not inherited.
        """
        inherited = {"PATH": DEFAULT_PATH, **dict(self.env)}

        def value_of(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            if name is None:
                return "$"
            if name not in inherited:
                import difflib

                near = difflib.get_close_matches(name, inherited, 1)
                hint = f"did you mean ${near[0]}?" if near else "write $$ for a dollar sign"
                raise BuildError(f"env refers to ${name}, which no image below sets", hint=hint)
            return inherited[name]

        return {name: _REFERENCE.sub(value_of, value) for name, value in given.items()}

    def with_env(self, given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Return the inherited variables with ``given`` in their place or after them."""
        return tuple({**dict(self.env), **given}.items())
