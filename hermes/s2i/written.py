"""A build as a Dockerfile: ``--as-dockerfile`` and ``generate``. What it copies is in ``upload`` beside it."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from hermes.dockerfile.origins import BaseImage
from hermes.s2i.facts import IN_IMAGE, NAMESPACE, SCRIPTS_URL, Facts
from hermes.s2i.scripts import ASSEMBLE, RUN, SAVE_ARTIFACTS
from hermes.s2i.users import owner_of

SOURCE: Final = "upload/src"
SCRIPTS: Final = "upload/scripts"
INJECTIONS: Final = "upload/injections"
DEFAULT_USER: Final = "1001"
"""Who runs ``assemble`` where nothing is known of the builder."""
DEFAULT_SCRIPTS: Final = "/usr/libexec/s2i"

_ARCHIVE: Final = "/tmp/artifacts.tar"  # noqa: S108 - a path of the image


@dataclass(frozen=True, slots=True)
class Written:
    """What the Dockerfile says.

    ``scripts`` maps the names of scripts to their paths in the image, and ``copied`` are those that are copied there.
    ``injected`` holds pairs of a folder below `INJECTIONS` and its place, and ``removed`` the files of those. ``previous`` is
    the image whose artifacts are used again. ``assemble_user`` runs ``assemble``, ``user`` is the image's.
    """

    builder: str
    destination: str
    scripts: Mapping[str, str]
    copied: frozenset[str] = frozenset()
    previous: str = ""
    previous_user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: Sequence[tuple[str, str]] = ()
    injected: Sequence[tuple[str, str]] = ()
    removed: Sequence[str] = ()
    assemble_user: str = ""
    owner: str = ""
    user: str = ""

    def text(self) -> str:
        """Return the Dockerfile."""
        return "\n".join([*self._cached(), *self._lines()]) + "\n"

    def _cached(self) -> Iterator[str]:
        """Yield the stage in which the artifacts of the last build are saved."""
        if not self.previous or SAVE_ARTIFACTS not in self.scripts:
            return
        script = self.scripts[SAVE_ARTIFACTS]
        yield f"FROM {self.previous} AS cached"
        if SAVE_ARTIFACTS in self.copied:
            yield self._copy(f"{SCRIPTS}/{SAVE_ARTIFACTS}", script)
        if self.previous_user:
            yield f"USER {self.previous_user}"
        yield f"RUN if [ -s {script} ]; then {script} > {_ARCHIVE}; else touch {_ARCHIVE}; fi"
        yield ""

    def _lines(self) -> Iterator[str]:
        yield f"FROM {self.builder}"
        yield from _pairs("LABEL", self.labels.items())
        yield from environment_lines(self.environment)
        is_incremental = bool(self.previous) and SAVE_ARTIFACTS in self.scripts
        if is_incremental:
            yield self._copy(_ARCHIVE, _ARCHIVE, origin="cached")
        if self.copied:
            yield self._copy(SCRIPTS, f"{self.destination}/scripts")
        yield self._copy(SOURCE, f"{self.destination}/src")
        for folder, place in self.injected:
            yield self._copy(f"{INJECTIONS}/{folder}", place)
        yield from self._user(self.assemble_user)
        if is_incremental:
            folder = f"{self.destination}/artifacts"
            unpack = f"mkdir -p {folder} && tar -xf {_ARCHIVE} -C {folder}"
            yield f"RUN if [ -s {_ARCHIVE} ]; then {unpack}; fi && rm {_ARCHIVE}"
        yield f"RUN {json.dumps([self.scripts[ASSEMBLE]])}"
        if self.removed:
            yield f"RUN {json.dumps(['rm', '-f', *self.removed])}"
        if self.user != self.assemble_user:
            yield f"USER {self.user or '0'}"
        yield f"CMD {json.dumps([self.scripts[RUN]])}"

    def _copy(self, source: str, dest: str, *, origin: str = "") -> str:
        flags = [f"--from={origin}"] if origin else []
        if self.owner:
            flags.append(f"--chown={self.owner}")
        words = json.dumps([source, dest]) if " " in source + dest else f"{source} {dest}"
        return " ".join(["COPY", *flags, words])

    def _user(self, user: str) -> Iterator[str]:
        if user:
            yield f"USER {user}"


def environment_lines(environment: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield an ENV instruction, if there are variables."""
    return _pairs("ENV", dict(environment).items())


def _pairs(keyword: str, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    rows = [f"{_name(name)}={_quoted(value)}" for name, value in pairs]
    if rows:
        yield f"{keyword} " + " \\\n    ".join(rows)


def _name(name: str) -> str:
    return name if name.replace("_", "").replace(".", "").replace("-", "").isalnum() else _quoted(name)


def _quoted(value: str) -> str:
    """Return a word of an instruction that has no variables; a line cannot end in it."""
    plain = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return '"' + " ".join(plain.splitlines()) + '"'


def usual_builder(name: str) -> BaseImage:
    """Return what stands for a builder of which nothing is known: those of sclorg have these settings."""
    config = {"Labels": {SCRIPTS_URL: f"{IN_IMAGE}{DEFAULT_SCRIPTS}"}, "User": DEFAULT_USER}
    return BaseImage(name, {"config": config}, ())


def generated(builder: Facts, environment: Sequence[tuple[str, str]], assemble_user: str) -> str:
    """Return a Dockerfile for any source in ``upload/src``, with the scripts of a builder."""
    url = builder.scripts_url
    folder = url.removeprefix(IN_IMAGE) if url.startswith(IN_IMAGE) else DEFAULT_SCRIPTS
    user = assemble_user or builder.assemble_user
    return Written(
        builder=builder.name,
        destination=builder.destination,
        scripts={name: posixpath.join(folder, name) for name in (ASSEMBLE, RUN)},
        labels={f"{NAMESPACE}build.image": builder.name},
        environment=environment,
        assemble_user=user,
        owner=owner_of(user),
        user=builder.user,
    ).text()
