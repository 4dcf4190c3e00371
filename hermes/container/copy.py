"""What ``hermes ctr copy`` and ``add`` are to copy: plain data that crosses into the namespace."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hermes.container.stack import StackEntry
from hermes.digest import Digest


@dataclass(frozen=True, slots=True)
class Copy:
    """What is to be copied to where.

    ``sources`` are paths or patterns within ``base``, a folder of this machine, or, with ``stack``, within the
    root of those layers and of the upper directory ``changes`` on them, if there is one, or, with ``within``, of
    the container that is copied to. ``files`` are pairs of a file of this machine and the name it is to have. ``dest`` is a
    path in the root, relative to ``workdir``. ``owner`` is as in ``--chown``, ``mode`` replaces that of the files,
    ``ignore`` holds the lines of an ignore file, and ``extract`` unpacks archives.
    """

    dest: str
    sources: tuple[str, ...] = ()
    base: str = "/"
    stack: tuple[StackEntry, ...] = ()
    changes: str = ""
    within: bool = False
    files: tuple[tuple[str, str], ...] = ()
    workdir: str = "/"
    owner: str = ""
    mode: int | None = None
    ignore: tuple[str, ...] = ()
    extract: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Copy:
        fields = dict(document)
        fields["stack"] = tuple(StackEntry(Digest(diff_id), name) for diff_id, name in document["stack"])
        fields["files"] = tuple((path, name) for path, name in document["files"])
        for name in ("sources", "ignore"):
            fields[name] = tuple(document[name])
        return cls(**fields)
