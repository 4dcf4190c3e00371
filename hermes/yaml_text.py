"""YAML that people write, or that tools write and people edit: one loader, whose every error says where it is.

Scalars are those of YAML 1.2's core schema, where 1.1 has them, too: a date, ``yes`` and ``12:30`` are texts, where
1.1 has times, truth and numbers of base 60. Sets, pairs and bytes of 1.1 are refused. Merge keys (``<<``) work.
"""

from __future__ import annotations

import re
from typing import Any, Final

_PREFIX: Final = "tag:yaml.org,2002:"
_PLAIN: Final = {
    "bool": r"(?:true|True|TRUE|false|False|FALSE)\Z",
    "float": (
        r"(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
    "int": r"[-+]?(?:0b[0-1_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)\Z",
    "merge": r"<<\Z",
    "null": r"(?:~|null|Null|NULL|)\Z",
}
"""What scalars without quotes are besides texts, as regular expressions."""
_KINDS: Final = ("null", "bool", "int", "str", "seq", "map")


class YamlError(Exception):
    """What is wrong with a text, and where: ``line`` and ``column`` count from 1, and are 0 where nobody knows."""

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.column = column


def parse_yaml(data: bytes, *, fractions: bool = True) -> Any:
    """Return the value of a YAML document of plain values, with no ``fractions`` if so asked; raises `YamlError`."""
    import yaml

    try:
        return yaml.load(data, Loader=_loader(fractions=fractions))  # noqa: S506 - one of safe values
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise YamlError(f"this is not YAML: {error.problem or 'it cannot be parsed'}", *place) from None
    except yaml.YAMLError as error:
        raise YamlError(f"this is not YAML: {error}") from None
    except RecursionError:
        raise YamlError("it is nested too deeply") from None
    except (ValueError, LookupError, AttributeError) as error:
        # PyYAML lets through what goes wrong with values such as 2001-99-99 or `!!bool x`.
        raise YamlError(f"it has a value that is not of its type: {error}") from None


def _loader(*, fractions: bool) -> Any:
    """Return a loader of PyYAML for texts, numbers, truth, null, lists and mappings."""
    import yaml

    safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    kinds = {_PREFIX + kind for kind in (*_KINDS, *(("float",) if fractions else ()))}

    def refused(_: Any, node: Any) -> Any:
        kind = node.tag.removeprefix(_PREFIX)
        shown = node.value if isinstance(node.value, str) else f"!!{kind}"
        problem = f"{shown} is a value of the type {kind}, which is not supported; write a text in quotes"
        raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)

    plain = {_PREFIX + kind: re.compile(pattern) for kind, pattern in _PLAIN.items()}
    resolvers = {
        first: [(tag, plain[tag]) for tag, _ in rows if tag in plain]
        for first, rows in safe.yaml_implicit_resolvers.items()
    }
    constructors = {
        tag: make if tag is None or tag in kinds else refused for tag, make in safe.yaml_constructors.items()
    }
    return type("Loader", (safe,), {"yaml_implicit_resolvers": resolvers, "yaml_constructors": constructors})
