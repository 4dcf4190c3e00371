"""YAML that people write, or that tools write and people edit: one loader, whose every error says where it is."""

from __future__ import annotations

from typing import Any


class YamlError(Exception):
    """What is wrong with a text, and where: ``line`` and ``column`` count from 1, and are 0 where nobody knows."""

    def __init__(self, problem: str, line: int = 0, column: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.column = column


def parse_yaml(data: bytes) -> Any:
    """Return the value of a YAML document of plain values; raises `YamlError`."""
    import yaml

    try:
        return yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
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
