"""Where the secrets of a build come from: files, variables, or the program that builds.

This is read before every build, also one with nothing to do, and imports nothing heavy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from hermes.errors import SecretError, SecretLeaked, UsageError

if TYPE_CHECKING:
    from hermes.engine.action import ActionGraph

_FORMAT: Final = "write --secret id=NAME,src=FILE or --secret id=NAME,env=VARIABLE"


@dataclass(frozen=True, slots=True)
class SecretSource:
    """A secret called ``id``: the content of ``file``, what ``variable`` holds, or ``value``."""

    id: str
    file: str = ""
    variable: str = ""
    value: bytes | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> SecretSource:
        """Return what ``id=ID,src=FILE`` or ``id=ID,env=VARIABLE`` means; raises `UsageError`.

        As with docker, ``type=env`` makes ``src`` a variable, and ``id=ID`` alone is the variable of that name, else the file.
        """
        from hermes.store.caches import NAME

        found: dict[str, str] = {}
        for part in text.split(","):
            name, equals, value = part.partition("=")
            name = {"source": "src"}.get(name, name)
            if not equals or name not in ("id", "src", "env", "type") or not value:
                raise UsageError("--secret: a part is not id=, src= or env=", hint=_FORMAT)
            if name in found:
                raise UsageError(f"--secret: it has {name}= twice", hint=_FORMAT)
            found[name] = value
        if not NAME.fullmatch(found.get("id", "_")):
            raise UsageError(
                f"--secret: {found['id']!r} cannot be a name", hint="use letters, digits and . _ -"
            )
        kind = found.pop("type", "")
        if kind not in ("", "env", "file"):
            raise UsageError(f"--secret: type cannot be {kind!r}", hint="it is env or file")
        if "id" in found and len(found) == 1:
            is_variable = kind == "env" or (not kind and found["id"] in os.environ)
            found["env" if is_variable else "src"] = found["id"]
        elif kind == "env" and "src" in found:
            found["env"] = found.pop("src")
        if "id" not in found or len(found) != 2:
            raise UsageError("--secret: it takes an id=, and either src= or env=", hint=_FORMAT)
        return cls(found["id"], found.get("src", ""), found.get("env", ""))

    def read(self) -> bytes:
        """Return the value; raises `UsageError` when there is none."""
        if self.value is not None:
            return self.value
        if self.variable:
            text = os.environ.get(self.variable)
            if text is None:
                raise UsageError(
                    f"the secret {self.id!r} is to come from the variable {self.variable}, which is not set",
                    hint="export it, or leave the --secret out: what is cached needs none",
                )
            return os.fsencode(text)
        try:
            with open(os.path.expanduser(self.file), "rb") as file:
                return file.read()
        except OSError as error:
            raise UsageError(
                f"the secret {self.id!r} is to come from the file {self.file}: {error.strerror}",
                hint="correct src=, or leave the --secret out: what is cached needs none",
            ) from None


def read_secrets(sources: Sequence[SecretSource]) -> dict[str, bytes]:
    """Return the values by id; raises `UsageError` when one is missing, empty or given twice."""
    from hermes.container.secrets.encodings import check_value

    found: dict[str, bytes] = {}
    for one in sources:
        if one.id in found:
            raise UsageError(f"the secret {one.id!r} is given twice")
        value = one.read()
        try:
            check_value(one.id, value)
        except SecretError as error:
            raise UsageError(error.message, hint=error.hint) from None
        found[one.id] = value
    return found


def check_actions(graph: ActionGraph, secrets: Mapping[str, bytes]) -> None:
    """Raise `SecretLeaked` when a BUILD file or a value of ``--set`` has brought a secret into an action."""
    import json

    from hermes.container.secrets.leaks import Search

    search = Search(secrets)
    for action in graph.actions.values():
        document = [json.loads(action.params), [one.path for one in action.inputs]]
        if form := search.in_document(document):
            raise SecretLeaked(
                f"{action.owner}: what the target says has {form.part}the secret {form.id!r}",
                hint="a secret is given with --secret alone, never in a BUILD file or with --set",
            )
