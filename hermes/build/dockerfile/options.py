"""What to build of a Dockerfile and how, and where its files are."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hermes.build.secrets import SecretSource
from hermes.build.ssh_agents import AgentSource
from hermes.errors import UsageError
from hermes.registry.settings import AS_CONFIGURED, Access
from hermes.sandbox.process import BUILD_CAPABILITIES

if TYPE_CHECKING:
    from hermes.container.mount_values import Bound
    from hermes.remote.settings import RemoteChoice

NAMES: Final = ("Containerfile", "Dockerfile")
"""What a Dockerfile is called where nobody says, in the order in which they are tried."""

PULL_ALWAYS: Final = "always"
PULL_MISSING: Final = "missing"
PULL_NEVER: Final = "never"
PULLS: Final = (PULL_ALWAYS, PULL_MISSING, PULL_NEVER)
"""When an image is taken from its registry that was named without a transport."""

FORMATS: Final = ("oci", "docker")


@dataclass(frozen=True, slots=True)
class DockerfileOptions:
    """What to build and how.

    ``context`` is a folder, ``-`` for standard input, or the address of an archive or a git repository; see
    `hermes.build.dockerfile.fetched_contexts`.
    ``file`` is relative to where the command runs (default: one of `NAMES` in the context); ``text`` takes its place.
    ``contexts`` maps names to folders, ``oci:DIR``, names of images or labels. ``pull`` says when images are taken
    from their registries; see `PULLS`. ``secrets`` say where secrets come from,
    ``agents`` which SSH agents RUN may use. Instructions of the stages in ``fresh_stages``, by name or number, are executed
    whatever is cached. ``env`` are variables that each stage ends with, ``unset_env`` names of those that it ends without. ``volumes`` are mounted for it, ``hosts`` are pairs of name and address in
    its ``/etc/hosts``, and ``capabilities`` are all that root has in it. Without ``layers`` those of a stage become one,
    with ``squash`` those of its base too. ``destinations`` are what `hermes.naming.outputs` reads. ``compression`` is how
    layers are compressed, as `hermes.layer.compress.codec_of` reads it (default: as is usual for the format). ``seconds`` is
    the time of everything in the image. ``cache_from`` and ``cache_to`` are what `hermes.naming.caches` reads, and ``remote`` says
    who executes actions besides this machine. ``access`` says how registries are spoken to.
    Arguments and contexts in ``shared`` are for several Dockerfiles, of which one need not use all. Raises `UsageError`.
    """

    context: str = "."
    file: str = ""
    text: str | None = None
    tags: Sequence[str] = ()
    target: str = ""
    arguments: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    pull: str = PULL_MISSING
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    use_cache: bool = True
    fresh_stages: Sequence[str] = ()
    shared: frozenset[str] = frozenset()
    env: Mapping[str, str] = field(default_factory=dict)
    unset_env: Sequence[str] = ()
    network: str = "default"
    secrets: Sequence[SecretSource] = ()
    agents: Sequence[AgentSource] = ()
    volumes: Sequence[Bound] = ()
    hosts: Sequence[tuple[str, str]] = ()
    capabilities: Sequence[str] = BUILD_CAPABILITIES
    layers: bool = True
    squash: bool = False
    destinations: Sequence[str] = ()
    ignore_file: str = ""
    format: str = "oci"
    compression: str = ""
    cache_from: Sequence[str] = ()
    cache_to: Sequence[str] = ()
    remote: RemoteChoice | None = None
    access: Access = AS_CONFIGURED
    jobs: int | None = None
    seconds: int | None = None
    runtime: str = ""

    def __post_init__(self) -> None:
        for name, value, known in (("pull", self.pull, PULLS), ("format", self.format, FORMATS)):
            if value not in known:
                raise UsageError(f"{name} cannot be {value!r}", hint=f"it is {', '.join(known)}")


def read_once(options: DockerfileOptions) -> DockerfileOptions:
    """Return the options with the text of a Dockerfile that is a pipe, such as one that a shell makes of ``<(...)``."""
    path = os.path.expanduser(options.file)
    if options.text is not None or not os.path.exists(path) or os.path.isfile(path) or os.path.isdir(path):
        return options
    with open(path, "rb") as file:
        return replace(options, file="", text=file.read().decode("utf-8", "surrogateescape"))


def folder_of(options: DockerfileOptions) -> Path:
    """Return the context's folder; raises `UsageError`."""
    text = options.context
    if not text:
        raise UsageError("the context has an empty name", hint="name a folder, such as .")
    if text.startswith("file://"):
        raise UsageError(
            f"the context {text} is an address of this machine",
            hint="give its path: a folder, or - < ARCHIVE",
        )
    if "://" in text or text.startswith("git@"):
        raise UsageError(f"the context {text} is not on this machine", hint="fetch it, and name the folder")
    path = Path(text).expanduser().absolute()
    if not path.is_dir():
        problem = "is a file" if path.exists() else "is not there"
        raise UsageError(f"the context {text} {problem}", hint="name the folder that COPY takes files from")
    return Path(os.path.realpath(path))


def dockerfile_of(options: DockerfileOptions, root: Path) -> tuple[str, str]:
    """Return path and text of the Dockerfile for the context ``root``; raises `UsageError`."""
    if options.text is not None:
        return "", options.text
    if options.file:
        path = Path(options.file).expanduser()
        if not path.is_file() and not path.is_absolute() and (root / path).is_file():
            path = root / path
    else:
        found = [root / name for name in NAMES if (root / name).is_file()]
        if not found:
            raise UsageError(
                f"there is no Dockerfile in {options.context}",
                hint="name it with -f, or name another context",
            )
        path = found[0]
    try:
        return str(path), path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        inside = [name for name in NAMES if os.path.isfile(os.path.join(path, name))]
        hint = (
            f"name the file: -f {os.path.join(options.file, inside[0])}"
            if inside
            else "name the Dockerfile with -f"
        )
        raise UsageError(f"{options.file or path}: {error.strerror}", hint=hint) from None
