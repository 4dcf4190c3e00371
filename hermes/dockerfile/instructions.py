"""The instructions of Dockerfiles, as values. Words are as they are written: nothing is expanded yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hermes.dockerfile.heredocs import Heredoc
from hermes.dockerfile.source import Span
from hermes.dockerfile.words import Pair


@dataclass(frozen=True, slots=True)
class Instruction:
    """What all instructions have: where they stand, and how they are written."""

    span: Span
    original: str


@dataclass(frozen=True, slots=True)
class From(Instruction):
    """A stage begins. ``alias`` is its name as written, or empty."""

    image: str
    alias: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Argument:
    """A variable of an ARG; ``default`` is None where it has no default."""

    name: str
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Arg(Instruction):
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Env(Instruction):
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Label(Instruction):
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A command line: the ``words`` of the exec form, or one text ``for_shell``, the stage's shell."""

    words: tuple[str, ...]
    for_shell: bool


@dataclass(frozen=True, slots=True)
class Run(Instruction):
    """``mounts`` are the texts of ``--mount``; ``network`` and ``security`` are empty where they were not given."""

    command: Command
    heredocs: tuple[Heredoc, ...] = ()
    mounts: tuple[str, ...] = ()
    network: str = ""
    security: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Copy(Instruction):
    """COPY, or ADD if ``adds``. Of a heredoc among the ``sources`` the text is in ``heredocs``, in their order."""

    sources: tuple[str, ...]
    dest: str
    adds: bool = False
    heredocs: tuple[Heredoc, ...] = ()
    origin: str = ""
    owner: str = ""
    mode: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    unpack: bool | None = None
    keep_git_dir: bool | None = None

    @property
    def keyword(self) -> str:
        return "ADD" if self.adds else "COPY"


@dataclass(frozen=True, slots=True)
class Cmd(Instruction):
    command: Command


@dataclass(frozen=True, slots=True)
class Entrypoint(Instruction):
    command: Command


@dataclass(frozen=True, slots=True)
class Shell(Instruction):
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expose(Instruction):
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Volume(Instruction):
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class User(Instruction):
    user: str


@dataclass(frozen=True, slots=True)
class Workdir(Instruction):
    path: str


@dataclass(frozen=True, slots=True)
class StopSignal(Instruction):
    signal: str


@dataclass(frozen=True, slots=True)
class Healthcheck(Instruction):
    """Times are in nanoseconds, 0 where none was given. A ``command`` of None is NONE."""

    command: Command | None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Onbuild(Instruction):
    """``trigger`` is the instruction as text, ``inner`` the same parsed."""

    trigger: str
    inner: Instruction


@dataclass(frozen=True, slots=True)
class Maintainer(Instruction):
    name: str


KEYWORDS: Final = (
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
)
