"""What a test of an image asks for, as plain data.

`Structure` is what a file of container-structure-test says (`hermes.testing.documents` reads those), schema 2.0.0; see
https://github.com/GoogleContainerTools/container-structure-test.
"""

from __future__ import annotations

from typing import Final, NamedTuple

ANY_OWNER: Final = -1


class Variable(NamedTuple):
    """A pair of name and value; with ``is_regex`` a value that is compared is a pattern."""

    key: str
    value: str = ""
    is_regex: bool = False


class CommandTest(NamedTuple):
    """A command, and what its output and status have to be. The texts that are expected are patterns.

    ``setup`` are commands that run before it in the same root, ``teardown`` those after it. ``env`` holds more variables.
    ``$NAME`` in the command and its arguments is a variable unless ``is_literal``.
    """

    name: str
    command: str
    args: tuple[str, ...] = ()
    setup: tuple[tuple[str, ...], ...] = ()
    teardown: tuple[tuple[str, ...], ...] = ()
    env: tuple[Variable, ...] = ()
    exit_code: int = 0
    expected_output: tuple[str, ...] = ()
    excluded_output: tuple[str, ...] = ()
    expected_error: tuple[str, ...] = ()
    excluded_error: tuple[str, ...] = ()
    is_literal: bool = False

    @property
    def title(self) -> str:
        return f"Command Test: {self.name}"


class FileExistenceTest(NamedTuple):
    """A path that has to be in the image, or not. ``permissions`` are as Go writes them, such as ``-rwxr-xr-x``."""

    name: str
    path: str
    should_exist: bool = True
    permissions: str = ""
    uid: int = ANY_OWNER
    gid: int = ANY_OWNER
    executable_by: str = ""

    @property
    def title(self) -> str:
        return f"File Existence Test: {self.name}"


class FileContentTest(NamedTuple):
    """A file, and patterns that its content has to match, or must not match."""

    name: str
    path: str
    expected: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"File Content Test: {self.name}"


class MetadataTest(NamedTuple):
    """What the configuration of the image has to say. ``entrypoint`` and ``cmd`` are None where they do not matter."""

    env: tuple[Variable, ...] = ()
    unbound_env: tuple[Variable, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    unexposed_ports: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    workdir: str = ""
    volumes: tuple[str, ...] = ()
    unmounted_volumes: tuple[str, ...] = ()
    labels: tuple[Variable, ...] = ()
    user: str = ""

    @property
    def title(self) -> str:
        return "Metadata Test"

    @property
    def is_empty(self) -> bool:
        return self == MetadataTest()


class LicenseTest(NamedTuple):
    """Files that must not name a license that is refused; with ``debian`` those of all packages of Debian."""

    debian: bool = False
    files: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return "License Test"


class RunOptions(NamedTuple):
    """How the containers of a file are run. ``env`` are names of variables of the environment, ``binds`` ``HOST:CTR[:ro]``."""

    user: str = ""
    privileged: bool = False
    tty: bool = False
    env: tuple[str, ...] = ()
    env_file: str = ""
    capabilities: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()

    @property
    def is_set(self) -> bool:
        return self != RunOptions()


class Structure(NamedTuple):
    """What one file asks for. ``env`` are variables of all its commands; ``file_env`` those that its ``envFile`` has."""

    env: tuple[Variable, ...] = ()
    commands: tuple[CommandTest, ...] = ()
    existence: tuple[FileExistenceTest, ...] = ()
    content: tuple[FileContentTest, ...] = ()
    metadata: MetadataTest = MetadataTest()
    licenses: tuple[LicenseTest, ...] = ()
    options: RunOptions = RunOptions()

    @property
    def titles(self) -> list[str]:
        """The names of its cases, in the order in which they run."""
        listed = [*self.commands, *self.content, *self.existence, *self.licenses]
        metadata = () if self.metadata.is_empty else (self.metadata,)
        return [one.title for one in (*listed, *metadata)]


class HttpRequest(NamedTuple):
    """A request, and what the answer has to be: its status, patterns of its body, and of headers by their names."""

    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""
    status: int = 200
    expected: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    expected_headers: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        return f"{self.method} {self.path}"


class HttpTest(NamedTuple):
    """A server: it is started, waited for, asked, and stopped.

    It has begun when it listens on ``port``, answers ``ready``, if that is a path, with a status below 400, and passes the
    image's health check, if ``health_check`` asks for that; it has ``start_seconds`` for all this and ``stop_seconds`` for its end. With ``loopback`` it may listen where only its own
    container reaches it.
    """

    port: int
    requests: tuple[HttpRequest, ...] = ()
    ready: str = ""
    start_seconds: int = 30
    stop_seconds: int = 10
    loopback: bool = False
    health_check: bool = False
