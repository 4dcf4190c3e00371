"""Values of one compose file over those of another, and what a service takes over from the one that it extends.

See the Compose Specification, "Merge" and "Extend".
"""

from __future__ import annotations

from typing import Any, Final

from hermes.compose.documents import Mapping, Override, Reset

_REPLACED: Final = frozenset({"command", "entrypoint", "test"})
"""Lists that are commands: the last one counts whole."""


def merged(below: Mapping, above: Mapping) -> Mapping:
    """Return both mappings as one, in which ``above`` counts where both say something."""
    found = Mapping(dict(below.values), dict(below.places), above.place)
    for key, value in above.items():
        before = below.get(key)
        if isinstance(value, Reset):
            found.values.pop(key, None)
        elif isinstance(value, Override):
            found.set(key, value.value, above.place_of(key))
        elif isinstance(before, Mapping) and isinstance(value, Mapping):
            found.set(key, merged(before, value), below.place_of(key))
        elif isinstance(before, list) and isinstance(value, list) and key not in _REPLACED:
            found.set(key, _joined(before, value), above.place_of(key))
        elif value is not None or key not in below:
            found.set(key, value, above.place_of(key))
    return found


def settled(mapping: Mapping) -> Mapping:
    """Return a mapping without ``!reset`` and ``!override``, which have nothing before them to act on."""
    found = Mapping(place=mapping.place)
    for key, value in mapping.items():
        inner = value.value if isinstance(value, Override) else value
        if not isinstance(inner, Reset):
            found.set(key, settled(inner) if isinstance(inner, Mapping) else inner, mapping.place_of(key))
    return found


def _joined(before: list[Any], after: list[Any]) -> list[Any]:
    """Return two lists as one, without repeating texts that are there already."""
    return [*before, *(one for one in after if not (isinstance(one, str) and one in before))]
